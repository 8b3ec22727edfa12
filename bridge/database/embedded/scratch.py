"""A temporary database on the embedded server, for one run."""

from __future__ import annotations

import os
import re
import secrets
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from bridge.database.database import Database
from bridge.database.embedded.server import EmbeddedServer
from bridge.database.engine import make_engine

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Those of runs that were killed are known by the process in them.
_OURS = re.compile(r"bridge_lint_(\d+)_[0-9a-f]+")


@contextmanager
def database_of_its_own() -> Iterator[Database]:
    """Create an empty database for the block; raises what `EmbeddedServer.start` raises."""
    with EmbeddedServer.default() as server:
        _drop_leftovers(server)
        name = f"bridge_lint_{os.getpid()}_{secrets.token_hex(4)}"
        server.ensure_database(name)
        try:
            yield Database(server.url(name), f"the embedded PostgreSQL in {server.data_dir}")
        finally:
            _drop(server, name)


def _drop_leftovers(server: EmbeddedServer) -> None:
    """Remove the databases of runs that were killed."""
    for name in _sql(server, "SELECT datname FROM pg_database"):
        match = _OURS.fullmatch(name)
        if match is None:
            continue
        try:
            os.kill(int(match[1]), 0)
        except ProcessLookupError:
            with suppress(Exception):  # in use by somebody after all, or dropped by another run
                _sql(server, f'DROP DATABASE IF EXISTS "{name}"')
        except OSError:
            continue


def _drop(server: EmbeddedServer, name: str) -> None:
    # With its connections: one that a file has left open must not keep it.
    _sql(server, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def _sql(server: EmbeddedServer, statement: str) -> list[str]:
    engine = make_engine(server.url("postgres"))
    try:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            result = connection.exec_driver_sql(statement)
            return [str(row[0]) for row in result] if result.returns_rows else []
    finally:
        engine.dispose()
