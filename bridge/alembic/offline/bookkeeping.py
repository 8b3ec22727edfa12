"""Both bookkeeping tables in a script: made, checked against the script's range, and kept.

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
from bridge.database.literals import do_block, literal, quoted
from bridge.database.quoting import quote
from bridge.ledger.drift import row_of
from bridge.ledger.history import Entry, Row
from bridge.ledger.layout import ADDED_COLUMNS, CHECKSUM_COMMENT, VERSION_LENGTH, Layout
from bridge.ledger.state import State, named
from bridge.ledger.tables import Ledger

#: The columns of a ledger that a script fills; how long a migration took it cannot know.
_FILLED = {
    "applied_at": "timestamp with time zone",
    "description": "text",
    "checksum": "character varying(64)",
    "breaking": "boolean",
}


class Books:
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
        if not steps:
            return f"-- bridge {_own_version()}: nothing to do from {start} on.\n\n"
        reached = next(iter(steps[-1].to_revisions_no_deps), "base")
        recorded = "" if isinstance(steps[0], RevisionStep) else ", recorded without running it"
        return _HEADER.format(
            version=_own_version(), start=start, reached=reached, recorded=recorded
        )

    def open(self, heads: Sequence[str], steps: Sequence[MigrationStep]) -> None:
        """See to it that the tables are there, and that the database is where this begins."""
        start = heads[0] if heads else None
        # Constants in this script may hold any character.
        self._send("SET client_encoding = 'UTF8'")
        self.create()
        self._check(start, steps)
        if self._found is not None and self._found.agreement.moves_pointer:
            pointer = self._found.agreement.pointer
            self._ledger.point(self._connection, pointer, confirmed=False)
        elif start is not None:
            # A database of the old runner has rows, and no pointer yet.
            self._send(_POINT.format(pointer=self._pointer, start=quoted(start)))

    def create(self, *_arguments: object, **_options: object) -> None:
        """Create both tables, or give existing ones what they lack; called by Alembic as well."""
        if self._created:
            return
        self._created = True
        self._connection.execute(CreateTable(self._version_table, if_not_exists=True))
        # As `Ledger.ensure` creates it.
        columns = [
            f"{quote(self._ledger.key or 'version')} VARCHAR({VERSION_LENGTH}) PRIMARY KEY",
            "applied_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT CURRENT_TIMESTAMP",
            "description TEXT",
            *(f"{name} {kind}" for name, kind in ADDED_COLUMNS.items()),
        ]
        # What a database lacks that was looked at may have another name: a team's own checksum.
        added_columns = self._found.layout.lacking if self._found else ADDED_COLUMNS
        wanted = {**ADDED_COLUMNS, **added_columns}
        lacking = ", ".join(f"ADD COLUMN IF NOT EXISTS {n} {kind}" for n, kind in wanted.items())
        self._send(
            do_block(
                _ADOPT.format(
                    pointer=self._pointer,
                    pointer_name=quoted(self._pointer),
                    ledger=self._ledger.name,
                    ledger_name=quoted(self._ledger.name),
                    width=VERSION_LENGTH,
                    narrow=VERSION_LENGTH + 3,  # PostgreSQL counts four more than the length
                    lacking=lacking,
                    columns=",\n            ".join(columns),
                    mark=quoted(CHECKSUM_COMMENT),
                    names=", ".join(quoted(name) for name in wanted),
                    count=len(wanted),
                )
            )
        )

    def record_applied(self, row: Row) -> None:
        """Write the row of a migration that this script applies."""
        row = replace(row, key=self._key(row.version))
        self._ledger.record_applied(self._connection, row, self._layout, confirmed=False)

    def record_unapplied(self, stems: Collection[str]) -> None:
        """Remove the rows of migrations."""
        keys = [self._key(stem) for stem in stems]
        self._ledger.record_unapplied(self._connection, keys, self._layout, confirmed=False)

    def forgetting(self, entry: Entry, before: Entry | None) -> tuple[str, ...]:
        """What records that this migration is taken back, and `before` it is then the last one."""
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
        stems = {entry.stem for entry in wanted}
        others = [file.stem for file in self._run.script.files if file.stem not in stems]
        if others:
            self.record_unapplied(others)
        for entry in wanted:
            row = row_of(entry.file) if entry.file else Row(version=entry.stem)
            values = (self._key(entry.stem), row.description, row.checksum, row.breaking or None)
            constants = [literal(value) for value in values]
            self._send(
                _RECORD.format(
                    ledger=self._ledger.name,
                    key=self._key_column,
                    values=", ".join(constants),
                    name=constants[0],
                )
            )

    def _key(self, stem: str) -> str:
        return self.state.key(stem)

    @property
    def _key_column(self) -> str:
        return str(quote(self._layout.key or "version"))

    @property
    def _pointer(self) -> str:
        return self._ledger.quoted_version_table.replace("\\:", ":")  # which `text()` wants

    def _send(self, statement: str) -> None:
        self._connection.script.send(statement)

    def _check(self, start: str | None, steps: Sequence[MigrationStep]) -> None:
        """Stop the script where it would run a migration twice, or on the wrong ones."""
        asked = []
        if self._found is None or not self._found.agreement.moves_pointer:
            asked.append(
                (_ASKS_OTHER.format(pointer=self._pointer, start=quoted(start or "")), _OTHER)
            )
        absent, present = self._expected(start, steps)
        for stems, question, problem in (
            (absent, _ASKS_TWICE, _TWICE),
            (present, _ASKS_MISSING, _MISSING),
        ):
            if stems:
                names = ", ".join(quoted(self._key(stem)) for stem in stems)
                ledger, key = self._ledger.name, self._key_column
                asked.append((question.format(ledger=ledger, key=key, names=names), problem))
        checks = "".join(
            _CHECK.format(
                question=question,
                begins=quoted(_BEGINS.format(start or "base")),
                problem=quoted(problem),
                mend=quoted(_MEND),
            )
            for question, problem in asked
        )
        self._send(do_block(f"DECLARE\n    found text;\nBEGIN\n{checks}END"))

    def _expected(
        self, start: str | None, steps: Sequence[MigrationStep]
    ) -> tuple[list[str], list[str]]:
        """The migrations that must not be recorded yet, and those that must."""
        moved = [step for step in steps if isinstance(step, RevisionStep)]
        stems = [entry_of(step).stem for step in moved]
        if not moved:
            return [], []  # a stamp is there to mend what is recorded
        if not moved[0].is_upgrade:
            return [], stems
        return stems, [self._run.script.history.by_revision[start].stem] if start else []


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
        key_column=ledger.key or "version",
        form=ledger.form,
    )
    return named(run.script.files, state)


def _filled(layout: Layout, ledger: Ledger) -> Layout:
    """The columns that the script fills, once it has added what is lacking."""
    if not layout.names:
        key = ledger.key or "version"
        return Layout({key: f"character varying({VERSION_LENGTH})", **_FILLED}, told=key)
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

_POINT = """\
INSERT INTO {pointer} (version_num) SELECT {start}
 WHERE NOT EXISTS (SELECT FROM {pointer})"""

# An aggregate without GROUP BY has one row, also over an empty table.
_RECORD = """\
INSERT INTO {ledger} ({key}, description, checksum, breaking, applied_at)
SELECT {values},
       GREATEST(clock_timestamp(), max(applied_at) + interval '1 microsecond')
  FROM {ledger} HAVING bool_or({key}::text = {name}) IS NOT TRUE"""

_ASKS_OTHER = """\
string_agg(version_num, ', ') INTO found FROM {pointer}
     WHERE version_num <> {start}"""
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
            || {problem} || found || {mend};
    END IF;
"""

_BEGINS = "This script begins at {}, which is not where this database is: "
_OTHER = "the version table says "
_TWICE = "applied already: "
_MISSING = "not recorded as applied: "
_MEND = (
    ". Nothing was done. Write it again for this database: eai migrate --sql, "
    "or alembic upgrade FROM:TO --sql"
)

_ADOPT = """\
BEGIN
    IF to_regclass({ledger_name}) IS NULL THEN
        CREATE TABLE {ledger} (
            {columns}
        );
        COMMENT ON COLUMN {ledger}.checksum IS {mark};
    END IF;
    IF EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass({pointer_name})
                AND attname = 'version_num' AND atttypmod BETWEEN 5 AND {narrow}) THEN
        ALTER TABLE {pointer} ALTER COLUMN version_num TYPE VARCHAR({width});
    END IF;
    IF (SELECT count(*) FROM pg_attribute WHERE attrelid = to_regclass({ledger_name})
           AND attname IN ({names}) AND NOT attisdropped) < {count} THEN
        ALTER TABLE {ledger} {lacking};
    END IF;
END"""
