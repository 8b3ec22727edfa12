"""What a database holds after something happened to a run: the record, and what was done."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg2

from support.running import poll

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import URL

#: How often each migration has left each of its marks in the table `log`.
Marks = Counter[tuple[str, str]]


@dataclass(frozen=True)
class Left:
    """What a database holds."""

    #: The rows of the ledger in the order of their times, and Alembic's pointer.
    recorded: list[str]
    pointer: list[str]
    marks: Marks
    #: The tables that migrations have made.
    made: list[str]
    #: The indexes that are there, and whether each one is valid.
    indexes: dict[str, bool]


class Eye:
    """A connection that looks at one database, and keeps nothing open between two looks."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with self._connection.cursor() as cursor:
            cursor.execute(query)
            return list(cursor.fetchall()) if cursor.description else []

    def settle(self) -> None:
        """Wait until nobody else is connected: what a killed process began is over then."""
        poll(
            lambda: (
                not self.rows(
                    "SELECT FROM pg_stat_activity WHERE datname = current_database() "
                    "AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
                )
            ),
            within=60,
        )

    def look(self) -> Left:
        """Everything that counts. Both tables of the record are there, or none of them is."""
        [(ledger, version_table)] = self.rows(
            "SELECT to_regclass('schema_migrations') IS NOT NULL, "
            "to_regclass('alembic_version') IS NOT NULL"
        )
        assert ledger == version_table
        recorded, pointer = [], []
        if ledger:
            recorded = self.rows("SELECT version FROM schema_migrations ORDER BY applied_at")
            pointer = self.rows("SELECT version_num FROM alembic_version")
        return Left(
            [stem for (stem,) in recorded],
            [revision for (revision,) in pointer],
            Counter((stem, mark) for stem, mark in self.rows("SELECT stem, mark FROM log")),
            [
                str(name).removeprefix("made_")
                for (name,) in self.rows(
                    "SELECT relname FROM pg_class WHERE relkind = 'r' AND relname ~ '^made_' "
                    "ORDER BY 1"
                )
            ],
            dict(
                self.rows(
                    "SELECT indexrelid::regclass::text, indisvalid FROM pg_index "
                    "WHERE indrelid = 'log'::regclass AND NOT indisprimary"
                )
            ),
        )


@contextmanager
def looking(url: URL) -> Iterator[Eye]:
    """An Eye on this database."""
    dsn = url.set(drivername="postgresql").render_as_string(hide_password=False)
    connection = psycopg2.connect(dsn)
    connection.autocommit = True
    try:
        yield Eye(connection)
    finally:
        connection.close()
