"""Which statements PostgreSQL refuses inside a transaction block."""

from __future__ import annotations

import pytest

from bridge.database.outside_transaction import gives_up_slot, refused_in_transaction
from bridge.database.sql_text import ends_transaction, leaves_open, pieces, rolls_back
from support.refused import (
    ALLOWED,
    ALLOWED_OF_SUBSCRIPTIONS,
    REFUSED,
    REFUSED_BY_NEWER,
    REFUSED_OF_SUBSCRIPTIONS,
)


@pytest.mark.parametrize("sql", [*REFUSED, *REFUSED_OF_SUBSCRIPTIONS, *REFUSED_BY_NEWER])
def test_what_a_transaction_refuses_is_known_by_its_words(sql: str) -> None:
    for text in (sql, sql.lower(), sql.replace(" ", "\n  "), f"-- soon\n{sql} -- now", f" {sql} ;"):
        (found, *_) = pieces(text)
        words = refused_in_transaction(found)
        assert words is not None
        assert " ".join(sql.split()).lower().startswith(words.lower())


@pytest.mark.parametrize("sql", [*ALLOWED, *ALLOWED_OF_SUBSCRIPTIONS])
def test_what_a_transaction_takes_is_not_among_them(sql: str) -> None:
    for text in (sql, sql.lower(), sql.replace(" ", "\n  ")):
        assert refused_in_transaction(text) is None


def test_a_subscription_gives_its_slot_up() -> None:
    assert gives_up_slot("ALTER SUBSCRIPTION s SET (slot_name = NONE)")
    assert not gives_up_slot("ALTER SUBSCRIPTION s SET (slot_name = 'other')")


@pytest.mark.parametrize("sql", ["COMMIT PREPARED 'x'", "rollback  prepared 'x'"])
def test_the_end_of_a_prepared_transaction_is_not_that_of_the_present_one(sql: str) -> None:
    assert not ends_transaction(sql)
    assert not rolls_back(sql)
    assert leaves_open(sql) is None
