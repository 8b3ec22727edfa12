"""The benchmark, on three migrations: that it measures, and that nothing wrong is measured."""

from __future__ import annotations

import json
import re
import secrets
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import TYPE_CHECKING

import psycopg2
import pytest

from benchmark import server
from benchmark.__main__ import main
from benchmark.peers import FLOOR, OLD_RUNNER, PEERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy.engine import URL

    from benchmark.calls import Job

pytestmark = pytest.mark.long


@contextmanager
def half(job: Job) -> Iterator[Callable[[], object]]:
    """A peer that is fast: it applies what sorts before the third, and records it."""
    from support.old_runner import run_old_runner

    def call() -> None:
        last = max(Path(job.folder).glob("0*.py"))
        hidden = last.rename(last.with_suffix(".hidden"))
        run_old_runner(job.url, job.folder)
        hidden.rename(last)

    yield call


def tiny(server_url: URL) -> list[str]:
    url = server_url.render_as_string(hide_password=False)
    return ["--sizes", "3", "--rounds", "1", "--database-url", url]


@pytest.fixture
def token(monkeypatch: pytest.MonkeyPatch) -> str:
    """What is in the names of this test's databases; another worker may measure beside it."""
    token = secrets.token_hex(4)
    own = SimpleNamespace(token_hex=lambda _length: token)
    monkeypatch.setattr(server, "secrets", own)
    return token


def databases_left(server_url: URL, token: str) -> list[str]:
    dsn = server_url.set(drivername="postgresql").render_as_string(hide_password=False)
    connection = psycopg2.connect(dsn)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT datname FROM pg_database WHERE datname LIKE %s", (f"bridge_bench_{token}%",)
        )
        left = [name for (name,) in cursor.fetchall()]
    connection.close()
    return left


def test_all_peers_that_are_installed_are_compared(
    server_url: URL, tmp_path: Path, capsys: pytest.CaptureFixture[str], token: str
) -> None:
    file = tmp_path / "results.json"
    parts = "noop,process,apply,pending"
    assert main([*tiny(server_url), "--only", parts, "--json", str(file)]) == 0
    machine, _blank, head, _, *rows = capsys.readouterr().out.splitlines()
    assert re.match(r"\d+ cores \(.+\), .+, Python 3[.\d]+, PostgreSQL \d+", machine)
    there = [peer for peer in PEERS if peer.is_there()]
    assert head == f"| | N | {' | '.join(peer.label for peer in there)} |"
    cells = {
        "Nothing pending, given a URL": len(there),
        "Nothing pending, open connection": 2,
        "Nothing pending, whole process": len(there),
        "the same, with `-c` and `--database-url`": 1,
        "One pending": len(there),
        "What bridge sends and reads for that, without bridge": 1,
        "One pending, whole process": 3,
        "Fresh apply": len(there),
        "Fresh apply, one statement each": len(there),
        "the same, without byte code of the migrations": len(there),
        "Fresh apply, whole process": 3,
    }
    shown = [row for row in rows if row.endswith(" |")]
    assert [row.split(" | ")[0] for row in shown] == [f"| {name}" for name in cells]
    assert [row.count(" ms") for row in shown] == list(cells.values())
    assert rows[-1] == "No goal was measured."
    measured = json.loads(file.read_text())["measurements"]
    assert {each["peer"] for each in measured} == {peer.name for peer in there}
    for each in measured:
        assert len(each["samples_ms"]) == 1
        assert each["median_ms"] == median(each["samples_ms"]) > 0
    assert databases_left(server_url, token) == []


def test_a_peer_that_leaves_work_undone_does_not_win(
    server_url: URL, capsys: pytest.CaptureFixture[str], token: str
) -> None:
    lazy = replace(OLD_RUNNER, name="lazy", call=f"acceptance.{Path(__file__).stem}:half")
    assert main([*tiny(server_url), "--only", "apply"], peers=(FLOOR, lazy)) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.endswith(
        "Error: lazy has not done its work in 'apply', N=3: "
        "tables expected: 3; found: 2 (wrong or missing: t0003).\n"
    )
    assert databases_left(server_url, token) == []


def test_what_many_schemas_cost_is_measured_as_they_become_more(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--only", "schemas", "--sizes", "2,4"]) == 0
    _machine, *told = capsys.readouterr().out.splitlines()
    heads = [line for line in told if not line.startswith(" ")]
    assert [re.sub(r"\d+ s$", "N s", line) for line in heads] == [
        f"{count} schemas of 20 tables: made in N s" for count in (2, 4)
    ]
    costs = [line.split(":")[0].strip() for line in told if " ms each" in line]
    one = ["status --all", "--all, nothing pending", "pg_dump of one schema"]
    one += ["what a rollout remembers", "one file, two processes"]
    assert costs == [f"{what}, {count}" for count in (2, 4) for what in one]


def test_many_schemas_are_measured_alone(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--only", "schemas,noop"])
    told = "schemas is measured alone, on a server of its own, and only printed"
    assert told in capsys.readouterr().err
