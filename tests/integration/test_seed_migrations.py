"""The migrations in migrations/, run the way they were first run: by the old runner."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import inspect, text
from sqlalchemy.exc import DataError
from sqlalchemy.orm import Session

from support import old_runner
from support.old_runner import run_old_runner
from support.seed import (
    MIGRATIONS,
    STEMS,
    TENANT_TABLES,
    count_rows,
    create_tenant_tables,
    description_of,
    load_file,
    load_migration,
    run_migration,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sqlalchemy import URL, Engine

#: The headings of the guide that users of the old runner know, in its order.
HEADINGS = [
    "# Database Migrations",
    "## How It Works",
    "## Migration File Format",
    "## Running Migrations Manually",
    "## Creating New Migrations",
    "## Best Practices",
    "## Migration Order",
    "## Troubleshooting",
    "## Notes",
]


def test_the_old_runner_applies_and_records_all_three_in_order(
    database_url: URL, engine: Engine
) -> None:
    assert run_old_runner(database_url, MIGRATIONS) == STEMS
    with engine.connect() as connection:
        rows = connection.execute(
            text("SELECT version, description FROM schema_migrations ORDER BY applied_at")
        ).all()
    assert [row.version for row in rows] == STEMS
    assert [row.description for row in rows] == [description_of(stem) for stem in STEMS]


def test_a_second_run_applies_nothing_and_changes_nothing(
    database_url: URL, dump: Callable[[URL], str]
) -> None:
    run_old_runner(database_url, MIGRATIONS)
    before = dump(database_url)
    assert run_old_runner(database_url, MIGRATIONS) == []
    assert dump(database_url) == before


def test_the_old_runner_works_as_a_process_of_its_own(database_url: URL, engine: Engine) -> None:
    url = database_url.render_as_string(hide_password=False)
    done = subprocess.run(
        [sys.executable, old_runner.__file__, url, MIGRATIONS],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "All migrations completed"
    assert done.stderr == ""
    assert inspect(engine).has_table("integrations")


def test_the_old_runner_stops_at_a_failure_and_does_not_record_it(
    database_url: URL, engine: Engine, tmp_path: Path
) -> None:
    body = "from sqlalchemy import text\ndef upgrade(db):\n    db.execute(text({!r}))\n"
    (tmp_path / "001_good.py").write_text(body.format("CREATE TABLE good ()"))
    (tmp_path / "002_bad.py").write_text(body.format("CREATE TABLE bad (); SELECT 1 / 0"))
    (tmp_path / "003_later.py").write_text(body.format("CREATE TABLE later ()"))
    with pytest.raises(DataError, match="division by zero"):
        run_old_runner(database_url, tmp_path)
    assert set(inspect(engine).get_table_names()) == {"good", "schema_migrations"}
    with engine.connect() as connection:
        recorded = connection.execute(text("SELECT version FROM schema_migrations")).scalars()
        assert list(recorded) == ["001_good"]


@pytest.mark.parametrize("stem", STEMS)
def test_running_a_migration_again_is_harmless(
    engine: Engine, dump: Callable[[URL], str], stem: str
) -> None:
    """Also after the ones that follow it: a row may be deleted by hand at any time."""
    create_tenant_tables(engine, TENANT_TABLES)
    for each in STEMS:
        run_migration(engine, each, "upgrade")
    before = dump(engine.url), count_rows(engine, "organizations")
    run_migration(engine, stem, "upgrade")
    assert (dump(engine.url), count_rows(engine, "organizations")) == before


@pytest.mark.parametrize(
    "existing", [[], ["agents"], TENANT_TABLES], ids=["none", "one", "all three"]
)
def test_each_downgrade_restores_exactly_the_schema_before_its_upgrade(
    engine: Engine, dump: Callable[[URL], str], existing: list[str]
) -> None:
    create_tenant_tables(engine, existing)
    before = []
    for stem in STEMS:
        before.append(dump(engine.url))
        run_migration(engine, stem, "upgrade")
    assert dump(engine.url) != before[-1]
    for stem in reversed(STEMS):
        run_migration(engine, stem, "downgrade")
        assert dump(engine.url) == before.pop()
    assert [count_rows(engine, table) for table in existing] == [2] * len(existing)


@pytest.mark.parametrize("stem", STEMS)
def test_running_a_downgrade_again_is_harmless(
    engine: Engine, dump: Callable[[URL], str], stem: str
) -> None:
    create_tenant_tables(engine, ["agents"])
    for each in STEMS[: STEMS.index(stem)]:
        run_migration(engine, each, "upgrade")
    before = dump(engine.url)
    run_migration(engine, stem, "downgrade")
    assert dump(engine.url) == before


def test_upgrade_downgrade_upgrade_gives_the_schema_of_one_upgrade(
    engine: Engine, dump: Callable[[URL], str]
) -> None:
    for stem in STEMS:
        run_migration(engine, stem, "upgrade")
    once = dump(engine.url)
    for stem in reversed(STEMS):
        run_migration(engine, stem, "downgrade")
    for stem in STEMS:
        run_migration(engine, stem, "upgrade")
    assert dump(engine.url) == once


@pytest.mark.parametrize("direction", ["upgrade", "downgrade"])
@pytest.mark.parametrize("stem", STEMS)
def test_a_migration_commits_once_and_leaves_nothing_uncommitted(
    engine: Engine, stem: str, direction: str
) -> None:
    create_tenant_tables(engine, TENANT_TABLES)
    stems = STEMS if direction == "downgrade" else STEMS[: STEMS.index(stem)]
    for each in stems:
        run_migration(engine, each, "upgrade")
    for each in reversed(STEMS[STEMS.index(stem) + 1 :]):
        run_migration(engine, each, "downgrade")
    with _CountingSession(engine, autoflush=False) as db:
        getattr(load_migration(stem), direction)(db)
        assert db.commits == 1
        assert not db.in_transaction()


@pytest.mark.parametrize("stem", STEMS)
def test_no_foreign_key_is_without_an_index_that_begins_with_its_column(
    engine: Engine, stem: str
) -> None:
    """Otherwise deleting an organization or a user reads the whole table."""
    create_tenant_tables(engine, TENANT_TABLES)
    for each in STEMS[: STEMS.index(stem) + 1]:
        run_migration(engine, each, "upgrade")
    found = inspect(engine)
    for table in found.get_table_names():
        leading = {index["column_names"][0] for index in found.get_indexes(table)}
        leading |= {each["column_names"][0] for each in found.get_unique_constraints(table)}
        for key in found.get_foreign_keys(table):
            assert key["constrained_columns"][0] in leading, (table, key["name"])


# The guide: migrations/README.md


def test_the_guide_keeps_its_headings_in_their_order() -> None:
    lines = _guide_without_code().splitlines()
    assert [line for line in lines if line.startswith("#")] == HEADINGS


def test_the_guide_lists_every_migration() -> None:
    listed = re.findall(r"^- `(\w+)\.py` - ", _guide_without_code(), flags=re.MULTILINE)
    assert listed == sorted(path.stem for path in MIGRATIONS.glob("[0-9]*.py")) == STEMS


def test_the_example_in_the_guide_runs_and_goes_back(
    database_url: URL, engine: Engine, dump: Callable[[URL], str], tmp_path: Path
) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", _guide(), flags=re.DOTALL)
    path = tmp_path / "004_new_feature.py"
    path.write_text(example)
    before = dump(engine.url)
    assert run_old_runner(database_url, tmp_path) == ["004_new_feature"]
    assert inspect(engine).has_table("new_table")
    with Session(engine, autoflush=False) as db:
        load_file(path).downgrade(db)
        db.execute(text("DROP TABLE schema_migrations"))
        db.commit()
    assert dump(engine.url) == before


class _CountingSession(Session):
    commits = 0

    def commit(self) -> None:
        self.commits += 1
        super().commit()


def _guide() -> str:
    return (MIGRATIONS / "README.md").read_text(encoding="utf-8")


def _guide_without_code() -> str:
    return re.sub(r"```.*?```", "", _guide(), flags=re.DOTALL)
