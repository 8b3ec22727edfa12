"""The server that is measured on, and databases on it that do not outlive the run.

Not `bridge.database.embedded.server`, although its programs are used: that listens on a Unix
socket, and a service meets its database over TCP, with a password. Everything else is as initdb
leaves it, so a commit is durable.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg2
from psycopg2 import errors
from sqlalchemy.engine import URL

from bridge.database.embedded.programs import Owner, programs_for
from support.running import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self


@dataclass(frozen=True)
class Database:
    """Where it is."""

    address: URL

    @property
    def url(self) -> str:
        """For SQLAlchemy, which wants to know the driver."""
        return self.address.set(drivername="postgresql+psycopg2").render_as_string(
            hide_password=False
        )

    @property
    def dsn(self) -> str:
        """For libpq and for yoyo."""
        return self.address.set(drivername="postgresql").render_as_string(hide_password=False)

    def connect(self) -> Any:
        """A connection in autocommit mode."""
        connection = psycopg2.connect(self.dsn)
        connection.autocommit = True
        return connection


@contextmanager
def own_server(**settings: str) -> Iterator[Database]:
    """A server on a free port, which is removed in the end; yields its maintenance database."""
    owner = Owner.choose()
    with tempfile.TemporaryDirectory(prefix="bridge-bench-") as name:
        home, password = Path(name), secrets.token_hex(8)
        (home / "password").write_text(password)
        if owner.switch:
            for path in (home, home / "password"):
                os.chown(path, owner.uid, owner.gid)
        programs = programs_for(owner, home)

        def run(program: str, *arguments: str | Path) -> None:
            with (home / "out").open("wb") as out:
                done = owner.run(programs / program, *arguments, output=out.fileno())
            if done.returncode:
                raise RuntimeError(f"{program} failed: {(home / 'out').read_text()}")

        run(
            *("initdb", "-D", home / "data", "-U", "postgres", "-E", "UTF8", "--locale=C"),
            *("--auth=scram-sha-256", "--pwfile", home / "password"),
        )
        port = free_port()
        options = f"-c port={port} -c listen_addresses=127.0.0.1 -c unix_socket_directories="
        options += "".join(f" -c {name}={value}" for name, value in settings.items())
        data = ("-w", "-D", home / "data")
        try:
            run("pg_ctl", "start", *data, "-l", home / "log", "-o", options)
            yield Database(
                URL.create("postgresql", "postgres", password, "127.0.0.1", port, "postgres")
            )
        finally:
            owner.run(programs / "pg_ctl", "stop", *data, "-m", "immediate")


class Databases:
    """Makes databases on a server; a context manager that drops them in the end.

    Not before: for minutes after thousands of files were removed a file system may be slow to make
    others (ext4 passes over what was freed lately), so that each run would pay for the one before,
    some of them twice as much as others. `lasting` says whether the server outlives the run.
    """

    def __init__(self, server: Database, *, lasting: bool = True) -> None:
        self._server = server
        self._lasting = lasting
        self._prefix = f"bridge_bench_{secrets.token_hex(4)}_"
        self._made = 0
        self._there: dict[str, Database] = {}

    def __enter__(self) -> Self:
        self._admin = self._server.connect()
        return self

    def __exit__(self, *_: object) -> None:
        if self._lasting:
            for database in list(self._there.values()):
                self._drop(database)
        self._admin.close()

    def version(self) -> str:
        """Such as 18.4."""
        return str(self._admin.get_parameter_status("server_version")).split()[0]

    def create(self, template: Database | None = None) -> Database:
        """An empty one, or a copy.

        Before an empty one is used, what others left to be written is written, so that the long
        runs begin alike.
        """
        self._made += 1
        database = Database(self._server.address.set(database=f"{self._prefix}{self._made}"))
        name = str(database.address.database)
        # Before it is there: Ctrl-C may come while it is made.
        self._there[name] = database
        source = template.address.database if template else "template0"
        self._execute(f'CREATE DATABASE "{name}" TEMPLATE "{source}"')
        if template is None:
            with contextlib.suppress(errors.InsufficientPrivilege):
                self._execute("CHECKPOINT")
        return database

    def _drop(self, database: Database) -> None:
        name = str(database.address.database)
        self._execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        del self._there[name]

    def _execute(self, statement: str) -> None:
        with self._admin.cursor() as cursor:
            cursor.execute(statement)
