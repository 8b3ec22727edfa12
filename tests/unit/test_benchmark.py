"""The arithmetic of the benchmark, and what it accepts as done."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, cast

import pytest

from benchmark import goals, table, targets
from benchmark.bench import Bench
from benchmark.checking import State, WrongResultError, check, check_unchanged
from benchmark.environments import environment
from benchmark.folders import WRITERS, Project, migrations
from benchmark.goals import GOALS, Goal
from benchmark.peers import BRIDGE, FLOOR, PEERS
from benchmark.results import Key, Results
from support.pages import page

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]

DONE = State(
    {"t0001": (1, 1, "7", "oid", "7"), "t0002": (1, 2, "8", "oid", "8")},
    [("0001_create_t0001", "7"), ("0002_create_t0002", "8")],
    [("0002_create_t0002", "8")],
)


def results(**samples: list[float]) -> Results:
    """Of the no-op: `bridge_1000=[0.003]` and the like."""
    found = Results()
    for name, seconds in samples.items():
        peer, size = name.rsplit("_", 1)
        for each in seconds:
            found.add(Key("noop", int(size), peer), each)
    return found


def test_a_ratio_is_that_of_medians() -> None:
    found = results(bridge_1000=[9.0, 3.0, 1.0], floor_1000=[2.0, 1.0, 50.0])
    assert GOALS[0].figure(found) == 1.5
    assert GOALS[0].is_met(1.35)
    assert not GOALS[0].is_met(1.36)


def test_what_is_measured_again_stands_in_place_of_the_earlier_figure_of_the_same() -> None:
    earlier = results(bridge_1000=[9.0], bridge_10=[1.0])
    found = results(bridge_1000=[3.0, 4.0]).over(earlier)
    assert found.samples[Key("noop", 1000, "bridge")] == [3.0, 4.0]
    assert found.samples[Key("noop", 10, "bridge")] == [1.0]


def test_growth_is_compared_with_the_floors() -> None:
    (growth,) = [goal for goal in GOALS if "growth" in goal.claim]
    found = results(bridge_1000=[3.0], floor_1000=[2.0], bridge_5000=[12.0], floor_5000=[4.0])
    assert growth.figure(found) == 2.0
    assert not growth.is_met(2.0)


def test_a_strict_limit_is_too_much_itself() -> None:
    (third,) = [goal for goal in GOALS if goal.strictly]
    assert not third.is_met(1 / 3)
    assert third.is_met(0.3333)


def test_a_small_difference_is_that_within_the_rounds() -> None:
    found = results(bridge_0=[5.0, 1.005, 4.0], floor_0=[4.0, 1.0, 9.0])
    goal = Goal("", (Key("noop", 0, "bridge"),), (Key("noop", 0, "floor"),), 1.01, by_round=True)
    assert goal.figure(found) == pytest.approx(1.005)


def test_what_was_not_measured_is_neither_met_nor_missed() -> None:
    found = results(bridge_1000=[1.0])
    assert list(goals.lines(found)) == ["No goal was measured."]
    assert {each["met"] for each in goals.as_json(found)} == {None}


def test_goals_and_table_are_about_what_there_is() -> None:
    for goal in GOALS:
        for key in (*goal.above, *goal.below):
            of_targets = key.scenario in {targets.FRESH_SCENARIO, targets.NOTHING}
            assert of_targets or key.scenario in table.SCENARIOS
            names = targets.LABELS if of_targets else {peer.name for peer in PEERS}
            assert key.peer in names


def test_the_tables_say_it_in_markdown() -> None:
    found = results(bridge_1000=[0.0126], floor_1000=[0.007])
    assert list(table.lines(found, (FLOOR, BRIDGE))) == [
        "| | N | psycopg2 | bridge |",
        "| --- | ---: | ---: | ---: |",
        "| Nothing pending, given a URL | 1000 | 7.00 ms | 12.6 ms, 1.80× |",  # noqa: RUF001
    ]
    assert list(goals.lines(found))[2:] == [
        "| Nothing pending, given a URL, N=1000: to psycopg2 | 1.35 | 1.80 | **not met** |"
    ]


def test_all_done_is_accepted() -> None:
    check(DONE, BRIDGE, migrations(2), "apply")


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (
            lambda: replace(DONE, tables={"t0001": DONE.tables["t0001"]}),
            "tables expected: 2; found: 1 (wrong or missing: t0002).",
        ),
        (
            lambda: replace(DONE, tables={**DONE.tables, "t0002": (1, None, "8", "oid", "8")}),
            "tables expected: 2; found: 2 (wrong or missing: t0002).",
        ),
        (
            lambda: replace(DONE, ledger=DONE.ledger[:1]),
            "rows in its ledger expected: 2; found: 1.",
        ),
        (
            lambda: replace(DONE, pointer=[("0001_create_t0001", "7")]),
            "pointer expected: ['0002_create_t0002']; found: ['0001_create_t0001'].",
        ),
    ],
    ids=["a table is missing", "a row is wrong", "one is not recorded", "the pointer is behind"],
)
def test_work_left_undone_is_refused(spoil: Callable[[], State], told: str) -> None:
    with pytest.raises(WrongResultError) as caught:
        check(spoil(), BRIDGE, migrations(2), "apply")
    assert str(caught.value) == f"bridge has not done its work in 'apply', N=2: {told}"


def test_the_same_values_written_again_are_a_change() -> None:
    after = replace(DONE, pointer=[("0002_create_t0002", "9")])
    check_unchanged(DONE, DONE, BRIDGE, "noop")
    with pytest.raises(WrongResultError) as caught:
        check_unchanged(DONE, after, BRIDGE, "noop")
    assert str(caught.value) == "bridge has written something in 'noop'."


def test_the_page_shows_the_figures_that_were_saved() -> None:
    text = page("speed")
    saved = json.loads((ROOT / "tests" / "benchmark" / "results.json").read_text())
    found = Results.from_json(saved["measurements"])
    assert saved["machine"] in text
    assert "\n".join(table.lines(found, PEERS)) in text
    assert "\n".join(targets.lines(found)) in text
    assert "\n".join(goals.lines(found)) in text


def test_what_the_page_says_of_the_figures_is_true_of_those_that_were_saved() -> None:
    """Where it gives the reasons, below the tables."""
    saved = json.loads((ROOT / "tests" / "benchmark" / "results.json").read_text())
    found = Results.from_json(saved["measurements"])

    def median(scenario: str, peer: str, size: int = 1000) -> float:
        figure = found.median(Key(scenario, size, peer))
        assert figure is not None
        return figure

    messages, bridge = median("pending-messages", "floor"), median("pending", "bridge")
    assert 2.7 < messages / median("pending", "floor") < 3.3  # "about three times"
    assert 0.45 < (bridge - messages) / bridge < 0.55  # "about half"
    assert median("apply", "old-runner") < 2 * median("apply", "floor")
    for size in (10, 100, 1000, 5000):
        more = median("noop-warm", "bridge", size) - median("noop-warm", "floor", size)
        assert more < 0.0035


def test_no_peer_always_runs_after_the_same_one() -> None:
    bench = Bench((), cast("Any", None), Path(), (1000,), chance=Random(1))
    order = list(bench.each_round("abc", {0: 20, 1000: 9}, 1000))
    rounds = ["".join(order[start : start + 3]) for start in range(0, len(order), 3)]
    assert len(rounds) == 9
    assert {frozenset(each) for each in rounds} == {frozenset("abc")}
    assert {"ab", "cb"} <= {pair for each in rounds for pair in (each[:2], each[1:])}


@pytest.mark.parametrize("layout", sorted(WRITERS))
def test_a_migration_of_one_statement_and_one_of_three_are_written_for_each_peer(
    layout: str, tmp_path: Path
) -> None:
    for length in (1, 3):
        project = Project(tmp_path / str(length), 2, length)
        WRITERS[layout](project)
        files = [file.read_text() for file in project.path.rglob("*create_t000*.py")]
        assert len(files) == 2
        for each in project.migrations:
            assert len(each.statements) == length
            assert any(all(f'"{one}"' in text for one in each.statements) for text in files)
        assert {text.count(" TABLE t000") for text in files} == {min(length, 2)}


def test_one_environment_has_bridge_and_the_other_has_not(tmp_path: Path) -> None:
    code = "import alembic, sys; print('bridge.plugin' in sys.modules)"
    for there in (True, False):
        folder = environment(tmp_path / str(there), with_bridge=there)
        path = os.pathsep.join((str(folder), str(ROOT)))
        done = subprocess.run(
            [sys.executable, "-S", "-c", code],
            env={**os.environ, "PYTHONPATH": path},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout == f"{there}\n"
