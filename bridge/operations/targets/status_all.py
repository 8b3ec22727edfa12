"""The status of all targets: how many are where, and which of them differ."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from bridge.database.request import Request
from bridge.database.target_list import as_target, listed_targets
from bridge.errors import TryAgain
from bridge.operations.by_program import by_program
from bridge.operations.overview import PENDING, PROBLEM
from bridge.operations.targets.databases import their_database
from bridge.operations.targets.read_all import read_all
from bridge.operations.targets.shapes import Shape, read_shapes
from bridge.operations.targets.target_status import TargetState, TargetStatus

if TYPE_CHECKING:
    from bridge.config.target import Target
    from bridge.database.handed_in import HandedIn

#: The states that make `--check` end with its exit codes; the first that any target has counts.
_EXIT_CODES = {
    TargetState.REFUSED: PROBLEM,
    TargetState.MISSING: PROBLEM,
    TargetState.NEW: PENDING,
    TargetState.PENDING: PENDING,
    TargetState.LOCKED: TryAgain.exit_code,
    TargetState.UNREACHABLE: TryAgain.exit_code,
}


@dataclass(frozen=True, slots=True)
class Group:
    """Targets that are in the same place."""

    state: TargetState
    #: The migration that was applied last.
    at: str | None
    #: How many migrations are pending in each.
    pending: int
    #: How many targets these are.
    count: int

    def __str__(self) -> str:
        """Return, for example, `5 at 019_x, 1 pending`."""
        place = f" at {self.at}" if self.at else ""
        if self.state is TargetState.UP_TO_DATE:
            return f"{self.count} up to date{place}"
        if self.state in {TargetState.PENDING, TargetState.NEW}:
            new = " new" if self.state is TargetState.NEW else place
            return f"{self.count}{new} ({self.pending} pending)"
        return f"{self.count} {self.state}{place}"

    def to_json(self) -> dict[str, Any]:
        """The documented form, made of what JSON knows; its keys stay as they are."""
        return {
            "state": str(self.state),
            "at": self.at,
            "pending": self.pending,
            "count": self.count,
        }


@dataclass(frozen=True, slots=True)
class StatusOfAll:
    """The status of all targets when they were asked."""

    #: In the order of their list.
    targets: tuple[TargetStatus, ...]
    #: The shapes of their schemas, the most common one first; None where nobody has asked.
    shapes: tuple[Shape, ...] | None = None

    @property
    def up_to_date(self) -> bool:
        """Whether nothing is pending in any of them, and nothing is wrong or unknown."""
        return all(each.up_to_date for each in self.targets)

    @property
    def exit_code(self) -> int:
        """The exit code of --check: 4 for a problem, else 3 for what is pending, else 75."""
        states = {each.state for each in self.targets}
        return next((code for state, code in _EXIT_CODES.items() if state in states), 0)

    @property
    def groups(self) -> tuple[Group, ...]:
        """How many targets are where, the largest group first."""
        # What is known of one that is refused or not reached says nothing of the others.
        places = Counter(
            (
                each.state,
                each.at if each.state not in _EXIT_CODES or each.pending else None,
                len(each.pending) if each.state in {TargetState.PENDING, TargetState.NEW} else 0,
            )
            for each in self.targets
        )
        return tuple(Group(*place, count) for place, count in places.most_common())

    def to_json(self) -> dict[str, Any]:
        """The documented form, made of what JSON knows; its keys stay as they are."""
        shapes = None if self.shapes is None else [each.to_json() for each in self.shapes]
        return {
            "up_to_date": self.up_to_date,
            "count": len(self.targets),
            "groups": [each.to_json() for each in self.groups],
            "targets": [each.to_json() for each in self.targets],
            "shapes": shapes,
        }


def status_all(
    targets: Iterable[str | tuple[str, str | None] | Target] | None = None,
    *,
    database: HandedIn = None,
    config: str | os.PathLike[str] | None = None,
    section: str | None = None,
    embedded: bool = False,
    wait_for_server: float | None = None,
    shapes: bool = False,
) -> StatusOfAll:
    """Return the status of each target, without writing anything or taking a lock.

    `targets` are names, pairs of a name and a URL, or Targets; None for those that the section
    lists. `database` is the one in which those without a URL are; with `shapes` the tables of
    those that are up to date are compared too. The other arguments are those of `status`.

    Raises a BridgeError where there is nothing to tell: no list, no folder, no database. What is
    wrong with one target, or with its server, is in its TargetStatus instead.
    """
    request = Request.to_look(
        database,
        config=config,
        section=section,
        embedded=embedded,
        wait_for_server=wait_for_server,
    )
    given = None if targets is None else [as_target(each, "targets") for each in targets]
    with by_program(replace(request, targets=given)) as here:
        return status_of_all(here, listed_targets(here, here.settings()), shapes=shapes)


def status_of_all(
    request: Request, targets: Sequence[Target], *, shapes: bool = False
) -> StatusOfAll:
    """Return the status of these targets for a Request, as `status_all` does."""
    with their_database(request, targets) as here:
        found = StatusOfAll(read_all(here, targets))
        if not shapes:
            return found
        # One that is behind has another shape by right.
        done = [
            target
            for target, status in zip(targets, found.targets, strict=True)
            if status.state in {TargetState.UP_TO_DATE, TargetState.CHANGED}
        ]
        return replace(found, shapes=read_shapes(here, done))
