"""The options of `migrate` that its sub-commands share, and the run that they make."""

from __future__ import annotations

import logging
import os
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bridge.cli.exit import ending, in_order
from bridge.reporting.screen import Screen

if TYPE_CHECKING:
    from collections.abc import Iterator

    import typer

    from bridge.database.request import Request
    from bridge.reporting.json import JsonReporter
    from bridge.reporting.reporter import Reporter

#: Where the callback of `migrate` leaves the Options for its sub-commands.
META = "bridge.options"


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options typed after `migrate`; its sub-commands find them with `options_of`."""

    #: What to type to migrate: `eai migrate`, or what a team has made of it.
    command: str
    config: Path | None = None
    database_url: str | None = None
    embedded: bool = False
    wait_for_lock: float | None = None
    wait_for_server: float | None = None
    ddl_lock_timeout: float | None = None
    log_format: str | None = None
    verbose: bool = False
    show_parameters: bool = False

    @contextmanager
    def run(self) -> Iterator[Request]:
        """Run a command's work on the database; an error ends it with a sentence and a code."""
        # Here, because they take longer to import than all else that `eai --help` needs.
        from bridge.database.interrupt import interruptible
        from bridge.reporting.json import JsonReporter

        screen, json_reporter = Screen(), JsonReporter(verbose=self.verbose)
        # As it is known before the configuration is, in which there may be an error.
        json_reporter.on = (
            self.log_format or os.environ.get("BRIDGE_LOG_FORMAT", "")
        ).strip() == "json"
        with (
            ending(screen, verbose=self.verbose, json_reporter=json_reporter),
            interruptible() as interrupter,
        ):
            from bridge.config.settings import Settings
            from bridge.database.request import Request

            overrides = self._overrides()
            settings = Settings.load(self.config, overrides=overrides)
            json_reporter.on = settings.log_format == "json"
            json_reporter.show_parameters = settings.show_parameters
            in_order()
            with self._reporting(screen, json_reporter) as reporter:
                yield Request(
                    database=self.database_url,
                    config=self.config,
                    embedded=self.embedded,
                    overrides=overrides,
                    reporter=reporter,
                    interrupter=interrupter,
                    command=self.command,
                )

    def _overrides(self) -> dict[str, object]:
        """Return the settings that were typed; the rest comes from the configuration."""
        return {
            "wait_for_lock": self.wait_for_lock,
            "wait_for_server": self.wait_for_server,
            "ddl_lock_timeout": self.ddl_lock_timeout,
            "log_format": self.log_format,
            "show_parameters": self.show_parameters or None,
        }

    @contextmanager
    def _reporting(self, screen: Screen, json_reporter: JsonReporter) -> Iterator[Reporter]:
        """Return the reporter, and let it show what migrations log."""
        if json_reporter.on:
            with json_reporter.logging_as_events() as handler, _logging_shown(handler):
                yield json_reporter
            return
        from bridge.reporting.console import ConsoleReporter

        reporter = ConsoleReporter(
            verbose=self.verbose, show_parameters=json_reporter.show_parameters, screen=screen
        )
        lines = logging.StreamHandler()
        lines.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
        with _logging_shown(lines):
            try:
                yield reporter
            finally:
                reporter.close()


def options_of(ctx: typer.Context) -> Options:
    """Return what was typed between `migrate` and the name of the sub-command."""
    options = ctx.meta[META]
    assert isinstance(options, Options)  # noqa: S101 - `upgrade` has put it there
    return options


@contextmanager
def _logging_shown(handler: logging.Handler) -> Iterator[None]:
    """Let this handler show what migrations log, unless whoever runs this has set logging up."""
    root = logging.getLogger()
    if root.handlers:
        yield
        return
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    noisy = [logging.getLogger(name) for name in ("alembic", "sqlalchemy")]
    untouched = [logger for logger in noisy if logger.level == logging.NOTSET]
    for logger in untouched:
        logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
        for logger in untouched:
            logger.setLevel(logging.NOTSET)
