"""The ledger, `schema_migrations`, and the pointer, `alembic_version`, as SQL.

Having a row in the ledger always means that the migration is applied. This module knows
tables, not files; what rows and pointer mean together is decided in `bridge.reconcile`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, TextClause, text
from sqlalchemy.exc import DBAPIError

from bridge.catalog import CATALOG
from bridge.errors import LedgerError
from bridge.keys import Form
from bridge.layout import ADDED_COLUMNS, VERSION_LENGTH, Layout, quote, quoted
from bridge.line import Row
from bridge.state import Candidate, State

__all__ = ["VERSION_LENGTH", "Ledger", "sqlstate"]

#: The atttypmod of a column one character too narrow, which counts four bytes more.
_NARROW = VERSION_LENGTH + 3

#: What is written of a row, beside its name and the time.
_WRITTEN = ("description", "checksum", "execution_ms", "breaking")

#: SQLSTATEs for which an adopted table is used as it is: the role may not alter it, a view
#: uses its column, or a reader holds it longer than every other reader should wait for us.
_LEFT_ALONE = frozenset({"42501", "0A000", "55P03"})


def sqlstate(error: BaseException | None) -> str | None:
    """The SQLSTATE of a driver's error, psycopg2's or psycopg's, wrapped or not."""
    original = getattr(error, "orig", None) or error
    code = getattr(original, "sqlstate", None) or getattr(original, "pgcode", None)
    return str(code) if code else None


@dataclass(frozen=True, slots=True)
class Ledger:
    """The two bookkeeping tables of one application, by their names."""

    table: str = "schema_migrations"
    version_table: str = "alembic_version"
    schema: str | None = None
    #: The column for the names of migrations, and their form; None to recognise them.
    key: str | None = None
    form: Form | None = None

    def keyed_by(self, state: State) -> Ledger:
        """The same tables, with the column of names that was recognised."""
        return self if state.key_column is None else replace(self, key=state.key_column)

    def read(self, connection: Connection) -> State:
        """Read everything that both tables say; writes nothing, and needs neither to exist.

        Raises LedgerError if a table of that name cannot be the ledger, or may not be read.
        """
        rows: tuple[Row, ...] = ()
        candidates: dict[str, Candidate] = {}
        pointers: Sequence[str] = ()
        with self._explaining("read"):
            catalog = self._catalog(connection)
            layout = Layout.of(catalog.names, catalog.types, catalog.serial, self._told(catalog))
            if catalog.ledger:
                layout.check(self.name)
                rows, candidates = self._rows(connection, layout)
            if catalog.version_table:
                statement = f"SELECT version_num::text FROM {self.quoted_version_table} ORDER BY 1"
                pointers = connection.execute(text(statement)).scalars().all()
        return State(
            ledger=self.name,
            version_table=self.version_name,
            exists=catalog.ledger,
            ours=layout.is_ours,
            rows=rows,
            certain=layout.tells_order_of(rows),
            pointers=tuple(pointers),
            elsewhere=tuple(catalog.elsewhere or ()),
            key_column=layout.key if layout.names else self.key or "version",
            numeric=layout.numeric(layout.key),
            key_is_told=self.key is not None,
            form=self.form,
            candidates=candidates,
            columns=layout.described,
            layout=layout,
            complete=bool(
                catalog.ledger
                and catalog.version_table
                and not catalog.narrow
                and layout.names.keys() >= ADDED_COLUMNS.keys()
            ),
        )

    def ensure(self, connection: Connection) -> Layout:
        """Create the ledger, or add to an adopted one what it lacks and this role may add.

        Returns the layout it has now. Raises LedgerError if it cannot be created.
        """
        layout = self.layout(connection)
        if not layout.names:
            described = ", ".join(f"{name} {kind}" for name, kind in ADDED_COLUMNS.items())
            with self.creating():
                connection.execute(
                    text(
                        f"CREATE TABLE IF NOT EXISTS {self.quoted} ("
                        f"{quoted(self.key or 'version')} VARCHAR({VERSION_LENGTH}) "
                        "PRIMARY KEY, "
                        "applied_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT CURRENT_TIMESTAMP, "
                        f"description TEXT, {described})"
                    )
                )
            return self.layout(connection)
        lacking = {name: kind for name, kind in ADDED_COLUMNS.items() if name not in layout.names}
        added = ", ".join(f"ADD COLUMN IF NOT EXISTS {n} {kind}" for n, kind in lacking.items())
        if added and _alter_if_possible(connection, f"ALTER TABLE {self.quoted} {added}"):
            return self.layout(connection)
        return layout

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

    def point(self, connection: Connection, revision: str | None) -> None:
        """Make the version table, which must exist, name this revision, or nothing."""
        name = self.quoted_version_table
        connection.execute(text(f"DELETE FROM {name}"))
        if revision is not None:
            statement = text(f"INSERT INTO {name} (version_num) VALUES (:revision)")
            connection.execute(statement, {"revision": revision})

    def record_applied(self, connection: Connection, row: Row, layout: Layout) -> None:
        """Add the row of a migration, later than every other row even if the clock went back.

        `row.version` is what this ledger calls it. `row.applied_at` is not used: the server's
        clock decides.
        """
        sources = self.sources(layout, parameter=":{}".format, escaped=_in_text)
        statement = _insertion(self.quoted, tuple(sources.items()))
        connection.execute(statement, self.values(row, layout))

    def values(self, row: Row, layout: Layout) -> dict[str, Any]:
        """What is written of a row, by the names that `sources` gives to its parts."""
        used = {name: getattr(row, name) for name in _WRITTEN if name in layout.usable}
        if "breaking" in used:
            used["breaking"] = row.breaking or None
        return {**used, "key": row.version}

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
        found = {name: parameter(name) for name in _WRITTEN if name in layout.usable}
        found[escaped(layout.key_name)] = parameter("key")
        if "applied_at" in layout.usable:
            kind = layout.names["applied_at"]
            last = f"(SELECT max(applied_at) FROM {escaped(self.name)})"
            if latest is not None:
                last = f"COALESCE(CAST({latest} AS {kind}), {last})"
            found["applied_at"] = (
                f"GREATEST(CAST(clock_timestamp() AS {kind}), {last} + interval '1 microsecond')"
            )
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
        columns = {"renamed": layout.quoted_key, "checksum": "checksum", "breaking": "breaking"}
        given = {name: value for name, value in values.items() if value is not None}
        changes = ", ".join(f"{columns[name]} = :{name}" for name in given)
        statement = f"UPDATE {self.quoted} SET {changes} WHERE {layout.quoted_key}::text = :version"
        connection.execute(text(statement), {**given, "version": version})

    def record_unapplied(
        self, connection: Connection, versions: Collection[str], layout: Layout
    ) -> None:
        """Remove the rows of these migrations; `versions` are what this ledger calls them."""
        statement = f"DELETE FROM {self.quoted} WHERE {layout.quoted_key}::text = ANY(:versions)"
        connection.execute(text(statement), {"versions": list(versions)})

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
            "key": self.key or "version",
            "width": _NARROW,
        }
        return connection.execute(text(CATALOG), names).one()

    def layout(self, connection: Connection) -> Layout:
        """Which columns the ledger has, and which of them bridge can use; reads the catalog."""
        catalog = self._catalog(connection)
        return Layout.of(catalog.names, catalog.types, catalog.serial, self._told(catalog))

    def _told(self, catalog: Any) -> str | None:
        return self.key if catalog.ledger else None

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
                f"by this role: {str(error.orig).strip().splitlines()[0]}. Nothing was run. {mend}"
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
def _insertion(table: str, sources: tuple[tuple[str, str], ...]) -> TextClause:
    """The INSERT of a row; the same object for each of a run, which SQLAlchemy reads once."""
    given = dict(sources)
    return text(f"INSERT INTO {table} ({', '.join(given)}) VALUES ({', '.join(given.values())})")


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
