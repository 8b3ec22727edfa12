"""A rollout beside an older release, which knows no targets: never both at once, nothing twice."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from bridge.locking.holder import WAITING_NAME
from support.older_release import NO_HISTORY, last_without_targets, unpack
from support.running import PASS_GATE, gate_of, poll, starting
from support.tenants import Tenants

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.project import Project
    from support.running import Gate, Running, Starter

pytestmark = pytest.mark.long

NAMES = [f"t{number}" for number in range(1, 7)]
LISTED = "SELECT nspname FROM pg_namespace WHERE nspname ~ '^t[0-9]+$' ORDER BY 1"
STEMS = ["001_one", "002_two", "003_three"]
ROLLOUT = ("eai", "migrate", "-n", "tenants", "--all")

#: It has no constraint, so that what was done twice shows; some wait in its midst.
FILE = """\
from sqlalchemy import text

description = "About {stem}"


def upgrade(db):
    db.execute(text("CREATE TABLE IF NOT EXISTS log (stem text)"))
    db.execute(text("INSERT INTO log VALUES ('{stem}')"))
    if db.scalar(text("SELECT current_schema()")) in {waiting}:
        db.execute(text("{gate}"))
    db.commit()
"""
#: The older release has no section for tenants: a configuration, and variables for each of them.
OLD_INI = """\
[alembic]
script_location = bridge:environment
version_locations = %(here)s/migrations
path_separator = os
"""
#: As a program calls it; it says which one it is before.
PROGRAM = """\
import sys
import bridge

assert not hasattr(bridge, "Target"), bridge.__file__
print(bridge.__file__, file=sys.stderr, flush=True)
try:
    bridge.upgrade(config="old.ini", wait_for_lock={wait})
except bridge.BridgeError as error:
    print(error, file=sys.stderr)
    sys.exit(error.exit_code)
"""


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that has the package of the older release in it."""
    commit = last_without_targets()
    if commit is None:
        pytest.skip(NO_HISTORY)
    folder = tmp_path_factory.mktemp("older")
    unpack(commit, folder)
    return folder


@pytest.fixture
def tenants(project: Project) -> Tenants:
    tenants = Tenants.of(project, f"targets_query = {LISTED}")
    tenants.schemas(*NAMES)
    (project.path / "old.ini").write_text(OLD_INI)
    write(tenants)
    return tenants


@pytest.fixture
def start(tenants: Tenants) -> Iterator[Starter]:
    with starting(tenants.project) as starter:
        yield starter


@pytest.fixture
def gate(tenants: Tenants) -> Iterator[Gate]:
    with gate_of(tenants.engine) as gate:
        yield gate


class Older:
    """Starts the older release, for a tenant as teams did before there were targets."""

    def __init__(self, package: Path, tenants: Tenants, start: Starter) -> None:
        self._package = package
        self._tenants = tenants
        self._start = start

    def __call__(
        self, schema: str, *, wait: float = 300, command: str = "eai", verb: str = ""
    ) -> Running:
        url = self._tenants.project.url
        assert url is not None
        path = url.update_query_dict({"options": f"-csearch_path={schema}"})
        env = {
            "PYTHONPATH": str(self._package),
            "DATABASE_URL": path.render_as_string(hide_password=False),
            "BRIDGE_VERSION_TABLE_SCHEMA": schema,
        }
        if command == "eai":
            given = ["-m", "bridge", "migrate", "-c", "old.ini"]
            given += [verb] if verb else ["--wait-for-lock", str(wait)]
        else:
            given = ["-c", PROGRAM.format(wait=wait)]
        return self._start("python", *given, env=env)


@pytest.fixture
def older(package: Path, tenants: Tenants, start: Starter) -> Older:
    return Older(package, tenants, start)


@dataclass(frozen=True)
class Way:
    """How the older release is run."""

    schema: str
    command: str

    def __str__(self) -> str:
        return f"{self.schema}-{self.command}"


def ways(*all_of_them: Way) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("way", all_of_them, ids=str)


def write(tenants: Tenants, *waiting: str) -> None:
    """Write the files, in the last of which these schemas wait at the gate."""
    for stem in STEMS:
        held = waiting if stem == STEMS[-1] else ()
        body = FILE.format(stem=stem, waiting=held, gate=PASS_GATE)
        tenants.project.write(stem, body)


def started_waiting(tenants: Tenants, count: int = 1) -> None:
    """Wait until so many wait for the lock."""
    # PostgreSQL says of itself what has begun to wait: workers tell nobody.
    asked = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
        f"AND application_name = '{WAITING_NAME}'"
    )
    poll(lambda: tenants.ask(asked)[0] >= count)


def schemas_with_tables(tenants: Tenants) -> set[str]:
    return {*tenants.ask("SELECT schemaname FROM pg_tables WHERE schemaname ~ '^(t[0-9]|public)'")}


def assert_all_once(tenants: Tenants, *more: str) -> None:
    """Each has everything once, ledgers and pointers agree, and nobody was in a deadlock."""
    for name in (*NAMES, *more):
        assert tenants.rows(name) == STEMS, name
        assert sorted(tenants.ask(f"SELECT stem FROM {name}.log")) == STEMS, name
        assert tenants.ask(f"SELECT version_num FROM {name}.alembic_version") == STEMS[-1:], name
    told = tenants.project.eai("migrate", "-n", "tenants", "status", "--all", "--check")
    assert told.returncode == 0, told.stdout
    asked = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    assert tenants.ask(asked) == [0]


def test_it_is_an_older_release(package: Path, tenants: Tenants, older: Older) -> None:
    ended = older("t1", command="program").end()
    assert ended.code == 0, ended.err
    assert ended.err.splitlines()[0] == str(package / "bridge" / "__init__.py")
    assert tenants.rows("t1") == STEMS


@ways(Way("public", "eai"), Way("t5", "program"))
def test_beside_a_rollout_it_ends_with_75_and_does_nothing(
    tenants: Tenants, start: Starter, gate: Gate, older: Older, way: Way
) -> None:
    write(tenants, "t2", "t3")
    running = start(*ROLLOUT)
    poll(lambda: len(gate.waiting()) == 2)
    before = schemas_with_tables(tenants)
    ended = older(way.schema, wait=0.5, command=way.command).end()
    assert ended.code == 75, ended.err
    assert "The migration lock of this database was not obtained within 0.5 s" in ended.err
    assert schemas_with_tables(tenants) == before == {"t1", "t2", "t3"}
    gate.open()
    ended = running.end()
    assert ended.code == 0, ended.err
    assert_all_once(tenants)


@ways(Way("public", "program"), Way("t5", "eai"))
def test_it_waits_for_a_rollout_and_goes_on_after_it(
    tenants: Tenants, start: Starter, gate: Gate, older: Older, way: Way
) -> None:
    write(tenants, "t2", "t3")
    running = start(*ROLLOUT)
    poll(lambda: len(gate.waiting()) == 2)
    other = older(way.schema, command=way.command)
    started_waiting(tenants)
    assert schemas_with_tables(tenants) == {"t1", "t2", "t3"}
    gate.open()
    assert running.end().code == 0
    ended = other.end()
    assert ended.code == 0, ended.err
    assert_all_once(tenants, way.schema)


@ways(Way("public", "eai"), Way("t1", "eai"), Way("t5", "program"))
def test_a_rollout_waits_for_it_and_then_completes(
    tenants: Tenants, start: Starter, gate: Gate, older: Older, way: Way
) -> None:
    write(tenants, way.schema)
    other = older(way.schema, command=way.command)
    gate.reached()
    running = start(*ROLLOUT, "--waves", "100%")
    started_waiting(tenants, 2)
    assert schemas_with_tables(tenants) == {way.schema}
    gate.open()
    for each in (other, running):
        ended = each.end()
        assert ended.code == 0, ended.err
    assert_all_once(tenants, way.schema)


def test_a_rollout_that_waits_no_longer_ends_with_75_and_has_done_nothing(
    tenants: Tenants, start: Starter, gate: Gate, older: Older
) -> None:
    write(tenants, "t5")
    other = older("t5")
    pid = gate.reached()
    ended = start(*ROLLOUT, "--wait-for-lock", "0.5", "--max-failures", "100%").end()
    assert ended.code == 75, ended.err
    assert f"is held by backend {pid} (role " in ended.err
    assert schemas_with_tables(tenants) == {"t5"}
    gate.open()
    assert other.end().code == 0
    assert start(*ROLLOUT).end().code == 0
    assert_all_once(tenants)


@pytest.mark.parametrize("killed", ["older", "rollout"])
def test_when_one_is_killed_the_other_one_completes(
    tenants: Tenants, start: Starter, gate: Gate, older: Older, killed: str
) -> None:
    write(tenants, "t2", "t3") if killed == "rollout" else write(tenants, "t5")
    starts: list[Callable[[], Running]] = [lambda: older("t5"), lambda: start(*ROLLOUT)]
    first, second = starts if killed == "older" else reversed(starts)
    one = first()
    poll(lambda: len(gate.waiting()) == (1 if killed == "older" else 2))
    other = second()
    started_waiting(tenants)
    one.process.kill()
    poll(lambda: gate.waiting() == [])
    one.end()
    gate.open()
    ended = other.end()
    assert ended.code == 0, ended.err
    assert start(*ROLLOUT).end().code == 0
    assert_all_once(tenants)


def test_many_of_both_at_once_do_nothing_twice(
    tenants: Tenants, start: Starter, older: Older
) -> None:
    running = [older("t1"), start(*ROLLOUT, "--concurrency", "3"), older("t4"), older("public")]
    running += [start(*ROLLOUT), older("t6", command="program")]
    for each in running:
        ended = each.end(within=180)
        assert ended.code == 0, ended.err
    assert_all_once(tenants, "public")


def test_each_reads_what_the_other_one_has_written(tenants: Tenants, older: Older) -> None:
    assert older("t1").end().code == 0
    found = tenants.project.eai("migrate", "-n", "tenants", "status", "--all", "--json").stdout
    states = {each["target"]: each["state"] for each in json.loads(found)["targets"]}
    assert states == {"t1": "up-to-date", **dict.fromkeys(NAMES[1:], "new")}
    done = tenants.project.eai("migrate", "-n", "tenants", "--all")
    assert done.stdout == "All 6 targets are up to date, 5 of them by this run.\n", done.stderr
    for name in ("t1", "t2"):
        ended = older(name).end()
        assert (ended.code, ended.out) == (0, "Nothing to do: the database is up to date.\n")
    assert "up to date" in older("t2", verb="status").end().out
