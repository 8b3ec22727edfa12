"""Twenty-four processes that migrate one database at once, directly and through a PgBouncer."""

from __future__ import annotations

import re
import signal
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bridge.locking.holder import LOCK_CLASS, MIGRATION_LOCK
from support.replicas import PATIENCE, Child, forking_eai
from support.running import (
    CREATE_LOG,
    PASS_GATE,
    Gate,
    advisory_locks,
    ask,
    assert_applied,
    column,
    do,
    gate_of,
    migration,
    poll,
    recorded,
    terminate,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import URL, Engine

    from support.pgbouncer import Pooler
    from support.project import Project

pytestmark = pytest.mark.long

SCRIPT = Path(__file__).parents[2] / "scripts" / "replicas"

N = 24
STEMS = [f"{number:03}_step" for number in range(1, 31)]

#: What is told of the backend of a killed process: it has the lock, and behind a pooler a claim.
LEFT = {
    "direct": "Waiting for the migration lock: it is held by backend {} (",
    "pgbouncer": (
        "Waiting for the rest of an earlier run: its process has ended, but its backend {} ("
    ),
}
UP_TO_DATE = "Nothing to do: the database is up to date.\n"
DONE = "Applied {} migrations: the database is up to date.\n"


@pytest.fixture
def gate(engine: Engine) -> Iterator[Gate]:
    """A shut gate, in a database that has the table `log`."""
    do(engine, CREATE_LOG)
    with gate_of(engine) as gate:
        yield gate


@pytest.fixture
def left(way: Project, project: Project) -> str:
    return LEFT["direct" if way is project else "pgbouncer"]


@pytest.fixture(params=["direct", "pgbouncer"])
def way(request: pytest.FixtureRequest, project: Project, engine: Engine) -> Project:
    """The project, whose commands meet the server itself, or a PgBouncer in transaction mode."""
    if request.param == "direct":
        return project
    return replace(project, url=request.getfixturevalue("pooler").url(engine.url))


def write(project: Project, **special: str) -> None:
    """Thirty migrations, the first of which stands at the gate; those in `special` are others."""
    for stem in STEMS:
        project.write(stem, special.get(stem) or migration(stem))


def all_but_one_wait(runs: Sequence[Child]) -> None:
    waiting = "Waiting for the migration lock"
    poll(lambda: sum(run.has_told(waiting) for run in runs) == len(runs) - 1, within=3 * PATIENCE)


def assert_one_has_applied_all(runs: Sequence[Child]) -> None:
    ended = [run.end(within=2 * PATIENCE) for run in runs]
    assert {each.code for each in ended} == {0}, ended
    assert sorted(each.out for each in ended) == [DONE.format(30), *[UP_TO_DATE] * (len(runs) - 1)]


AT_GATE = {"001_step": migration("001_step", PASS_GATE)}


BUILD = """
from sqlalchemy import text
transaction = "autocommit"
def upgrade(db):
    db.execute(text("CREATE INDEX CONCURRENTLY log_{stem} ON log (stem)"))
    db.execute(text("INSERT INTO log (stem) VALUES ('{stem}')"))
"""


def test_twenty_four_that_start_at_one_moment_build_an_index_concurrently(
    way: Project, engine: Engine, gate: Gate
) -> None:
    """Which waits for every snapshot that is older than itself."""
    builds = {stem: BUILD.format(stem=stem) for stem in ("002_step", "017_step")}
    write(way, **AT_GATE, **builds)
    with forking_eai(N, way, "migrate") as runs:
        all_but_one_wait(runs)
        gate.open()
        assert_one_has_applied_all(runs)
    assert_applied(engine, *STEMS)
    assert ask(engine, "SELECT count(*) FROM pg_index WHERE NOT indisvalid") == 0
    assert ask(engine, "SELECT count(*) FROM pg_indexes WHERE indexname LIKE 'log_%'") == 2
    poll(lambda: advisory_locks(engine) == 0)


def let_the_dead_work_on(engine: Engine) -> None:
    """Bridge leaves this setting alone where somebody has chosen a value."""
    do(engine, f"ALTER DATABASE {engine.url.database} SET client_connection_check_interval = '1h'")


def winner(runs: Sequence[Child]) -> Child:
    (one,) = [run for run in runs if not run.has_told("Waiting for the migration lock")]
    return one


def test_when_the_winner_is_killed_in_a_transaction_another_waits_for_its_backend(
    way: Project, engine: Engine, gate: Gate, left: str
) -> None:
    let_the_dead_work_on(engine)
    write(way, **{"002_step": migration("002_step", PASS_GATE)})
    with forking_eai(N, way, "migrate") as runs:
        backend = gate.reached()
        all_but_one_wait(runs)
        killed = winner(runs)
        assert killed.kill().code == -signal.SIGKILL
        others = [run for run in runs if run is not killed]
        poll(lambda: any(run.has_told(left.format(backend)) for run in others), within=PATIENCE)
        assert gate.waiting() == [backend]
        assert recorded(engine) == ["001_step"]
        gate.open()
        ended = [run.end(within=PATIENCE) for run in others]
    assert {each.code for each in ended} == {0}, ended
    assert sorted(each.out for each in ended) == [DONE.format(29), *[UP_TO_DATE] * (N - 2)]
    assert_applied(engine, *STEMS)


SPAN = f"""
from sqlalchemy import text
transaction = "autocommit"
def upgrade(db):
    db.execute(text('''DO $$
        DECLARE began timestamptz := clock_timestamp();
        BEGIN
            PERFORM {PASS_GATE.removeprefix("SELECT ")};
            INSERT INTO spans VALUES (began, clock_timestamp());
        END $$'''))
    db.execute(text("INSERT INTO log (stem) VALUES ('002_step')"))
"""


def test_when_the_winner_is_killed_outside_of_transactions_nothing_runs_beside_its_statement(
    way: Project, engine: Engine, gate: Gate, left: str
) -> None:
    """Such a statement is committed although nobody listens, and then the file runs again."""
    let_the_dead_work_on(engine)
    do(engine, "CREATE TABLE spans (began timestamptz, ended timestamptz)")
    write(way, **{"002_step": SPAN})
    with forking_eai(6, way, "migrate") as runs:
        backend = gate.reached()
        all_but_one_wait(runs)
        killed = winner(runs)
        killed.kill()
        others = [run for run in runs if run is not killed]
        poll(lambda: any(run.has_told(left.format(backend)) for run in others), within=PATIENCE)
        assert gate.waiting() == [backend]
        gate.open()
        ended = [run.end(within=PATIENCE) for run in others]
    assert {each.code for each in ended} == {0}, ended
    assert_applied(engine, *STEMS)
    assert ask(engine, "SELECT count(*) FROM spans") == 2
    overlaps = "SELECT count(*) FROM spans a, spans b WHERE a.began < b.began AND b.began < a.ended"
    assert ask(engine, overlaps) == 0


def test_sigterm_in_a_long_statement_leaves_nothing_behind(
    way: Project, engine: Engine, gate: Gate
) -> None:
    write(way, **{"002_step": migration("002_step", "SELECT pg_sleep(120)")})
    sleeps = (
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() "
        "AND wait_event = 'PgSleep'"
    )
    with forking_eai(1, way, "migrate") as (run,):
        poll(lambda: column(engine, sleeps))
        run.send(signal.SIGTERM)
        ended = run.end(within=PATIENCE)
    assert ended.code == 128 + signal.SIGTERM, ended
    poll(lambda: not column(engine, sleeps))
    poll(lambda: advisory_locks(engine) == 0)
    assert_applied(engine, "001_step")
    way.write("002_step", migration("002_step"))
    with forking_eai(1, way, "migrate") as (run,):
        assert run.end().out == DONE.format(29)
    assert_applied(engine, *STEMS)


LOCK = (
    "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted "
    f"AND classid = {LOCK_CLASS} AND objid = {MIGRATION_LOCK} AND database = "
    "(SELECT oid FROM pg_database WHERE datname = current_database())"
)


def test_when_the_winners_session_is_cut_another_goes_on(
    project: Project, engine: Engine, gate: Gate
) -> None:
    write(project, **{"002_step": migration("002_step", PASS_GATE)})
    with forking_eai(3, project, "migrate") as runs:
        backend = gate.reached()
        all_but_one_wait(runs)
        cut = winner(runs)
        assert column(engine, LOCK) == [backend]
        terminate(engine, backend)
        gate.open()
        stopped = cut.end()
        ended = [run.end() for run in runs if run is not cut]
    assert stopped.code == 75, stopped
    assert "Everything it did was rolled back. It is not recorded as applied." in stopped.err
    assert sorted(each.out for each in ended) == [DONE.format(29), UP_TO_DATE]
    assert_applied(engine, *STEMS)


def test_without_its_lock_the_winner_behind_a_pooler_stops_and_another_goes_on(
    project: Project, engine: Engine, gate: Gate, pooler: Pooler
) -> None:
    write(project, **{"002_step": migration("002_step", PASS_GATE)})
    with forking_eai(3, replace(project, url=pooler.url(engine.url)), "migrate") as runs:
        backend = gate.reached()
        all_but_one_wait(runs)
        cut = winner(runs)
        (pid,) = column(engine, LOCK)
        terminate(engine, pid)
        others = [run for run in runs if run is not cut]
        poll(lambda: any(run.has_told(f"but its backend {backend} ") for run in others))
        gate.open()
        stopped = cut.end()
        ended = [run.end() for run in others]
    assert stopped.code == 75, stopped
    assert "Error: The connection that held the migration lock was cut (" in stopped.err
    assert sorted(each.out for each in ended) == [DONE.format(28), UP_TO_DATE]
    assert_applied(engine, *STEMS)


def test_the_script_says_what_each_process_did_and_when_it_served(server_url: URL) -> None:
    url = server_url.render_as_string(hide_password=False)
    done = subprocess.run(
        [SCRIPT, "2", "--database-url", url],
        capture_output=True,
        text=True,
        check=False,
        timeout=5 * PATIENCE,
    )
    assert done.returncode == 0, done
    assert re.fullmatch(
        r"process  what it did       serves after\n"
        r"(      [12]  (applied 3  |waited \d+\.\d\d s|nothing  ) +\d+\.\d\d s\n){2}"
        r"1 applied, ([01]) waited, ([01]) nothing, 0 failed, "
        r"the first serves after \d+\.\d\d s, the last \d+\.\d\d s\n",
        done.stdout,
    ), done.stdout
