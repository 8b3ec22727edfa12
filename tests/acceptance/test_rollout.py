"""`eai migrate --all`: many targets, in waves, on processes of this machine."""

from __future__ import annotations

import json
import os
import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

import bridge
from bridge.errors import UsageError
from bridge.locking.holder import LOCK_CLASS, MIGRATION_LOCK
from support.project import DEFAULT_INI
from support.running import PASS_GATE, PATIENCE, gate_of, poll, starting
from support.tenants import Tenants

if TYPE_CHECKING:
    from collections.abc import Iterator
    from subprocess import CompletedProcess

    from support.project import Project
    from support.running import Starter

N = ("-n", "tenants")
TWO = ("--target", "t1", "--target", "t2")
#: Eight schemas, in the order of their list.
NAMES = [f"t{number}" for number in range(1, 9)]
STEMS = ["001_one", "002_two"]
DROP = """\
import sys
import psycopg2

with psycopg2.connect(sys.argv[1]) as connection:
    connection.cursor().execute(f"DROP SCHEMA {sys.argv[2]} CASCADE")
"""

#: What a file does for one target only.
ONLY = """\
import os
from sqlalchemy import text

description = "About {stem}"


def upgrade(db):
    here = db.scalar(text("SELECT current_schema()"))
    db.execute(text("CREATE TABLE {stem} (id bigint)"))
    db.execute(text("INSERT INTO {stem} VALUES (1)"))
    if here in {names}:
        {action}
    db.commit()
"""


@pytest.fixture
def tenants(project: Project) -> Tenants:
    return Tenants.numbered(project, NAMES)


@pytest.fixture
def start(tenants: Tenants) -> Iterator[Starter]:
    with starting(tenants.project) as starter:
        yield starter


def only(tenants: Tenants, action: str, *names: str, stem: str = "three") -> None:
    """Write a third file, which does this for these targets."""
    body = ONLY.format(stem=stem, names=names, action=action)
    tenants.project.write(f"003_{stem}", body)


def address(tenants: Tenants) -> str:
    """The URL of its database, as libpq takes it."""
    assert tenants.project.url is not None
    plain = tenants.project.url.set(drivername="postgresql")
    return plain.render_as_string(hide_password=False)


def migrate(tenants: Tenants, *options: str, **how: Any) -> CompletedProcess[str]:
    return tenants.project.eai("migrate", *N, "--all", *options, **how)


def assert_done_once(tenants: Tenants, *names: str, stems: tuple[str, ...] = ()) -> None:
    """Each has its rows and its tables, and what a file did was done once."""
    expected = ["001_one", "002_two", *stems]
    for name in names or NAMES:
        assert tenants.rows(name) == expected, name
        assert tenants.tables(name) == sorted(stem[4:] for stem in expected)
        for stem in stems:
            assert tenants.ask(f"SELECT count(*) FROM {name}.{stem[4:]}") == [1]


def test_all_targets_are_brought_up_to_date_in_waves(tenants: Tenants) -> None:
    done = migrate(tenants, "--waves", "1,50%,100%")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "All 8 targets are up to date, 8 of them by this run.\n"
    lines = done.stderr.splitlines()
    heads = [place for place, line in enumerate(lines) if line.startswith("Wave ")]
    assert [lines[place] for place in heads] == [
        "Wave 1 of 3: 1 target to bring up to date",
        "Wave 2 of 3: 3 targets to bring up to date",
        "Wave 3 of 3: 4 targets to bring up to date",
    ]
    assert lines[heads[0] + 1].startswith("[1/8] t1  done in ")
    assert lines[-1].startswith("8 done, in ")
    assert_done_once(tenants)
    assert tenants.tables("public") == []
    again = migrate(tenants)
    assert (again.returncode, again.stdout) == (0, "All 8 targets are up to date.\n")
    assert "Wave" not in again.stderr


def test_only_those_behind_are_given_to_a_worker(tenants: Tenants) -> None:
    for name in NAMES[:6]:
        bridge.upgrade(tenants.project.url, target=name, **tenants.where)
    planned = migrate(tenants, "--dry-run")
    assert planned.stdout == (
        "Would bring 2 of 8 targets up to date, in 2 waves:\n"
        "  wave 2  t7  2 migrations\n"
        "  wave 2  t8  2 migrations\n"
    ) or planned.stdout.endswith("  wave 2  t8  2 migrations\n  wave 2  t7  2 migrations\n")
    assert tenants.tables("t7") == []
    done = migrate(tenants, "--report", "report.jsonl", check=True)
    assert "Wave 2 of 2: 2 of 7 targets to bring up to date" in done.stderr
    lines = (tenants.project.path / "report.jsonl").read_text().splitlines()
    report = {each["target"]: each for each in map(json.loads, lines)}
    assert len(lines) == len(report) == 8
    assert report["t1"] == {
        "target": "t1",
        "wave": 1,
        "outcome": "up to date",
        "exit_code": 0,
        "message": "",
        "applied": [],
        "seconds": 0.0,
    }
    assert report["t8"]["outcome"] == "done"
    assert report["t8"]["applied"] == ["001_one", "002_two"]


def test_after_the_budget_nothing_begins_and_that_is_told_apart(tenants: Tenants) -> None:
    only(tenants, "raise ValueError('no')", "t3", "t5", "t7")
    done = migrate(tenants, "--concurrency", "1")
    assert done.returncode == 1
    assert "[3/8] t3  failed after " in done.stderr
    assert "1 target failed: t3. 5 targets not started. 2 of 8 targets up to date." in done.stderr
    assert (tenants.rows("t3"), tenants.tables("t4")) == (["001_one", "002_two"], [])
    done = migrate(tenants, "--max-failures", "50%", "--log-format", "json")
    assert done.returncode == 1
    told = [json.loads(line) for line in done.stderr.splitlines()]
    failed = [each for each in told if each["event"] == "target.failed"]
    assert {each["target"] for each in failed} == {"t3", "t5", "t7"}
    assert all(each["exit_code"] == 1 and each["wave"] == 2 for each in failed)
    (finished,) = [each for each in told if each["event"] == "rollout.finished"]
    assert sorted(finished["behind"]) == ["t3", "t5", "t7"]
    assert told[-1]["targets"] == {
        "done": 3, "up_to_date": 2, "failed": 3, "interrupted": 0, "not_started": 0, "gone": 0,
    }  # fmt: skip
    (same,) = [each["message"] for each in told if each["event"] == "warning"]
    assert same.startswith("3 targets failed as t")
    only(tenants, "pass")
    assert migrate(tenants).returncode == 0
    assert_done_once(tenants, stems=("003_three",))


def test_a_bad_canary_keeps_all_others_from_harm(tenants: Tenants) -> None:
    only(tenants, "raise ValueError('no')", "t1")
    done = migrate(tenants, "--max-failures", "1")
    assert "7 targets not started" in done.stderr
    assert tenants.tables("t2") == []


def test_the_end_says_how_to_go_on_with_one_by_itself(tenants: Tenants) -> None:
    """The command has the section and the file that list it, and does what it says."""
    only(tenants, "raise ValueError('no')", "t3")
    told = migrate(tenants, "--concurrency", "1").stderr.splitlines()
    assert told[-1] == (
        "Error: 1 target failed: t3. 5 targets not started. 2 of 8 targets up to date. The same "
        "command goes on with those that are not; one by itself: eai migrate -n tenants --target t3"
    )
    (tenants.project.path / "list").write_text("".join(f"{name}\n" for name in NAMES))
    told = migrate(tenants, "--targets", "list", "--concurrency", "1").stderr.splitlines()
    command = "eai migrate -n tenants --targets list --target t3"
    assert told[-1].endswith(f"; one by itself: {command}")
    assert f"Correct the file, and type: {command}" in told
    only(tenants, "pass")
    tenants.project.eai(*command.split()[1:], check=True)
    assert_done_once(tenants, "t3", stems=("003_three",))


def test_a_command_between_waves_stops_the_rollout(tenants: Tenants) -> None:
    done = migrate(tenants, "--after-wave", "false")
    assert done.returncode == 1
    assert "The command after wave 1 ended with 1. 7 targets not started." in done.stderr
    # A canary that is up to date is still one that is asked about.
    assert migrate(tenants, "--after-wave", "false").returncode == 1
    assert tenants.tables("t2") == []
    missing = migrate(tenants, "--after-wave", "no-such-command")
    assert "The command after wave 1 could not be run: " in missing.stderr
    assert migrate(tenants, "--after-wave", "true", "--pause", "0.01").returncode == 0


def test_targets_that_come_and_go_meanwhile_stop_nothing(tenants: Tenants) -> None:
    """t4 is dropped, t9 made, after the list was read."""
    plain = address(tenants)
    (tenants.project.path / "change.py").write_text(
        f"""
import psycopg2
with psycopg2.connect({plain!r}) as connection:
    connection.cursor().execute("DROP SCHEMA t4 CASCADE; CREATE SCHEMA t9")
"""
    )
    done = migrate(tenants, "--after-wave", f"{sys.executable} change.py")
    assert done.returncode == 75, done.stderr
    assert "t4  failed after " in done.stderr
    assert "1 target not up to date when all were read again: t9." in done.stderr
    assert "7 of 8 targets up to date" in done.stderr
    assert migrate(tenants).stdout == "All 8 targets are up to date, 1 of them by this run.\n"


def test_a_tenant_whose_records_are_locked_is_waited_for(tenants: Tenants) -> None:
    with tenants.engine.begin() as connection:
        key = f"SELECT pg_advisory_lock({LOCK_CLASS}, {MIGRATION_LOCK})"
        connection.exec_driver_sql(key)  # as an older release takes it
        done = migrate(tenants, "--wait-for-lock", "0.2", "--max-failures", "8")
        assert done.returncode == 75, done.stderr
        assert "1 target failed: t1." not in done.stderr
    assert "8 targets failed: t1, t2, t3, t4, t5 and 3 more." in done.stderr
    assert tenants.tables("t1") == []
    assert migrate(tenants).returncode == 0


def test_a_tenant_whose_tables_are_locked_stops_no_other(tenants: Tenants, start: Starter) -> None:
    """Its worker waits for whoever has locked them, as long as that takes."""
    migrate(tenants, check=True)
    only(tenants, "pass")
    with tenants.engine.connect() as other:
        other.exec_driver_sql("LOCK TABLE t2.schema_migrations IN ACCESS EXCLUSIVE MODE")
        running = start("eai", "migrate", *N, "--all")
        running.told("] t8  done in ")
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'relation'"
        poll(lambda: tenants.ask(waiting) == [1])
        assert (tenants.tables("t2"), running.ended) == (["one", "two"], False)
        other.rollback()
    assert running.end().code == 0
    assert_done_once(tenants, stems=("003_three",))


def test_a_tenant_that_is_dropped_while_it_is_migrated_is_gone_or_done(
    tenants: Tenants, start: Starter
) -> None:
    """Whoever of both was first: nobody waits for ever, and nothing is left in halves."""
    only(tenants, f'db.execute(text("{PASS_GATE}"))', "t2")
    with gate_of(tenants.engine) as gate:
        running = start("eai", "migrate", *N, "--all")
        gate.reached()
        drop = start("python", "-c", DROP, address(tenants), "t2")
        poll(lambda: tenants.ask("SELECT 1 FROM pg_stat_activity WHERE query ~ '^DROP SCHEMA'"))
        gate.open()
        ended, dropped = running.end(), drop.end()
    assert "Traceback" not in ended.err
    is_left = tenants.ask("SELECT count(*) FROM pg_namespace WHERE nspname = 't2'") == [1]
    assert is_left == (dropped.code != 0)
    again = migrate(tenants)
    assert again.returncode == 0, again.stderr
    there = NAMES if is_left else [name for name in NAMES if name != "t2"]
    assert_done_once(tenants, *there, stems=("003_three",))


def test_a_ledger_in_public_stands_for_none_of_the_targets(tenants: Tenants) -> None:
    """Both are in the search_path of each."""
    (tenants.project.path / "public.ini").write_text(DEFAULT_INI)
    tenants.project.eai("migrate", "-c", "public.ini", check=True)
    assert (tenants.rows("public"), tenants.tables("public")) == (STEMS, ["one", "two"])
    only(tenants, "pass")
    done = migrate(tenants)
    assert done.stdout == "All 8 targets are up to date, 8 of them by this run.\n", done.stderr
    assert_done_once(tenants, stems=("003_three",))
    assert (tenants.rows("public"), tenants.tables("public")) == (STEMS, ["one", "two"])


def test_a_worker_that_dies_once_costs_a_second_try(tenants: Tenants) -> None:
    flag = tenants.project.path / "flag"
    flag.write_text("")
    kill = f"os.path.exists({str(flag)!r}) and (os.remove({str(flag)!r}), os.kill(os.getpid(), 9))"
    only(tenants, kill, "t5")
    done = migrate(tenants)
    assert done.returncode == 0, done.stderr
    assert_done_once(tenants, stems=("003_three",))


def test_a_worker_that_dies_disturbs_no_other(tenants: Tenants, start: Starter) -> None:
    """One that waits for its next target, when the other one is in the middle of a migration."""
    noted = tenants.project.path / "noted"
    act = f"""\
import time
        with open({str(noted)!r}, "a") as noted:
            noted.write(f"{{here}} {{os.getpid()}}\\n")
        while here == "t1" and "t2" not in open({str(noted)!r}).read():
            time.sleep(0.05)
        if here == "t2":
            db.execute(text("{PASS_GATE}"))"""
    only(tenants, act, "t1", "t2")
    with gate_of(tenants.engine) as gate:
        running = start("eai", "migrate", *N, *TWO, "--waves", "100%")
        running.told("] t1  done in ")
        gate.reached()
        worker = dict(line.split() for line in noted.read_text().splitlines())
        os.kill(int(worker["t1"]), signal.SIGKILL)
        poll(lambda: not is_there(int(worker["t1"])))
        gate.open()
        ended = running.end()
    assert ended.code == 0, ended.err
    assert_done_once(tenants, "t1", "t2", stems=("003_three",))
    begun = sorted(line.split()[0] for line in noted.read_text().splitlines())
    assert begun == ["t1", "t2"]


def is_there(pid: int) -> bool:
    """Whether there is such a process, or what is left of one until it is waited for."""
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False


def test_a_target_that_kills_its_worker_twice_has_failed(tenants: Tenants) -> None:
    only(tenants, "os.kill(os.getpid(), 9)", "t5")
    done = migrate(tenants, "--max-failures", "2")
    assert done.returncode == 1
    assert "t5  failed after " in done.stderr
    assert (
        "The worker that ran it was lost twice, so it was not tried a third time: it was killed, "
        "ran out of memory, or could not start. What was not committed is rolled back."
        in done.stderr
    )
    assert "1 target failed: t5." in done.stderr
    others = [name for name in NAMES if name != "t5"]
    assert_done_once(tenants, *others, stems=("003_three",))
    only(tenants, "pass")
    assert migrate(tenants).returncode == 0
    assert_done_once(tenants, stems=("003_three",))


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_all_within_seconds(
    tenants: Tenants, start: Starter, signum: int, code: int
) -> None:
    only(tenants, f'db.execute(text("{PASS_GATE}"))', "t2", "t3")
    with gate_of(tenants.engine) as gate:
        running = start("eai", "migrate", *N, "--all")
        poll(lambda: len(gate.waiting()) == 2)
        running.process.send_signal(signum)
        ended = running.end()
        assert ended.code == code
        assert gate.waiting() == []
    assert "2 interrupted, " in ended.err
    assert "The same command goes on with those that are behind." in ended.err
    assert tenants.rows("t2") == ["001_one", "002_two"]
    assert migrate(tenants).returncode == 0
    assert_done_once(tenants, stems=("003_three",))


def test_after_kill_9_of_the_parent_its_workers_end_and_a_second_run_completes(
    tenants: Tenants, start: Starter
) -> None:
    only(tenants, f'db.execute(text("{PASS_GATE}"))', "t2", "t3")
    with gate_of(tenants.engine) as gate:
        running = start("eai", "migrate", *N, "--all")
        poll(lambda: len(gate.waiting()) == 2)
        running.process.kill()
        poll(lambda: gate.waiting() == [])  # what was under way is rolled back
        running.end()  # only when the last worker has closed its streams
    assert migrate(tenants).returncode == 0
    assert_done_once(tenants, stems=("003_three",))


def test_two_rollouts_at_once_do_nothing_twice(tenants: Tenants, start: Starter) -> None:
    only(tenants, "pass")
    both = [start("eai", "migrate", *N, "--all", "--concurrency", "3") for _ in range(2)]
    for running in both:
        ended = running.end(within=2 * PATIENCE)
        assert ended.code == 0, ended.err
        assert ended.out.startswith("All 8 targets are up to date")
    assert_done_once(tenants, stems=("003_three",))


def test_standard_input_lists_targets_and_their_addresses_stay_secret(tenants: Tenants) -> None:
    url = tenants.project.url
    assert url is not None
    address = url.set(drivername="postgresql", password="s3cret").render_as_string(
        hide_password=False
    )
    lines = "".join(
        json.dumps({"name": name, "schema": name, "url": address}) + "\n" for name in ("t1", "t2")
    )
    only(tenants, "raise ValueError('no')", "t2")
    done = tenants.project.program(
        "python",
        "-c",
        f"import subprocess, sys; r = subprocess.run([{str(sys.executable)!r}, '-m', 'bridge', "
        f"'migrate', '-n', 'tenants', '--all', '--targets', '-', '--log-format', 'json', "
        f"'--report', 'report'], input={lines!r}, text=True); sys.exit(r.returncode)",
    )
    assert done.returncode == 1, done.stderr
    report = (tenants.project.path / "report").read_text()
    assert "s3cret" not in done.stdout + done.stderr + report
    assert_done_once(tenants, "t1", stems=("003_three",))
    assert tenants.tables("t3") == []


def test_shards_and_labels_choose_targets(tenants: Tenants) -> None:
    listed = tenants.project.path / "list"
    listed.write_text(
        "".join(
            json.dumps({"name": name, "labels": {"region": "eu" if name < "t4" else "us"}}) + "\n"
            for name in NAMES
        )
    )
    migrate(tenants, "--targets", "list", "--where", "region=eu", check=True)
    assert [name for name in NAMES if tenants.tables(name)] == NAMES[:3]
    for index in range(2):
        migrate(tenants, "--shard", f"{index}/2", check=True)
    assert_done_once(tenants)


def test_several_targets_by_name_are_a_rollout_too(tenants: Tenants) -> None:
    done = tenants.project.eai("migrate", *N, "--target", "t2", "--target", "t[34]")
    assert done.stdout == "All 3 targets are up to date, 3 of them by this run.\n", done.stderr
    assert tenants.tables("t1") == []


def test_what_migrations_log_names_their_target(tenants: Tenants) -> None:
    only(tenants, "import logging; logging.getLogger('app').info('hello')", "t2", "t3")
    done = migrate(tenants, "--shard", "0/1", check=True)
    lines = done.stderr.splitlines()
    assert {"t2: INFO app: hello", "t3: INFO app: hello"} <= set(lines)
    only(tenants, "import logging; logging.getLogger('app').info('hello')", "t2", stem="four")
    (tenants.project.migrations / "003_four.py").rename(tenants.project.migrations / "004_four.py")
    done = migrate(tenants, "--log-format", "json", check=True)
    told = [json.loads(line) for line in done.stderr.splitlines()]
    (logged,) = [each for each in told if each["event"] == "log" and each["logger"] == "app"]
    assert (logged["target"], logged["message"]) == ("t2", "hello")


REFUSED = {
    ("--to", "001"): "--to is for one target, and several are meant. Nothing was started. Name "
    "one: --target NAME",
    ("--sql",): "--sql is for one target, and several are meant. Nothing was started. Name one: "
    "--target NAME",
    ("--max-failures", "0"): "The number of failures '0' cannot be read. Nothing was started. "
    "After how many does nothing more begin? Write 1, 5 or 2%.",
    ("--concurrency", "0"): "--concurrency is 0; it must be at least 1. Nothing was started.",
    ("--per-server", "0"): "--per-server is 0; it must be at least 1. Nothing was started.",
    ("--report", "no/such/folder"): "The report no/such/folder cannot be written: No such file or "
    "directory. Nothing was started.",
    ("--executor", "here"): "The executor 'here' cannot be read. Nothing was started. Name one as "
    "app.cluster:executor (an Executor, or a function that returns one), or the scheduler of a "
    "dask cluster as dask:tcp://host:8786.",
    ("--executor", "os:sep"): "executor = os:sep is a str; it must be a "
    "concurrent.futures.Executor, or a function that returns one. Nothing was started.",
}


@pytest.mark.parametrize("options", REFUSED, ids=" ".join)
def test_what_cannot_be_is_refused_before_anything_begins(
    tenants: Tenants, options: tuple[str, ...]
) -> None:
    done = migrate(tenants, *options)
    assert done.returncode == 2
    assert f"Error: {REFUSED[options]}\n" in done.stderr
    assert tenants.tables("t1") == []


def test_options_for_many_without_many_are_refused(tenants: Tenants) -> None:
    done = tenants.project.eai("migrate", *N, "--target", "t1", "--waves", "100%")
    assert done.returncode == 2
    assert (
        "Invalid value for --waves: it is for many targets: add --all, or several --target. "
        "Nothing was started." in done.stderr
    )
    done = tenants.project.eai("migrate", *N, "--pause", "1", "status", "--all")
    assert "Invalid value for --pause: status has no such option. Nothing was" in done.stderr
    assert tenants.tables("t1") == []


def test_a_rollout_from_a_program(tenants: Tenants) -> None:
    heard: list[bridge.TargetResult] = []
    rollout = bridge.upgrade_all(
        ["t1", bridge.Target("other", schema="t2"), "t3"],
        database=os.fspath(tenants.project.url.render_as_string(hide_password=False)),  # type: ignore[union-attr]
        on_result=heard.append,
        waves="100%",
        **tenants.where,
    )
    assert rollout.exit_code == 0
    assert rollout.up_to_date
    assert [each.target for each in rollout.results] == ["t1", "other", "t3"]
    assert sorted(each.target for each in heard) == ["other", "t1", "t3"]
    assert rollout.counts["done"] == 3
    assert_done_once(tenants, "t1", "t2", "t3")


def test_what_is_wrong_with_all_is_raised_before_anything_begins(tenants: Tenants) -> None:
    with pytest.raises(UsageError, match="The waves 'x' cannot be read"):
        bridge.upgrade_all(["t1"], waves="x", **tenants.where)
    tenants.project.write("009_bad", "def upgrade(db:\n")
    done = migrate(tenants)
    assert done.returncode == 4
    assert tenants.tables("t1") == []
