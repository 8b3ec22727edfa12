"""`--executor`: many targets on a dask cluster with worker processes, and on any Executor."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

import bridge
from bridge.database import target_list
from bridge.database.target_list import as_target
from support.running import PASS_GATE, gate_of, poll, starting
from support.tenants import Tenants

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.project import Project

N = ("-n", "tenants")
NAMES = [f"t{number}" for number in range(1, 7)]

#: A scheduler on loopback, and two workers that are processes with a nanny each. It ends with its
#: standard input.
CLUSTER = """\
import sys
from distributed import LocalCluster

if __name__ == "__main__":
    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, host="127.0.0.1", protocol="tcp",
        scheduler_port=0, dashboard_address=None, silence_logs=50,
    ) as cluster:
        pids = [each.pid for each in cluster.workers.values()]
        print(cluster.scheduler_address, *pids, flush=True)
        sys.stdin.read()
"""


@dataclass(frozen=True)
class Cluster:
    executor: str
    #: Of its workers, when it began.
    pids: tuple[int, ...]


@contextmanager
def clustered(project: Project) -> Iterator[Cluster]:
    script = project.path / "cluster.py"
    script.write_text(CLUSTER)
    with subprocess.Popen(
        [sys.executable, script],
        cwd=project.path,
        # dask warns of what it does itself.
        env=project.environ({"PYTHONWARNINGS": "ignore"}),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            address, *pids = process.stdout.readline().split()
            yield Cluster(f"dask:{address}", tuple(map(int, pids)))
        finally:
            assert process.stdin is not None
            process.stdin.close()
            try:
                process.wait(20)
            finally:
                process.kill()


@pytest.fixture
def tenants(project: Project) -> Tenants:
    return Tenants.numbered(project, NAMES)


def gated(tenants: Tenants, *names: str) -> None:
    """Write a third file, at which these targets wait."""
    tenants.project.write(
        "003_three",
        f"""
        from sqlalchemy import text

        def upgrade(db):
            db.execute(text("CREATE TABLE three AS SELECT 1 AS id"))
            if db.scalar(text("SELECT current_schema()")) in {names}:
                db.execute(text("{PASS_GATE}"))
            db.commit()
        """,
    )


def assert_done_once(tenants: Tenants) -> None:
    for name in NAMES:
        assert tenants.rows(name) == ["001_one", "002_two", "003_three"]
        assert tenants.ask(f"SELECT count(*) FROM {name}.three") == [1]


def test_dask_survives_a_killed_worker_and_stops_when_it_is_told_to(tenants: Tenants) -> None:
    """One cluster for all, which takes seconds to start."""
    gated(tenants, "t2", "t3")
    with clustered(tenants.project) as cluster, starting(tenants.project) as start:
        command = ("eai", "migrate", *N, "--all", "--executor", cluster.executor)
        with gate_of(tenants.engine) as gate:
            running = start(*command)
            poll(lambda: len(gate.waiting()) == 2)
            running.process.send_signal(signal.SIGTERM)
            ended = running.end()
            assert ended.code == 143
            assert gate.waiting() == []  # rolled back, in the workers
            assert "1 done, 2 interrupted, 3 not started, in " in ended.err
            assert tenants.rows("t2") == ["001_one", "002_two"]

            running = start(*command)
            poll(lambda: len(gate.waiting()) == 2)
            os.kill(cluster.pids[0], signal.SIGKILL)
            poll(lambda: len(gate.waiting()) == 1)
            gate.open()
            ended = running.end()
            assert ended.code == 0, ended.err
        assert ended.out == "All 6 targets are up to date, 5 of them by this run.\n"
    assert_done_once(tenants)


def test_a_scheduler_that_does_not_answer_is_told(tenants: Tenants, monkeypatch: Any) -> None:
    monkeypatch.setattr("bridge.operations.rollout.on_dask._ANSWERS_WITHIN", 0.2)
    done = tenants.project.eai("migrate", *N, "--all", "--executor", "dask:tcp://127.0.0.1:9")
    assert done.returncode == 75
    assert done.stderr.splitlines()[-1] == (
        "Error: The dask scheduler at tcp://127.0.0.1:9 does not answer. Nothing was started. Look "
        "whether it runs there, then type the same command again. Without a cluster, name no "
        "executor (--executor, BRIDGE_EXECUTOR, executor in alembic.ini): then processes of this "
        "machine do it."
    )


@pytest.mark.parametrize("address", ["tcp://127.0.0.1", "http://127.0.0.1:9", "127.0.0.1:x"])
def test_an_address_that_is_none_is_told_at_once(tenants: Tenants, address: str) -> None:
    done = tenants.project.eai("migrate", *N, "--all", "--executor", f"dask:{address}")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == (
        f"Error: The executor 'dask:{address}' cannot be read. Nothing was started. Name the "
        "scheduler of a dask cluster as dask:tcp://host:8786."
    )


def test_without_dask_it_is_told_what_to_install(tenants: Tenants, monkeypatch: Any) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    done = tenants.project.eai("migrate", *N, "--all", "--executor", "dask:tcp://127.0.0.1:9")
    assert done.returncode == 2
    assert (
        "Error: The executor is a dask cluster, but dask.distributed is not installed. Nothing "
        "was started. Type: pip install 'eai-bridge[dask]'\n" in done.stderr
    )


THREADS = """\
from concurrent.futures import ThreadPoolExecutor

submitted = []


class Noting(ThreadPoolExecutor):
    def submit(self, function, *arguments, **options):
        submitted.append((function.__name__, arguments, options))
        return super().submit(function, *arguments, **options)


def executor():
    return Noting(3)
"""


@pytest.fixture
def threads(tenants: Tenants) -> Tenants:
    (tenants.project.path / "app_cluster.py").write_text(THREADS)
    ini = tenants.project.path / "alembic.ini"
    ini.write_text(f"{ini.read_text()}\nexecutor = app_cluster:executor\n")
    return tenants


def test_an_executor_of_the_projects_gets_names_and_nothing_else(
    threads: Tenants, monkeypatch: Any
) -> None:
    assert threads.project.url is not None
    secret = threads.project.url.set(password="s3cret").render_as_string(hide_password=False)
    monkeypatch.setenv("DATABASE_URL", secret)
    monkeypatch.syspath_prepend(threads.project.path)
    rollout = bridge.upgrade_all(wait_for_lock=7, **threads.where)
    assert rollout.exit_code == 0
    import app_cluster  # type: ignore[import-not-found]

    options = {"config": str(threads.config), "section": "tenants", "wait_for_lock": 7}
    expected = [("run_target", (name,), options) for name in NAMES]
    assert sorted(app_cluster.submitted, key=lambda each: str(each[1])) == expected
    assert "s3cret" not in str(app_cluster.submitted)
    monkeypatch.delitem(sys.modules, "app_cluster")


def test_a_list_of_schemas_is_told_to_its_workers_by_schema(threads: Tenants) -> None:
    done = threads.project.eai("migrate", *N, "--all", "--targets", "list")
    assert done.returncode == 2
    (threads.project.path / "list").write_text('t1\n{"name": "other", "schema": "t2"}\n')
    threads.project.eai("migrate", *N, "--all", "--targets", "list", check=True)
    assert [name for name in NAMES if threads.tables(name)] == ["t1", "t2"]


def test_an_address_is_never_given_to_an_executor(threads: Tenants) -> None:
    assert threads.project.url is not None
    url = threads.project.url.render_as_string(hide_password=False)
    done = threads.project.eai("migrate", *N, "--all", "--database-url", url)
    assert done.returncode == 2
    assert (
        "Error: The database was named for this run only, and an address is never sent to the "
        "workers of an executor. Nothing was started. Set MIGRATION_DATABASE_URL or DATABASE_URL "
        "where they run, or sqlalchemy.url in the configuration.\n" in done.stderr
    )
    listed = [bridge.Target("a", url=url)]
    with pytest.raises(bridge.BridgeError) as caught:
        bridge.upgrade_all(listed, **threads.where)
    assert str(caught.value) == (
        "The target a has a URL, which is never sent to the workers of an executor. Nothing was "
        "started. Name the list where they find it too: targets or targets_query in the "
        "configuration, or --targets FILE."
    )
    assert threads.tables("t1") == []


# One target, as a queue runs it


def run(tenants: Tenants, name: str, **options: Any) -> dict[str, Any]:
    where: dict[str, Any] = {"config": str(tenants.config), "section": "tenants"}
    return bridge.run_target(name, **where, **options)


@pytest.fixture
def by_variable(tenants: Tenants, monkeypatch: Any) -> Tenants:
    assert tenants.project.url is not None
    monkeypatch.setenv("DATABASE_URL", tenants.project.url.render_as_string(hide_password=False))
    return tenants


def test_a_queue_gets_the_result_of_one_target(by_variable: Tenants) -> None:
    result = run(by_variable, "t1")
    assert [each["migration"] for each in result["applied"]] == ["001_one", "002_two"]
    assert {key: result[key] for key in ("target", "exit_code", "message", "warnings")} == {
        "target": "t1", "exit_code": 0, "message": "", "warnings": [],
    }  # fmt: skip
    assert run(by_variable, "t1")["applied"] == []
    assert by_variable.tables("t2") == []


def test_a_queue_gets_no_error_of_bridges_but_its_status(by_variable: Tenants) -> None:
    assert run(by_variable, "gone")["exit_code"] == 2
    assert run(by_variable, "gone")["message"].startswith("There is no target 'gone' in ")
    by_variable.project.write("003_three", "def upgrade(db):\n    raise ValueError\n")
    result = run(by_variable, "t1")
    assert result["exit_code"] == 1
    assert result["message"].endswith(" eai migrate -n tenants --target t1")
    assert [each["migration"] for each in result["applied"]] == ["001_one", "002_two"]


def test_a_target_is_found_without_a_look_at_all_others(
    by_variable: Tenants, monkeypatch: Any
) -> None:
    """Else a queue with so many targets would look at so many times so many."""
    looked_at = 0

    def noted(given: Any, where: str) -> bridge.Target:
        nonlocal looked_at
        looked_at += 1
        return as_target(given, where)

    monkeypatch.setattr(target_list, "as_target", noted)
    for name in NAMES:
        assert run(by_variable, name)["exit_code"] == 0
    assert looked_at == len(NAMES)


def test_a_name_that_a_file_does_not_list_is_no_schema(by_variable: Tenants) -> None:
    listed = by_variable.project.path / "list"
    listed.write_text("t1\n")
    assert run(by_variable, "t1", targets_file=str(listed))["exit_code"] == 0
    assert run(by_variable, "t2", targets_file=str(listed))["exit_code"] == 2
    assert by_variable.tables("t2") == []
