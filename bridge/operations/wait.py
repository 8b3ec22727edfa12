"""`eai migrate wait`: wait until another process has applied what is pending.

It only looks, again and again, with growing pauses: nothing is written and no lock is taken.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from bridge.database.connected import opened
from bridge.errors import ServerUnreachable, TryAgain
from bridge.files.folder import scan
from bridge.ledger.read import read_state
from bridge.ledger.refused import refused
from bridge.ledger.tables import Ledger
from bridge.operations.lock_status import lock_status
from bridge.operations.read_only import looking
from bridge.operations.status import of_reader, status_of
from bridge.reporting import events
from bridge.reporting.numbers import counted, duration, listed
from bridge.reporting.reporter import NAMED
from bridge.waiting import poll

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.config.settings import Settings
    from bridge.database.request import Request
    from bridge.files.plain_file import PlainFile


def wait_until_applied(request: Request) -> None:
    """Return as soon as nothing is pending in the database of this request.

    Waits as long as the setting wait_for_lock says; a server that does not answer is waited for,
    too. Raises TryAgain when that is over, and at once what a run would refuse.
    """
    settings = request.settings()
    files = scan(settings.folder, settings.conventions).files
    with opened(request, settings) as here:
        waiting = _Waiting(here, settings, files)
        if not poll(waiting.look, wait=settings.wait_for_lock, tell=waiting.tell):
            raise TryAgain(waiting.over())


class _Waiting:
    """One wait, on a database that is named."""

    def __init__(self, request: Request, settings: Settings, files: Sequence[PlainFile]) -> None:
        self._request = request
        self._settings = settings
        self._files = files
        #: What is waited for, as a sentence, and what was told of it.
        self._why = ""
        self._told = ""
        #: What to do once the wait is over.
        self._next = ""

    def look(self) -> bool:
        """Return whether nothing is pending; raises what a run would refuse."""
        at_once = replace(self._settings, wait_for_server=0.0)
        try:
            with looking(self._request, at_once) as connection:
                state = read_state(connection, Ledger.of(at_once), self._files)
                lock = lock_status(connection)
        except TryAgain as error:
            reason = error.reason if isinstance(error, ServerUnreachable) else ""
            self._why, self._next = reason or str(error), "Then type the same command again."
            return False
        found = status_of(self._files, state, at_once)
        if problems := of_reader(found.refusals):
            raise refused(problems)
        held = lock.holder is not None or lock.worker is not None
        who = lock.lines[0].strip() if held else "Nobody is migrating this database now."
        what = counted(len(found.pending), "migration is", "migrations are")
        self._why = f"{what} pending: {listed(found.pending, NAMED)}. {who}"
        self._next = f"To apply them, type: {self._request.command}"
        return not found.pending

    def tell(self, _seconds: float) -> None:
        """Tell what is waited for, where that is not what was told before."""
        if self._why != self._told:
            self._told = self._why
            self._request.reporter.tell(events.Note(f"Waiting: {self._why}"))
        self._request.reporter.tell(events.Working("Waiting for the migrations to be applied"))

    def over(self) -> str:
        """Say that the wait is over."""
        return (
            f"Waited {duration(self._settings.wait_for_lock)} for the migrations to be applied. "
            f"{self._why} Nothing was changed. {self._next}"
        )
