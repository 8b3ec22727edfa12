"""Apply or check the migrations when an application starts, as the operator has set it.

`upgrade` does what it is told; these ask the setting `startup` (BRIDGE_STARTUP) first. They know
of no framework.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from bridge.config.settings import AT_START, Settings
from bridge.database.interrupt import interruptible
from bridge.database.request import Request
from bridge.errors import Interrupted, Pending
from bridge.findings import Severity
from bridge.ledger.refused import refused
from bridge.operations.by_program import by_program, typed_for
from bridge.operations.upgrade import Report, run_upgrade
from bridge.reporting import events
from bridge.reporting.escaping import escaped
from bridge.reporting.numbers import counted, listed
from bridge.reporting.reporter import NAMED, LogReporter, Reporter, log
from bridge.reporting.wording import AsTyped

if TYPE_CHECKING:
    from bridge.config.target import Target
    from bridge.database.handed_in import HandedIn
    from bridge.operations.status import Status


def start(
    database: HandedIn = None,
    *,
    config: str | os.PathLike[str] | None = None,
    section: str | None = None,
    target: str | Target | None = None,
    wait_for_lock: float | None = None,
    wait_for_server: float | None = None,
    embedded: bool = False,
    reporter: Reporter | None = None,
) -> Report:
    """Bring the database up to date, unless the setting `startup` says otherwise.

    `startup = check` writes nothing and raises Pending if a migration is pending; `off` touches
    no database and logs a warning. The arguments are those of `upgrade`, and so are the errors.
    In the main thread, SIGTERM and Ctrl-C cancel the running statement, roll back and raise
    Interrupted, which is a SystemExit.
    """
    settings = settings_at_start(config, wait_for_lock, wait_for_server, section=section)
    own, reporter = reporter is None, reporter or LogReporter()
    if settings.startup == "off":
        return _skip(reporter)
    with _telling(), interruptible() as interrupter:
        request = Request.at_start(
            database,
            config=config,
            section=section,
            embedded=embedded,
            wait_for_lock=wait_for_lock,
            wait_for_server=wait_for_server,
            reporter=reporter,
            interrupter=interrupter,
        )
        with by_program(request, target) as here:
            if settings.startup == "check":
                from bridge.operations.status import status_for

                return _accept(status_for(here), here.reporter)
            report = run_upgrade(here)
    return _told(report) if own else report


async def start_async(
    database: HandedIn = None,
    *,
    config: str | os.PathLike[str] | None = None,
    section: str | None = None,
    target: str | Target | None = None,
    wait_for_lock: float | None = None,
    wait_for_server: float | None = None,
    embedded: bool = False,
    reporter: Reporter | None = None,
) -> Report:
    """As `start`, while the event loop goes on; a cancelled await rolls back."""
    from bridge.operations.aio import status_async, upgrade_async
    from bridge.startup.signals import StoppedBySignals

    settings = settings_at_start(config, wait_for_lock, wait_for_server, section=section)
    own, reporter = reporter is None, reporter or LogReporter()
    where: dict[str, Any] = {
        "config": config,
        "section": section,
        "target": target,
        "embedded": embedded,
    }
    if settings.startup == "off":
        return _skip(reporter)
    with StoppedBySignals():
        if settings.startup == "check":
            wait = settings.wait_for_server
            found = await status_async(database, **where, wait_for_server=wait)
            with typed_for(**where) as as_typed:
                return _accept(found, AsTyped(reporter, as_typed))
        report = await upgrade_async(
            database,
            **where,
            wait_for_lock=wait_for_lock,
            wait_for_server=wait_for_server,
            reporter=reporter,
        )
    return _told(report) if own else report


@contextmanager
def _telling() -> Iterator[None]:
    """Log what an interruption means: a process that ends with SystemExit shows nothing."""
    try:
        yield
    except Interrupted as interrupted:
        log.warning("%s", "\n".join([str(interrupted), *getattr(interrupted, "__notes__", ())]))
        raise


def settings_at_start(
    config: str | os.PathLike[str] | None,
    wait_for_lock: float | None = None,
    wait_for_server: float | None = None,
    *,
    section: str | None = None,
) -> Settings:
    """The settings of a service that starts."""
    waits = {"wait_for_lock": wait_for_lock, "wait_for_server": wait_for_server}
    return Settings.load(config, section=section, overrides=waits, defaults=AT_START)


def _told(report: Report) -> Report:
    """Say in one line what was applied: in the log, else, where none is set up, on standard error.

    Python's last resort shows warnings only, so that nobody would see it.
    """
    if report.applied:
        stems = listed([each.stem for each in report.applied], NAMED)
        sentence = (
            f"Applied {counted(len(report.applied), 'migration')}: {stems}. The database is up to "
            "date."
        )
        log.info("%s", sentence)
        if not log.hasHandlers() and sys.stderr is not None:
            with suppress(OSError, ValueError):
                sys.stderr.write(f"bridge: {escaped(sentence)}\n")
    return report


def _skip(reporter: Reporter) -> Report:
    reporter.tell(
        events.Warned(
            "Migrations were skipped, and the database was not looked at: startup is off "
            "(BRIDGE_STARTUP, or startup in the configuration)."
        )
    )
    return Report(())


def _accept(found: Status, reporter: Reporter) -> Report:
    from bridge.operations.status import of_reader

    findings = of_reader(found.findings)
    for each in findings:
        if each.severity is Severity.WARNING and each.id != "late":
            reporter.tell(events.Warned(str(each), id=each.id))
    problems = [each for each in findings if each.severity is Severity.ERROR]
    if problems:
        raise refused(problems)
    if found.pending:
        raise Pending(pending_sentence(found.pending))
    return Report(())


def pending_sentence(stems: Sequence[str]) -> str:
    """What is pending, why it was not applied, and what to type."""
    what = counted(len(stems), "migration is", "migrations are")
    return (
        f"{what} pending: {listed(stems, NAMED)}. startup is check (BRIDGE_STARTUP, or startup in "
        "the configuration), so this process does not apply them. Nothing was written. To "
        "apply them, type: eai migrate; then start again."
    )
