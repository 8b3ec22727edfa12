"""Ask the ledgers of many schemas with one statement. It makes the SQL, and sends nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bridge.database.literals import literal
from bridge.ledger.columns import ADDED_COLUMNS
from bridge.ledger.outcomes import FAILURE, STATUS, SUCCESS
from bridge.ledger.sql import select_pointers
from bridge.operations.quick_query import question

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bridge.config.settings import Settings
    from bridge.ledger.tables import Ledger

#: How many ledgers one statement asks. More take longer each, and keep more locks at a time.
SIZE = 50

#: Where in an answer to the quick question the migration is that was applied last.
LAST = 3

#: How PostgreSQL names an ordinary table, and one with partitions, in pg_class.
_TABLES = frozenset({"r", "p"})

#: The columns of a ledger that bridge has made.
_OWN = frozenset({"version", "applied_at", "description", *ADDED_COLUMNS})


@dataclass(frozen=True, slots=True)
class Schema:
    """What the catalog says of the schema of a target, and of its two tables."""

    is_there: bool
    #: The kinds of both, by pg_class.relkind; None for one that is not there.
    ledger: str | None
    version_table: str | None
    #: Whether rows of one of them may be hidden by row level security.
    secured: bool
    #: Whether this role may make tables in it; None where it is not there.
    may_create: bool | None
    #: Whether there is nothing in it at all, and nothing hinders this role to look.
    is_empty: bool
    #: The columns of the ledger.
    columns: frozenset[str] = field(default_factory=frozenset)

    @property
    def is_answered(self) -> bool:
        """Whether the quick question can tell that it is up to date.

        A column may say that a row is none of success; the question does not look there.
        """
        return (
            {self.ledger, self.version_table} <= _TABLES
            and not self.secured
            and self.columns >= ADDED_COLUMNS.keys()
            and not any(
                form.fullmatch(name) for name in self.columns for form in (SUCCESS, FAILURE, STATUS)
            )
        )

    @property
    def is_bridges_own(self) -> bool:
        """Whether the ledger says what bridge has written, and nothing else."""
        return self.is_answered and self.columns == _OWN


def ask_catalog(settings: Sequence[Settings]) -> str:
    """Return the SQL that asks about the schemas of targets, each by its place in this list."""
    first = settings[0]
    schemas = ", ".join(
        "current_schema()::text"
        if each.version_table_schema is None
        else literal(each.version_table_schema)
        for each in settings
    )
    return _CATALOG.format(
        schemas=schemas,
        ledger=literal(first.ledger_table),
        version_table=literal(first.version_table),
    )


def schemas_of(rows: Iterable[Sequence[Any]]) -> dict[int, Schema]:
    """Return what the catalog has answered, by place."""
    return {
        place: Schema(
            is_there,
            ledger,
            version_table,
            bool(secured),
            may_create,
            is_empty,
            frozenset(columns),
        )
        for place, is_there, ledger, version_table, secured, may_create, is_empty, columns in rows
    }


def ask_ledgers(settings: Sequence[Settings]) -> str:
    """Return the SQL that asks the quick question of each target, by its place in this list."""
    return " UNION ALL ".join(
        f"(SELECT {place}, answer.* FROM ({_asked(each)}) AS answer)"  # noqa: S608 - a constant
        for place, each in enumerate(settings)
    )


def _asked(settings: Settings) -> str:
    return question(settings, checksums=True, one_of_many=True)


def ask_rows(ledgers: Sequence[Ledger]) -> str:
    """Return the SQL that asks for all rows of ledgers of bridge's own, and of their pointers.

    Each by its place in this list, as texts, which are equal where the rows are. NULL where the
    rows do not say in which order they were applied.
    """
    return " UNION ALL ".join(
        f"""
(SELECT {place},
        CASE WHEN count(DISTINCT applied_at) = count(*) THEN
            array_agg(ROW(version, checksum, breaking) ORDER BY applied_at)::text END,
        ARRAY({select_pointers(ledger)} ORDER BY 1)::text
   FROM {ledger.name})"""  # noqa: S608
        for place, ledger in enumerate(ledgers)
    )


# Never information_schema, which looks at every table of the database. No table is locked.
_CATALOG = """
SELECT place - 1, n.oid IS NOT NULL, l.relkind, v.relkind,
       l.relrowsecurity OR v.relrowsecurity,
       has_schema_privilege(n.oid, 'CREATE'),
       COALESCE(has_schema_privilege(n.oid, 'USAGE'), false) AND NOT EXISTS (
           SELECT FROM pg_depend
            WHERE refclassid = 'pg_namespace'::regclass AND refobjid = n.oid),
       ARRAY(SELECT attname::text FROM pg_attribute
              WHERE attrelid = l.oid AND attnum > 0 AND NOT attisdropped)
  FROM unnest(ARRAY[{schemas}]::text[]) WITH ORDINALITY AS asked(name, place)
  LEFT JOIN pg_namespace AS n ON nspname = name
  LEFT JOIN pg_class AS l ON l.relnamespace = n.oid AND l.relname = {ledger}
  LEFT JOIN pg_class AS v ON v.relnamespace = n.oid AND v.relname = {version_table}
"""
