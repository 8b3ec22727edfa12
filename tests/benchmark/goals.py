"""What bridge is to reach, as data: quotients of measured medians, and their limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from benchmark.results import Key

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmark.results import Results


@dataclass(frozen=True)
class Goal:
    """A claim about bridge, and how it is checked."""

    claim: str
    #: The product of the first medians, divided by that of the second.
    above: tuple[Key, ...]
    below: tuple[Key, ...]
    limit: float
    #: Whether the limit itself is too much.
    strictly: bool = False
    #: Whether to compare the two in each round, because the difference is small.
    by_round: bool = False

    def figure(self, results: Results) -> float | None:
        """What was reached; None if something for it was not measured."""
        if self.by_round:
            return results.by_round(self.above[0], self.below[0])
        return results.quotient(self.above, self.below)

    def is_met(self, figure: float) -> bool:
        return figure < self.limit if self.strictly else figure <= self.limit


def _of(scenario: str, size: int, peer: str = "bridge") -> Key:
    return Key(scenario, size, peer)


def _to_floor(claim: str, scenario: str, size: int, limit: float) -> Goal:
    return Goal(claim, (_of(scenario, size),), (_of(scenario, size, "floor"),), limit)


def _to_peer(
    claim: str,
    scenario: str,
    size: int,
    peer: str,
    limit: float,
    *,
    of: str = "bridge",
    **how: bool,
) -> Goal:
    return Goal(claim, (_of(scenario, size, of),), (_of(scenario, size, peer),), limit, **how)


GOALS: Final = (
    _to_floor("Nothing pending, given a URL, N=1000: to psycopg2", "noop", 1000, 1.35),
    Goal(
        "Nothing pending, open connection, N=1000: to psycopg2, which connects",
        (_of("noop-warm", 1000),),
        (_of("noop", 1000, "floor"),),
        1.3,
    ),
    # Stricter: the connection of both is open. What remains is to read alembic.ini, SQLAlchemy's
    # way to a cursor, and to see whether the pointer agrees.
    _to_floor("Nothing pending, open connection, N=1000: to psycopg2", "noop-warm", 1000, 1.3),
    _to_floor("Nothing pending, given a URL, N=5000: to psycopg2", "noop", 5000, 1.6),
    # What one reads of 4000 more rows and names, the other must read too.
    Goal(
        "Nothing pending, growth from N=1000 to 5000: to that of psycopg2",
        (_of("noop", 5000), _of("noop", 1000, "floor")),
        (_of("noop", 1000), _of("noop", 5000, "floor")),
        1.0,
    ),
    # A Python that starts, and psycopg2; SQLAlchemy, Alembic and Typer need not be imported.
    _to_floor("Nothing pending, `eai migrate`, N=1000: to psycopg2", "process", 1000, 2.0),
    Goal(
        "Nothing pending, `eai migrate -c … --database-url …`, N=1000: to psycopg2",
        (_of("process-options", 1000),),
        (_of("process", 1000, "floor"),),
        3.0,
    ),
    _to_peer(
        "Nothing pending, `eai migrate`, N=1000: to stock Alembic",
        *("process", 1000, "alembic"),
        1 / 3,
        strictly=True,
    ),
    # A Session for each file, what sees that no swallowed error is recorded as done, and one
    # message for the record.
    _to_floor("Fresh apply, N=1000: to psycopg2", "apply", 1000, 1.7),
    _to_peer("Fresh apply, N=1000: to stock Alembic", "apply", 1000, "alembic", 1.0),
    _to_peer("Fresh apply, N=1000: to the old runner", "apply", 1000, "old-runner", 1.0),
    # What is done for each file, and not for each statement, weighs most here.
    _to_peer("The same of one statement each: to stock Alembic", "apply-one", 1000, "alembic", 1.0),
    _to_peer(
        "The same of one statement each: to the old runner", "apply-one", 1000, "old-runner", 1.0
    ),
    # bridge compiles each file in each run; so do the others in an image that keeps no byte code.
    _to_peer("The same, without byte code: to stock Alembic", "apply-cold", 1000, "alembic", 1.0),
    _to_peer(
        "The same, without byte code: to the old runner", "apply-cold", 1000, "old-runner", 1.0
    ),
    _to_peer("Fresh apply, `eai migrate`: to stock Alembic", "process-apply", 1000, "alembic", 1.0),
    # The lock, a look at it all once that is held, and at all the files for those that were
    # changed.
    _to_floor("One pending of 1000: to psycopg2", "pending", 1000, 3.5),
    _to_peer("One pending of 1000: to stock Alembic", "pending", 1000, "alembic", 0.3),
    _to_peer(
        "One pending of 1000, `eai migrate`: to stock Alembic",
        *("process-pending", 1000, "alembic"),
        1.0,
    ),
    # The head of each file is read, and nothing of it is executed.
    Goal(
        "`alembic history`, N=1000: to stock Alembic, N=10",
        (_of("history", 1000),),
        (_of("history", 10, "alembic"),),
        1.2,
    ),
    # Two cores, and the start of both workers is paid for.
    _to_peer(
        "40 fresh targets, `--all` on two processes: to a loop in one",
        *("targets-fresh", 40, "loop", 1.0),
        of="pool",
    ),
    _to_peer(
        "1000 targets, nothing pending, `status --all`: to a connection for each",
        *("targets-nothing", 1000, "connections", 1 / 20),
        of="status",
    ),
    # Whoever installs it for another project must not notice.
    Goal(
        "`import alembic`, bridge not used: to without bridge",
        (_of("import", 0),),
        (_of("import", 0, "floor"),),
        1.01,
        by_round=True,
    ),
    Goal(
        "`import alembic`, bridge not used: to without bridge, processor time",
        (_of("import-cpu", 0),),
        (_of("import-cpu", 0, "floor"),),
        1.01,
        by_round=True,
    ),
)


def lines(results: Results) -> Iterator[str]:
    """A table of the goals for which everything was measured."""
    judged = [(goal, figure) for goal in GOALS if (figure := goal.figure(results)) is not None]
    if not judged:
        yield "No goal was measured."
        return
    yield "| Goal | At most | Measured | |"
    yield "| --- | ---: | ---: | --- |"
    for goal, figure in judged:
        digits = 3 if goal.by_round else 2
        limit = f"{'below ' if goal.strictly else ''}{goal.limit:.{digits}f}"
        verdict = "met" if goal.is_met(figure) else "**not met**"
        yield f"| {goal.claim} | {limit} | {figure:.{digits}f} | {verdict} |"


def as_json(results: Results) -> list[dict[str, object]]:
    """All goals; `figure` and `met` are null where something was not measured."""
    return [
        {
            "claim": goal.claim,
            "limit": goal.limit,
            "figure": (figure := goal.figure(results)),
            "met": None if figure is None else goal.is_met(figure),
        }
        for goal in GOALS
    ]
