"""Check where a migration commits, and which of its statements run in a transaction.

The rules `commit-in-the-middle`, `needs-autocommit` and `autocommit-other-work`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from bridge.checks.rules import Problem, problem
from bridge.database.outside_transaction import (
    drops_subscription,
    gives_up_slot,
    refused_in_transaction,
)
from bridge.database.sql_text import ends_transaction, pieces
from bridge.files.mode import Mode

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bridge.checks.control_flow import DatabaseCall

_READS: Final = re.compile(r"(SELECT|SHOW|EXPLAIN|TABLE|VALUES)\b", re.IGNORECASE)
#: Can run again, and its value can only be used after a commit.
_ADDS_VALUE: Final = re.compile(r"ALTER\s+TYPE\s.*\bADD\s+VALUE\b", re.IGNORECASE | re.DOTALL)
#: What may stand in an autocommit file beside what needs one: it prepares for that, or changes
#: nothing that could stay half done.
_GOES_WITH_IT: Final = re.compile(
    r"(SET|RESET|SHOW|SELECT|EXPLAIN|ANALYZE|CLUSTER|REINDEX|REFRESH|CHECKPOINT|DISCARD"
    r"|DROP\s+INDEX|ALTER\s+SUBSCRIPTION|ALTER\s+TYPE\s.*\bADD\s+VALUE)\b",
    re.IGNORECASE | re.DOTALL,
)


def transaction_problems(
    path: str, calls: Sequence[DatabaseCall], mode: Mode, *, sets_autocommit: bool
) -> Iterator[Problem]:
    """Find what is wrong with these calls in a file that runs in this mode.

    `sets_autocommit` is whether the file names the isolation level AUTOCOMMIT, and so may leave
    transactions by itself.
    """
    if mode is Mode.AUTOCOMMIT:
        yield from _other_work(path, calls)
        return
    if sets_autocommit:
        return
    if mode is Mode.DEFAULT:
        yield from _middle_commits(path, calls)
    yield from _without_autocommit(path, calls)


def _middle_commits(path: str, calls: Sequence[DatabaseCall]) -> Iterator[Problem]:
    """Find commits between two pieces of work: if the second fails, the first one stays."""
    uncommitted: list[DatabaseCall] = []
    for call in calls:
        if call.kind == "work":
            if not _sends_only(_READS, call):
                uncommitted.append(call)
            continue
        stays = call.kind == "commit" and not all(_sends_only(_ADDS_VALUE, c) for c in uncommitted)
        uncommitted.clear()
        if stays and call.followed:
            yield _middle_commit(path, call)


def _middle_commit(path: str, call: DatabaseCall) -> Problem:
    if call.in_loop:
        message = (
            "`db.commit()` in a loop: if the file fails later, what was committed stays, and the "
            "migration is not recorded."
        )
        advice = (
            "A backfill in batches may do this if the file can run again from the start: say so "
            "with `# bridge: ignore commit-in-the-middle`. Otherwise commit once, at the end."
        )
    else:
        message = (
            "`db.commit()` before the end: this file is not all or nothing. If it fails later, "
            "what was done up to here stays, and the migration is not recorded."
        )
        advice = (
            'Commit once, at the end; or write `transaction = "atomic"`; or, if the file can run '
            "again from the start, say so with `# bridge: ignore commit-in-the-middle`."
        )
    return problem("commit-in-the-middle", path, call.line, message, advice)


def _without_autocommit(path: str, calls: Sequence[DatabaseCall]) -> Iterator[Problem]:
    slotless = False
    for call in calls:
        sql = call.sql or ""
        if ends_transaction(sql):
            return  # it leaves its transaction by itself
        refused = None
        for piece in pieces(sql):
            slotless = slotless or gives_up_slot(piece)
            if not (slotless and drops_subscription(piece)):
                refused = refused or refused_in_transaction(piece)
        # A file that catches the error goes on without the statement, and has its reasons.
        if refused and not call.in_try:
            yield problem(
                "needs-autocommit",
                path,
                call.line,
                f"PostgreSQL refuses {refused} inside a transaction, and this file runs in one.",
                'Put it into a file of its own with `transaction = "autocommit"`.',
            )


def _other_work(path: str, calls: Sequence[DatabaseCall]) -> Iterator[Problem]:
    for call in calls:
        for piece in pieces(call.sql or ""):
            if piece and not (refused_in_transaction(piece) or _GOES_WITH_IT.match(piece)):
                beginning = " ".join(piece.split()[:2]).upper()
                yield problem(
                    "autocommit-other-work",
                    path,
                    call.line,
                    f'{beginning} in a file with `transaction = "autocommit"`: it is final at '
                    "once, and stays if a later statement of the file fails.",
                    "Move it into a migration of its own, which is then all or nothing.",
                )


def _sends_only(pattern: re.Pattern[str], call: DatabaseCall) -> bool:
    """Return whether it is known that every statement of this call is of this kind."""
    found = [piece for piece in pieces(call.sql or "") if piece]
    return bool(found) and all(map(pattern.match, found))
