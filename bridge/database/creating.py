"""Create a database on a server, unless it is there."""

from __future__ import annotations

from contextlib import suppress
from typing import Any


def create_database(driver: Any, name: str, *, template: str | None = None) -> bool:
    """Create this database over a connection of psycopg2's, and say whether it was not there.

    The connection is in autocommit mode; `template` is the database to copy, by default the
    server's own. Raises psycopg2.Error.
    """
    from psycopg2 import errors, sql

    with driver.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,))
        if cursor.fetchone() is not None:
            return False
        statement = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
        if template is not None:
            statement += sql.SQL(" TEMPLATE {}").format(sql.Identifier(template))
        # Another process may have been faster: both errors mean that it is there.
        with suppress(errors.DuplicateDatabase, errors.UniqueViolation):
            cursor.execute(statement)
            return True
    return False
