"""The pytest plugin: options, and the fixtures of a migrated database.

It is loaded by every pytest of an environment where bridge is installed, and does nothing until a
test asks for one of its fixtures: no database, no server, and no import of SQLAlchemy or Alembic.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from bridge.testing.databases import Databases
    from bridge.testing.project import Project
    from bridge.testing.steps import Steps

#: What all workers of one run of pytest-xdist have in common: eight hexadecimal digits.
_RUN = pytest.StashKey[str]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options; all names begin with `bridge`."""
    group = parser.getgroup("bridge", "tests of migrations (bridge)")
    group.addoption(
        "--bridge-base",
        metavar="REF",
        help="The branch that the migrations of this one are compared with: origin/main.",
    )
    group.addoption(
        "--bridge-reuse",
        action="store_true",
        help="Keep the migrated template database, for runs in which no file of the folder of "
        "migrations has changed.",
    )
    parser.addini(
        "bridge_config",
        "The alembic.ini (or pyproject.toml) of the migrations to test, relative to the file that "
        "says so. By default that of the root directory, else it is found as by eai migrate.",
        default="",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Give the run its name."""
    given: dict[str, Any] = getattr(config, "workerinput", {})
    config.stash[_RUN] = given.get("bridge_run") or secrets.token_hex(4)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of pytest-xdist the run's name."""
    node.workerinput["bridge_run"] = node.config.stash[_RUN]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make one test of each migration."""
    if "bridge_migration" in metafunc.fixturenames:
        with _errors_as_sentences():
            stems = [file.stem for file in _project(metafunc.config).files()]
        metafunc.parametrize("bridge_migration", stems)


@pytest.fixture(scope="session")
def bridge_project(pytestconfig: pytest.Config) -> Project:
    """The migrations under test; not for a team's own tests."""
    return _project(pytestconfig)


@pytest.fixture(scope="session")
def bridge_databases(pytestconfig: pytest.Config, bridge_project: Project) -> Iterator[Databases]:
    """Databases on the server for tests; not for a team's own tests."""
    from bridge.testing.databases import opened_databases

    run = pytestconfig.stash[_RUN]
    with (
        _errors_as_sentences(),
        opened_databases(bridge_project, run, reuse=_reuses(pytestconfig)) as databases,
    ):
        yield databases


@pytest.fixture(scope="session")
def bridge_steps(bridge_databases: Databases, bridge_project: Project) -> Steps:
    """The database that is migrated one step after the other; not for a team's own tests."""
    from bridge.testing.steps import Steps

    return Steps(bridge_databases, bridge_project)


@pytest.fixture
def bridge_empty_database_url(bridge_databases: Databases) -> Iterator[str]:
    """The URL of an empty database for one test, for psycopg2."""
    with _errors_as_sentences(), bridge_databases.empty() as url:
        yield url.render_as_string(hide_password=False)


@pytest.fixture
def bridge_database_url(bridge_databases: Databases) -> Iterator[str]:
    """The URL of a database for one test to which all migrations were applied, for psycopg2."""
    with _errors_as_sentences(), bridge_databases.migrated() as url:
        yield url.render_as_string(hide_password=False)


@pytest.fixture
def bridge_engine(bridge_database_url: str) -> Iterator[Engine]:
    """An Engine of that database; it keeps no connection open."""
    from sqlalchemy import create_engine
    from sqlalchemy.pool import NullPool

    engine = create_engine(bridge_database_url, poolclass=NullPool)
    yield engine
    engine.dispose()


def _project(config: pytest.Config) -> Project:
    from bridge.testing.project import Project

    if given := str(config.getini("bridge_config")):
        base = config.inipath.parent if config.inipath else config.rootpath
        return Project(str(base / given))
    usual = config.rootpath / "alembic.ini"
    found = usual.is_file() and not os.environ.get("ALEMBIC_CONFIG")
    return Project(str(usual) if found else None)


def _reuses(config: pytest.Config) -> bool:
    return bool(config.getoption("bridge_reuse"))


@contextmanager
def _errors_as_sentences() -> Iterator[None]:
    """Show an error of bridge as its sentences, without the way to them."""
    from bridge.errors import BridgeError

    try:
        yield
    except BridgeError as error:
        # Not pytest.fail(), behind which the same sentences would be shown once more.
        raise pytest.fail.Exception(str(error), pytrace=False) from None
