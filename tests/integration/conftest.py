"""What only tests with a database use."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from support.alembic_books import execute
from support.comparing import INI, RESET, Bench
from support.models import become
from support.project import Project

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.databases import Databases


@pytest.fixture(scope="module")
def shared_bench(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    url = databases.take()
    project = Project.create(tmp_path_factory.mktemp("generated") / "project", url, ini=INI)
    return Bench(project, create_engine(url, poolclass=NullPool))


@pytest.fixture
def bench(shared_bench: Bench) -> Iterator[Bench]:
    """A project without a migration, and its database empty."""
    execute(shared_bench.engine, RESET)
    shared_bench.told.warnings.clear()
    yield shared_bench
    for file in shared_bench.project.migrations.glob("*.py"):
        file.unlink()
    shared_bench.project.ini(INI)
    become("")
