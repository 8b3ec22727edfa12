"""Find where Alembic's pointer belongs in a database, and set it there.

Alembic knows one revision and takes all before it for applied. So a database can go on without
bridge only where what it has applied is the beginning of the folder.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bridge.alembic.commands import in_place_of
from bridge.alembic.invocation import Invocation
from bridge.errors import LedgerError, TryAgain
from bridge.ledger.definition import widen_version_table
from bridge.ledger.history import counting
from bridge.ledger.preflight import Command, preflight
from bridge.ledger.read import read_state
from bridge.ledger.records import set_pointer
from bridge.ledger.tables import Ledger
from bridge.operations.asked import record_if_agreed
from bridge.operations.read_only import looking

if TYPE_CHECKING:
    from bridge.alembic.run import CommandRun
    from bridge.config.settings import Settings
    from bridge.database.request import Request
    from bridge.files.plain_file import PlainFile
    from bridge.ledger.history import History
    from bridge.ledger.state import State


@dataclass(frozen=True, slots=True)
class Pointer:
    """Where Alembic's pointer is in one database, and where it belongs."""

    #: The database in words.
    database: str
    now: tuple[str, ...]
    #: None for a database in which nothing was applied.
    to: str | None
    #: How many files are left for `alembic upgrade head`.
    pending: int

    @property
    def moves(self) -> bool:
        """Whether it has to be set."""
        return self.now != (() if self.to is None else (self.to,))

    def to_json(self) -> dict[str, Any]:
        """Return the documented form; its keys stay as they are."""
        return {
            "database": self.database,
            "pointer": list(self.now),
            "to": self.to,
            "moves": self.moves,
            "pending": self.pending,
        }


def find_pointer(
    request: Request, settings: Settings, files: Sequence[PlainFile], name: str
) -> Pointer:
    """Find where the pointer belongs in the database of a request; writes nothing.

    `name` is the database in words. Raises LedgerError where Alembic could not say with one
    revision what is applied, and what an upgrade refuses.
    """
    with looking(request, settings) as connection:
        state = read_state(connection, Ledger.of(settings), files)
    return _pointer(files, state, settings, name)


def set_to(request: Request, pointer: Pointer) -> None:
    """Set the pointer under the migration lock, unless something has changed since it was found.

    Raises LedgerError or TryAgain if it has; nothing was changed in this database then.
    """

    def look(run: CommandRun) -> Pointer:
        return _pointer(run.script.files, run.read(), run.settings, pointer.database)

    done = in_place_of(
        Invocation(request=request),
        lambda run: record_if_agreed(
            run,
            lambda _looking: look(run),
            lambda found: found == pointer,
            lambda found: _record(run, found),
            changes=lambda found: found.moves,
        ),
    )
    if done is None:
        raise TryAgain(
            f"{pointer.database}: something was applied here meanwhile. Nothing was changed in "
            "this database. Run the same command again."
        )


def _record(run: CommandRun, pointer: Pointer) -> None:
    widen_version_table(run.connection, run.ledger, longest=len(pointer.to or ""))
    set_pointer(run.connection, run.ledger, pointer.to)


def _pointer(files: Sequence[PlainFile], state: State, settings: Settings, name: str) -> Pointer:
    # What a run of bridge's would not touch, a renamed file say, Alembic would run.
    found = preflight(Command.UPGRADE, files, state, settings, looking=True)
    found.refuse()
    history = found.history
    applied = {entry.stem for entry in history.applied}
    there = counting(files)
    first = [file for file in there if file.stem in applied]
    _refuse_half_squashed(history, name)
    _refuse_late(history, name)
    _refuse_newer(history, name)
    if first and state.pointer_table is None:
        raise LedgerError(
            f"{name}: {state.ledger} records what is applied, and Alembic's table "
            f"{state.version_table} is not there yet. Nothing was written, in no database. Let "
            "bridge make it once: eai migrate"
        )
    return Pointer(
        name,
        # What counts as applied of an imported history may still have Alembic's old ids.
        state.imported.pointers if state.imported else state.pointers,
        first[-1].revision if first else None,
        len(there) - len(first),
    )


def _refuse_half_squashed(history: History, name: str) -> None:
    if squashes := history.replaced.only_recorded:
        raise LedgerError(
            f"{name}: a part of what {', '.join(sorted(squashes))} replaces is applied, and "
            "Alembic would have no file for the rest. Nothing was written, in no database. Run "
            "what is pending first, with this database's URL: eai migrate"
        )


def _refuse_late(history: History, name: str) -> None:
    if late := history.late:
        last = history.furthest
        assert last is not None  # noqa: S101 - else none were late
        names = ", ".join(entry.stem for entry in late)
        raise LedgerError(
            f"{name}: {names} {'is' if len(late) == 1 else 'are'} pending, and {last.stem}, which "
            "comes after, is applied. Alembic takes all before its pointer for applied, so it "
            "would never run. Nothing was written, in no database. Run what is pending first, "
            "with this database's URL: eai migrate"
        )


def _refuse_newer(history: History, name: str) -> None:
    if newer := history.newer:
        names = ", ".join(entry.stem for entry in newer)
        raise LedgerError(
            f"{name}: {names} {'is' if len(newer) == 1 else 'are'} applied, and the folder has no "
            "such file: a newer release has. Alembic would not find that revision. Nothing was "
            "written, in no database. Eject with the code of that release."
        )
