"""What the tests in tests/faults break, how often, and what is lost by it: the one count.

The tests take their numbers from here, and docs/pages/faults.md has the same table.
"""

from __future__ import annotations

import os
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

Case = TypeVar("Case")

#: Moves the random instants: another number gives others.
SEED_VARIABLE = "FAULTS_SEED"


@dataclass(frozen=True)
class Fault:
    """One way to break a run."""

    #: What was broken, and how; as the page says it.
    broken: str
    times: int
    #: What the database had afterwards, before the next run completed the rest.
    left: str
    lost: str = "nothing"

    def cases(self, cases: Sequence[Case]) -> Sequence[Case]:
        """The same cases, which must be as many as are counted here."""
        assert len(cases) == self.times, f"{self.broken}: {len(cases)} cases, {self.times} counted"
        return cases

    def share(self, parts: int) -> int:
        """How many of them one of so many equal tests does."""
        assert self.times % parts == 0
        return self.times // parts


ALL_OR_NOTHING = "a file with one commit whole or not at all, never a record without the work"

KILLED = Fault("`kill -9` at a random instant of a run of 20 migrations", 100, ALL_OR_NOTHING)
KILLED_UNDER_ALEMBIC = Fault(
    "`kill -9` at a random instant of `alembic upgrade head`", 10, ALL_OR_NOTHING
)
KILLED_IN_DOWNGRADE = Fault(
    "`kill -9` at a random instant of `alembic downgrade base`",
    10,
    "never a record without the work; of a file that commits in the middle, what it had not taken "
    "back yet, without a record",
)
KILLED_ONE_OF_TWO = Fault(
    "`kill -9` of one of two runs that started together",
    8,
    "all of it: the other one completed the work",
)
SERVER_RESTARTED = Fault("the server restarted (`pg_ctl restart -m immediate`)", 6, ALL_OR_NOTHING)
CUT_IN_STATEMENT = Fault(
    "the connection of a run cut during a statement", 6, "what the file had committed itself"
)
CUT_BETWEEN = Fault(
    "the connection of a run cut between two statements",
    6,
    "what the file had committed itself",
)
ALL_CUT = Fault(
    "all connections cut, and none to be had, at every statement, commit and rollback of a run",
    60,  # and as many more as a run has
    ALL_OR_NOTHING,
)
NETWORK_CUT = Fault(
    "the network cut at every message of a run, before the server got it",
    30,  # and as many more as a run has
    ALL_OR_NOTHING,
)
ANSWER_LOST = Fault(
    "the server's answer lost to every message of a run, its COMMITs among them",
    30,  # and as many more as a run has
    f"{ALL_OR_NOTHING}; where nobody can know, the message says so",
)
NETWORK_SWALLOWS = Fault(
    "SIGTERM while the network swallows everything: in connecting, in a query, a statement, a "
    "COMMIT",
    7,
    "what the server had committed; where nobody can know, the message says so",
)
DISK_FULL = Fault(
    "the disk full in a statement, in the record, in the pointer, at the COMMIT",
    11,
    "what the file had committed itself",
)
CLOCK_SET_BACK = Fault(
    "the clock set back between two runs",
    6,
    "the right order: `downgrade -1` reverted what was applied last",
)
SECOND_ENGINE = Fault(
    "a second Engine that waits for the migration's own uncommitted work",
    4,
    "what the file had committed itself; the run ended with both statements in its message",
)
SETTINGS_CHANGED = Fault(
    "role, `search_path` or session settings changed by a file",
    52,
    "the record in its place, and the next migration as if nothing had been changed",
)

FAULTS = [each for each in list(globals().values()) if isinstance(each, Fault)]


def table() -> str:
    """The page's table of them."""
    rows = [f"| {f.broken} | {f.times} | {f.left} | {f.lost} |" for f in FAULTS]
    return "\n".join(
        ["| Broken | Times | What was there | Lost |", "| --- | --- | --- | --- |", *rows]
    )


def randomness(*names: object) -> random.Random:
    """Random instants, the same ones in each run unless FAULTS_SEED says another number."""
    told = " ".join(map(str, (os.environ.get(SEED_VARIABLE, "1"), *names)))
    print(f"random instants: {SEED_VARIABLE} and test are {told!r}")
    return random.Random(told)
