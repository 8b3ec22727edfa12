"""What is typed between `migrate` and a sub-command, and the run that follows from it."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bridge.command_line import ending, in_order
from bridge.screen import Screen

if TYPE_CHECKING:
    from collections.abc import Iterator

    import typer

    from bridge.migrator import Request

#: Where the callback of `migrate` leaves the Options for its sub-commands.
META = "bridge.options"


@dataclass(frozen=True, kw_only=True)
class Options:
    """What was typed after `migrate`; its sub-commands find it with `options_of`."""

    #: What to type to migrate: `eai migrate`, or what a team has made of it.
    command: str
    config: Path | None = None
    database_url: str | None = None
    embedded: bool = False
    wait_for_lock: float | None = None
    wait_for_server: float | None = None
    verbose: bool = False
    show_parameters: bool = False

    @contextmanager
    def run(self) -> Iterator[Request]:
        """What a command does with the database; its errors end it in words and a code."""
        # Here, because they take longer to import than all else that `eai --help` needs.
        from bridge.signals import interruptible

        screen = Screen()
        with ending(screen, verbose=self.verbose), interruptible() as interrupter:
            from bridge.console import ConsoleReporter
            from bridge.migrator import Request
            from bridge.settings import Settings

            # Left to the settings unless it was asked for.
            overrides = {
                "wait_for_lock": self.wait_for_lock,
                "wait_for_server": self.wait_for_server,
                "show_parameters": self.show_parameters or None,
            }
            settings = Settings.load(self.config, overrides=overrides)
            reporter = ConsoleReporter(
                verbose=self.verbose, show_parameters=settings.show_parameters, screen=screen
            )
            reporter.command = self.command
            in_order()
            with _logging_shown():
                try:
                    yield Request(
                        database=self.database_url,
                        config=self.config,
                        embedded=self.embedded,
                        overrides=overrides,
                        reporter=reporter,
                        interrupter=interrupter,
                    )
                finally:
                    reporter.close()


def options_of(ctx: typer.Context) -> Options:
    """Return what was typed between `migrate` and the name of the sub-command."""
    options = ctx.meta[META]
    assert isinstance(options, Options)  # noqa: S101 - `upgrade` has put it there
    return options


@contextmanager
def _logging_shown() -> Iterator[None]:
    """Show what migrations log, unless whoever runs this has set logging up."""
    root = logging.getLogger()
    if root.handlers:
        yield
        return
    handler, level = logging.StreamHandler(), root.level
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
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
