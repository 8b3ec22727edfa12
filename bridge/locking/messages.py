"""The sentences of a wait for the migration lock."""

from __future__ import annotations

from bridge.locking.holder import Answer, Holder, terminate
from bridge.locking.scope import WHOLE, Scope
from bridge.reporting import events
from bridge.reporting.numbers import duration

AGAIN = "Run the same command again"
NOTHING = "Nothing was started"


def waiting(
    answer: Answer, found: Holder | None, waited: float, scope: Scope = WHOLE
) -> events.WaitingForLock:
    """Say for whom a command waits."""
    so_far = f" (for {duration(waited)} so far)" if waited >= 1 else ""
    if answer == "left":
        who = found or "a backend that this role may not see"
        return events.WaitingForLock(
            f"Waiting for the rest of an earlier run{so_far}: its process has ended, but its {who} "
            "still works."
        )
    who = found or "a process that this role may not see"
    of = "" if scope.target is None else f" of {scope}"
    return events.WaitingForLock(
        f"Waiting for the migration lock{of}{so_far}: it is held by {who}."
    )


def not_obtained(
    answer: Answer,
    found: Holder | None,
    wait: float,
    *,
    again: str = AGAIN,
    scope: Scope = WHOLE,
    started: str = NOTHING,
) -> str:
    """Say that the wait is over, for whom it was, what was started, and what to do."""
    if answer == "left":
        busy = ""
        if found is not None and found.statement is not None:
            busy = f", {duration(found.statement)} into its statement"
        still = (
            "An earlier migration run has ended, but its database connection was still working "
            f"after {duration(wait)}"
        )
        if found is None:
            return f"{still}, until a moment ago. {started}. {again}."
        so = "so nothing was started. " if started == NOTHING else f"so: {started}. "
        sentence = f"{still}: {found}{busy}. What it does may still be committed, {so}"
    else:
        start = f"The migration lock of {scope} was not obtained within {duration(wait)}: "
        if found is None:
            return (
                f"{start}other processes held it, the last one until a moment ago. {started}. "
                f"{again}."
            )
        sentence = f"{start}it is held by {found}. {started}. "
    return (
        f"{sentence}{again} when that is done. Only if you are sure that it hangs, end it with: "
        f"{terminate(*backends_of(found))}"
    )


def backends_of(found: Holder) -> list[int]:
    """Return those to end: behind a pooler it has two."""
    if found.worker_pid in (None, found.pid):
        return [found.pid]
    return [found.worker_pid, found.pid]


def cut_off(cause: str) -> str:
    """Say that the connection that waited was cut, and what to do."""
    words = f" ({cause.rstrip('.')})" if cause else ""
    return (
        "The connection that was handed in was cut while it waited for the migration lock"
        f"{words}. Nothing was started. Hand in another connection, and try again."
    )
