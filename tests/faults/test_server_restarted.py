"""The server goes down in the middle of a run, as one that loses its power does."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from support.breaking import EAI, Patient
from support.eye import looking
from support.faults import SERVER_RESTARTED, randomness
from support.own_server import own_server
from support.twenty import check, check_all, write_twenty

if TYPE_CHECKING:
    from pathlib import Path

    from support.replicas import Result

pytestmark = pytest.mark.long


def test_the_server_is_restarted_at_any_instant_and_the_next_run_completes_the_work(
    tmp_path: Path,
) -> None:
    rng = randomness("server")
    with own_server(tmp_path / "project") as own:
        write_twenty(own.project)
        hit = 0
        whole = None
        while hit < SERVER_RESTARTED.times:
            with looking(own.engine.url) as eye:
                ill = Patient(own.project, eye)
                before = ill.begin_anew()
                if whole is None:
                    whole = ill.run(*EAI)
                    before = ill.begin_anew()
            with ill.running(*EAI) as [child]:
                time.sleep(rng.uniform(0, whole))
                own.pg_ctl("restart")
                result = child.end()
            hit += was_hit(result)
            with looking(own.engine.url) as eye:
                ill = Patient(own.project, eye)
                check(before, before := ill.eye.look())
                ill.run(*EAI)
                check(before, ill.eye.look())
                check_all(ill.eye.look())


def was_hit(result: Result) -> bool:
    """Whether it met the restart, and ended as it should have; else it was done before."""
    assert result.code in {0, 1, 75}, result
    assert "Traceback" not in result.err
    assert result.code == 0 or "ype: " in result.err or "again" in result.err, result
    return result.code != 0
