"""pytest-alembic: its built-in tests, the experimental ones too, and what it gives to one's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.alembic_books import creates
from support.selection import few
from support.tools import recipe, run_pytest

if TYPE_CHECKING:
    from sqlalchemy import URL

    from support.project import Project

TABLES = {"001_one": "one", "002_add-two": "two", "002_b": "b"}
ALL = (
    "test_downgrade_leaves_no_trace",
    "test_all_models_register_on_metadata",
    "test_model_definitions_match_ddl",
    "test_single_head_revision",
    "test_up_down_consistency",
    "test_upgrade",
)
EXPERIMENTAL = """
[pytest]
pytest_alembic_include_experimental =
    downgrade_leaves_no_trace
    all_models_register_on_metadata
"""


def write(project: Project, *, reversible: bool = True, models: str = "models") -> None:
    """Three migrations, and models of them that alembic.ini names."""
    for stem, table in TABLES.items():
        project.write(stem, creates(table, downgrade=reversible or stem != "002_add-two"))
    declared = "".join(
        f'class {table.title()}(Base):\n    __tablename__ = "{table}"\n'
        "    id = Column(Integer)\n    __mapper_args__ = {'primary_key': [id]}\n"
        for table in TABLES.values()
    )
    (project.path / "models.py").write_text(
        "from sqlalchemy import Column, Integer\nfrom sqlalchemy.orm import DeclarativeBase\n"
        f"class Base(DeclarativeBase):\n    pass\nmetadata = Base.metadata\n{declared}"
    )
    project.ini(extra=f"prepend_sys_path = %(here)s\ntarget_metadata = {models}:metadata\n")


@pytest.mark.parametrize("reversible", few([True, False]))
def test_all_built_in_tests_pass(project: Project, server_url: URL, *, reversible: bool) -> None:
    write(project, reversible=reversible)
    (project.path / "pytest.ini").write_text(EXPERIMENTAL)
    done = run_pytest(
        project, server_url, recipe("pytest-alembic"), "", "--test-alembic", "-rA", check=True
    )
    assert [
        name
        for name in ALL
        if f"PASSED tests/conftest.py::pytest-alembic::{name}" not in done.stdout
    ] == []


OWN = """\
import pytest
from sqlalchemy import Column, Integer, MetaData, Table, text

@pytest.fixture
def alembic_config():
    metadata = MetaData()
    for name in ("one", "two", "b"):
        Table(name, metadata, Column("id", Integer))
    return {
        "target_metadata": metadata,
        "before_revision_data": {"002_b": [{"__tablename__": "one", "id": 1}]},
        "at_revision_data": {"002_add_two": [{"__tablename__": "two", "id": 2}]},
        "skip_revisions": ["002_b"],
    }

def test_up_and_down(alembic_runner, alembic_engine):
    assert alembic_runner.heads == ["002_b"]
    assert alembic_runner.current == "base"
    assert alembic_runner.migrate_up_before("002_add_two") == "001_one"
    alembic_runner.insert_into("one", {"id": 7})
    assert alembic_runner.migrate_up_one() == "002_add_two"
    assert alembic_runner.table_at_revision("two").columns.keys() == ["id"]
    assert alembic_runner.roundtrip_next_revision() == "002_b"
    with alembic_engine.connect() as connection:
        assert connection.scalars(text("SELECT id FROM one ORDER BY id")).all() == [1, 1, 7]
        # It was skipped, and so only recorded.
        assert connection.scalar(text("SELECT to_regclass('b')")) is None
        recorded = connection.scalars(text("SELECT version FROM schema_migrations"))
        assert set(recorded) == {"001_one", "002_add-two", "002_b"}
    assert alembic_runner.migrate_down_to("001_one") == "001_one"
    assert alembic_runner.current == "001_one"
    assert "002_b" in "".join(alembic_runner.raw_command("history"))

def test_a_new_file(alembic_runner):
    alembic_runner.migrate_up_to("heads")
    alembic_runner.generate_revision(
        message="compare", autogenerate=True, prevent_file_generation=False
    )
    assert alembic_runner.history.revisions[-2:] == ["003_compare", "heads"]
    assert alembic_runner.migrate_up_one() == "003_compare"
    assert alembic_runner.migrate_up_one() is None
"""


def test_what_it_gives_to_ones_own_tests(project: Project, server_url: URL) -> None:
    write(project)
    run_pytest(project, server_url, recipe("pytest-alembic"), OWN, check=True)
    # The models of the fixture were compared, and what was skipped is what differs.
    assert "CREATE TABLE b" in (project.migrations / "003_compare.py").read_text()
