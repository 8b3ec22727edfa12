"""Decide what a lock that was not obtained in time means for a file; no database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.database.sqlstate import sqlstate
from bridge.execution.lock_timeout import CONCURRENTLY
from bridge.files.mode import Mode

if TYPE_CHECKING:
    from bridge.execution.attempt import Attempt
    from bridge.execution.work import Work

#: SQLSTATE: the lock was not obtained within lock_timeout, or not at once with NOWAIT.
_LOCK_NOT_AVAILABLE = "55P03"
#: SQLSTATE: a statement after the failed one, before a rollback.
_IN_FAILED_TRANSACTION = "25P02"

#: How much of a statement fits into a sentence.
_WIDTH = 120


def lock_error(error: BaseException) -> BaseException | None:
    """Find the lock timeout in the chain of causes of this error."""
    cause: BaseException | None = error
    while cause is not None and sqlstate(cause) != _LOCK_NOT_AVAILABLE:
        cause = cause.__cause__
    return cause


def is_lock_timeout(error: BaseException, work: Work) -> bool:
    """Return whether this failure of a file comes from a lock that it did not get in time."""
    if lock_error(error) is not None:
        return True
    # Swallowed without a rollback, so that the next statement failed.
    return (
        sqlstate(error) == _IN_FAILED_TRANSACTION
        and sqlstate(work.sent.aborted_by) == _LOCK_NOT_AVAILABLE
    )


def why_final(attempt: Attempt, error: BaseException) -> str | None:
    """Return why a file must not be retried after a lock timeout; None if it may be.

    The answer goes after "because".
    """
    work = attempt.work
    if work.external:
        return "it ran in a transaction of the caller's"
    if work.sent.own_locks.found:
        return "it waited for a lock of its own"
    if work.gone:
        return "the connection is gone"
    if work.committed or work.unknown:
        return "it had made a commit"
    if work.prepared:
        return "it has prepared a transaction, which may stay"
    if work.sent.own_locks.others:
        return "it uses another connection, too, and what it did there may stay"
    statement = str(getattr(lock_error(error), "statement", None) or "")
    if CONCURRENTLY.search(statement):
        return "what is done CONCURRENTLY leaves something behind when it is stopped"
    if work.mode is Mode.AUTOCOMMIT and work.sent.count > 1:
        return "it runs without a transaction, and this was not its first statement"
    return None


def one_line(statement: str) -> str:
    """Return the statement as part of a sentence."""
    text = " ".join(statement.split())
    return text if len(text) <= _WIDTH else f"{text[:_WIDTH]} ..."
