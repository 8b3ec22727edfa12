"""Prove that the files make what Alembic makes: run both in scratch databases, and compare.

Up, and then down again as far as both have a way back, step by step.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bridge.alembic import commands
from bridge.alembic.invocation import Invocation
from bridge.database.connected import connected
from bridge.errors import BridgeError, MigrationError
from bridge.operations.importing.config import write_config
from bridge.operations.importing.rows import Rows, names_of, row_differences
from bridge.operations.importing.source import write_files
from bridge.operations.read_only import looking
from bridge.operations.schema import build
from bridge.operations.schema.compare import server_of
from bridge.operations.schema.difference import unified
from bridge.operations.schema.entries import text_of
from bridge.operations.schema.pg_dump import Server, dump_schema
from bridge.operations.schema.rows import read_sequences, read_tables
from bridge.operations.schema.volatile import Volatile, volatile
from bridge.reporting import events
from bridge.reporting.events import Direction
from bridge.reporting.numbers import counted
from bridge.reporting.reporter import Reporter

if TYPE_CHECKING:
    from bridge.config.settings import Settings
    from bridge.config.sources import ConfigFiles
    from bridge.database.database import Database
    from bridge.database.request import Request
    from bridge.operations.importing.plan import Import, NewFile
    from bridge.operations.schema.build import Scratch

#: The two sides of a difference.
_BY_ALEMBIC, _BY_FILES = "what Alembic makes", "what the plain files make"
_IN_OWN_ORDER = "what Alembic makes in its own order"


@dataclass(frozen=True, slots=True)
class Proof:
    """What the two runs have shown."""

    #: The files that were also taken back.
    reverted: tuple[str, ...] = ()
    #: Why it went no further back; empty where it went to the beginning.
    stopped: str = ""
    #: Columns whose values differ between two runs of Alembic's, and so were not compared.
    not_compared: tuple[str, ...] = ()
    #: Where the two differ, and at which file that was found; none if they are the same.
    differences: tuple[str, ...] = ()
    at: str = ""
    #: What is different where the revisions run in Alembic's own order of the branches.
    by_order: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the documented form; its keys stay as they are."""
        return {
            "same": not self.differences,
            "reverted": list(self.reverted),
            "stopped": self.stopped,
            "not_compared": list(self.not_compared),
            "differences": list(self.differences),
            "at": self.at,
            "by_order": list(self.by_order),
        }


@contextmanager
def trial(wanted: Import, files: ConfigFiles | None) -> Iterator[Path]:
    """Write the files into a folder of their own for the block, and return its configuration."""
    with tempfile.TemporaryDirectory(prefix="bridge_import_") as name:
        folder = Path(name) / "migrations"
        write_files(wanted, folder)
        yield write_config(Path(name), folder, files)


def prove(request: Request, wanted: Import, scratch: Scratch) -> Proof:
    """Run the project with Alembic, and its plain files, and compare what both make.

    The configuration of the request is that of `trial`. Raises MigrationError if one of the two
    fails where the other does not, and UsageError where there is no server for it.
    """
    settings = request.settings()
    with ExitStack() as stack:
        old, again, new = (stack.enter_context(build.empty(settings, scratch)) for _ in range(3))
        databases = _Databases(old, again, new)
        proving = _Proving(
            request, wanted, databases, settings=settings, scratch=scratch, stack=stack
        )
        return proving.run()


@dataclass(frozen=True, slots=True)
class _Databases:
    """One for Alembic's run, one for that run again, and one for the files."""

    old: Database
    again: Database
    new: Database


class _Proving:
    """One proof."""

    def __init__(
        self,
        request: Request,
        wanted: Import,
        databases: _Databases,
        *,
        settings: Settings,
        scratch: Scratch,
        stack: ExitStack,
    ) -> None:
        self._request = replace(request, embedded=False)
        self._wanted = wanted
        self._settings = settings
        self._scratch = scratch
        self._stack = stack
        self._old, self._again, self._new = databases.old, databases.again, databases.new
        self._server: Server = server_of(self._on(self._old), settings)
        self._alembic = self._running(self._old, stack)
        self._ours = (wanted.project.table, settings.ledger_table, settings.version_table)

    def run(self) -> Proof:
        files = self._wanted.files
        count = counted(sum(len(file.place.ids) for file in files), "revision")
        note = f"Running {count} with Alembic, twice, in scratch databases."
        self._request.reporter.tell(events.Note(note))
        for run in (self._alembic, self._running(self._again, self._stack)):
            for file in files:
                self._told(file, "with Alembic")
                _all_of(run, file, Direction.UPGRADE)
        with self._own_paths():
            build.run_all(self._request, self._new)
        one = self._rows(self._old)
        left_out = volatile(one, self._rows(self._again))
        not_compared = names_of(left_out)
        found = self._differing() or [*row_differences(one, self._rows(self._new), left_out)]
        if found:
            return Proof((), "", not_compared, tuple(found), files[-1].stem)
        by_order = self._in_own_order(one, left_out)
        return replace(self._back(not_compared, left_out), by_order=tuple(by_order))

    def _in_own_order(self, one: Rows, left_out: Volatile) -> list[str]:
        """Find what differs if branches run in the order that Alembic chooses for a new database.

        Databases that are there may have run them in either, so that this is none of the files'.
        """
        own = self._wanted.project.own_order()
        if own == tuple(id_ for file in self._wanted.files for id_ in file.place.ids):
            return []
        other = self._stack.enter_context(build.empty(self._settings, self._scratch))
        run = self._running(other, self._stack)
        try:
            with redirect_stdout(sys.stderr):
                for id_ in own:
                    self._working(f"{id_} in Alembic's own order in a scratch database")
                    run(id_, Direction.UPGRADE)
        except MigrationError as error:
            return [str(error)]
        return self._differing(other) or [*row_differences(one, self._rows(other), left_out)]

    def _back(self, not_compared: tuple[str, ...], left_out: Volatile) -> Proof:
        """Take back what can be taken back, and compare at each step."""
        reverted: list[str] = []
        stopped = ""
        for file in reversed(self._wanted.files):
            if not file.plain.has_downgrade:
                stopped = f"{file.stem} has no way back"
                break
            self._told(file, "back")
            try:
                _all_of(self._alembic, file, Direction.DOWNGRADE)
            except MigrationError as error:
                stopped = str(error).removesuffix(" Nothing was written.")
                break
            with self._own_paths(), redirect_stdout(sys.stderr):
                request = replace(self._on(self._new), reporter=Reporter())
                commands.downgrade(Invocation(request=request), "-1")
            reverted.append(file.stem)
            if found := self._differing():
                return Proof(tuple(reverted), stopped, not_compared, tuple(found), file.stem)
        rows = row_differences(self._rows(self._old), self._rows(self._new), left_out)
        at = reverted[-1] if reverted else ""
        return Proof(tuple(reverted), stopped, not_compared, tuple(rows), at)

    def _running(self, database: Database, stack: ExitStack) -> Callable[[str, Direction], None]:
        connection = stack.enter_context(connected(self._on(database), self._settings))
        return stack.enter_context(self._wanted.project.running(connection))

    def _on(self, database: Database) -> Request:
        return replace(self._request, database=database)

    def _differing(self, other: Database | None = None) -> list[str]:
        """Compare what Alembic has made with what the files have, or with another database."""
        texts = []
        for database in (self._old, other or self._new):
            wait = self._settings.wait_for_lock
            entries = dump_schema(database, self._server, without_tables=self._ours, wait=wait)
            texts.append(text_of(entries))
        named = (_BY_ALEMBIC, _BY_FILES if other is None else _IN_OWN_ORDER)
        return unified(*texts, named=named).splitlines()

    def _rows(self, database: Database) -> Rows:
        with looking(self._on(database), self._settings) as connection:
            tables = read_tables(connection, self._ours)
            return Rows(tables, read_sequences(connection, self._ours))

    def _told(self, file: NewFile, how: str) -> None:
        self._working(f"{file.stem} {how} in a scratch database")

    def _working(self, what: str) -> None:
        self._request.reporter.tell(events.Working(what))

    @contextmanager
    def _own_paths(self) -> Iterator[None]:
        """Let an error name the files as they would be written."""
        try:
            yield
        except BridgeError as error:
            text = str(error).replace(self._settings.folder, str(self._wanted.folder))
            error.args = (f"{text}\nNothing was written.", *error.args[1:])
            raise


def _all_of(run: Callable[[str, Direction], None], file: NewFile, direction: Direction) -> None:
    revisions = file.place.revisions
    # What a migration prints is no part of the result.
    with redirect_stdout(sys.stderr):
        for each in revisions if direction is Direction.UPGRADE else reversed(revisions):
            run(each.id, direction)
