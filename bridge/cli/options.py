"""The options of `migrate` that its sub-commands share, and the run that they make."""

from __future__ import annotations

import logging
import os
import sys
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from bridge.cli.exit import ending, in_order
from bridge.reporting.screen import Screen
from bridge.reporting.wording import AsTyped

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import typer

    from bridge.config.target import Target
    from bridge.database.request import Request
    from bridge.reporting.json import JsonReporter
    from bridge.reporting.reporter import Reporter

#: Characters that make a pattern of the name of a target.
_PATTERN = frozenset("*?[")

#: Where the callback of `migrate` leaves the Options for its sub-commands.
META = "bridge.options"

#: How messages call the group of commands, wherever it is mounted.
GROUP = "eai migrate"


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options typed after `migrate`; its sub-commands find them with `options_of`."""

    #: What is typed for the group: `eai migrate`, or what a team has made of it.
    program: str
    #: What to type to go on after a failure, as messages call it.
    command: str = GROUP
    config: Path | None = None
    #: Whether it is that of the group, which nobody has to type.
    has_own_config: bool = False
    database_url: str | None = None
    embedded: bool = False
    wait_for_lock: float | None = None
    wait_for_server: float | None = None
    ddl_lock_timeout: float | None = None
    log_format: str | None = None
    verbose: bool = False
    show_parameters: bool = False
    section: str | None = None
    #: Names of targets, or patterns of them.
    target: tuple[str, ...] = ()
    #: Whether they are names, whatever characters they have.
    exact: bool = False
    all_targets: bool = False
    #: The file that lists them; `-` is standard input.
    targets_file: str | None = None
    #: What that file has listed, once it was read.
    listed: tuple[Target, ...] | None = None

    @property
    def many(self) -> bool:
        """Whether more than one target may be meant."""
        return self._needs_list or len(self.target) > 1

    @property
    def _needs_list(self) -> bool:
        """Whether only a list of all targets can tell which are meant."""
        patterns = any(not _PATTERN.isdisjoint(each) for each in self.target)
        return self.all_targets or (patterns and not self.exact)

    def with_targets(
        self,
        *,
        target: Sequence[str] | None = None,
        all_targets: bool = False,
        targets: str | None = None,
        section: str | None = None,
    ) -> Options:
        """Return these options with what was typed after the command."""
        return replace(
            self,
            target=(*self.target, *(target or ())),
            all_targets=self.all_targets or all_targets,
            targets_file=targets or self.targets_file,
            section=section or self.section,
        )

    def each(self) -> list[Options]:
        """Return the options for each of the targets that are meant; ends as `run` does."""
        with self.run(many=True) as request:
            names = [target.name for target in self.meant(request)]
        one = replace(self, all_targets=False, exact=True, listed=self._listed)
        return [replace(one, target=(name,)) for name in names]

    def meant(self, request: Request) -> tuple[Target, ...]:
        """Return the targets that are meant, of those that the request's list has.

        Raises UsageError if a name or a pattern means none of them.
        """
        from bridge.database.target_list import chosen, find_target, listed_targets

        settings = request.settings()
        if not (request.targets is not None or settings.has_targets or self._needs_list):
            return tuple(find_target(request, name) for name in dict.fromkeys(self.target))
        targets = listed_targets(request, settings)
        return targets if self.all_targets else chosen(targets, self.target)

    @cached_property
    def _listed(self) -> tuple[Target, ...] | None:
        """The targets in the file that lists them; read once, since it may be a pipe."""
        if self.listed is not None or self.targets_file is None:
            return self.listed
        from bridge.database.target_list import read_targets, read_targets_file

        if self.targets_file == "-":
            return read_targets(sys.stdin, where="standard input")
        return read_targets_file(self.targets_file)

    @contextmanager
    def run(self, *, many: bool = False) -> Iterator[Request]:
        """Run a command's work on the database; an error ends it with a sentence and a code.

        The request is for the one target that was typed; for none if `many` may be meant.
        """
        # Here, because they take longer to import than all else that `eai --help` needs.
        from bridge.database.interrupt import interruptible
        from bridge.reporting.json import JsonReporter

        screen, json_reporter = Screen(), JsonReporter(verbose=self.verbose)
        # As it is known before the configuration is, in which there may be an error.
        json_reporter.on = (
            self.log_format or os.environ.get("BRIDGE_LOG_FORMAT", "")
        ).strip() == "json"
        with (
            ending(
                screen, verbose=self.verbose, json_reporter=json_reporter, as_typed=self.as_typed
            ),
            interruptible() as interrupter,
        ):
            from bridge.config.settings import Settings
            from bridge.database.request import Request

            overrides = self._overrides()
            settings = Settings.load(self.config, section=self.section, overrides=overrides)
            json_reporter.on = settings.log_format == "json"
            json_reporter.show_parameters = settings.show_parameters
            in_order()
            with self._reporting(screen, json_reporter) as reporter:
                yield self._for_target(
                    Request(
                        database=self.database_url,
                        config=self.config,
                        section=self.section,
                        targets=self._listed,
                        embedded=self.embedded,
                        overrides=overrides,
                        reporter=AsTyped(reporter, self.as_typed),
                        interrupter=interrupter,
                        command=self.command,
                    ),
                    many=many,
                )

    def as_typed(self, message: str) -> str:
        """Return the message with the commands in it as this person types them."""
        from bridge.reporting.commands import Typed

        one = self.target[0] if self.target and not self.many else None
        return Typed(
            self.program,
            config=None if self.config is None or self.has_own_config else str(self.config),
            section=self.section,
            embedded=self.embedded,
            targets_file=None if self.targets_file == "-" else self.targets_file,
            target=one,
        )(message)

    def _for_target(self, request: Request, *, many: bool) -> Request:
        if many or not self.target:
            return request
        from bridge.database.target_list import with_target

        return with_target(request, self.target[0])

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
