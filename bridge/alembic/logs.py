"""The reporter of an Alembic command: bridge's own, or one that writes to a log."""

from __future__ import annotations

from logging.config import fileConfig

from alembic.config import Config

from bridge.alembic.errors import under_command_line
from bridge.alembic.invocation import Invocation
from bridge.reporting.reporter import LogReporter, Reporter


def reporter_for(config: Config) -> Reporter:
    """Return the reporter handed in; under ``alembic`` one that writes to standard error.

    An alembic.ini with sections for logging decides for itself how the command tells, as it does
    with Alembic's own templates; loggers that exist already are left as they are.
    """
    if (invocation := Invocation.in_(config)) is not None:
        return invocation.request.reporter
    if not under_command_line(config):
        return LogReporter()
    if config.config_file_name and config.file_config.has_section("loggers"):
        fileConfig(config.config_file_name, disable_existing_loggers=False)
        return LogReporter()
    from bridge.reporting.console import ConsoleReporter

    return ConsoleReporter(quiet=bool(getattr(config.cmd_opts, "quiet", False)))
