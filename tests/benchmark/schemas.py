"""What many schemas of one database cost: catalog, memory and time, by their number.

Run alone, as `scripts/bench --only schemas --sizes 1000,5000`: the sizes are numbers of schemas of
one database, which grows from one to the next. Its server does not wait for the disk (`fsync` is
off), because most of the time of filling it would be that; so the figures are of processors.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmark.checking import WrongResultError
from benchmark.folders import PLAIN, PLAIN_INI
from benchmark.processes import BIN
from bridge.database.embedded.programs import client_program

if TYPE_CHECKING:
    from benchmark.bench import Bench
    from benchmark.server import Database

#: Of the server: one on which tables are made for an hour need not be durable.
SETTINGS: Final = {
    "fsync": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "max_wal_size": "8GB",
}
#: Tables of a schema, beside the two of the records; each is made by a file.
TABLES: Final = 20
#: Targets to which one file is applied, or all if there are fewer.
APPLIED: Final = 500
#: Schemas that are made over one connection, which would grow without end.
AT_ONCE: Final = 250
#: Seconds between two looks at the memory of a process, which says itself what it had at most.
EVERY: Final = 0.1

INI: Final = f"""\
{PLAIN_INI}
targets_query = SELECT nspname FROM pg_namespace WHERE nspname ~ '^t[0-9]+$' ORDER BY 1
"""
#: A key, a text and a time: four files on disk.
TABLE: Final = (
    "CREATE TABLE {table} (id bigint PRIMARY KEY, name text NOT NULL)",
    "ALTER TABLE {table} ADD COLUMN created_at timestamptz NOT NULL DEFAULT now()",
    "INSERT INTO {table} (id, name) VALUES (1, 'first')",
)
ONE_MORE: Final = (
    "ALTER TABLE t0001 ADD COLUMN note text",
    "CREATE INDEX ON t0001 (created_at)",
    "UPDATE t0001 SET note = 'seen'",
)
#: Reads all ledgers over one connection; what its backend has then, in bytes.
ONE_BACKEND: Final = """
import json, sys
import bridge
from sqlalchemy import create_engine, text

names = [f"t{number:06}" for number in range(int(sys.argv[1]))]
with create_engine(sys.argv[2]).connect() as connection:
    print(connection.scalar(text("SELECT pg_backend_pid()")), flush=True)
    connection.rollback()
    sys.stdin.readline()
    bridge.status_all(names, database=connection)
    total = "SELECT sum(used_bytes) FROM pg_backend_memory_contexts"
    print(int(connection.scalar(text(total))), flush=True)
    sys.stdin.readline()
"""
#: Has all targets done at once, by nobody: what is left is what a rollout itself remembers.
EXECUTOR: Final = """
from concurrent.futures import Executor, Future


class Nobody(Executor):
    def submit(self, function, name, **options):
        future = Future()
        applied = [{"migration": "0021_one_more", "seconds": 0.1}]
        future.set_result({"target": name, "exit_code": 0, "message": "", "applied": applied})
        return future


executor = Nobody()
"""


@dataclass(frozen=True)
class Cost:
    """What a command has cost."""

    seconds: float
    #: Of the processor, for the command with its workers, and for the server.
    client: float
    server: float
    #: What the process itself, without its workers, had at most, in megabytes.
    memory: float


class Crowd:
    """The database, and the project whose targets are its schemas."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self.database = bench.databases.create()
        self.path = bench.home / "schemas"
        self.folder = self.path / "migrations"
        self.folder.mkdir(parents=True)
        (self.path / "alembic.ini").write_text(INI)
        (self.path / "nobody.py").write_text(EXECUTOR)
        for number in range(1, TABLES + 1):
            self._write(f"{number:04}_create", f"t{number:04}", TABLE)
        self.count = 0
        self._pending = 0
        self._postmaster = int(_one(self.database, _POSTMASTER))

    def _write(self, stem: str, table: str, statements: Sequence[str]) -> None:
        lines = [f"    db.execute(text({each.format(table=table)!r}))" for each in statements]
        text = PLAIN.format(table=table, statements="\n".join(lines))
        (self.folder / f"{stem}.py").write_text(text)

    def write_one_more(self) -> None:
        """Write a file more, which is then pending everywhere."""
        self._pending += 1
        self._write(f"{TABLES + self._pending:04}_one_more", "t0001", ONE_MORE)

    def remove_one_more(self) -> None:
        (self.folder / f"{TABLES + self._pending:04}_one_more.py").unlink()
        self._pending -= 1

    def grow(self, count: int) -> float:
        """Make schemas until there are so many; return the seconds that it took."""
        began = time.perf_counter()
        if self.count == 0:
            _execute(self.database, f"CREATE SCHEMA {_name(0)}")
            self.run("migrate", "--target", _name(0))
            self.count = 1
        copy = _copying(self.database)
        for start in range(self.count, count, AT_ONCE):
            some = range(start, min(start + AT_ONCE, count))
            _execute(self.database, *(copy.replace("{here}", _name(each)) for each in some))
        self.count = max(self.count, count)
        _execute(self.database, "VACUUM ANALYZE pg_class", *map("VACUUM ANALYZE {}".format, _BIG))
        return time.perf_counter() - began

    def run(self, *arguments: str, program: str | Path = BIN / "eai", ends: int = 0) -> Cost:
        """Run a command to its end."""
        environ = {**self._bench.environ, "DATABASE_URL": self.database.url}
        with tempfile.TemporaryFile("w+") as output:
            server, began = self._spent(), time.perf_counter()
            process = subprocess.Popen(
                [program, *arguments],
                cwd=self.path,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
            memory, status, usage = 0.0, 0, None
            while usage is None or not status:
                memory = max(memory, _peak(process.pid))
                pid, code, usage = os.wait4(process.pid, os.WNOHANG)
                if pid:
                    break
                time.sleep(EVERY)
            seconds = time.perf_counter() - began
            process.returncode = os.waitstatus_to_exitcode(code)
            if process.returncode != ends:
                output.seek(0)
                raise WrongResultError(f"{arguments} ended otherwise: {output.read()[-2000:]}")
        client = usage.ru_utime + usage.ru_stime
        return Cost(seconds, client, self._spent() - server, memory)

    def _spent(self) -> float:
        """Seconds of the processor that the server's processes had, those that have ended."""
        time.sleep(EVERY)  # until the last backend has ended
        fields = Path(f"/proc/{self._postmaster}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[13:15])) / os.sysconf("SC_CLK_TCK")

    def one_backend(self, count: int) -> tuple[float, float, float]:
        """Read so many ledgers over one connection.

        Return the megabytes of its backend that are its own, before and after that, and those that
        it says it uses.
        """
        script = [sys.executable, "-c", ONE_BACKEND, str(count), self.database.url]
        with subprocess.Popen(
            script,
            cwd=self.path,
            env={**self._bench.environ, "DATABASE_URL": self.database.url},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            pid = int(process.stdout.readline())
            before = _own(pid)
            print(file=process.stdin, flush=True)
            used = int(process.stdout.readline()) / 1e6
            after = _own(pid)
            print(file=process.stdin, flush=True)
        return before, after, used

    def catalog(self) -> dict[str, tuple[int, int]]:
        """The rows and the bytes of the largest catalogs, and of all."""
        found = {}
        connection = self.database.connect()
        with connection.cursor() as cursor:
            for name in _BIG:
                cursor.execute(f"SELECT count(*), pg_total_relation_size('{name}') FROM {name}")
                found[name] = cursor.fetchone()
            cursor.execute(_ALL)
            found["all"] = cursor.fetchone()
        connection.close()
        return found


def schemas(bench: Bench) -> None:
    """Measure at each size, and print what it was as it comes."""
    crowd = Crowd(bench)
    for size in sorted(bench.sizes):
        for line in _measured(bench, crowd, size):
            print(line, flush=True)


def _measured(bench: Bench, crowd: Crowd, size: int) -> Iterator[str]:
    bench.say(f"schemas, N={size}: filling")
    yield f"{size} schemas of {TABLES} tables: made in {crowd.grow(size):.0f} s"
    for name, (rows, size_of) in crowd.catalog().items():
        yield f"  {name}: {rows} rows, {rows / size:.1f} a schema, {size_of / size / 1024:.1f} kB"
    bench.say(f"schemas, N={size}: nothing pending")
    yield from _told("status --all", crowd.run("migrate", "status", "--all", "--check"), size)
    yield from _told("--all, nothing pending", crowd.run("migrate", "--all"), size)
    before, after, used = crowd.one_backend(size)
    yield f"  a backend: {before:.1f} MB, after all ledgers {after:.1f} MB; {used:.1f} MB in use"
    dump = ("-s", "-n", _name(0), "-d", crowd.database.dsn, "-f", os.devnull)
    major = int(bench.databases.version().partition(".")[0])
    program = client_program("pg_dump", major)
    yield from _told("pg_dump of one schema", crowd.run(*dump, program=program), size)
    crowd.write_one_more()
    told = ("--all", "--waves", "100%", "--executor", "nobody:executor")
    cost = crowd.run("-m", "bridge", "migrate", *told, program=sys.executable, ends=75)
    yield from _told("what a rollout remembers", cost, size)
    some = min(size, APPLIED)
    (crowd.path / "some").write_text("".join(f"{_name(each)}\n" for each in range(some)))
    bench.say(f"schemas, N={size}: one file for {some}")
    applied = ("--all", "--waves", "100%", "--targets", "some")
    yield from _told("one file, two processes", crowd.run("migrate", *applied), some)
    rest = crowd.run("migrate", "--target", _name(size - 1)) if some < size else None
    if rest is not None:
        yield from _told("one file, one target", rest, 1)
    _forget_last(crowd, [*range(some), size - 1])


def _forget_last(crowd: Crowd, numbers: Sequence[int]) -> None:
    """Have these targets as the others are: without the file that is one more."""
    stem = f"{TABLES:04}_create"
    _execute(
        crowd.database,
        *(
            f"DELETE FROM {_name(each)}.schema_migrations WHERE version > '{stem}';"
            f"UPDATE {_name(each)}.alembic_version SET version_num = '{stem}';"
            f"ALTER TABLE {_name(each)}.t0001 DROP COLUMN note;"
            f"DROP INDEX {_name(each)}.t0001_created_at_idx"
            for each in dict.fromkeys(numbers)
        ),
    )
    crowd.remove_one_more()


def _told(what: str, cost: Cost, count: int) -> Iterator[str]:
    each = [1000 * seconds / count for seconds in (cost.seconds, cost.client, cost.server)]
    yield (
        f"  {what}, {count}: {cost.seconds:.2f} s, client {cost.client:.2f} s, server "
        f"{cost.server:.2f} s; {each[0]:.2f}, {each[1]:.2f}, {each[2]:.2f} ms each; the process "
        f"had {cost.memory:.1f} MB"
    )


def _name(number: int) -> str:
    return f"t{number:06}"


def _copying(database: Database) -> str:
    """SQL that makes the schema {here} as the first one is."""
    source = _name(0)
    names = json.loads(_one(database, _TABLES.format(schema=source)))
    return "CREATE SCHEMA {here};" + ";".join(
        f"CREATE TABLE {{here}}.{name} (LIKE {source}.{name} INCLUDING ALL);"
        f"INSERT INTO {{here}}.{name} SELECT * FROM {source}.{name}"
        for name in names
    )


def _execute(database: Database, *statements: str) -> None:
    connection = database.connect()
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
    connection.close()


def _one(database: Database, question: str) -> Any:
    connection = database.connect()
    with connection.cursor() as cursor:
        cursor.execute(question)
        (answer,) = cursor.fetchone()
    connection.close()
    return answer


def _status(pid: int) -> Mapping[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return dict(line.split(":", 1) for line in lines)


def _peak(pid: int) -> float:
    return float(_status(pid).get("VmHWM", "0 kB").split()[0]) / 1e3


def _own(pid: int) -> float:
    return float(_status(pid)["RssAnon"].split()[0]) / 1e3


_BIG: Final = (
    *("pg_class", "pg_attribute", "pg_type", "pg_depend", "pg_index", "pg_constraint"),
    *("pg_attrdef", "pg_statistic"),
)
_ALL: Final = """
SELECT sum(reltuples)::bigint, sum(pg_total_relation_size(oid))::bigint FROM pg_class
 WHERE relnamespace = 'pg_catalog'::regnamespace AND relkind = 'r'
"""
_TABLES: Final = """
SELECT json_agg(tablename ORDER BY tablename)::text FROM pg_tables WHERE schemaname = '{schema}'
"""
_POSTMASTER: Final = "SELECT split_part(pg_read_file('postmaster.pid'), E'\\n', 1)::int"
