"""The combinations of releases that `scripts/test --matrix` tests."""

from __future__ import annotations

import re
from itertools import combinations, product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement

from support.matrix import LOWEST, NEWEST, SQLALCHEMY, chosen, floors, pins, pythons, to_lock

ROOT = Path(__file__).parents[2]
LOCKED = re.findall(
    r"^[a-z0-9-]+==\S+", (ROOT / "requirements-matrix.lock").read_text(), re.MULTILINE
)


@given(versions=st.lists(st.sampled_from(pythons()), min_size=1, unique=True))
def test_any_two_values_of_different_parts_meet_in_a_combination(versions: list[str]) -> None:
    found = [
        (each.python, each.sqlalchemy, each.driver, each.typer, each.others)
        for each in chosen(versions)
    ]
    parts = (versions, SQLALCHEMY, *[(LOWEST, NEWEST)] * 3)
    for (first, its), (second, others) in combinations(enumerate(parts), 2):
        for pair in product(its, others):
            assert any((each[first], each[second]) == pair for each in found), pair
    assert len(found) <= max(4 * len(versions), 8) + 2


def test_the_lowest_of_all_is_one_of_them() -> None:
    lowest = chosen(pythons())[0]
    assert lowest.python == pythons()[0]
    assert {lowest.driver, lowest.typer, lowest.others} == {LOWEST}
    named = dict(pin.split("==") for pin in pins(lowest))
    assert {name: named[name] for name in floors(lowest.python)} == floors(lowest.python)


def test_every_release_of_a_combination_is_locked() -> None:
    for each in chosen(pythons()):
        assert set(pins(each)) <= set(LOCKED)


def test_the_lock_has_what_pyproject_allows_and_nothing_else() -> None:
    wanted = [Requirement(line) for line in to_lock()]
    assert len(LOCKED) == len(wanted)
    for pinned, requirement in zip(LOCKED, wanted, strict=True):
        name, version = pinned.split("==")
        assert name == requirement.name
        assert requirement.specifier.contains(version)


def test_a_floor_is_the_one_of_its_python() -> None:
    assert floors("3.13")["sqlalchemy"] == "2.0.38"
    assert floors("3.14")["sqlalchemy"] == "2.0.41"
    assert floors("3.14")["psycopg2-binary"] == "2.9.11"


def test_a_floor_that_cannot_be_read_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("support.matrix._requirements", lambda: ["typer==1"])
    with pytest.raises(ValueError, match="no floor can be read from typer==1"):
        floors("3.11")
