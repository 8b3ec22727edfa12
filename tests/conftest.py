"""Databases and projects for the tests.

The server is the one of TEST_DATABASE_URL, whose role must be allowed to create databases, or
else one embedded server for the run. It is started by the first test that needs it, so that
a run of unit tests starts none, and all workers of pytest-xdist share it.
"""

from __future__ import annotations

import os
import re
import secrets
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import hypothesis
import pytest
from sqlalchemy import create_engine
from sqlalchemy.engine import URL, Engine, make_url
from sqlalchemy.pool import NullPool

from bridge.database.embedded.programs import find_programs, major_version
from bridge.database.embedded.server import EmbeddedServer
from support.databases import Databases, connect
from support.dump import dump_schema
from support.pgbouncer import NOT_INSTALLED, find_pgbouncer, pooling
from support.project import Project

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from support.pgbouncer import OpenPooler, Pooler

#: Other teams' projects, of which a test makes copies.
collect_ignore = ["folders"]

#: The controller of pytest-xdist names the run, and its workers inherit the name.
RUN = "BRIDGE_TESTS_RUN"
#: A test's data need not survive a loss of power; many processes connect at once; a few
#: prepare transactions.
FAST = {
    "fsync": "off",
    "synchronous_commit": "off",
    "max_connections": "200",
    "max_prepared_transactions": "10",
}


class Dump(Protocol):
    """The fixture `dump`."""

    def __call__(self, url: URL, *, exclude: Iterable[str] = ()) -> str: ...


#: Examples of each property: of a usual run, and with --all. They are others in each run.
for _profile, _examples in (("few", 50), ("many", 500)):
    hypothesis.settings.register_profile(
        _profile,
        max_examples=_examples,
        derandomize=False,
        # What measures the machine is off.
        deadline=None,
        suppress_health_check=[hypothesis.HealthCheck.too_slow],
    )


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--all", action="store_true", help="run long tests too, and many examples of each property"
    )


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        os.environ[RUN] = secrets.token_hex(4)
    hypothesis.settings.load_profile("many" if config.getoption("--all") else "few")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is long, unless all is asked for, or its file is named."""
    if config.getoption("--all"):
        return
    named = {Path(argument.partition("::")[0]).absolute() for argument in config.args}
    runs: dict[bool, list[pytest.Item]] = {True: [], False: []}
    for item in items:
        runs[item.get_closest_marker("long") is None or item.path in named].append(item)
    items[:] = runs[True]
    config.hook.pytest_deselected(items=runs[False])


def pytest_report_header() -> str:
    if (url := _external_url()) is None:
        return f"postgresql: embedded, version {major_version(find_programs())}"
    admin = connect(url)
    version = str(admin.get_parameter_status("server_version"))
    admin.close()
    return f"postgresql: {url.render_as_string()}, version {version}"


def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave nothing behind, also after a worker was killed."""
    if hasattr(config, "workerinput") or RUN not in os.environ:
        return
    if (url := _external_url()) is None:
        _embedded().destroy()
    else:
        admin = connect(url)
        with admin.cursor() as cursor:
            cursor.execute(
                "SELECT datname FROM pg_database WHERE datname LIKE %s", (f"{_prefix()}%",)
            )
            for (name,) in cursor.fetchall():
                cursor.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        admin.close()
    del os.environ[RUN]


@pytest.fixture(scope="session")
def server_url() -> Iterator[URL]:
    """The address of the server's maintenance database, for a role that creates databases."""
    if (url := _external_url()) is not None:
        yield url
        return
    with _embedded() as server:
        yield server.url("postgres")


@pytest.fixture(scope="session")
def databases(server_url: URL, worker_id: str) -> Iterator[Databases]:
    """Empty databases; whoever takes one for longer than a test need not give it back."""
    databases = Databases(server_url, f"{_prefix()}{worker_id}_")
    yield databases
    databases.close()


@pytest.fixture
def create_database(databases: Databases) -> Iterator[Callable[[], URL]]:
    """Give an empty database of its own at each call."""
    taken: list[URL] = []

    def create() -> URL:
        taken.append(databases.take())
        return taken[-1]

    yield create
    for url in taken:
        databases.give_back(url)


@pytest.fixture
def database_url(create_database: Callable[[], URL]) -> URL:
    """An empty database for one test."""
    return create_database()


@pytest.fixture
def engine(database_url: URL) -> Iterator[Engine]:
    """An Engine of that database that keeps no connection open."""
    engine = create_engine(database_url, poolclass=NullPool)
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def open_pooler() -> OpenPooler:
    """Run a PgBouncer in transaction mode: `open_pooler(server_url, pool_size=2)`.

    A test that asks for one is skipped where none is installed.
    """
    if find_pgbouncer() is None:
        pytest.skip(NOT_INSTALLED)
    return pooling


@pytest.fixture(scope="session")
def pooler(open_pooler: OpenPooler, server_url: URL) -> Iterator[Pooler]:
    """A PgBouncer in front of the server, one for each worker."""
    with open_pooler(server_url) as pooler:
        yield pooler


@pytest.fixture
def dump() -> Dump:
    """Give a database's schema as text: `dump(url, exclude=["schema_migrations"])`."""
    return dump_schema


@pytest.fixture
def project(tmp_path: Path, database_url: URL) -> Project:
    """A project with an empty folder of migrations and an empty database."""
    return Project.create(tmp_path / "project", database_url)


@pytest.fixture
def folder_project(tmp_path: Path) -> Project:
    """A project without a database."""
    return Project.create(tmp_path / "project")


@pytest.fixture(scope="session", autouse=True)
def _no_setting_of_the_callers() -> Iterator[None]:
    """Nothing that the caller has set for bridge or PostgreSQL may reach a test."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name != RUN and re.match("BRIDGE_|PG|(MIGRATION_)?DATABASE_URL|ALEMBIC_", name):
                patch.delenv(name)
        yield


def _external_url() -> URL | None:
    url = os.environ.get("TEST_DATABASE_URL")
    return make_url(url).set(drivername="postgresql+psycopg2") if url else None


def _embedded() -> EmbeddedServer:
    return EmbeddedServer(
        Path(tempfile.gettempdir()) / f"bridge-tests-{os.environ[RUN]}", options=FAST
    )


def _prefix() -> str:
    return f"bridge_test_{os.environ[RUN]}_"
