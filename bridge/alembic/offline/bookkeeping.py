"""Write the bookkeeping of a script: make both tables, check them, keep them.

A script is run by hand, some day, on some database. What `bridge.ledger.reconcile` would have asked
that database is asked here in SQL, before the first migration.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from typing import cast

from alembic.runtime.migration import MigrationStep, RevisionStep
from sqlalchemy import Table
from sqlalchemy.schema import CreateTable

from bridge.alembic.offline.found import Found
from bridge.alembic.offline.session import OfflineConnection
from bridge.alembic.run import CommandRun
from bridge.alembic.script import entry_of
from bridge.alembic.unrecord import Erasure
from bridge.database.literals import do_block, quoted
from bridge.files.replaces import replaced_by
from bridge.ledger import sql
from bridge.ledger.columns import ADDED_COLUMNS
from bridge.ledger.drift import row_of
from bridge.ledger.history import Entry, Row
from bridge.ledger.key_columns import named
from bridge.ledger.layout import KEYS, VERSION_LENGTH, Layout
from bridge.ledger.messages.squashes import recorded_unrun
from bridge.ledger.state import State
from bridge.ledger.tables import Ledger

#: The columns of a ledger that a script fills; how long a migration took it cannot know.
_FILLED = {
    "applied_at": "timestamp with time zone",
    "description": "text",
    "checksum": "character varying(64)",
    "breaking": "boolean",
}


class Bookkeeping:
    """Writes what concerns the ledger and the version table."""

    def __init__(self, run: CommandRun, version_table: Table, found: Found | None) -> None:
        self._run = run
        self._ledger = run.ledger
        self._connection = cast("OfflineConnection", run.connection)
        self._version_table = version_table
        self._found = found
        self._created = False
        self.state = found.state if found else _unseen(run)
        self._layout = _filled(found.layout if found else Layout(), self._ledger)

    def header(self, heads: Sequence[str], steps: Sequence[MigrationStep]) -> str:
        """Comments that say what the script is, and how to run it."""
        start = heads[0] if heads else "base"
        if not (steps or self.unrun):
            return f"-- bridge {_own_version()}: nothing to do from {start} on.\n\n"
        reached = next(iter(steps[-1].to_revisions_no_deps), "base") if steps else start
        runs = steps and isinstance(steps[0], RevisionStep)
        recorded = "" if runs else ", recorded without running it"
        return _HEADER.format(
            version=_own_version(), start=start, reached=reached, recorded=recorded
        )

    def open(self, heads: Sequence[str], steps: Sequence[MigrationStep]) -> None:
        """Make sure that the tables exist, and that the database is where this script begins."""
        start = heads[0] if heads else None
        # Constants in this script may hold any character.
        self._send("SET client_encoding = 'UTF8'")
        self._connection.script.set_search_path()
        self.create()
        self._check(start, steps)
        if self.state.imported is not None:
            for row in self.state.imported.rows:
                self.record_applied(row)
            self._send(*sql.replace_pointers(self._ledger, start))
        elif self._found is not None and self._found.agreement.moves_pointer:
            self._send(*sql.replace_pointers(self._ledger, self._found.agreement.pointer))
        elif start is not None:
            # A database of the old runner has rows, and no pointer yet.
            self._send(sql.insert_pointer(self._ledger, start, if_absent=True))
        for entry in self.unrun:
            self.record_unrun(entry)

    @property
    def unrun(self) -> list[Entry]:
        """The squashes that count as applied in the database that was found, and have no row."""
        if self._found is None:
            return []
        return [
            entry
            for entry in self._found.agreement.history.applied
            if entry.row is not None
            and entry.row.unrecorded
            and not self.state.shares_row(entry.stem, entry.replaces)
        ]

    def create(self, *_arguments: object, **_options: object) -> None:
        """Create both tables, or give existing ones what they lack; called by Alembic as well."""
        if self._created:
            return
        self._created = True
        self._connection.execute(CreateTable(self._version_table, if_not_exists=True))
        # What a database lacks that was looked at may have another name: a team's own checksum.
        added_columns = self._found.layout.lacking if self._found else ADDED_COLUMNS
        wanted = {**ADDED_COLUMNS, **added_columns}
        self._send(
            do_block(
                _ADOPT.format(
                    name=quoted(self._ledger.name),
                    create=sql.create_ledger(self._ledger).replace("\n", "\n        "),
                    mark=sql.mark_column(self._ledger, "checksum"),
                    narrow=sql.narrow_column(self._ledger),
                    widen=sql.widen_version_table(self._ledger),
                    add=sql.add_columns(self._ledger, wanted),
                    names=", ".join(quoted(name) for name in wanted),
                    count=len(wanted),
                )
            )
        )

    def record_applied(self, row: Row, names: Sequence[str] = ()) -> None:
        """Write the row of a migration that this script applies, and of `names` it replaces."""
        self._send(*self._replaced(row.version, names))
        self._send(sql.insert_row(self._ledger, self._layout, self._recorded(row)))

    def record_unrun(self, entry: Entry) -> None:
        """Write the row of a squash that is not to run, behind those of what it replaces."""
        assert entry.file is not None  # noqa: S101 - it is the file that replaces them
        if not self.state.shares_row(entry.stem, entry.replaces):
            row = self._recorded(replace(row_of(entry.file), breaking=False))
            after = [self._key(name) for name in entry.replaces]
            insert = sql.insert_row(self._ledger, self._layout, row, after=after)
            self._send(f"-- {recorded_unrun(entry)}\n{insert}")

    def _replaced(self, stem: str, names: Sequence[str]) -> list[str]:
        rows = self.state.replaced_rows(stem, names)
        return sql.insert_replaced(self._ledger, self._layout, rows)

    def record_unapplied(self, stems: Collection[str]) -> None:
        """Remove the rows of migrations."""
        keys = [self._key(stem) for stem in stems]
        self._send(sql.delete_rows(self._ledger, self._layout, keys))

    def forgetting(self, entry: Entry, before: Entry | None) -> tuple[str, ...]:
        """Return the SQL that records a revert of this migration; `before` is then the last."""
        return Erasure(
            ledger=self._ledger,
            layout=self._layout,
            key=self._key(entry.stem),
            old=entry.revision,
            new=before.revision if before is not None else None,
        ).statements

    def hold_only(self, wanted: Sequence[Entry]) -> None:
        """Make the ledger hold these migrations, and none of the folder's others.

        Rows whose file is not in the folder stay: they may be another application's.
        """
        stems = {name for entry in wanted for name in (entry.stem, *entry.replaces)}
        files = self._run.script.files
        known = dict.fromkeys(name for names in replaced_by(files).values() for name in names)
        known |= dict.fromkeys(file.stem for file in files)
        others = [stem for stem in known if stem not in stems]
        if others:
            self.record_unapplied(others)
        for entry in wanted:
            row = row_of(entry.file) if entry.file else Row(version=entry.stem)
            row = self._recorded(row)
            self._send(*self._replaced(entry.stem, entry.replaces))
            self._send(sql.insert_row(self._ledger, self._layout, row, if_absent=True))

    def _recorded(self, row: Row) -> Row:
        """Return the row as the ledger has it."""
        return replace(row, key=self._key(row.version))

    def _key(self, stem: str) -> str:
        return self.state.key(stem)

    def _send(self, *statements: str) -> None:
        for statement in statements:
            self._connection.script.send(statement)

    def _check(self, start: str | None, steps: Sequence[MigrationStep]) -> None:
        """Stop the script where it would run a migration twice, or on the wrong ones."""
        asked = []
        if self._found is None or not self._found.agreement.moves_pointer:
            table, imported = self._ledger.version_name, self.state.imported
            starts = imported.pointers if imported else (start or "",)
            known = ", ".join(map(quoted, starts))
            asked.append((_ASKS_OTHER.format(pointer=table, starts=known), _OTHER))
        absent, present = self._expected(start, steps)
        if self.state.imported is not None:
            present = []  # it is this script that records them
        for stems, question, problem in (
            (absent, _ASKS_TWICE, _TWICE),
            (present, _ASKS_MISSING, _MISSING),
        ):
            if stems:
                names = ", ".join(quoted(self._key(stem)) for stem in stems)
                ledger, key = self._ledger.name, self._layout.key_name
                asked.append((question.format(ledger=ledger, key=key, names=names), problem))
        checks = "".join(
            _CHECK.format(
                question=question,
                begins=quoted(_BEGINS.format(start or "base")),
                problem=quoted(problem),
                remedy=quoted(_REMEDY),
            )
            for question, problem in asked
        )
        self._send(do_block(f"DECLARE\n    found text;\nBEGIN\n{checks}END"))

    def _expected(
        self, start: str | None, steps: Sequence[MigrationStep]
    ) -> tuple[list[str], list[str]]:
        """Return the migrations that must not be recorded yet, and those that must."""
        moved = [step for step in steps if isinstance(step, RevisionStep)]
        stems = [stem for step in moved for stem in self._recorded_by(entry_of(step))]
        if not moved:
            return [], []  # a stamp corrects what is recorded
        if not moved[0].is_upgrade:
            return [], stems
        history = self._run.script.history
        begins = history.by_revision[start] if start else None
        unrecorded = begins is None or (begins.row is not None and begins.row.unrecorded)
        return stems, [] if begins is None or unrecorded else [begins.stem]

    def _recorded_by(self, entry: Entry) -> list[str]:
        """Return what has no row before this step: a squash that runs, and all that it replaces."""
        runs = entry.stem in self._run.script.history.replaced.running
        shared = self.state.shares_row(entry.stem, entry.replaces)
        own = [] if shared and not runs else [entry.stem]
        return [*(entry.replaces if runs else ()), *own]


def _unseen(run: CommandRun) -> State:
    """What is assumed of a database that was not looked at: nothing in it but what settings say."""
    ledger = run.ledger
    state = State(
        ledger=ledger.name,
        version_table=run.settings.version_table,
        exists=False,
        ours=False,
        rows=(),
        certain=True,
        pointers=(),
        key_column=ledger.key or KEYS[0],
        form=ledger.form,
    )
    return named(run.script.files, state)


def _filled(layout: Layout, ledger: Ledger) -> Layout:
    """Return the columns that the script fills, once it has added what is lacking."""
    if not layout.names:
        key = ledger.key or KEYS[0]
        return Layout({key: f"character varying({VERSION_LENGTH})", **_FILLED}, chosen_key=key)
    added = {name: _FILLED.get(name, _FILLED["checksum"]) for name in layout.lacking}
    names = {**added, **layout.names}
    if "execution_ms" not in layout.not_null:
        names.pop("execution_ms", None)
    return replace(layout, names=names)


def _own_version() -> str:
    try:
        return version("eai-bridge")
    except PackageNotFoundError:  # run from a folder, not installed
        return "(unknown version)"


_HEADER = """\
-- Written by bridge {version}: from {start} to {reached}{recorded}.
--
-- Run it with:  psql -v ON_ERROR_STOP=1 -f FILE DATABASE
-- Without ON_ERROR_STOP psql goes on after an error, with migrations that build on the one that
-- failed. A script takes no migration lock: nothing else may migrate this database meanwhile.

"""

_ASKS_OTHER = """\
string_agg(version_num, ', ') INTO found FROM {pointer}
     WHERE version_num NOT IN ({starts})"""
_ASKS_TWICE = """\
string_agg({key}::text, ', ' ORDER BY {key}) INTO found FROM {ledger}
     WHERE {key}::text IN ({names})"""
_ASKS_MISSING = """\
string_agg(wanted.stem, ', ') INTO found FROM unnest(ARRAY[{names}]) AS wanted(stem)
     WHERE NOT EXISTS (SELECT FROM {ledger} WHERE {key}::text = wanted.stem)"""
_CHECK = """\
    SELECT {question};
    IF found IS NOT NULL THEN
        RAISE EXCEPTION '%', {begins}
            || {problem} || found || {remedy};
    END IF;
"""

_BEGINS = "This script begins at {}, which is not where this database is: "
_OTHER = "the version table says "
_TWICE = "applied already: "
_MISSING = "not recorded as applied: "
_REMEDY = (
    ". Nothing was done. Write it again for this database: eai migrate --sql, "
    "or alembic upgrade FROM:TO --sql"
)

_ADOPT = """\
BEGIN
    IF to_regclass({name}) IS NULL THEN
        {create};
        {mark};
    END IF;
    IF EXISTS (SELECT {narrow}) THEN
        {widen};
    END IF;
    IF (SELECT count(*) FROM pg_attribute WHERE attrelid = to_regclass({name})
           AND attname IN ({names}) AND NOT attisdropped) < {count} THEN
        {add};
    END IF;
END"""
