"""How many targets are gone through: what is kept of them, and over how many connections."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

import pytest

from bridge.config.target import Target
from bridge.database.request import Request
from bridge.operations.targets import databases
from bridge.operations.targets.alike import Alike
from bridge.operations.targets.databases import per_database
from bridge.operations.targets.target_status import TargetState, TargetStatus

if TYPE_CHECKING:
    from bridge.operations.targets.databases import Places


class Told(str):
    """As long as the rows of a ledger, and equal where they are."""

    __slots__ = ("__weakref__",)


def test_what_was_noted_of_a_target_is_kept_until_it_was_asked_for() -> None:
    alike = Alike()
    kept = []
    for number in range(100):
        target = Target(f"t{number}")
        told = Told("rows")
        kept.append(weakref.ref(told))
        alike.note(target, told)
        if alike.known(target) is None:
            found = TargetStatus(target.name, TargetState.PENDING, pending=("002_two",))
            alike.learn(target, found)
        del told
    assert sum(each() is not None for each in kept) == 1
    assert alike.known(Target("t0")) is None


def parts(
    monkeypatch: pytest.MonkeyPatch, *counts: int, worth: bool = True
) -> dict[str, list[list[int]]]:
    """Go through databases of so many targets, three at a time; return which, for each."""
    monkeypatch.setattr(databases, "OVER_ONE_CONNECTION", 3)
    targets = [
        Target(f"t{database}_{number}", schema="x", url=f"postgresql://h/d{database}")
        for database, count in enumerate(counts)
        for number in range(count)
    ]
    done: dict[str, list[list[int]]] = {}

    def do(_request: Request, places: Places) -> bool:
        assert {place: targets[place] for place in places} == places
        (url,) = {each.url for each in places.values()}
        assert url is not None
        done.setdefault(url[-2:], []).append(list(places))
        return worth

    results = list(per_database(Request(), targets, do, goes_on=bool))
    assert len(results) == sum(map(len, done.values()))
    return done


def test_many_targets_of_one_database_are_asked_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    assert parts(monkeypatch, 7) == {"d0": [[0, 1, 2], [3, 4, 5], [6]]}
    assert parts(monkeypatch, 3, 4) == {"d0": [[0, 1, 2]], "d1": [[3, 4, 5], [6]]}
    assert parts(monkeypatch) == {}


def test_where_nobody_answers_the_rest_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    assert parts(monkeypatch, 7, 4, worth=False) == {"d0": [[0, 1, 2]], "d1": [[7, 8, 9]]}
