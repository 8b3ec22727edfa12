"""Scenarios of many targets: fresh ones and such with nothing pending, in seconds for each target.

The ways to them are compared with each other, and not with other tools, which have none of these.
"""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

from benchmark.checking import WrongResultError
from benchmark.folders import Project, write_plain
from benchmark.processes import BIN, run
from benchmark.results import Key
from benchmark.table import milliseconds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmark.bench import Bench, Rounds
    from benchmark.results import Results
    from benchmark.server import Database

ROUNDS: Final[Rounds] = {0: 3}
#: Files, each of three statements.
FILES: Final = 20
#: Targets that are fresh, and those with nothing pending.
FRESH, CURRENT = 40, 1000
#: What has a process for each is measured for so many, which says enough.
FEW: Final = 6
FRESH_SCENARIO, NOTHING = "targets-fresh", "targets-nothing"

LABELS: Final = {
    "processes": "a process for each",
    "loop": "`bridge.upgrade` in a loop",
    "pool": "`--all`, two processes",
    "dask": "`--all`, dask, two workers",
    "status": "`status --all`",
    "connections": "a connection for each",
}

#: The section of the targets, in each project.
INI: Final = """\
targets_query = SELECT nspname FROM pg_namespace WHERE nspname ~ '^t[0-9]+$' ORDER BY 1
"""

LOOP: Final = """
import sys
import bridge

for name in sys.argv[1:]:
    bridge.upgrade(target=bridge.Target(name))
"""
#: The least that asks each target by itself: the question that a start asks.
CONNECTIONS: Final = """
import os, sys
import psycopg2

for name in sys.argv[1:]:
    connection = psycopg2.connect(os.environ["DSN"], options=f"-csearch_path={name}")
    with connection.cursor() as cursor:
        cursor.execute("SELECT version, checksum FROM schema_migrations ORDER BY version")
        cursor.fetchall()
    connection.close()
"""
#: A scheduler and two workers, which are ready when its address is written.
CLUSTER: Final = """
import sys
from distributed import LocalCluster

if __name__ == "__main__":
    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, host="127.0.0.1", protocol="tcp",
        scheduler_port=0, dashboard_address=None, silence_logs=50,
    ) as cluster:
        print(cluster.scheduler_address, flush=True)
        sys.stdin.read()
"""


@dataclass(frozen=True)
class _Way:
    """How all targets of a database are gone through."""

    name: str
    command: Callable[[Database, list[str]], list[list[str]]]


def targets(bench: Bench) -> None:
    """Measure both scenarios."""
    project = Project(bench.home / "targets", FILES)
    write_plain(project)
    project.ini.write_text(project.ini.read_text() + INI)
    small = bench.main_size < CURRENT
    _fresh(bench, project, FEW if small else FRESH)
    _nothing_pending(bench, project, FEW if small else CURRENT)


def _fresh(bench: Bench, project: Project, count: int) -> None:
    def measure(way: _Way) -> float:
        names = _names(min(count, FEW) if way.name == "processes" else count)
        database = bench.databases.create()
        _make_schemas(database, names)
        with _environ(bench, project, database, way) as environ:
            seconds = _timed(way.command(database, names), project, environ)
        _check(database, names)
        return seconds / len(names)

    ways = [_PROCESSES, _LOOP, _POOL, *_dask()]
    bench.say(f"{FRESH_SCENARIO}, N={count}")
    for way in bench.each_round(ways, ROUNDS, count):
        bench.results.add(Key(FRESH_SCENARIO, count, way.name), measure(way))


def _nothing_pending(bench: Bench, project: Project, count: int) -> None:
    database = bench.databases.create()
    names = _names(count)
    _make_schemas(database, names)
    with _environ(bench, project, database, _LOOP) as environ:
        _timed(_LOOP.command(database, names[:1]), project, environ)
    _copy_records(database, names[0], names[1:])

    def measure(way: _Way) -> float:
        some = names[:FEW] if way.name == "processes" else names
        with _environ(bench, project, database, way) as environ:
            return _timed(way.command(database, some), project, environ) / len(some)

    ways = [_PROCESSES, _LOOP, _POOL, _STATUS, _CONNECTIONS]
    bench.say(f"{NOTHING}, N={count}")
    for way in bench.each_round(ways, ROUNDS, count):
        bench.results.add(Key(NOTHING, count, way.name), measure(way))


_EAI: Final = str(BIN / "eai")
_PROCESSES = _Way(
    "processes", lambda _, names: [[_EAI, "migrate", "--target", name] for name in names]
)
_LOOP = _Way("loop", lambda _, names: [[sys.executable, "-c", LOOP, *names]])
_POOL = _Way("pool", lambda _, names: [[_EAI, "migrate", "--all", "--waves", "100%"]])
_STATUS = _Way("status", lambda _, names: [[_EAI, "migrate", "status", "--all", "--check"]])
_CONNECTIONS = _Way("connections", lambda _, names: [[sys.executable, "-c", CONNECTIONS, *names]])
_DASK = _Way("dask", lambda _, names: [[_EAI, "migrate", "--all", "--waves", "100%"]])


def _dask() -> list[_Way]:
    return [_DASK] if find_spec("distributed") else []


@contextmanager
def _environ(
    bench: Bench, project: Project, database: Database, way: _Way
) -> Iterator[dict[str, str]]:
    """What the commands of a way see, among it its cluster, which is started untimed."""
    environ = {**bench.environ, "DATABASE_URL": database.url, "DSN": database.dsn}
    with ExitStack() as stack:
        if way is _DASK:
            cluster = project.path / "cluster.py"
            cluster.write_text(CLUSTER)
            process = stack.enter_context(
                subprocess.Popen(
                    [sys.executable, cluster],
                    cwd=project.path,
                    env=environ,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            stack.callback(process.wait)
            assert process.stdin is not None
            stack.callback(process.stdin.close)
            assert process.stdout is not None
            environ["BRIDGE_EXECUTOR"] = f"dask:{process.stdout.readline().strip()}"
        yield environ


def _timed(commands: list[list[str]], project: Project, environ: dict[str, str]) -> float:
    seconds = 0.0
    for command in commands:
        ran = run(command, project.path, environ)
        if ran.status:
            raise WrongResultError(f"{command[:4]} ended with {ran.status}: {ran.output}")
        seconds += ran.seconds
    return seconds


def _names(count: int) -> list[str]:
    return [f"t{number:05}" for number in range(count)]


def _make_schemas(database: Database, names: list[str]) -> None:
    _execute(database, *(f"CREATE SCHEMA {name}" for name in names))


def _copy_records(database: Database, source: str, names: list[str]) -> None:
    """Give these the records of another: what nothing pending needs."""
    for name in names:
        _execute(
            database,
            *(
                f"CREATE TABLE {name}.{table} (LIKE {source}.{table} INCLUDING ALL); "
                f"INSERT INTO {name}.{table} SELECT * FROM {source}.{table}"
                for table in ("schema_migrations", "alembic_version")
            ),
        )


def _check(database: Database, names: list[str]) -> None:
    for name in names:
        (count,) = _execute(database, f"SELECT count(*) FROM {name}.schema_migrations")
        if count != FILES:
            raise WrongResultError(f"{name} has {count} of {FILES} records.")


def _execute(database: Database, *statements: str) -> Any:
    connection = database.connect()
    try:
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return cursor.fetchone() if cursor.description else None
    finally:
        connection.close()


def lines(results: Results) -> Iterator[str]:
    """A row for each way, with the milliseconds for each target."""
    columns = [
        (key.scenario, key.size)
        for key in sorted({key._replace(peer="") for key in results.samples})
        if key.scenario in {FRESH_SCENARIO, NOTHING}
    ]
    if not columns:
        return
    heads = {FRESH_SCENARIO: "Fresh", NOTHING: "Nothing pending"}
    titles = [f"{heads[scenario]}, {count} targets" for scenario, count in columns]
    yield f"| For each target | {' | '.join(titles)} |"
    yield f"| --- | {' | '.join('---:' for _ in columns)} |"
    for way, label in LABELS.items():
        medians = [results.median(Key(*column, way)) for column in columns]
        cells = ["" if each is None else f"{milliseconds(each)} ms" for each in medians]
        if any(cells):
            yield f"| {label} | {' | '.join(cells)} |"
