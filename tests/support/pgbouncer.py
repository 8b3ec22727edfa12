"""A PgBouncer in transaction mode in front of the tests' server, on a loopback port."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import psycopg2

from bridge.database.embedded.programs import Owner
from support.running import free_port, poll

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from sqlalchemy.engine import URL

#: Why there is none; what a test that needs one says when it is skipped.
NOT_INSTALLED = "pgbouncer is not installed (on Debian: apt-get install pgbouncer)"

#: auth_type = any: who asks is not asked for a password, and is logged in as the tests' role.
CONFIGURATION = """\
[databases]
* = {server}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {pool_size}
max_client_conn = 500
logfile = {folder}/log
"""


@dataclass(frozen=True)
class Pooler:
    """A PgBouncer that runs."""

    port: int

    def url(self, server_url: URL) -> URL:
        """The way to this database of the server through the pooler."""
        return server_url.set(
            host="127.0.0.1", port=self.port, username="anybody", password=None, query={}
        )

    def ask(self, command: str) -> list[dict[str, Any]]:
        """What its administrator's console answers, such as `SHOW SERVERS`."""
        console = psycopg2.connect(
            host="127.0.0.1", port=self.port, user="anybody", dbname="pgbouncer"
        )
        try:
            console.autocommit = True
            with console.cursor() as cursor:
                cursor.execute(command)
                names = [column.name for column in cursor.description or ()]
                return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        finally:
            console.close()


class OpenPooler(Protocol):
    """`pooling`, as a test is given it."""

    def __call__(self, server_url: URL, *, pool_size: int = 40) -> AbstractContextManager[Pooler]:
        """Run a pooler."""


def find_pgbouncer() -> str | None:
    """Its path; Debian puts it where an ordinary user's PATH does not look."""
    return shutil.which("pgbouncer", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")


@contextmanager
def pooling(server_url: URL, *, pool_size: int = 40) -> Iterator[Pooler]:
    """Run a pooler; at most `pool_size` connections to each database are shared by all."""
    program = find_pgbouncer()
    assert program, NOT_INSTALLED
    # The user who runs the server: its socket may be nobody's else, and neither runs as root.
    owner = Owner.choose()
    with tempfile.TemporaryDirectory(prefix="bridge-pgbouncer-") as name:
        folder, port = Path(name), free_port()
        settings = folder / "pgbouncer.ini"
        settings.write_text(
            CONFIGURATION.format(
                server=_connection_string(server_url), port=port, pool_size=pool_size, folder=folder
            )
        )
        if owner.switch:
            for path in (folder, settings):
                os.chown(path, owner.uid, owner.gid)
        process = subprocess.Popen(
            [program, "--quiet", settings],
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            user=owner.uid if owner.switch else None,
            group=owner.gid if owner.switch else None,
            extra_groups=[] if owner.switch else None,
        )
        try:
            poll(lambda: _listens(port) or process.poll() is not None)
            assert process.poll() is None, (folder / "log").read_text()
            yield Pooler(port)
        finally:
            process.kill()
            process.wait()


def _connection_string(url: URL) -> str:
    """The server, for PgBouncer: host, port, user and password; each client names its database."""
    given = {
        "host": url.host or url.query.get("host"),
        "port": url.port or url.query.get("port") or 5432,
        "user": url.username,
        "password": url.password,
    }
    return " ".join(f"{key}='{value}'" for key, value in given.items() if value)


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
