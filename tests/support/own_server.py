"""A PostgreSQL server of a test's own, which it may stop and restart."""

from __future__ import annotations

import secrets
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from bridge.database.embedded.cluster import LOG
from bridge.database.embedded.server import EmbeddedServer
from support.project import Project
from support.running import column, poll

if TYPE_CHECKING:
    from collections.abc import Iterator


class OwnServer:
    """A server that a test may stop, and a project on it."""

    def __init__(self, server: EmbeddedServer, path: Path) -> None:
        self._server = server
        server.ensure_database()
        self.project = Project.create(path, server.url())
        self.engine = create_engine(server.url(), poolclass=NullPool)
        #: What the server writes about itself.
        self.log = server.data_dir / LOG

    def pg_ctl(self, verb: str) -> None:
        """Restart or stop it at once, as a machine does that loses its power."""
        cluster = self._server._cluster()
        done = cluster.owner.run(
            *(cluster.programs / "pg_ctl", verb, "-w", "-m", "immediate"),
            PGDATA=str(cluster.data),
        )
        assert done.returncode == 0

    def set_standby(self, name: str) -> None:
        """Let each commit wait for a standby of this name; for none if it is empty."""
        with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql(f"ALTER SYSTEM SET synchronous_standby_names = '{name}'")
            connection.exec_driver_sql("SELECT pg_reload_conf()")
            # A new connection has what the postmaster has read, which has signalled the others by
            # then. Commits wait from when the checkpointer has read it too: before a checkpoint.
            poll(lambda: column(self.engine, "SHOW synchronous_standby_names") == [name])
            connection.exec_driver_sql("CHECKPOINT")

    def committing(self) -> list[int]:
        """The backends whose COMMIT is under way: done here, and waiting for the standby."""
        return column(self.engine, "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'")


@contextmanager
def own_server(path: Path, **options: str) -> Iterator[OwnServer]:
    """A new server, and a project in this folder; both databases and server go in the end.

    `options` are settings of PostgreSQL.
    """
    # Not pytest's folder, which the user that runs root's server cannot enter.
    home = Path(tempfile.gettempdir()) / f"bridge-crashes-{secrets.token_hex(4)}"
    server = EmbeddedServer(home, options={"fsync": "off", "shared_buffers": "16MB", **options})
    try:
        with server:
            own = OwnServer(server, path)
            yield own
            own.engine.dispose()
    finally:
        server.destroy()
        shutil.rmtree(home, ignore_errors=True)
