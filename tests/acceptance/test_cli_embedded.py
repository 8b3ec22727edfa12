"""`eai migrate --embedded` and `eai db`."""

from __future__ import annotations

import secrets
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
from support.project import TIMEOUT
from support.running import poll
from support.terminal import run_on_terminal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.project import Project

BIN = Path(sys.executable).parent
FAST = {"fsync": "off", "shared_buffers": "16MB"}

CREATE = """\
    from sqlalchemy import text

    def upgrade(db):
        db.execute(text("CREATE TABLE a (id int)"))
    """


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

    def program(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `eai` in a process of its own."""
        return self.project.program("eai", *arguments, env=self.env)


@pytest.fixture(scope="module")
def made() -> Iterator[Path]:
    """A folder with a server's data; making it takes most of a test's time."""
    data = nowhere()
    with EmbeddedServer(data, options=FAST) as server:
        server.ensure_database()
    # The commands start it without these options; nothing here need survive a loss of power.
    for configuration in data.glob("postgresql-*/postgresql.conf"):
        with configuration.open("a") as file:
            file.write("fsync = off\n")
    yield data
    EmbeddedServer(data).destroy()


@pytest.fixture
def embedded(folder_project: Project, made: Path) -> Iterator[Embedded]:
    """A server that other tests use before and after, so it is not to be destroyed."""
    yield Embedded(folder_project, made)
    EmbeddedServer(made).stop()


@pytest.fixture
def unmade(folder_project: Project) -> Iterator[Embedded]:
    """A server that nobody has made yet."""
    data = nowhere()
    yield Embedded(folder_project, data)
    EmbeddedServer(data).destroy()


def nowhere() -> Path:
    """The path of a folder for a server; nothing is there."""
    # Not pytest's own, which the user that runs root's server cannot enter.
    return Path(tempfile.gettempdir()) / f"bridge-cli-{secrets.token_hex(4)}"


def column(url: str, query: str) -> list[str]:
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(query)
        return sorted(value for (value,) in cursor.fetchall())


def tables_in(url: str) -> list[str]:
    return column(url, "SELECT relname FROM pg_class WHERE relname IN ('a', 'schema_migrations')")


def test_the_flag_uses_the_embedded_server_and_says_where_its_data_is(embedded: Embedded) -> None:
    embedded.project.write("001_a", CREATE)
    done = embedded.program("migrate", "--embedded")
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


def test_a_first_run_needs_nothing_but_the_migrations_and_destroy_removes_all_it_made(
    unmade: Embedded,
) -> None:
    unmade.project.write("001_a", CREATE)
    assert unmade.eai("migrate", "--embedded").returncode == 0
    done = unmade.program("db", "destroy", "--yes")
    assert done.returncode == 0
    assert done.stdout == f"Removed the embedded PostgreSQL in {unmade.data}.\n"
    assert not unmade.data.exists()
    again = unmade.eai("db", "destroy", "--yes")
    assert again.returncode == 0
    assert again.stdout == (
        f"There is no embedded PostgreSQL in {unmade.data}: nothing to remove.\n"
    )
    assert not unmade.data.exists()


def test_the_url_can_be_used_until_the_server_is_stopped(embedded: Embedded) -> None:
    embedded.project.write("001_a", CREATE)
    printed = embedded.program("db", "url")
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
    stopped = embedded.program("db", "stop")
    assert stopped.stdout == f"Stopped the embedded PostgreSQL in {embedded.data}.\n"
    assert not embedded.server.running()


def test_stopping_what_does_not_run_is_no_error(embedded: Embedded) -> None:
    done = embedded.eai("db", "stop")
    assert done.returncode == 0
    assert done.stdout == f"No embedded PostgreSQL runs in {embedded.data}.\n"


def test_stopping_where_nothing_was_ever_made_makes_nothing(unmade: Embedded) -> None:
    assert unmade.eai("db", "stop").returncode == 0
    assert not unmade.data.exists()


def test_a_server_in_use_is_neither_stopped_nor_destroyed(embedded: Embedded) -> None:
    with embedded.server as server:
        for command in (("db", "stop"), ("db", "destroy", "--yes")):
            done = embedded.eai(*command)
            assert done.returncode == 75
            assert "is in use by another process" in done.stderr
        assert server.running()


def test_psql_gets_its_arguments_and_gives_its_exit_code(embedded: Embedded) -> None:
    done = embedded.program("db", "psql", "-Atc", "SELECT current_database(), current_user")
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
    process.stdin.write("\\echo ready\nSELECT pg_sleep(600);\n")
    process.stdin.flush()
    assert process.stdout.readline() == "ready\n"
    url = embedded.server.url("postgres").set(drivername="postgresql").render_as_string()
    poll(lambda: column(url, "SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep'"))
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)  # as long as nothing happens, there is nothing to wait for
    assert process.poll() is None
    process.terminate()
    process.communicate(timeout=TIMEOUT)
    assert process.returncode == 128 + signal.SIGTERM
    poll(lambda: not embedded.server.running())


def test_destroy_without_a_terminal_asks_for_yes_and_removes_nothing(embedded: Embedded) -> None:
    done = embedded.eai("db", "destroy")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == (
        f"Error: This would remove the embedded PostgreSQL in {embedded.data} with all its "
        "databases, but there is no terminal to ask on. Nothing was removed. To do it without the "
        "question, add --yes.\n"
    )
    assert embedded.data.exists()


def test_at_a_terminal_destroy_asks_and_obeys(unmade: Embedded) -> None:
    unmade.data.mkdir()
    assert_asked(unmade, "y", code=0)
    assert not unmade.data.exists()


def test_at_a_terminal_destroy_takes_no_answer_for_a_no(embedded: Embedded) -> None:
    assert "Nothing was removed." in assert_asked(embedded, "", code=1)
    assert embedded.data.exists()


def assert_asked(embedded: Embedded, answer: str, *, code: int) -> str:
    """Destroy it at a terminal, with this answer; returns what was shown."""
    returned, shown = run_on_terminal(
        embedded.project, "db", "destroy", typed=f"{answer}\n", env=embedded.env
    )
    assert returned == code
    asked = f"Remove the embedded PostgreSQL in {embedded.data} with all its databases? [y/N]"
    assert asked in shown
    return shown


def test_a_signal_ends_a_run_on_the_embedded_server_and_stops_it(embedded: Embedded) -> None:
    embedded.project.write(
        "001_a",
        """
        from sqlalchemy import text

        def upgrade(db):
            print("sleeping")
            db.execute(text("SELECT pg_sleep(600)"))
        """,
    )
    process = embedded.project.popen_eai("migrate", "--embedded", env=embedded.env)
    assert process.stdout is not None
    assert process.stdout.readline() == "sleeping\n"
    process.terminate()
    process.communicate(timeout=TIMEOUT)
    assert process.returncode == 143
    assert not embedded.server.running()
