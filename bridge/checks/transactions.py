"""What `check` has to say about the commits and the SQL of one migration."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from bridge.checks.outside_transaction import (
    drops_subscription,
    gives_up_slot,
    refused_in_transaction,
)
from bridge.checks.rules import Problem, problem
from bridge.database.sql_text import ends_transaction, pieces

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bridge.checks.control_flow import Event

_READS: Final = re.compile(r"(SELECT|SHOW|EXPLAIN|TABLE|VALUES)\b", re.IGNORECASE)
#: Can run again, and has to be committed before its value can be used.
_ADDS_VALUE: Final = re.compile(r"ALTER\s+TYPE\s.*\bADD\s+VALUE\b", re.IGNORECASE | re.DOTALL)
#: What else belongs beside it: it is made for that, or does not matter.
_GOES_WITH_IT: Final = re.compile(
    r"(SET|RESET|SHOW|SELECT|EXPLAIN|ANALYZE|CLUSTER|REINDEX|REFRESH|CHECKPOINT|DISCARD"
    r"|DROP\s+INDEX|ALTER\s+SUBSCRIPTION|ALTER\s+TYPE\s.*\bADD\s+VALUE)\b",
    re.IGNORECASE | re.DOTALL,
)


def work_problems(
    path: str, events: Sequence[Event], mode: str, *, sets_autocommit: bool
) -> Iterator[Problem]:
    """What these events mean in a file that runs in this mode.

    `sets_autocommit` is whether the file names the isolation level AUTOCOMMIT, and so may leave
    transactions by itself.
    """
    if mode == "autocommit":
        yield from _other_work(path, events)
        return
    if sets_autocommit:
        return
    if mode != "atomic":
        yield from _middle_commits(path, events)
    yield from _without_autocommit(path, events)


def _middle_commits(path: str, events: Sequence[Event]) -> Iterator[Problem]:
    """Commits with work on either side of them: what is before them stays if what follows fails."""
    since: list[Event] = []
    for event in events:
        if event.kind == "work" and not _only(event, _READS):
            since.append(event)
        elif event.kind == "rollback":
            since.clear()
        elif event.kind == "commit":
            kept = [each for each in since if not _only(each, _ADDS_VALUE)]
            since.clear()
            if kept and event.followed:
                yield _middle_commit(path, event)


def _middle_commit(path: str, event: Event) -> Problem:
    if event.in_loop:
        return problem(
            "commit-in-the-middle",
            path,
            event.line,
            "`db.commit()` in a loop: if the file fails later, what was committed stays, and the "
            "migration is not recorded.",
            "For a backfill in batches that is right, if the file can run again from the start: "
            "then say so with `# bridge: ignore commit-in-the-middle`. Otherwise commit once, at "
            "the end.",
        )
    return problem(
        "commit-in-the-middle",
        path,
        event.line,
        "`db.commit()` before the end: this file is not all or nothing. If it fails later, what "
        "was done up to here stays, and the migration is not recorded.",
        'Commit once, at the end; or write `transaction = "atomic"`; or, if the file can run '
        "again from the start, say so with `# bridge: ignore commit-in-the-middle`.",
    )


def _without_autocommit(path: str, events: Sequence[Event]) -> Iterator[Problem]:
    slotless = False
    for event in events:
        sql = event.sql or ""
        if ends_transaction(sql):
            return  # it leaves its transaction by itself
        needing = None
        for piece in pieces(sql):
            slotless = slotless or gives_up_slot(piece)
            if not (slotless and drops_subscription(piece)):
                needing = needing or refused_in_transaction(piece)
        # A file that catches the error goes on without the statement, and has its reasons.
        if needing and not event.in_try:
            yield problem(
                "needs-autocommit",
                path,
                event.line,
                f"{needing} refuses to run inside a transaction, and this file runs in one.",
                'Put it into a file of its own with `transaction = "autocommit"`.',
            )


def _other_work(path: str, events: Sequence[Event]) -> Iterator[Problem]:
    for event in events:
        for piece in pieces(event.sql or ""):
            if piece and not (refused_in_transaction(piece) or _GOES_WITH_IT.match(piece)):
                yield problem(
                    "autocommit-other-work",
                    path,
                    event.line,
                    f'{_beginning(piece)} in a file with `transaction = "autocommit"`: it is '
                    "final at once, and stays if a later statement of the file fails.",
                    "Move it into a migration of its own, which is then all or nothing.",
                )


def _beginning(piece: str) -> str:
    return " ".join(piece.split()[:2]).upper()


def _only(event: Event, pattern: re.Pattern[str]) -> bool:
    """Whether it is known that all that is sent is of this kind."""
    found = [piece for piece in pieces(event.sql or "") if piece]
    return bool(found) and all(map(pattern.match, found))
