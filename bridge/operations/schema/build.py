"""Make what migrations make, in a scratch database."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stdout
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from bridge.alembic import commands
from bridge.alembic.invocation import Invocation
from bridge.database.quoting import always_quote
from bridge.database.scratch import ASKED_WITH, scratch_database
from bridge.errors import BridgeError, MigrationError, UsageError
from bridge.files.folder import scan
from bridge.ledger.history import counting
from bridge.reporting import events
from bridge.reporting.numbers import counted
from bridge.reporting.reporter import Reporter

if TYPE_CHECKING:
    from bridge.config.settings import Settings
    from bridge.database.database import Database
    from bridge.database.request import Request


@dataclass(frozen=True, slots=True, kw_only=True)
class Scratch:
    """Where migrations run for what they make."""

    #: The URL of a server on which a database may be created; None for what the settings say.
    url: str | None = None
    #: The search_path of its sessions, whose schemas are there before the first migration; none
    #: for the search_path of the server.
    schemas: Sequence[str] = ()


@contextmanager
def empty(settings: Settings, scratch: Scratch) -> Iterator[Database]:
    """Create an empty database for the block, in which the ledger's schema is there."""
    own = [settings.version_table_schema] if settings.version_table_schema else []
    url = scratch.url or settings.scratch_url
    made = scratch_database(
        url,
        source=ASKED_WITH if scratch.url else "The setting scratch_url",
        schemas=[*dict.fromkeys([*own, *scratch.schemas])],
        search_path=", ".join(map(always_quote, scratch.schemas)) or None,
    )
    with ExitStack() as stack:
        try:
            database = stack.enter_context(made)
        except UsageError as error:
            if url is not None:
                raise
            raise UsageError(
                f"{error} That was for a scratch database. Another server for it, on which a "
                f"database may be created, is named with {ASKED_WITH} URL"
            ) from error
        yield database


def run_all(request: Request, database: Database) -> None:
    """Run all files of the folder in a database that is empty; raises what a run raises."""
    settings = request.settings()
    files = counting(scan(settings.folder, settings.conventions).files)
    _run(_on(request, database, len(files)), None)


def run_in_order(request: Request, database: Database, stems: Sequence[str]) -> None:
    """Run these files of the folder, in this order, in a database that is empty."""
    settings = request.settings()
    order = settings.order or settings.conventions.order
    overrides = {**(request.overrides or {}), "out_of_order": "run", "order": str(order)}
    here = _on(replace(request, overrides=overrides), database, len(stems))
    known: set[str] = set()
    for step in ascending(stems, key=order.place):
        known.update(step)
        _run(here, known)


def ascending(stems: Sequence[str], key: Callable[[str], Any]) -> Iterator[list[str]]:
    """Cut names into runs: a new one begins where a name sorts before the one that precedes it."""
    step: list[str] = []
    for stem in stems:
        if step and key(stem) < key(step[-1]):
            yield step
            step = []
        step.append(stem)
    if step:
        yield step


def _on(request: Request, database: Database, number: int) -> Request:
    told = _Told(request.reporter, number)
    request.reporter.tell(
        events.Note(f"Running {counted(number, 'migration')} in a scratch database.")
    )
    return replace(request, database=database, embedded=False, reporter=told)


def _run(request: Request, only: Collection[str] | None) -> None:
    try:
        # What a file prints is no part of the result.
        with redirect_stdout(sys.stderr):
            commands.upgrade(Invocation(request=request, only=only), "head")
    except MigrationError as error:
        raise MigrationError(f"{error}\n{_WHERE}") from error.__cause__
    except BridgeError as error:
        error.args = (f"{error}\n{_WHERE}", *error.args[1:])
        raise


_WHERE = (
    "This was in a scratch database, which is dropped again. No other database was touched. If "
    "the files need something that is not in it, name a server that has it: "
    f"{ASKED_WITH}"
)


class _Told(Reporter):
    """Tells how far it is, and what a waiting person must know; nothing else is news."""

    def __init__(self, inner: Reporter, number: int) -> None:
        self._inner = inner
        self._number = number
        self._begun: dict[str, None] = {}

    def tell(self, event: events.Event) -> None:
        """Pass on what is for whoever waits."""
        match event:
            case events.WaitingForServer() | events.WaitingForLock() | events.MigrationBlocked():
                self._inner.tell(event)
            case events.MigrationStarted(migration=stem):
                self._begun[stem] = None
                place = f"{len(self._begun)} of {self._number}"
                self._inner.tell(events.Working(f"{stem} in a scratch database ({place})"))
