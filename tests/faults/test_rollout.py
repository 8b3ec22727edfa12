"""300 schemas and 30 databases, and what is killed while they are migrated."""

from __future__ import annotations

import json
import os
import signal
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from support.own_server import own_server
from support.project import DEFAULT_INI, Project
from support.running import column, poll, starting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import URL, Connection

    from support.own_server import OwnServer
    from support.running import Running, Starter

pytestmark = pytest.mark.long

SCHEMAS = [f"t{number:03}" for number in range(300)]
DATABASES = [f"d{number:02}" for number in range(30)]
#: What was done twice shows in the table.
FILE = """\
from sqlalchemy import text


def upgrade(db):
    db.execute(text("CREATE TABLE IF NOT EXISTS log (stem text)"))
    db.execute(text("INSERT INTO log VALUES ('{stem}')"))
    db.execute(text("SELECT pg_sleep(0.01)"))
    db.commit()
"""
#: As many at once as two cores can do with; a killed worker is made anew again and again.
HOW = ("--targets", "list", "--all", "--concurrency", "4", "--per-server", "3")


class Many:
    """The targets, on a server of their own."""

    def __init__(self, own: OwnServer, stack: ExitStack) -> None:
        self.own = own
        self.project = own.project
        self.start: Starter = stack.enter_context(starting(own.project))
        self.stems: list[str] = []
        with own.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            for name in SCHEMAS:
                connection.exec_driver_sql(f"CREATE SCHEMA {name}")
            for name in DATABASES:
                connection.exec_driver_sql(f"CREATE DATABASE {name} STRATEGY file_copy")
        lines = [json.dumps({"name": name}) for name in SCHEMAS]
        lines += [json.dumps({"name": name, "url": self.address(name)}) for name in DATABASES]
        (own.project.path / "list").write_text("\n".join(lines))
        own.project.ini(DEFAULT_INI)

    def url(self, name: str) -> URL:
        return self.own.engine.url.set(database=name)

    def address(self, name: str) -> str:
        plain = self.url(name).set(drivername="postgresql")
        return plain.render_as_string(hide_password=False)

    def write(self, *stems: str) -> None:
        for stem in stems:
            self.project.write(stem, FILE.format(stem=stem))
            self.stems.append(stem)

    def run(self) -> None:
        """Run it to the end, which must be a good one."""
        running = self.start("eai", "migrate", *HOW)
        ended = running.end(within=600)
        assert ended.code == 0, ended.err[-3000:]
        assert ended.out.startswith("All 330 targets are up to date")
        self.check()

    def check(self) -> None:
        """Each has everything, and once."""
        with self.own.engine.connect() as connection:
            for name in SCHEMAS:
                assert _logged(connection, name) == (self.stems, self.stems), name
        for name in DATABASES:
            engine = create_engine(self.url(name), poolclass=NullPool)
            with engine.connect() as connection:
                assert _logged(connection, "public") == (self.stems, self.stems), name


def _logged(connection: Connection, schema: str) -> tuple[list[str], list[str]]:
    found = [
        list(
            connection.execute(text(f"SELECT {column} FROM {schema}.{table} ORDER BY 1")).scalars()
        )
        for table, column in (("schema_migrations", "version"), ("log", "stem"))
    ]
    return found[0], found[1]


def workers(running: Running) -> list[int]:
    """The processes that it has started, but for the one that Python needs itself."""
    found = []
    for each in Path("/proc").glob("[0-9]*"):
        try:
            parent = (each / "stat").read_text().rpartition(")")[2].split()[1]
            command = (each / "cmdline").read_text()
        except OSError:
            continue
        if int(parent) == running.process.pid and "spawn_main" in command:
            found.append(int(each.name))
    return found


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Many]:
    with ExitStack() as stack:
        path = tmp_path_factory.mktemp("many") / "project"
        own = stack.enter_context(own_server(path, max_connections="100"))
        yield Many(own, stack)


def test_workers_are_killed_while_all_are_made(many: Many) -> None:
    many.write("001_one", "002_two", "003_three")
    running = many.start("eai", "migrate", *HOW, "--waves", "1,10%,100%")
    for number in (2, 60, 200):
        running.told(f"[{number:>3}/330]")
        poll(lambda: workers(running))
        os.kill(workers(running)[0], signal.SIGKILL)
    ended = running.end(within=600)
    assert ended.code == 0, ended.err[-3000:]
    many.check()


def test_nothing_pending_starts_no_worker(many: Many) -> None:
    running = many.start("eai", "migrate", *HOW)
    ended = running.end()
    assert (ended.code, ended.out) == (0, "All 330 targets are up to date.\n")
    assert "Wave" not in ended.err


def test_the_parent_is_killed_with_one_pending(many: Many) -> None:
    many.write("004_four")
    running = many.start("eai", "migrate", *HOW)
    running.told("[ 50/330]")
    left = workers(running)
    running.process.kill()
    poll(lambda: not any(Path(f"/proc/{pid}").exists() for pid in left))
    running.end()
    many.run()


def restart(many: Many) -> None:
    many.own.pg_ctl("restart")


def kill_a_backend(many: Many) -> None:
    """As what runs out of memory is killed: the server then ends all others, and recovers."""
    backends = (
        "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' "
        "AND pid <> pg_backend_pid()"
    )
    poll(lambda: column(many.own.engine, backends))
    poll(lambda: _was_killed(column(many.own.engine, backends)))


def _was_killed(pids: list[int]) -> bool:
    for pid in pids:
        with suppress(ProcessLookupError):  # it may have ended by itself
            os.kill(pid, signal.SIGKILL)
            return True
    return False


@pytest.mark.parametrize(
    ("stem", "goes_down"), [("005_five", restart), ("006_six", kill_a_backend)]
)
def test_the_server_goes_down_with_one_pending(
    many: Many, stem: str, goes_down: Callable[[Many], None]
) -> None:
    many.write(stem)
    running = many.start("eai", "migrate", *HOW)
    running.told("[ 50/330]")
    goes_down(many)
    ended = running.end(within=600)
    assert ended.code in {1, 75}, ended.err[-3000:]
    assert "Traceback" not in ended.err
    many.run()


def test_two_rollouts_beside_each_other_with_one_pending(many: Many) -> None:
    many.write("007_seven")
    both = [many.start("eai", "migrate", *HOW) for _ in range(2)]
    for running in both:
        assert running.end(within=600).code == 0
    many.check()


def test_the_memory_of_workers_does_not_grow_with_each_target(many: Many) -> None:
    """So that none is made anew after so many targets."""
    many.write("008_eight")
    running = many.start("eai", "migrate", *HOW)
    seen: dict[int, list[int]] = {}
    while not running.ended:
        for pid in workers(running):
            try:
                seen.setdefault(pid, []).append(_resident(pid))
            except OSError:
                continue
        time.sleep(0.2)
    assert running.end().code == 0
    for sizes in seen.values():
        early = sizes[len(sizes) // 3]
        assert sizes[-1] - early < 0.2 * early, sizes


def test_the_memory_of_the_parent_does_not_grow_with_the_list(many: Many, tmp_path: Path) -> None:
    names = [f"u{number:04}" for number in range(1000)]
    with many.own.engine.begin() as connection:
        for name in names:
            connection.exec_driver_sql(f"CREATE SCHEMA {name}")
    project = Project.create(tmp_path / "project", many.own.engine.url)
    project.write("001_one", FILE.format(stem="001_one"))
    peaks = []
    with starting(project) as start:
        for count in (100, 1000):
            (project.path / "list").write_text("\n".join(names[:count]))
            running = start("eai", "migrate", "--targets", "list", "--all", "--concurrency", "3")
            peak = 0
            while not running.ended:
                with suppress(OSError, IndexError):
                    peak = max(peak, _peak(running.process.pid))
                time.sleep(0.1)
            assert running.end().code == 0
            peaks.append(peak)
    assert peaks[1] < 1.15 * peaks[0], peaks


def _peak(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])


def _resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1])
