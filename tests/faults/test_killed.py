"""`kill -9` at random instants, and the run after it."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING, Any

import pytest

from support.breaking import EAI, Patient, patient, run_alembic
from support.faults import (
    KILLED,
    KILLED_IN_DOWNGRADE,
    KILLED_ONE_OF_TWO,
    KILLED_UNDER_ALEMBIC,
    randomness,
)
from support.twenty import STEMS, check, check_all

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

    from support.project import Project

pytestmark = pytest.mark.long

#: The kills that one database gets before it is left to come to its end.
EACH = 5
#: Tests that share the kills, for the workers of pytest-xdist.
PARTS = 4

UP = (run_alembic, "upgrade", "head")
DOWN = (run_alembic, "downgrade", "base")


@pytest.fixture
def ill(project: Project) -> Iterator[Patient]:
    """The twenty files, and their database."""
    with patient(project) as found:
        yield found


class Killer:
    """Kills runs of one command; each next run goes on where the killed one was."""

    def __init__(self, ill: Patient, rng: Random, *command: Any, up: bool = True) -> None:
        self._ill = ill
        self._rng = rng
        self._command = command
        self._up = up
        self._begin()
        self._whole = ill.run(*command)
        self._complete()

    def kill(self, times: int) -> None:
        """Kill so many, look what each one has left, and let the last one be completed."""
        killed = 0
        while killed < times:
            self._begin()
            for _ in range(min(EACH, times - killed)):
                if not self._killed():
                    break
                killed += 1
            self._ill.run(*self._command)
            self._complete()

    def _killed(self) -> bool:
        """Whether a run was killed; else it was done before its instant."""
        # What remains takes less time; connecting and looking are always there.
        share = max(0.3, abs(len(self._before.recorded) - (len(STEMS) if self._up else 0)) / 20)
        after = self._rng.uniform(0, self._whole * share)
        result = self._ill.broken_off(*self._command, after=after)
        self._look()
        if result.code == 0:
            self._whole = min(self._whole, after / share)
            return False
        assert result.code == -signal.SIGKILL, result
        return True

    def _begin(self) -> None:
        self._before = self._ill.begin_anew()
        if not self._up:
            self._ill.run(*UP)
            self._before = self._ill.eye.look()

    def _look(self) -> None:
        now = self._ill.eye.look()
        check(self._before, now, up=self._up)
        self._before = now

    def _complete(self) -> None:
        self._look()
        check_all(self._before, up=self._up)


@pytest.mark.parametrize("part", range(PARTS))
def test_killed_at_any_instant_the_next_run_completes_the_work(ill: Patient, part: int) -> None:
    Killer(ill, randomness("upgrade", part), *ill.upgrade).kill(KILLED.share(PARTS))


def test_killed_at_any_instant_under_alembics_own_command(ill: Patient) -> None:
    Killer(ill, randomness("alembic"), *UP).kill(KILLED_UNDER_ALEMBIC.times)


def test_killed_at_any_instant_of_a_downgrade(ill: Patient) -> None:
    Killer(ill, randomness("downgrade"), *DOWN, up=False).kill(KILLED_IN_DOWNGRADE.times)


def test_of_two_at_once_one_is_killed_and_the_other_completes_the_work(ill: Patient) -> None:
    """Whichever of them it was: the one that worked, or the one that waited for it."""
    rng = randomness("two")
    whole = ill.run(*EAI)
    killed = 0
    while killed < KILLED_ONE_OF_TWO.times:
        ill.begin_anew()
        with ill.running(*EAI, count=2) as children:
            time.sleep(rng.uniform(0, whole))
            ended = children.pop(rng.randrange(2)).kill()
            survivor = children[0].end()
        assert survivor.code == 0, survivor
        ill.eye.settle()
        check_all(ill.eye.look())
        if ended.code == 0:  # it was done before
            whole *= 0.9
        else:
            assert ended.code == -signal.SIGKILL, ended
            killed += 1
