"""A PostgreSQL server on a loopback port that is not there until a test starts it."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy.engine import URL

from bridge.database.embedded.programs import Owner, programs_for
from support.running import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: Nothing of it has to survive.
_SETTINGS = "fsync = off\nunix_socket_directories = ''\nlisten_addresses = '127.0.0.1'\n"
#: Who calls itself `guarded` is asked for a password.
_ADMITTED = """\
host all guarded 127.0.0.1/32 scram-sha-256
host all all 127.0.0.1/32 trust
"""


class Scratch:
    """A server that may be started and stopped; its address stays the same."""

    def __init__(self, home: Path) -> None:
        self._owner = Owner.choose()
        if self._owner.switch:
            os.chown(home, self._owner.uid, self._owner.gid)
        self._programs = programs_for(self._owner, home)
        self._data = home / "data"
        self._port = free_port()
        self._run("initdb", "-D", self._data, "-A", "trust", "-U", "app", "--no-sync")
        (self._data / "pg_hba.conf").write_text(_ADMITTED)
        with (self._data / "postgresql.conf").open("a") as file:
            file.write(f"{_SETTINGS}port = {self._port}\n")

    def url(
        self, role: str = "app", password: str | None = None, database: str = "postgres"
    ) -> URL:
        return URL.create(
            "postgresql+psycopg2",
            username=role,
            password=password,
            host="127.0.0.1",
            port=self._port,
            database=database,
        )

    def start(self, *, wait: bool = True) -> None:
        """Start it; without `wait` return before it takes connections."""
        log = self._data / "server.log"
        self._run("pg_ctl", "start", "-w" if wait else "-W", "-D", self._data, "-l", log)

    def stop(self, mode: str = "fast", *, wait: bool = True) -> None:
        """Stop it; without `wait` return while it is shutting down."""
        self._run("pg_ctl", "stop", "-w" if wait else "-W", "-m", mode, "-D", self._data)

    def hold_start(self) -> Callable[[], None]:
        """Let its next start not come to an end before what is returned is called."""
        go_on = self._data.with_name("go-on")
        command = f"while ! test -e {go_on}; do sleep 0.1; done; false"
        with (self._data / "postgresql.auto.conf").open("a") as file:
            file.write(f"restore_command = '{command}'\n")
        # It recovers from an archive in which there is nothing.
        (self._data / "recovery.signal").touch()
        return go_on.touch

    @property
    def is_running(self) -> bool:
        return (self._data / "postmaster.pid").exists()

    def _run(self, program: str, *arguments: str | Path) -> None:
        done = self._owner.run(self._programs / program, *arguments)
        assert done.returncode == 0, f"{program} {' '.join(map(str, arguments))}"


@contextmanager
def scratch_server() -> Iterator[Scratch]:
    """A server that is not running yet; nothing of it stays."""
    with tempfile.TemporaryDirectory(prefix="bridge-scratch-") as home:
        server = Scratch(Path(home))
        try:
            yield server
        finally:
            if server.is_running:
                server.stop("immediate")
