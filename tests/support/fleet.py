"""Start the example application as N processes on a fresh database, and say what each of them did.

Run by scripts/replicas. What a process did is read from what bridge logs in it, and it serves from
the moment at which its health endpoint answers 200.
"""

from __future__ import annotations

import argparse
import http.client
import os
import re
import secrets
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import create_engine
from sqlalchemy.engine import URL, make_url

from bridge.database.embedded.server import EmbeddedServer
from support.pgbouncer import NOT_INSTALLED, find_pgbouncer, pooling
from support.running import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

APPLICATION = Path(__file__).parents[1] / "app"

#: Seconds until a process that does not serve has failed, and from one question to the next.
PATIENCE, EVERY = 300.0, 0.02


@dataclass
class Member:
    """One process of the application."""

    port: int
    process: subprocess.Popen[str]
    began: float = field(default_factory=time.monotonic)
    #: What it has logged, and when, by the monotonic clock.
    lines: list[tuple[float, str]] = field(default_factory=list)
    #: When it first answered 200; None as long as it has not.
    serves_at: float | None = None

    @classmethod
    def start(cls, url: URL) -> Member:
        port = free_port()
        member = cls(
            port,
            subprocess.Popen(
                [sys.executable, "-m", "uvicorn", "main:app", "--port", str(port)],
                cwd=APPLICATION,
                env={**os.environ, "DATABASE_URL": url.render_as_string(hide_password=False)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            ),
        )
        threading.Thread(target=member._read, daemon=True).start()
        return member

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append((time.monotonic(), line))

    def wait(self) -> None:
        """Return when it serves, or has ended, or time is over."""
        while self.process.poll() is None and time.monotonic() - self.began < PATIENCE:
            if self._is_healthy():
                self.serves_at = time.monotonic()
                return
            time.sleep(EVERY)

    def _is_healthy(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def did(self) -> str:
        """What it did, in two words."""
        if self.serves_at is None:
            return f"failed: {self.lines[-1][1].strip() if self.lines else 'it said nothing'}"
        if applied := sum(bool(re.search(r": done in [\d.]+ s$", line)) for _, line in self.lines):
            return f"applied {applied}"
        waits = [at for at, line in self.lines if "Waiting for the migration lock" in line]
        return f"waited {self.serves_at - waits[0]:.2f} s" if waits else "nothing"

    def end(self) -> None:
        self.process.terminate()
        self.process.wait()


@contextmanager
def fresh_database(server: URL) -> Iterator[URL]:
    """An empty database on this server, which is dropped in the end."""
    name = f"bridge_replicas_{secrets.token_hex(4)}"
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name}")
        yield server.set(database=name)
        with engine.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        engine.dispose()


@contextmanager
def embedded() -> Iterator[URL]:
    """A server for this run only."""
    folder = Path(tempfile.gettempdir()) / f"bridge-replicas-{secrets.token_hex(4)}"
    server = EmbeddedServer(folder, options={"max_connections": "200"})
    try:
        with server:
            yield server.url("postgres")
    finally:
        server.destroy()


def serve(count: int, url: URL) -> list[Member]:
    """Start so many, wait for all of them, and end them."""
    members: list[Member] = []
    try:
        members += [Member.start(url) for _ in range(count)]
        with ThreadPoolExecutor(count) as pool:
            list(pool.map(Member.wait, members))
    finally:
        for member in members:
            member.end()
    return members


def table(members: Sequence[Member]) -> Iterator[str]:
    """One line for each process, and one for all."""
    yield f"{'process':>7}  {'what it did':<16}  serves after"
    for number, member in enumerate(members, 1):
        after = member.serves_at and f"{member.serves_at - member.began:.2f} s"
        yield f"{number:>7}  {member.did():<16}  {after or 'never':>12}"
    done = [member.did().split()[0].rstrip(":") for member in members]
    serves = [m.serves_at - m.began for m in members if m.serves_at is not None]
    counts = [f"{done.count(word)} {word}" for word in ("applied", "waited", "nothing", "failed")]
    if serves:
        counts.append(f"the first serves after {min(serves):.2f} s, the last {max(serves):.2f} s")
    yield ", ".join(counts)


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/replicas", description=__doc__.split("\n")[0])
    parser.add_argument("count", type=int, nargs="?", default=4, help="processes (4)")
    parser.add_argument("--pgbouncer", action="store_true", help="through a PgBouncer")
    parser.add_argument("--database-url", help="a server on which to create a database")
    given = parser.parse_args()
    if given.count < 1:
        parser.error("at least one process")
    if given.pgbouncer and find_pgbouncer() is None:
        parser.error(NOT_INSTALLED)
    with ExitStack() as stack:
        if given.database_url:
            server = make_url(given.database_url).set(drivername="postgresql+psycopg2")
        else:
            server = stack.enter_context(embedded())
        url = stack.enter_context(fresh_database(server))
        if given.pgbouncer:
            url = stack.enter_context(pooling(server)).url(url)
        members = serve(given.count, url)
    print(*table(members), sep="\n")
    return 0 if all(member.serves_at for member in members) else 1


if __name__ == "__main__":
    sys.exit(main())
