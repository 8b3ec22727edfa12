"""The state of a driver's connection, as libpq knows it; the server is not asked."""

from __future__ import annotations

import select
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

from bridge.database.driver import plain

#: libpq's PQTRANS_IDLE, PQTRANS_ACTIVE, PQTRANS_INTRANS and PQTRANS_INERROR.
_IDLE: Final = 0
_ACTIVE: Final = 1
_IN_TRANSACTION: Final = 2
_IN_FAILED_TRANSACTION: Final = 3


def is_idle(connection: Any) -> bool:
    """Return whether the server is in no transaction, whatever the driver believes."""
    return bool(plain(connection).get_transaction_status() == _IDLE)


def is_active(connection: Any) -> bool:
    """Return whether a statement was sent and has not been answered; of psycopg 3's as well."""
    return bool(plain(connection).info.transaction_status == _ACTIVE)


def is_in_transaction(connection: Any) -> bool:
    """Whether the server is in a transaction that has not failed, and waits for a statement."""
    return bool(plain(connection).get_transaction_status() == _IN_TRANSACTION)


def is_in_failed_transaction(connection: Any) -> bool:
    """Return whether the server refuses every statement until a rollback (SQLSTATE 25P02)."""
    return bool(plain(connection).get_transaction_status() == _IN_FAILED_TRANSACTION)


def is_silent(connection: Any) -> bool:
    """Return whether the server has sent nothing since it was last asked, and has not hung up.

    It says nothing unasked but that it ends the connection: it is restarted, an administrator or a
    timeout for idle sessions has ended it, or a pooler has. False where that cannot be told:
    without `poll`, as on Windows.
    """
    connection = plain(connection)
    if connection.closed or not hasattr(select, "poll"):
        return False
    poller = select.poll()
    poller.register(connection.fileno(), select.POLLIN)
    return not poller.poll(0)


def has_hung_up(connection: Any) -> bool:
    """Return whether the server has ended the connection, also while a statement runs.

    False where that cannot be told: Linux has a sign for it that needs no reading.
    """
    connection = plain(connection)
    sign = getattr(select, "POLLRDHUP", None)
    if connection.closed or sign is None:
        return bool(connection.closed)
    poller = select.poll()
    poller.register(connection.fileno(), sign)
    return bool(poller.poll(0))


def backend_pid(connection: Any) -> int | None:
    """Return the process id that the driver knows, None if it knows none.

    Behind a pooler the server may say another one.
    """
    with suppress(Exception):
        return int(plain(connection).info.backend_pid)
    return None


@contextmanager
def in_autocommit(connection: Any) -> Iterator[None]:
    """Have each statement in the block be a transaction of its own; now there is none."""
    connection = plain(connection)
    before = connection.autocommit
    if not before:
        connection.autocommit = True
    try:
        yield
    finally:
        if not (before or connection.closed):
            connection.autocommit = False
