"""Read the ledgers of the targets of one database, over one connection.

It only looks, as `status` does. The quick question says of nearly all that they are up to date;
each of the others is asked about singly, by the whole procedure, or has exactly what one has that
was asked so: thus both always agree. A target that is locked, dropped meanwhile or refused is
named, and stops nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from psycopg2 import Error as DriverError
from sqlalchemy.exc import DBAPIError

from bridge.database.connect_errors import is_without_database
from bridge.database.connected import connected
from bridge.errors import (
    BridgeError,
    SchemaMissing,
    ServerUnreachable,
    TableLocked,
    TryAgain,
    UsageError,
)
from bridge.files.folder import scan
from bridge.ledger.catalog import facts_of_many
from bridge.ledger.tables import Ledger
from bridge.ledger.target import no_schema
from bridge.operations.quick_query import Files
from bridge.operations.read_only import table_locked
from bridge.operations.status import status_with
from bridge.operations.targets import batch
from bridge.operations.targets.alike import Alike
from bridge.operations.targets.databases import database_of
from bridge.operations.targets.over import LOCK_TIMEOUT, LostError, Over
from bridge.operations.targets.target_status import TargetState, TargetStatus

if TYPE_CHECKING:
    from bridge.config.settings import Settings
    from bridge.database.request import Request
    from bridge.files.plain_file import PlainFile
    from bridge.operations.targets.databases import Places

#: How often a lost connection is made anew before the rest is called unreachable.
_CONNECTIONS = 3

#: What was found of targets, by their places in the whole list.
Found = dict[int, TargetStatus]


@dataclass(frozen=True, slots=True)
class Folder:
    """The files of the folder, read once for all targets."""

    all: Sequence[PlainFile]
    #: The same, for the judgement of quick answers.
    quick: Files

    @classmethod
    def of(cls, settings: Settings) -> Folder:
        """Scan the folder. Raises FilesError."""
        return cls(scan(settings.folder, settings.conventions).files, Files(settings))


class Reading:
    """The reading of the targets of one database."""

    def __init__(
        self,
        request: Request,
        settings: Settings,
        folder: Folder,
        targets: Places,
    ) -> None:
        self._request = request
        #: Those of the database as a whole.
        self._settings = settings
        self._folder = folder
        self._targets = targets
        self._found: Found = {}
        self._alike = Alike()

    def read(self) -> Found:
        """Return the status of each. Raises UsageError where the request's own database fails."""
        try:
            request = database_of(self._request, self._targets)
            for _ in range(_CONNECTIONS):
                if self._left:
                    self._read_left(request)
            problem: BridgeError = TryAgain("The connection to the database was lost again.")
        except ServerUnreachable as error:
            problem = error
        except UsageError as error:
            if next(iter(self._targets.values())).url is None:
                raise
            problem = error
        for place in self._left:
            self._say(place, _state_of(problem), str(problem))
        return self._found

    @property
    def _left(self) -> list[int]:
        return [place for place in self._targets if place not in self._found]

    def _say(
        self, place: int, state: TargetState, message: str = "", at: str | None = None
    ) -> None:
        name = self._targets[place].name
        self._found[place] = TargetStatus(name, state, at, message=message)

    def _settings_of(self, places: Sequence[int]) -> list[Settings]:
        return [self._settings.for_target(self._targets[place]) for place in places]

    def _read_left(self, request: Request) -> None:
        """Read what is left to be read, as far as the connection lasts."""
        left = self._left
        with connected(request, self._settings) as connection:
            over = Over(connection)
            request = replace(request, database=connection, opened=True)
            try:
                for start in range(0, len(left), batch.SIZE):
                    self._read(request, over, left[start : start + batch.SIZE])
            except LostError:
                return

    def _read(self, request: Request, over: Over, places: Sequence[int]) -> None:
        """Read a batch; one by one where something is wrong with one of them."""
        if request.interrupter is not None:
            request.interrupter.check()
        try:
            self._read_quickly(over, places)
        except (DBAPIError, UnicodeDecodeError) as error:
            over.check()
            if len(places) > 1:
                for place in places:
                    self._read(request, over, [place])
                return
            if isinstance(error, DBAPIError) and (locked := table_locked(error)) is not None:
                self._say(places[0], TargetState.LOCKED, str(locked))
        for place in places:
            target = self._targets[place]
            if place not in self._found and (known := self._alike.known(target)) is not None:
                self._found[place] = known
            if place not in self._found:
                self._read_singly(request, over, place)
                self._alike.learn(target, self._found[place])

    def _read_quickly(self, over: Over, places: Sequence[int]) -> None:
        """Find which are missing or up to date; the others stay as they are, not yet found."""
        schemas = batch.schemas_of(over.ask(batch.ask_catalog(self._settings_of(places))))
        here = {place: schemas[number] for number, place in enumerate(places)}
        for place, schema in here.items():
            target = self._targets[place]
            if target.schema is not None and not schema.is_there:
                self._say(place, TargetState.MISSING, str(no_schema(target, target.schema)))
            elif schema.is_empty:
                self._alike.note(target, ("empty", schema.may_create))
        asked = [place for place, schema in here.items() if schema.is_answered]
        if asked and self._folder.quick.stems:
            self._ask_quick_question(over, asked)
        own = [place for place in asked if place not in self._found and here[place].is_bridges_own]
        if own:
            self._ask_how_alike(over, own, here)

    def _ask_quick_question(self, over: Over, places: Sequence[int]) -> None:
        quick = self._folder.quick
        for number, *answer in over.ask(batch.ask_ledgers(self._settings_of(places))):
            last = answer[batch.LAST]
            # Where a squash is applied, the row that came last may be of what it replaces.
            if quick.are_all_of(answer) and last in quick.stems:
                self._say(places[number], TargetState.UP_TO_DATE, at=last)

    def _ask_how_alike(
        self, over: Over, places: Sequence[int], here: Mapping[int, batch.Schema]
    ) -> None:
        ledgers = [Ledger.of(settings) for settings in self._settings_of(places)]
        if ledgers[0].key not in {None, "version"}:
            return
        facts = {(number, which): text for number, which, text in over.ask(facts_of_many(ledgers))}
        for number, rows, pointers in over.ask(batch.ask_rows(ledgers)):
            tables = facts.get((number, "ledger")), facts.get((number, "version_table"))
            if rows is not None and None not in tables:
                place = places[number]
                told = (*tables, rows, pointers, here[place].may_create)
                self._alike.note(self._targets[place], told)

    def _read_singly(self, request: Request, over: Over, place: int) -> None:
        """Ask as `bridge.status` does."""
        target = self._targets[place]
        request = replace(request, target=target)
        [settings] = self._settings_of([place])
        try:
            with over.limited():
                status = status_with(request, settings, self._folder.all, lock_timeout=LOCK_TIMEOUT)
        except BridgeError as error:
            over.check()
            self._say(place, _state_of(error), str(error))
        except DriverError as error:
            over.check()
            self._say(place, TargetState.REFUSED, str(error))
        else:
            self._found[place] = TargetStatus.of(target, status)


def _state_of(error: BridgeError) -> TargetState:
    if isinstance(error, SchemaMissing):
        return TargetState.MISSING
    if isinstance(error, TableLocked):
        return TargetState.LOCKED
    if isinstance(error, TryAgain):
        return TargetState.UNREACHABLE
    return TargetState.MISSING if is_without_database(error) else TargetState.REFUSED
