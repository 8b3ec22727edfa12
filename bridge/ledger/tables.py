"""The ledger, `schema_migrations`, and the pointer, `alembic_version`, as SQL.

Having a row in the ledger always means that the migration is applied. This module knows
tables, not files; what rows and pointer mean together is decided in `bridge.ledger.reconcile`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, TextClause, text
from sqlalchemy.exc import DBAPIError

from bridge.database.driver_errors import first_line
from bridge.database.quoting import constant, quote, quote_for_text
from bridge.database.sqlstate import sqlstate
from bridge.errors import LedgerError
from bridge.ledger import record_messages
from bridge.ledger.catalog import CATALOG
from bridge.ledger.drift import NO_FILE
from bridge.ledger.history import Row
from bridge.ledger.keys import Form
from bridge.ledger.layout import (
    ADDED_COLUMNS,
    CHECKSUM_COMMENT,
    KEYS,
    OWN_CHECKSUM,
    VERSION_LENGTH,
    Layout,
)
from bridge.ledger.state import Candidate, Elsewhere, Session, State
from bridge.ledger.table_facts import Column, Table

__all__ = ["VERSION_LENGTH", "Ledger"]

#: The atttypmod of a column one character too narrow, which counts four bytes more.
_NARROW = VERSION_LENGTH + 3

#: What is written of a row, beside its name and the time.
_WRITTEN = ("description", "checksum", "execution_ms", "breaking")
#: What is written where a column takes no NULL, and nothing is known.
_NOTHING: Mapping[str, Any] = {"checksum": "", "execution_ms": 0, "breaking": False}

#: Stands in the comment on a ledger that a person has said to be this project's.
ADOPTED = "bridge: adopted"

#: SQLSTATEs for which an adopted table is used as it is: the role may not alter it, a view
#: uses its column, or a reader holds it longer than every other reader should wait for us.
_LEFT_ALONE = frozenset({"42501", "0A000", "55P03"})


@dataclass(frozen=True, slots=True)
class Ledger:
    """The two bookkeeping tables of one application, by their names."""

    table: str = "schema_migrations"
    version_table: str = "alembic_version"
    schema: str | None = None
    #: The column for the names of migrations, and their form; None to recognise them.
    key: str | None = None
    form: Form | None = None
    #: Whether a person has said that this table is it, and no other is to be looked for.
    is_told: bool = False

    def keyed_by(self, state: State) -> Ledger:
        """The same tables, with the column of names that was recognised."""
        return self if state.key_column is None else replace(self, key=state.key_column)

    def read(self, connection: Connection) -> State:
        """Read everything that both tables say; writes nothing, and needs neither to exist.

        Raises LedgerError if a table of that name cannot be the ledger, or may not be read.
        """
        rows: tuple[Row, ...] = ()
        candidates: dict[str, Candidate] = {}
        pointers: Sequence[str | None] = ()
        with self._explaining("read"):
            catalog = self._catalog(connection)
            table, version_table = Table.of(catalog.ledger), Table.of(catalog.version_table)
            layout = Layout.of(table, self.key if table else None)
            if table is not None and table.other_kind is None:
                layout.check(self.name)
                rows, candidates = self._rows(connection, layout)
            if version_table is not None and version_table.other_kind is None:
                statement = f"SELECT version_num::text FROM {self.quoted_version_table} ORDER BY 1"
                pointers = connection.execute(text(statement)).scalars().all()
        return State(
            ledger=self.name,
            version_table=self.version_name,
            exists=table is not None,
            ours=layout.is_ours,
            rows=rows,
            certain=layout.tells_order_of(rows),
            # A NULL, which nothing of Alembic's writes, points nowhere.
            pointers=tuple(pointer for pointer in pointers if pointer),
            blank_pointer=not all(pointers),
            elsewhere=tuple(Elsewhere(**found) for found in catalog.elsewhere or ()),
            key_column=layout.key if layout.names else self.key or "version",
            numeric=layout.numeric(layout.key),
            key_is_told=self.key is not None,
            form=self.form,
            candidates=candidates,
            columns=layout.described,
            layout=layout,
            schema=self.schema,
            table=table,
            pointer_table=version_table,
            adopted=table is not None and ADOPTED in (table.comment or ""),
            session=Session(
                here=catalog.here,
                role=quote(catalog.acting),
                usual=_usual_schema(catalog),
                may_create=bool(catalog.may_create),
                standby=catalog.standby,
                read_only=catalog.read_only,
                reads_by_default=catalog.reads_by_default,
                encoding=catalog.encoding,
            ),
            complete=bool(
                table is not None
                and version_table is not None
                and _room_in(version_table) >= VERSION_LENGTH
                and not layout.lacking
                and all(pointers)
            ),
        )

    def ensure(self, connection: Connection) -> Layout:
        """Create the ledger, or add to an adopted one what it lacks and this role may add.

        Returns the layout it has now. Raises LedgerError if it cannot be created.
        """
        layout = self.layout(connection)
        if not layout.names:
            described = ", ".join(f"{name} {kind}" for name, kind in ADDED_COLUMNS.items())
            mark = f"COMMENT ON COLUMN {self.quoted}.checksum IS '{CHECKSUM_COMMENT}'"
            with self.creating():
                connection.execute(
                    text(
                        f"CREATE TABLE IF NOT EXISTS {self.quoted} ("
                        f"{quote_for_text(self.key or 'version')} VARCHAR({VERSION_LENGTH}) "
                        "PRIMARY KEY, "
                        "applied_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT CURRENT_TIMESTAMP, "
                        f"description TEXT, {described}); {mark}"
                    )
                )
            return self.layout(connection)
        if layout.lacking and _alter_if_possible(connection, self.addition(layout)):
            return self.layout(connection)
        return layout

    def addition(self, layout: Layout) -> str:
        """What adds to an adopted table the columns that it lacks, for SQLAlchemy's `text()`."""
        added = ", ".join(
            f"ADD COLUMN IF NOT EXISTS {name} {kind}" for name, kind in layout.lacking.items()
        )
        ours = [name for name in ("checksum", OWN_CHECKSUM) if name in layout.lacking]
        marks = [f"COMMENT ON COLUMN {self.quoted}.{n} IS '{CHECKSUM_COMMENT}'" for n in ours]
        return "; ".join([f"ALTER TABLE {self.quoted} {added}", *marks])

    def widen_version_table(self, connection: Connection, *, longest: int) -> None:
        """Make room in an existing version table for ids longer than 32 characters.

        Raises LedgerError if that cannot be done and an id of `longest` characters would not
        fit: it would otherwise fail in the middle of a run.
        """
        name = self.version_name
        width = connection.execute(
            text(
                "SELECT atttypmod - 4 FROM pg_attribute WHERE attrelid = to_regclass(:name) "
                "AND attname = 'version_num' AND atttypmod BETWEEN 5 AND :width"
            ),
            {"name": name, "width": _NARROW},
        ).scalar()
        if width is None:
            return
        change = f"ALTER COLUMN version_num TYPE VARCHAR({VERSION_LENGTH})"
        statement = f"ALTER TABLE {self.quoted_version_table} {change}"
        if not _alter_if_possible(connection, statement) and longest > width:
            raise LedgerError(
                f"{name}.version_num holds {width} characters, too few for the names of "
                f"migrations (the longest has {longest}), and this role may not widen it, a view "
                "uses it, or somebody holds the table. Nothing was run. Type this once as the "
                f"table's owner: ALTER TABLE {name} {change};"
            )

    def point(
        self, connection: Connection, revision: str | None, *, confirmed: bool = True
    ) -> None:
        """Make the version table, which must exist, name this revision, or nothing.

        Raises LedgerError if it does not say so afterwards; a script cannot know, and is not
        `confirmed`.
        """
        name = self.quoted_version_table
        connection.execute(text(f"DELETE FROM {name}"))
        if revision is not None:
            statement = text(f"INSERT INTO {name} (version_num) VALUES (:revision)")
            connection.execute(statement, {"revision": revision})
        if confirmed:
            self.confirm_pointer(connection, revision)

    def confirm_pointer(self, connection: Connection, revision: str | None) -> None:
        """Raise LedgerError unless the version table names this revision, and nothing else."""
        statement = f"SELECT version_num::text FROM {self.quoted_version_table}"
        found = connection.execute(text(statement)).scalars().all()
        if found != ([] if revision is None else [revision]):
            raise record_messages.not_kept(self.version_name, revision or "no revision", found)

    def record_applied(
        self,
        connection: Connection,
        row: Row,
        layout: Layout,
        *,
        pointer: str | None = None,
        confirmed: bool = True,
    ) -> None:
        """Add the row of a migration, later than every other row even if the clock went back.

        `row.applied_at` is not used: the server's clock decides. Raises LedgerError if the row is
        not there afterwards under its name, exactly once, or if the version table does not say
        `pointer`, where that is given. A script cannot know, and is not `confirmed`.
        """
        sources = self.sources(layout, parameter=":{}".format, escaped=_in_text)
        asked = self._there(layout, pointed=pointer is not None) if confirmed else ""
        statement = _insertion(self.quoted, tuple(sources.items()), asked)
        result = connection.execute(statement, self.values(row, layout))
        if not confirmed:
            return
        count, pointers = result.one()
        if count != 1:
            raise record_messages.not_kept(self.name, row.name, [row.name] * count)
        if pointer is not None and pointers != [pointer]:
            raise record_messages.not_kept(self.version_name, pointer, pointers or [])

    def _there(self, layout: Layout, *, pointed: bool) -> str:
        """Asks how often the row of :key is there, and what the version table says."""
        return (
            f"; SELECT count(*), {self._pointers if pointed else 'NULL'} "
            f"FROM {self.quoted} WHERE {layout.quoted_key}::text = :key"
        )

    @property
    def _pointers(self) -> str:
        return f"ARRAY(SELECT version_num::text FROM {self.quoted_version_table})"

    def values(self, row: Row, layout: Layout) -> dict[str, Any]:
        """What is written of a row, by the names that `sources` gives to its parts."""
        used = {name: getattr(row, name) for name in _WRITTEN if name in layout.columns}
        if "breaking" in used:
            used["breaking"] = row.breaking or None
        if "description" in used:
            used["description"] = layout.storable(row.description)
        for name, value in used.items():
            if value is None and layout.columns[name] in layout.not_null:
                used[name] = _NOTHING.get(name, row.version)
        return {**used, **layout.filled(row.version), "key": row.name}

    def sources(
        self,
        layout: Layout,
        *,
        parameter: Callable[[str], str],
        escaped: Callable[[str], str] = str,
        latest: str | None = None,
    ) -> dict[str, str]:
        """The columns of a new row, each with the SQL that gives its value.

        `parameter` makes a parameter of a name, and `escaped` makes a name one that holds none.
        `latest` is a parameter for the time of the last row, as text or NULL if it is not known.
        """
        columns = layout.columns
        found = {columns[name]: parameter(name) for name in _WRITTEN if name in columns}
        found[escaped(layout.key_name)] = parameter("key")
        if "applied_at" in columns:
            kind = layout.names["applied_at"]
            last = f"(SELECT max(applied_at) FROM {escaped(self.name)})"
            if latest is not None:
                last = f"COALESCE(CAST({latest} AS {kind}), {last})"
            now = escaped(layout.now)
            found["applied_at"] = (
                f"GREATEST(CAST({now} AS {kind}), {last} + interval '1 microsecond')"
            )
        for place, each in enumerate(layout.fillings):
            value = parameter(f"filling_{place}") if each.sql is None else escaped(each.sql)
            found[escaped(quote(each.column))] = value
        return found

    def amend(
        self,
        connection: Connection,
        version: str,
        layout: Layout,
        *,
        renamed: str | None = None,
        checksum: str | None = None,
        breaking: bool | None = None,
    ) -> None:
        """Change what the row of a migration says: its name, its checksum, whether it is breaking.

        None leaves it. Both names are what this ledger calls the migration.
        """
        values = {"renamed": renamed, "checksum": checksum, "breaking": breaking}
        columns = {"renamed": layout.quoted_key, **layout.columns}
        given = {name: value for name, value in values.items() if value is not None}
        changes = ", ".join(f"{columns[name]} = :{name}" for name in given)
        key = layout.quoted_key
        there = " AND ".join([f"{columns[name]}::text = :{name}" for name in given])
        name = ":renamed" if renamed is not None else ":version"
        statement = (
            f"UPDATE {self.quoted} SET {changes} WHERE {key}::text = :version; "
            f"SELECT count(*) FROM {self.quoted} WHERE {key}::text = {name} AND {there}"
        )
        if "breaking" in given:
            statement = statement.replace("breaking::text = :breaking", "breaking = :breaking")
        result = connection.execute(text(statement), {**given, "version": version})
        if result.scalar() != 1:
            raise record_messages.not_kept(self.name, renamed or version, [])

    def record_checksums(
        self, connection: Connection, checksums: Mapping[str, str], layout: Layout
    ) -> None:
        """Give rows that have no checksum these, by what this ledger calls the migrations."""
        column = layout.columns["checksum"]
        statement = (
            f"UPDATE {self.quoted} SET {column} = given.checksum "
            "FROM unnest(CAST(:keys AS text[]), CAST(:checksums AS text[])) AS given(key, checksum)"
            f" WHERE {layout.quoted_key}::text = given.key"
            f" AND coalesce({self.quoted}.{column}::text, '') IN ('', '{NO_FILE}')"
        )
        values = {"keys": list(checksums), "checksums": list(checksums.values())}
        connection.execute(text(statement), values)

    def record_unapplied(
        self,
        connection: Connection,
        versions: Collection[str],
        layout: Layout,
        *,
        confirmed: bool = True,
    ) -> None:
        """Remove the rows of these migrations; `versions` are what this ledger calls them.

        Raises LedgerError if one of them is there afterwards; a script cannot know, and is not
        `confirmed`.
        """
        where = f"FROM {self.quoted} WHERE {layout.quoted_key}::text = ANY(:versions)"
        statement = f"DELETE {where}"
        if confirmed:
            statement += f"; SELECT {layout.quoted_key}::text {where}"
        result = connection.execute(text(statement), {"versions": list(versions)})
        if confirmed and (left := result.scalars().all()):
            raise record_messages.not_forgotten(self.name, left)

    def adopt(self, connection: Connection, comment: str | None) -> None:
        """Note on the table that a person has said that it is this project's.

        `comment` is the one that it has. Raises LedgerError if this role may not.
        """
        told = " ".join(filter(None, (comment, f"({ADOPTED})")))
        statement = f"COMMENT ON TABLE {self.name} IS {constant(told)}"
        try:
            with connection.begin_nested():
                connection.exec_driver_sql(statement, execution_options={"no_parameters": True})
        except DBAPIError as error:
            if sqlstate(error) != "42501":
                raise
            raise LedgerError(
                f"That {self.name} is this project's ledger is noted in its comment, which only "
                "the table's owner may write. Nothing was changed. Type this once as the owner: "
                f"{statement};"
            ) from error

    def refused_by_checks(
        self, connection: Connection, table: Table, layout: Layout, rows: Sequence[Row]
    ) -> list[tuple[int, str]]:
        """Which of these rows, by their places, a CHECK refuses, with the constraint's words.

        Its own expression is evaluated on what would be written; nothing is.
        """
        values = [self.values(row, layout) for row in rows]
        given = list(values[0])
        arrays = ", ".join(f"CAST(:{name} AS text[])" for name in given)
        sources = self.sources(layout, parameter=lambda name: f"given.{name}", escaped=_in_text)
        known = {
            name: sources.get(quote_for_text(name)) or _default(column)
            for name, column in table.columns.items()
        }
        columns = ", ".join(
            f"CAST({known[name] or 'NULL'} AS {_in_text(_kind(column, known[name]))}) "
            f"AS {quote_for_text(name)}"
            for name, column in table.columns.items()
        )
        # What depends on a value that only an INSERT makes cannot be known.
        checks = [c for c in table.checks if all(known[name] for name in c.columns)]
        asked = ", ".join(f"({_in_text(each.expression)}) IS NOT FALSE" for each in checks)
        query = (
            "SELECT given.place, asked.passed, asked.made "
            f"FROM unnest({arrays}) WITH ORDINALITY AS given({', '.join(given)}, place), "
            f"LATERAL (SELECT {columns}) AS would_be, "
            # The columns by their bare names, and the whole row by the table's.
            "LATERAL (SELECT to_json(would_be) IS NULL AS made, "
            f"CAST(ARRAY[{asked}] AS boolean[]) AS passed "
            f"FROM (SELECT would_be.*) AS {quote_for_text(self.table)}) AS asked ORDER BY 1"
        )
        parameters = {name: [_as_text(each[name]) for each in values] for name in given}
        return [
            (place - 1, f"{check.name} CHECK {check.expression}")
            for place, passed, _ in connection.execute(text(query), parameters)
            for check, holds in zip(checks, passed, strict=True)
            if not holds
        ]

    @contextmanager
    def creating(self) -> Iterator[None]:
        """Inside this block, a table that cannot be created is explained by a LedgerError."""
        with self._explaining("created"):
            yield

    @property
    def name(self) -> str:
        """The ledger's name as a person types it, quoted only where SQL needs that."""
        return self._name(self.table)

    @property
    def version_name(self) -> str:
        """The version table's name as a person types it."""
        return self._name(self.version_table)

    @property
    def quoted(self) -> str:
        """The ledger's name for SQLAlchemy's `text()`."""
        return _in_text(self.name)

    @property
    def quoted_version_table(self) -> str:
        """The version table's name for SQLAlchemy's `text()`."""
        return _in_text(self.version_name)

    def _name(self, table: str) -> str:
        return f"{quote(self.schema)}.{quote(table)}" if self.schema else str(quote(table))

    def _catalog(self, connection: Connection) -> Any:
        names = {
            "ledger": self.name,
            "version_table": self.version_name,
            "name": self.table,
            "schema": self.schema,
            "keys": [*KEYS, *([self.key] if self.key else [])],
        }
        return connection.execute(text(CATALOG), names).one()

    def layout(self, connection: Connection) -> Layout:
        """Which columns the ledger has, and which of them bridge can use; reads the catalog."""
        table = Table.of(self._catalog(connection).ledger)
        return Layout.of(table, self.key if table else None)

    def _rows(
        self, connection: Connection, layout: Layout
    ) -> tuple[tuple[Row, ...], dict[str, Candidate]]:
        statement = f"SELECT {layout.selected} FROM {self.quoted}"
        if layout.key:
            # An adopted table without a key may hold anything; what has no name is no migration.
            statement += f" WHERE {layout.quoted_key}::text <> ''"
        found: Sequence[Any] = connection.execute(text(statement)).all()
        candidates = {
            name: Candidate([row[-1][place] for row in found], layout.numeric(name))
            for place, name in enumerate(layout.candidates)
        }
        if candidates:
            found = [row[:-1] for row in found]
        rows = tuple([Row(*row) for row in found])
        return rows, candidates

    @contextmanager
    def _explaining(self, done: str) -> Iterator[None]:
        """Errors that a person mends with GRANT or CREATE SCHEMA, not in a migration."""
        try:
            yield
        except DBAPIError as error:
            mend = _MENDS.get((sqlstate(error) or "", done))
            if mend is None:
                raise
            raise LedgerError(
                f"The tables {self.name} and {self.version_name} cannot be {done} "
                f"by this role: {first_line(error)}. Nothing was run. {mend}"
            ) from error


_ANOTHER_ROLE = "or set MIGRATION_DATABASE_URL to a role that has them."
_ALL = "SELECT, INSERT, UPDATE and DELETE"
_MENDS = {
    ("42501", "read"): f"Grant it USAGE on the schema, and {_ALL} on both, {_ANOTHER_ROLE}",
    ("42501", "created"): "Grant it USAGE and CREATE on the schema, " + _ANOTHER_ROLE,
    ("3F000", "created"): "Create the schema, or correct version_table_schema or the search_path.",
    ("25006", "created"): "Connect to a server, and as a role, that may write.",
}


@lru_cache(maxsize=8)
def _insertion(table: str, sources: tuple[tuple[str, str], ...], asked: str) -> TextClause:
    """The INSERT of a row; the same object for each of a run, which SQLAlchemy reads once.

    What is `asked` afterwards is a part of the message.
    """
    given = dict(sources)
    insert = f"INSERT INTO {table} ({', '.join(given)}) VALUES ({', '.join(given.values())})"
    return text(insert + asked)


#: Defaults that can be evaluated without leaving a trace, as a sequence would.
_HARMLESS = re.compile(
    r"'[^']*'(::[\w \[\]()]+)?|-?[\d.]+|true|false|now\(\)|CURRENT_\w+|clock_timestamp\(\)"
)


def _default(column: Column) -> str | None:
    """What a row gets in a column that is not written, for SQLAlchemy's `text()`.

    None if only an INSERT makes it, or if nobody can tell.
    """
    if column.identity or column.generated or column.required:
        return None
    if column.default is None:
        return "NULL"
    return _in_text(column.default) if _HARMLESS.fullmatch(column.default) else None


def _kind(column: Column, known: str | None) -> str:
    """The type of what a column would hold; with its domain, where the value is known."""
    return (column.domain if known else None) or column.type


def _as_text(value: Any) -> str | None:
    return None if value is None else str(value)


def _room_in(version_table: Table) -> int:
    """How many characters of an id it holds."""
    column = version_table.columns.get("version_num")
    return (column and column.width) or VERSION_LENGTH


def _usual_schema(catalog: Any) -> str | None:
    """The first schema of the search_path that a session of this database has by itself."""
    for part in re.findall(r'"([^"]*)"|([^\s,]+)', catalog.usual_path):
        name = "".join(part)
        if name != "$user":
            return name
        if catalog.own_schema:
            return str(catalog.role)
    return None


def _in_text(name: str) -> str:
    """A colon would begin the name of a parameter."""
    return name.replace(":", "\\:")


def _alter_if_possible(connection: Connection, statement: str) -> bool:
    """Alter a bookkeeping table unless that is forbidden or would make its readers wait."""
    before = connection.execute(text("SELECT current_setting('lock_timeout')")).scalar()
    try:
        with connection.begin_nested():
            connection.execute(text("SET LOCAL lock_timeout = '2s'"))
            connection.execute(text(statement))
            connection.execute(text("SELECT set_config('lock_timeout', :v, true)"), {"v": before})
    except DBAPIError as error:
        if sqlstate(error) not in _LEFT_ALONE:
            raise
        return False
    return True
