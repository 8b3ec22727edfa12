"""`eai migrate --embedded` and `eai db` as real processes."""

from __future__ import annotations

import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg2
import pytest

from bridge.database.embedded.server import EmbeddedServer, database_for
from support.running import assert_took_less
from support.terminal import run_on_terminal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.project import Project

BIN = Path(sys.executable).parent
FAST = {"fsync": "off", "shared_buffers": "16MB"}

CREATE = """\
    from sqlalchemy import text

    def upgrade(db):
        db.execute(text("CREATE TABLE a (id int)"))
    """


@pytest.fixture(scope="session")
def made() -> Iterator[Path]:
    """A folder with a server's data, to copy: making it takes most of a test's time."""
    # Not pytest's own, which the user that runs root's server cannot enter.
    path = Path(tempfile.gettempdir()) / f"bridge-cli-{secrets.token_hex(4)}"
    with EmbeddedServer(path, options=FAST) as server:
        server.ensure_database()
    yield path
    EmbeddedServer(path).destroy()


@dataclass(frozen=True)
class Embedded:
    """A project without a URL, whose embedded server has a folder of its own."""

    project: Project
    data: Path

    @property
    def env(self) -> dict[str, str | None]:
        return {"BRIDGE_EMBEDDED_DATA": str(self.data)}

    @property
    def server(self) -> EmbeddedServer:
        return EmbeddedServer(self.data, options=FAST)

    def eai(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.project.eai(*arguments, env=self.env)


@pytest.fixture
def embedded(folder_project: Project, made: Path) -> Iterator[Embedded]:
    data = made.with_name(f"{made.name}-{secrets.token_hex(4)}")
    subprocess.run(["cp", "-a", made, data], check=True)
    yield Embedded(folder_project, data)
    EmbeddedServer(data).stop()
    shutil.rmtree(data, ignore_errors=True)


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def tables_in(url: str) -> list[str]:
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT relname FROM pg_class WHERE relname IN ('a', 'schema_migrations')")
        return sorted(name for (name,) in cursor.fetchall())


def test_the_flag_uses_the_embedded_server_and_says_where_its_data_is(embedded: Embedded) -> None:
    embedded.project.write("001_a", CREATE)
    done = embedded.eai("migrate", "--embedded")
    assert done.returncode == 0
    assert done.stdout == "Applied 1 migration: the database is up to date.\n"
    first = done.stderr.splitlines()[0]
    assert first.endswith(f"(from the embedded PostgreSQL in {embedded.data})")
    assert not embedded.server.running()
    with embedded.server as server:
        url = server.url(database_for(str(embedded.project.path / "alembic.ini")))
        assert tables_in(url.set(drivername="postgresql").render_as_string()) == [
            "a",
            "schema_migrations",
        ]


def test_the_setting_uses_the_embedded_server(embedded: Embedded) -> None:
    embedded.project.ini(extra="embedded = true\n")
    embedded.project.write("001_a", CREATE)
    done = embedded.eai("migrate")
    assert done.returncode == 0
    assert f"(from the embedded PostgreSQL in {embedded.data})" in done.stderr


def test_a_first_run_needs_nothing_but_the_folder_of_migrations(embedded: Embedded) -> None:
    shutil.rmtree(embedded.data)
    embedded.project.write("001_a", CREATE)
    assert embedded.eai("migrate", "--embedded").returncode == 0


def test_the_url_can_be_used_until_the_server_is_stopped(embedded: Embedded) -> None:
    embedded.project.write("001_a", CREATE)
    printed = embedded.eai("db", "url")
    assert printed.returncode == 0
    assert printed.stderr == ""
    url = printed.stdout.removesuffix("\n")
    assert url.startswith("postgresql://")
    assert tables_in(url) == []
    assert embedded.project.eai("migrate", env={"DATABASE_URL": url}).returncode == 0
    assert tables_in(url) == ["a", "schema_migrations"]
    psql = subprocess.run(
        [EmbeddedServer.program("psql"), url, "-Atc", "SELECT version FROM schema_migrations"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert psql.stdout == "001_a\n"
    assert embedded.eai("db", "url").stdout == printed.stdout
    # One that uses it and ends does not take it from those who were given its URL.
    assert embedded.eai("migrate", "--embedded").returncode == 0
    assert embedded.server.running()
    stopped = embedded.eai("db", "stop")
    assert stopped.stdout == f"Stopped the embedded PostgreSQL in {embedded.data}.\n"
    assert not embedded.server.running()


def test_stopping_what_does_not_run_is_no_error(embedded: Embedded) -> None:
    done = embedded.eai("db", "stop")
    assert done.returncode == 0
    assert done.stdout == f"No embedded PostgreSQL runs in {embedded.data}.\n"


def test_stopping_where_nothing_was_ever_made_makes_nothing(embedded: Embedded) -> None:
    shutil.rmtree(embedded.data)
    assert embedded.eai("db", "stop").returncode == 0
    assert not embedded.data.exists()


def test_a_server_in_use_is_neither_stopped_nor_destroyed(embedded: Embedded) -> None:
    with embedded.server as server:
        for command in (("db", "stop"), ("db", "destroy", "--yes")):
            done = embedded.eai(*command)
            assert done.returncode == 75
            assert "is in use by another process" in done.stderr
        assert server.running()


def test_psql_gets_its_arguments_and_gives_its_exit_code(embedded: Embedded) -> None:
    done = embedded.eai("db", "psql", "-Atc", "SELECT current_database(), current_user")
    name = database_for(str(embedded.project.path / "alembic.ini"))
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{name}|postgres\n", "")
    assert not embedded.server.running()
    assert embedded.eai("db", "psql", "-v", "ON_ERROR_STOP=1", "-f", "/nowhere").returncode == 1
    other = embedded.eai("db", "psql", "postgres", "--tuples-only", "-Ac", "\\conninfo")
    assert "postgres" in other.stdout
    assert embedded.eai("db", "psql", "no_such_database", "-c", "SELECT 1").returncode == 2


def test_psql_obeys_no_pg_variable_of_the_caller_s(embedded: Embedded) -> None:
    done = embedded.project.eai(
        *("db", "psql", "-Atc", "SELECT current_user"),
        env={**embedded.env, "PGHOST": "nowhere", "PGUSER": "nobody"},
    )
    assert (done.returncode, done.stdout) == (0, "postgres\n")


def test_ctrl_c_in_psql_ends_a_statement_and_not_the_session(embedded: Embedded) -> None:
    """The terminal sends it to both; psql asks the server to cancel, and goes on."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        process = subprocess.Popen(
            [BIN / "eai", "db", "psql", "-At"],
            env=embedded.project.environ(embedded.env),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
    finally:
        signal.signal(signal.SIGINT, before)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("\\echo ready\nSELECT pg_sleep(60);\n")
    process.stdin.flush()
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.5)  # psql sends the statement
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    assert process.poll() is None
    process.terminate()
    process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    wait_for(lambda: not embedded.server.running())


def test_destroy_without_a_terminal_asks_for_yes_and_removes_nothing(embedded: Embedded) -> None:
    done = embedded.eai("db", "destroy")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == (
        f"Error: This would remove the embedded PostgreSQL in {embedded.data} with all its "
        "databases, and there is no terminal to ask at. Nothing was removed. If it is meant, add "
        "--yes.\n"
    )
    assert embedded.data.exists()


def test_destroy_with_yes_removes_the_folder(embedded: Embedded) -> None:
    done = embedded.eai("db", "destroy", "--yes")
    assert done.returncode == 0
    assert done.stdout == f"Removed the embedded PostgreSQL in {embedded.data}.\n"
    assert not embedded.data.exists()
    again = embedded.eai("db", "destroy", "--yes")
    assert again.returncode == 0
    assert again.stdout == (
        f"There is no embedded PostgreSQL in {embedded.data}: nothing to remove.\n"
    )
    assert not embedded.data.exists()


@pytest.mark.parametrize(("answer", "code"), [("y", 0), ("n", 1), ("", 1)])
def test_destroy_asks_at_a_terminal_and_names_the_folder(
    embedded: Embedded, answer: str, code: int
) -> None:
    returned, shown = run_on_terminal(
        embedded.project, "db", "destroy", typed=f"{answer}\n", env=embedded.env
    )
    assert returned == code
    asked = f"Remove the embedded PostgreSQL in {embedded.data} with all its databases? [y/N]"
    assert asked in shown
    assert embedded.data.exists() == bool(code)
    assert ("Nothing was removed." in shown) == bool(code)


def test_a_signal_ends_a_run_on_the_embedded_server_and_stops_it(embedded: Embedded) -> None:
    embedded.project.write(
        "001_a",
        """
        from sqlalchemy import text

        def upgrade(db):
            print("sleeping")
            db.execute(text("SELECT pg_sleep(60)"))
        """,
    )
    process = embedded.project.popen_eai("migrate", "--embedded", env=embedded.env)
    assert process.stdout is not None
    assert process.stdout.readline() == "sleeping\n"
    process.terminate()
    sent = time.monotonic()
    process.communicate(timeout=60)
    assert_took_less(2, time.monotonic() - sent)
    assert process.returncode == 143
    assert not embedded.server.running()
