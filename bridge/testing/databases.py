"""Databases for tests: empty ones, and copies of a migrated template.

The server is that of TEST_DATABASE_URL, whose role must be allowed to create databases, or else an
embedded one for tests only. Workers of pytest-xdist agree through advisory locks in the database
that the URL names: one builds the template, and each holds a lock of the run while it lives, so
that the databases of a run that was killed are known to be nobody's, and the next run drops them.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import re
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import DBAPIError

from bridge.config.decoded import decoded
from bridge.database.database import Database
from bridge.database.embedded.server import EmbeddedServer
from bridge.database.engine import connect, make_engine, normalise
from bridge.errors import BridgeError, UsageError

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection

    from bridge.testing.project import Project

#: Where the server for tests is named.
VARIABLE = "TEST_DATABASE_URL"
#: A test's data need not survive a loss of power; many workers connect at once.
_FAST = {"fsync": "off", "synchronous_commit": "off", "max_connections": "200"}
_OURS = re.compile(r"bridge_pytest_([0-9a-f]{8})_\w+")
#: Settings that change what a run leaves behind.
_COUNT = (
    *("transaction", "session_autoflush", "ledger_table", "ledger_key", "ledger_key_form"),
    *("version_table", "version_table_schema"),
)


@contextmanager
def opened_databases(project: Project, run: str, *, reuse: bool) -> Iterator[Databases]:
    """Databases of this run, which are dropped at the end.

    `run` is the run's name, eight hexadecimal digits. With `reuse` the template stays for later
    runs. Raises a BridgeError if there is no server.
    """
    with ExitStack() as stack:
        database = _server(stack)
        engine = make_engine(database.url, application_name="bridge tests")
        stack.callback(engine.dispose)
        admin = stack.enter_context(connect(engine, database))
        admin = admin.execution_options(isolation_level="AUTOCOMMIT")
        template = _kept_name(project) if reuse else f"bridge_pytest_{run}_template"
        databases = Databases(project, run, template, database.url, admin)
        databases.begin()
        stack.callback(databases.end)
        yield databases


def _server(stack: ExitStack) -> Database:
    if given := os.environ.get(VARIABLE, "").strip():
        return Database(normalise(decoded(given, VARIABLE), source=VARIABLE), VARIABLE)
    usual = EmbeddedServer.default().data_dir
    folder = usual.with_name(f"{usual.name}-tests")
    server = stack.enter_context(EmbeddedServer(folder, options=_FAST))
    return Database(server.url("postgres"), f"the embedded PostgreSQL in {folder}")


def _kept_name(project: Project) -> str:
    """A name that is another one as soon as anything in the folder of migrations is."""
    settings = project.settings()
    digest = hashlib.sha256(repr([getattr(settings, name) for name in _COUNT]).encode())
    folder = Path(settings.folder)
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix != ".pyc":
            name = os.fsencode(path.relative_to(folder))
            content = path.read_bytes()
            digest.update(b"%d %d " % (len(name), len(content)) + name + content)
    place = zlib.crc32(os.fsencode(folder))
    return f"bridge_kept_{place:08x}_{digest.hexdigest()[:24]}"


@dataclass
class Databases:
    """Makes and drops the databases of one process of one run."""

    project: Project
    run: str
    template: str
    server: URL
    admin: Connection
    _numbers: Iterator[int] = field(default_factory=itertools.count)
    _failure: BridgeError | None = None

    def begin(self) -> None:
        """Be known to live, and drop what runs that were killed have left."""
        self._lock("pg_advisory_lock_shared", self.run)
        for run in {match[1] for name in self._names() if (match := _OURS.fullmatch(name))}:
            if run != self.run:
                self._drop_run(run)

    def end(self) -> None:
        """Drop what this run has made, unless other workers go on with it."""
        self._lock("pg_advisory_unlock_shared", self.run)
        self._drop_run(self.run)

    @contextmanager
    def empty(self) -> Iterator[URL]:
        """A database with nothing in it, for the block."""
        with self._dropped(self.create()) as url:
            yield url

    @contextmanager
    def migrated(self) -> Iterator[URL]:
        """A database to which all migrations were applied, for the block.

        Raises the BridgeError with which they failed, at once when they did so before.
        """
        with self._dropped(self._copy()) as url:
            yield url

    def create(self, template: str = "template0") -> URL:
        """A new database; it stays until it is dropped, or to the end of the run."""
        name = f"bridge_pytest_{self.run}_{os.getpid()}_{next(self._numbers)}"
        try:
            self._do(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        except DBAPIError as error:
            raise UsageError(
                f"A database for the tests could not be created: {str(error.orig).strip()}. The "
                f"role of {VARIABLE} must be allowed to create databases (ALTER ROLE … CREATEDB)."
            ) from error
        return self.server.set(database=name)

    def drop(self, url: URL) -> None:
        """Drop a database, with connections that a test has left open."""
        self._do(f'DROP DATABASE IF EXISTS "{url.database}" WITH (FORCE)')

    @contextmanager
    def _dropped(self, url: URL) -> Iterator[URL]:
        try:
            yield url
        finally:
            self.drop(url)

    def _copy(self) -> URL:
        while True:
            # Together with others who copy; whoever drops it has to be alone.
            self._lock("pg_advisory_lock_shared", self.template)
            try:
                if self.template in self._names():
                    return self.create(self.template)
            finally:
                self._lock("pg_advisory_unlock_shared", self.template)
            self._build()

    def _build(self) -> None:
        if self._failure is not None:
            raise self._failure
        self._lock("pg_advisory_lock", self.template)
        try:
            if self.template in self._names():
                return
            url = self.create()
            try:
                self.project.upgrade(url)
                # With its name it is complete.
                self._do(f'ALTER DATABASE "{url.database}" RENAME TO "{self.template}"')
            except BridgeError as error:
                self._failure = error
                raise
            finally:
                self.drop(url)
        finally:
            self._lock("pg_advisory_unlock", self.template)
        self._drop_older()

    def _drop_older(self) -> None:
        """Drop the templates that were kept of earlier texts of the same folder."""
        place, _, _ = self.template.rpartition("_")
        for name in self._names():
            kept = place.startswith("bridge_kept_") and name.startswith(f"{place}_")
            if kept and name != self.template and self._lock("pg_try_advisory_lock", name):
                with suppress(DBAPIError):  # a person looks at it
                    self._do(f'DROP DATABASE IF EXISTS "{name}"')
                self._lock("pg_advisory_unlock", name)

    def _drop_run(self, run: str) -> None:
        if not self._lock("pg_try_advisory_lock", run):
            return
        for name in self._names():
            if name.startswith(f"bridge_pytest_{run}_"):
                with suppress(DBAPIError):  # of another role
                    self._do(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        self._lock("pg_advisory_unlock", run)

    def _names(self) -> list[str]:
        found = self.admin.exec_driver_sql("SELECT datname::text FROM pg_database")
        return list(found.scalars())

    def _lock(self, function: str, name: str) -> Any:
        key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)
        return self.admin.exec_driver_sql(f"SELECT {function}({key})").scalar()

    def _do(self, statement: str) -> None:
        self.admin.exec_driver_sql(statement)
