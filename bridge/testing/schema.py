"""Write a database's schema as text, with pg_dump, to compare two.

Two things do not count. The bookkeeping tables are left out, for they are there after the first
run and not before it. And the columns of a table are sorted: PostgreSQL puts a new column last,
so that no downgrade can bring back one that was in the middle.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bridge.database.database import Database
from bridge.database.embedded.programs import client_program
from bridge.database.engine import make_engine
from bridge.errors import BridgeError, UsageError
from bridge.operations.schema.entries import text_of, with_sorted_columns
from bridge.operations.schema.pg_dump import Server, dump_schema

if TYPE_CHECKING:
    from sqlalchemy import URL

    from bridge.config.settings import Settings

#: Seconds; a table that somebody keeps locked must not hold up the tests for ever.
_WAIT = 120


def schema_of(url: URL, settings: Settings) -> str:
    """What is in a database, without rows; skips the test where there is no pg_dump for it."""
    engine = make_engine(url, application_name="bridge tests")
    try:
        with engine.connect() as connection:
            server = Server.of(connection)
    finally:
        engine.dispose()
    try:
        client_program("pg_dump", server.major)
    except UsageError as error:
        pytest.skip(str(error))
    tables = (settings.ledger_table, settings.version_table)
    database = Database(url, "the tests")
    try:
        entries = dump_schema(database, server, without_tables=tables, wait=_WAIT)
    except BridgeError as error:
        pytest.fail(str(error), pytrace=False)
    return text_of(map(with_sorted_columns, entries))
