"""That the server refuses the statements that it is said to refuse, and no others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg2

from bridge.database.url import connection_parameters, normalise
from support.refused import (
    ALLOWED,
    ALLOWED_OF_SUBSCRIPTIONS,
    REFUSED,
    REFUSED_BY_NEWER,
    REFUSED_OF_SUBSCRIPTIONS,
    SETUP,
    SUBSCRIBE,
)

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

IN_A_TRANSACTION = "25001"


def code_of(connection: Any, *statements: str) -> str | None:
    """The SQLSTATE with which the last of them is refused in a transaction; nothing stays."""
    *before, last = statements
    with connection.cursor() as cursor:
        for each in before:
            cursor.execute(each)
        try:
            cursor.execute(last)
        except psycopg2.Error as error:
            return str(error.pgcode)
        finally:
            connection.rollback()
    return None


def test_the_server_refuses_what_it_is_said_to_refuse(database_url: URL) -> None:
    connection: Any = psycopg2.connect(**connection_parameters(normalise(database_url)))
    try:
        with connection.cursor() as cursor:
            cursor.execute(SETUP)
        connection.commit()
        version = connection.server_version
        newer = [sql for sql, first in REFUSED_BY_NEWER.items() if version >= first]
        refused = {sql: code_of(connection, sql) for sql in REFUSED}
        for sql in [*REFUSED_OF_SUBSCRIPTIONS, *newer]:
            before = "ALTER SUBSCRIPTION s DISABLE" if sql in newer else "SELECT"
            refused[sql] = code_of(connection, SUBSCRIBE, before, sql)
        assert {sql: code for sql, code in refused.items() if code != IN_A_TRANSACTION} == {}
        allowed = {sql: code_of(connection, sql) for sql in ALLOWED}
        for sql in ALLOWED_OF_SUBSCRIPTIONS:
            allowed[sql] = code_of(connection, SUBSCRIBE, sql)
        assert [sql for sql, code in allowed.items() if code == IN_A_TRANSACTION] == []
    finally:
        connection.close()


def test_a_subscription_without_a_slot_can_be_dropped_in_a_transaction(database_url: URL) -> None:
    connection: Any = psycopg2.connect(**connection_parameters(normalise(database_url)))
    try:
        giving_up = "ALTER SUBSCRIPTION s DISABLE; ALTER SUBSCRIPTION s SET (slot_name = NONE)"
        assert code_of(connection, SUBSCRIBE, giving_up, "DROP SUBSCRIPTION s") is None
    finally:
        connection.close()
