"""Waves, the window, the budget and the choice of targets, without a database."""

from __future__ import annotations

import pickle
import random
import threading
from collections import Counter
from concurrent.futures import BrokenExecutor, Executor, Future
from multiprocessing.context import SpawnProcess
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.config.target import Target
from bridge.database.request import Request
from bridge.errors import UsageError
from bridge.operations.rollout.choosing import Shard, choose, parse_shard
from bridge.operations.rollout.engine import Engine
from bridge.operations.rollout.local_pool import LocalPool
from bridge.operations.rollout.results import (
    Outcome,
    TargetResult,
    exit_code_of,
    same_failures,
)
from bridge.operations.rollout.schedule import DEATHS, Limits, Schedule
from bridge.operations.rollout.waves import cut, in_order, parse_share, parse_waves

if TYPE_CHECKING:
    from pathlib import Path

NAMES = st.integers(0, 40).map(lambda count: [f"t{number:02}" for number in range(count)])
SHARES = st.lists(
    st.one_of(st.integers(1, 60).map(str), st.integers(1, 100).map(lambda number: f"{number}%")),
    max_size=5,
).map(lambda parts: ",".join([*parts, "100%"]))


def refused(function: object, *arguments: object) -> str:
    with pytest.raises(UsageError) as caught:
        function(*arguments)  # type: ignore[operator]
    return str(caught.value)


# Waves


def test_waves_reach_so_far_into_the_whole_list() -> None:
    names = [f"t{number}" for number in range(25)]
    waves = cut(names, parse_waves("1, 10%, 100%"))
    assert [len(wave) for wave in waves] == [1, 2, 22]


@given(NAMES, SHARES)
def test_waves_are_the_list_in_its_order(names: list[str], shares: str) -> None:
    waves = cut(names, parse_waves(shares))
    assert [name for wave in waves for name in wave] == names
    assert all(waves)


@pytest.mark.parametrize("text", ["", "1", "1,10%", "100%,1", "0,100%", "1,101%,100%", "x,100%"])
def test_waves_that_do_not_reach_all_are_refused(text: str) -> None:
    assert refused(parse_waves, text) == (
        f"The waves {text!r} cannot be read. Nothing was started. Say how far into the list each "
        "one reaches, in targets or per cent, with 100% at the end: 1,10%,100%"
    )


def test_a_share_is_a_number_or_per_cent() -> None:
    shares = [parse_share(text) for text in ("3", " 10% ")]
    assert [share.of(25) for share in shares if share] == [3, 3]
    assert [parse_share(text) for text in ("0", "0%", "-1", "1.5", "101%", "")] == [None] * 6


def ordered(wave: str, behind: str, *, turn: int = 0, begun: bool = False) -> str:
    return "".join(in_order(wave, set(behind), begun=begun, turn=turn))


def test_one_that_failed_before_goes_to_the_end_of_its_wave() -> None:
    assert ordered("abcdef", "bdef") == "defb"
    assert ordered("abcdef", "bdef", turn=4) == "efdb"


def test_another_one_is_the_first_each_time() -> None:
    assert {ordered("abc", "abc", turn=turn, begun=True)[0] for turn in range(3)} == set("abc")


def test_a_wave_to_which_no_run_has_come_is_run_in_the_order_of_the_list() -> None:
    assert ordered("abc", "abc", turn=1) == "abc"
    assert ordered("abc", "", turn=1) == ""


@given(NAMES, st.sets(st.integers(0, 39)), st.integers(), st.booleans())
def test_all_that_are_behind_are_run(
    names: list[str], places: set[int], turn: int, begun: bool
) -> None:
    behind = {name for place, name in enumerate(names) if place in places}
    assert Counter(in_order(names, behind, turn=turn, begun=begun)) == Counter(behind)


@given(st.integers(1, 12), st.data())
def test_one_bad_target_does_not_keep_the_others_from_their_turn(
    count: int, data: st.DataObject
) -> None:
    """Runs with a budget of one, one after the other: all but the bad one are done in the end."""
    wave = [f"t{number:02}" for number in range(count)]
    bad = data.draw(st.sampled_from(wave))
    behind = set(wave)
    for turn in range(count):
        for name in in_order(wave, behind, begun=True, turn=turn):
            if name == bad:
                break
            behind.remove(name)
    assert behind == {bad}


# The choice


@given(NAMES, st.integers(1, 7))
def test_each_target_is_in_one_shard(names: list[str], of: int) -> None:
    shards = [Shard(index, of) for index in range(of)]
    assert all(sum(name in shard for shard in shards) == 1 for name in names)


def test_a_shard_does_not_depend_on_the_others() -> None:
    assert [name for name in ("acme", "beta", "Ä", "delta") if name in Shard(0, 2)] == ["acme"]


@pytest.mark.parametrize("text", ["", "1", "2/2", "-1/2", "0/0", "1/x"])
def test_a_shard_that_is_none_is_refused(text: str) -> None:
    assert refused(parse_shard, text) == (
        f"The shard {text!r} cannot be read. Nothing was started. Write its number, counted from "
        "0, and how many there are: the first of sixteen is 0/16, the last 15/16."
    )


TARGETS = (
    Target("eu_1", labels={"region": "eu", "plan": "free"}),
    Target("eu_2", labels={"region": "eu"}),
    Target("us_1", labels={"region": "us", "plan": "free"}),
    Target("other"),
)


def chosen(**how: object) -> list[str]:
    return [each.name for each in choose(TARGETS, **how)]  # type: ignore[arg-type]


def test_targets_are_chosen_by_label_and_by_shard() -> None:
    assert chosen(where=["region=eu"]) == ["eu_1", "eu_2"]
    assert chosen(where=["region=eu", "region=us", "plan=free"]) == ["eu_1", "us_1"]
    halves = [chosen(shard=f"{index}/2") for index in range(2)]
    assert sorted(halves[0] + halves[1]) == sorted(each.name for each in TARGETS)


def test_a_choice_that_fits_none_is_a_slip() -> None:
    assert refused(lambda: chosen(where=["region=eu", "plan=x"])) == (
        "No target fits --where region=eu --where plan=x. Nothing was started. Labels are those "
        'of bridge.Target(…, labels={"region": "eu"}), or of a line of JSON.'
    )
    assert refused(lambda: chosen(where=["region"])) == (
        "The condition 'region' cannot be read. Nothing was started. Write a label and its value: "
        "--where region=eu"
    )


# The schedule


def test_a_target_at_whose_run_two_workers_died_has_failed() -> None:
    schedule = Schedule([["a", "b"]], Limits(concurrency=2))
    assert (schedule.begin(), schedule.begin()) == ("a", "b")
    assert not schedule.died("a")
    assert schedule.begin() == "a"  # beside b, which goes on
    assert schedule.died("a")
    assert (schedule.failed, schedule.running) == (["a"], {"b"})


def test_one_that_was_not_begun_is_the_next() -> None:
    schedule = Schedule([["a", "b"]], Limits(concurrency=1))
    assert schedule.begin() == "a"
    schedule.give_back("a")
    assert schedule.begin() == "a"


def test_a_name_that_fits_is_found_without_a_look_at_all_that_wait() -> None:
    """Of a list that is sorted by its servers, most of one that has enough stand in front."""
    names = [f"t{number:04}" for number in range(2000)]
    looks = 0

    class Servers(dict[str, str]):
        def get(self, name: str, default: Any = None) -> Any:
            nonlocal looks
            looks += 1
            return super().get(name, default)

    servers = Servers({name: f"host{place // 500}" for place, name in enumerate(names)})
    schedule = Schedule([names], Limits(concurrency=4, per_server=1), servers)
    begun = []
    while not schedule.is_over:
        while (name := schedule.begin()) is not None:
            begun.append(name)
        schedule.end(min(schedule.running), failed=False)
    assert sorted(begun) == names
    assert begun[:4] == ["t0000", "t0500", "t1000", "t1500"]
    assert looks < 20 * len(names)


def the_first_that_may(schedule: Schedule, limits: Limits, server_of: dict[str, str]) -> str | None:
    """Which target begins next, found by looking at each."""
    running = schedule.running
    there = Counter(server_of[each] for each in running)
    full = len(schedule.failed) >= limits.max_failures or len(running) >= limits.concurrency
    left = len(schedule.waiting) - sum(map(len, schedule.waves[schedule.wave + 1 :]))
    for name in () if full else schedule.waiting[:left]:
        if limits.per_server is None or there[server_of[name]] < limits.per_server:
            return name
    return None


LIMITS = st.builds(
    Limits,
    concurrency=st.integers(1, 5),
    per_server=st.none() | st.integers(1, 3),
    max_failures=st.integers(1, 4),
)


@given(NAMES, SHARES, LIMITS, st.integers())
def test_whatever_fails_in_whatever_order_the_rules_hold(
    names: list[str], shares: str, limits: Limits, seed: int
) -> None:
    """Each target is once in one place; waves do not overlap; the budget and the window hold."""
    chance = random.Random(seed)
    waves = cut(names, parse_waves(shares))
    server_of = {name: f"host{chance.randrange(3)}" for name in names}
    max_failures, per_server = limits.max_failures, limits.per_server
    schedule = Schedule(waves, limits, server_of)
    wave_of = {name: number for number, wave in enumerate(waves) for name in wave}
    deaths: Counter[str] = Counter()
    while True:
        while True:
            expected = the_first_that_may(schedule, limits, server_of)
            name = schedule.begin()
            assert name == expected
            if name is None:
                break
            assert {wave_of[each] for each in schedule.running} == {schedule.wave}
            assert len(schedule.failed) < max_failures
            assert len(schedule.running) <= limits.concurrency
            there = Counter(server_of[each] for each in schedule.running)
            assert per_server is None or max(there.values()) <= per_server
        everywhere = [*schedule.waiting, *schedule.running, *schedule.done, *schedule.failed]
        assert sorted(everywhere) == sorted(names)
        if not schedule.running:
            if schedule.is_over:
                break
            assert schedule.wave_is_over
            schedule.next_wave()
            continue
        ended = chance.choice(sorted(schedule.running))
        if chance.random() < 0.1:
            deaths[ended] += 1
            assert schedule.died(ended) == (deaths[ended] >= DEATHS)
        else:
            schedule.end(ended, failed=chance.random() < 0.1)
    if schedule.waiting:
        assert len(schedule.failed) >= max_failures
    else:
        assert sorted(schedule.done + schedule.failed) == sorted(names)


# The workers of this machine


def test_what_a_worker_starts_with_does_not_grow_with_the_list(tmp_path: Path) -> None:
    ini = tmp_path / "alembic.ini"
    ini.write_text("[alembic]\nscript_location = bridge:environment\n")
    sizes = set()
    for count in (1, 1000):
        targets = {name: Target(name) for name in map("t{:04}".format, range(count))}
        pool = LocalPool(Request(config=ini), targets, size=2)
        sizes.add(len(pickle.dumps(pool._given)))
    assert len(sizes) == 1


def test_a_worker_that_cannot_be_started_hides_its_reason_from_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ini = tmp_path / "alembic.ini"
    ini.write_text("[alembic]\nscript_location = bridge:environment\n")

    def refuse(_process: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(SpawnProcess, "_Popen", staticmethod(refuse))
    pool = LocalPool(Request(config=ini), {"t1": Target("t1")}, size=1)
    with pytest.raises(BlockingIOError):
        pool.submit("t1")
    pool.stop()
    pool.close(within=1)


# The engine, on an executor that finishes in random order, and breaks


class Chaos(Executor):
    """Runs nothing: ends what was submitted in random order, and now and then breaks."""

    def __init__(self, chance: random.Random, log: list[tuple[str, str]]) -> None:
        self.chance = chance
        self.log = log
        self.futures: dict[Future[dict[str, Any]], str] = {}
        self.broken = False
        self.lock = threading.Lock()

    def submit(self, name: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        with self.lock:
            if self.broken:
                raise BrokenExecutor
            future: Future[Any] = Future()
            self.futures[future] = name
            self.log.append(("begin", name))
        threading.Thread(target=self.end_one, daemon=True).start()
        return future

    def end_one(self) -> None:
        with self.lock:
            if not self.futures:
                return
            if self.chance.random() < 0.1:
                self.broken = True
                for future, name in self.futures.items():
                    self.log.append(("lost", name))
                    future.set_exception(BrokenExecutor())
                self.futures.clear()
                return
            future = self.chance.choice(sorted(self.futures, key=self.futures.__getitem__))
            name = self.futures.pop(future)
            if self.chance.random() < 0.05:
                self.log.append(("failed", name))
                future.set_exception(ValueError("postgresql://role:secret@host"))
                return
            code = 1 if self.chance.random() < 0.1 else 0
            self.log.append(("failed" if code else "done", name))
            future.set_result({"target": name, "exit_code": code, "message": "no" * code})


class ChaoticPool:
    """Makes such an executor anew where one is broken."""

    def __init__(self, chance: random.Random) -> None:
        self.log: list[tuple[str, str]] = []
        self.chance = chance
        self.executor = Chaos(chance, self.log)
        self.closed = False

    def submit(self, name: str) -> Future[dict[str, Any]]:
        if self.executor.broken:
            self.executor = Chaos(self.chance, self.log)
        return self.executor.submit(name)

    def stop(self) -> None:
        raise AssertionError

    def close(self, *, within: float | None = None) -> None:
        assert within is None
        self.closed = True


class Heard:
    """What the engine has told."""

    def __init__(self) -> None:
        self.results: list[TargetResult] = []
        self.waves: list[int] = []

    def begins(self, name: str, wave: int) -> None:
        self.waves.append(wave)

    def ended(self, result: TargetResult, answer: dict[str, Any]) -> None:
        self.results.append(result)

    def is_gone(self, name: str) -> bool:
        return False

    def takes_long(self, name: str, wave: int, seconds: float) -> None:
        raise AssertionError

    def wave_is_over(self, wave: int) -> bool:
        return True


@given(NAMES, SHARES, LIMITS, st.integers())
def test_on_an_executor_that_breaks_each_target_is_accounted_for_once(
    names: list[str], shares: str, limits: Limits, seed: int
) -> None:
    waves = cut(names, parse_waves(shares))
    schedule = Schedule(waves, limits)
    pool, heard = ChaoticPool(random.Random(seed)), Heard()
    Engine(schedule, pool, heard).run()
    assert pool.closed
    told = [each.target for each in heard.results]
    assert sorted([*told, *schedule.waiting]) == sorted(names)
    assert heard.waves == sorted(heard.waves)
    assert not any("secret" in each.message for each in heard.results)
    under_way: set[str] = set()
    failed = 0
    for what, name in pool.log:
        if what == "begin":
            assert name not in under_way
            under_way.add(name)
            assert len(under_way) <= limits.concurrency
        else:
            under_way.remove(name)
            failed += what == "failed"
    assert failed <= limits.max_failures - 1 + limits.concurrency
    assert schedule.waiting == () or len(schedule.failed) >= limits.max_failures


class Slow(ChaoticPool):
    """Ends nothing until the engine has told of it twice."""

    def submit(self, name: str) -> Future[dict[str, Any]]:
        self.future: Future[dict[str, Any]] = Future()
        return self.future


def test_what_takes_long_is_named_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.operations.rollout.engine.LONG", 0.0)
    monkeypatch.setattr("bridge.operations.rollout.engine._LOOK_EVERY", 0.001)
    pool, told = Slow(random.Random(0)), []

    class Listening(Heard):
        def takes_long(self, name: str, wave: int, seconds: float) -> None:
            told.append((name, wave, seconds > 0))
            if len(told) == 2:
                pool.future.set_result({"target": name, "exit_code": 0, "message": ""})

    Engine(Schedule([["a"]], Limits(concurrency=2)), pool, Listening()).run()
    assert told == [("a", 1, True), ("a", 1, True)]


def test_what_two_targets_have_in_common_is_told_once() -> None:
    def failed(name: str, message: str) -> TargetResult:
        about = {"target": name, "wave": 1, "exit_code": 1, "message": message}
        return TargetResult(outcome=Outcome.FAILED, **about)  # type: ignore[arg-type]

    results = [
        failed("b", "x\n  y\nFirst stays."),
        failed("c", "x\n  y\nNothing stays."),
        failed("a", "a has no schema; type --target a"),
        failed("acme", "acme has no schema; type --target acme"),
    ]
    assert [each.targets for each in same_failures(results)] == [("b", "c"), ("a", "acme")]


@pytest.mark.parametrize(
    ("codes", "exit_code"),
    [((), 75), ((75,), 75), ((4, 75), 4), ((2,), 4), ((1, 75, 4), 1), ((3,), 1)],
)
def test_the_gravest_failure_is_the_exit_status(codes: tuple[int, ...], exit_code: int) -> None:
    assert exit_code_of(codes) == exit_code
