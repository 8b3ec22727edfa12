"""Databases that Alembic alone has migrated, under files that were imported from its revisions."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from alembic.script import Script, ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

import bridge
from bridge.alembic.foreign import ForeignProject
from bridge.config.sources import find_config
from bridge.database.request import Request
from bridge.errors import LedgerError, MigrationError
from bridge.operations.importing.plan import plan_import
from bridge.operations.importing.source import write_files
from bridge.operations.sql_script import write_sql
from support import alembic_project
from support.alembic_project import AlembicProject
from support.project import DEFAULT_INI, Project
from support.recording import Recording

if TYPE_CHECKING:
    from sqlalchemy import URL

NEW = """\
description = "New"
from sqlalchemy import text


def upgrade(db):
    db.execute(text("CREATE TABLE new ()"))


def downgrade(db):
    db.execute(text("DROP TABLE new"))
"""


@dataclass
class Release:
    """The old release, which knows Alembic alone, and the new one, on one database."""

    old: AlembicProject
    new: Project
    url: URL

    @property
    def config(self) -> Path:
        return self.new.path / "alembic.ini"

    def sql(self, statement: str) -> list[str]:
        engine = create_engine(self.url, poolclass=NullPool)
        with engine.connect() as connection:
            return [str(each) for each in connection.exec_driver_sql(statement).scalars()]

    def execute(self, statement: str) -> None:
        engine = create_engine(self.url, poolclass=NullPool)
        with engine.begin() as connection:
            connection.exec_driver_sql(statement)

    @property
    def pointers(self) -> list[str]:
        return self.sql("SELECT version_num FROM alembic_version ORDER BY 1")

    @property
    def rows(self) -> list[str]:
        if self.sql("SELECT to_regclass('schema_migrations')") == ["None"]:
            return []
        return self.sql("SELECT version FROM schema_migrations ORDER BY applied_at")

    def status(self) -> bridge.Status:
        return bridge.status(str(self.url_text), config=self.config)

    @property
    def url_text(self) -> str:
        return self.url.render_as_string(hide_password=False)

    def upgrade(self) -> list[str]:
        report = bridge.upgrade(self.url_text, config=self.config)
        return [each.stem for each in report.applied]


FIRST, SECOND, CART, LAST = (
    "001_create_account_table",
    "002_add_a_column",
    "003_add_shopping_cart_table",
    "004_after_the_merge",
)
STEMS = [FIRST, SECOND, CART, LAST]


@pytest.fixture
def release(tmp_path: Path, database_url: URL) -> Release:
    old = AlembicProject.create(tmp_path / "old", database_url)
    alembic_project.branches(old)
    new = Project(tmp_path / "new", database_url)
    new.path.mkdir()
    project = ForeignProject.read(find_config(old.ini, environ={}), None)
    write_files(plan_import(project, new.migrations))
    new.ini(DEFAULT_INI)
    return Release(old, new, database_url)


@pytest.mark.parametrize(
    ("to", "applied"),
    [
        ("1975ea83b712", [FIRST]),
        ("ae1027a6acf0", [FIRST, SECOND]),
        ("27c6a30d7c24", [FIRST, CART]),
        ("53fffde5ad5", [FIRST, SECOND, CART]),
        ("a1b2c3d4e5f6", STEMS),
    ],
)
def test_what_alembic_has_applied_counts_and_the_rest_is_pending(
    release: Release, to: str, applied: list[str]
) -> None:
    release.old.upgrade(to)
    found = release.status()
    pending = [each for each in STEMS if each not in applied]
    assert [each.version for each in found.migrations] == applied + pending
    assert list(found.pending) == pending
    assert not found.problems
    assert [each.id for each in found.findings if each.id != "late"] == ["imported"]
    assert found.current == applied[-1]
    assert release.upgrade() == pending
    if pending:
        assert release.rows == applied + pending
        assert release.pointers == [pending[-1]]


def test_two_heads_are_the_union_of_what_both_follow(release: Release) -> None:
    release.old.upgrade("ae1027a6acf0")
    release.old.upgrade("27c6a30d7c24")
    assert release.pointers == ["27c6a30d7c24", "ae1027a6acf0"]
    assert release.status().pending == (LAST,)
    assert release.upgrade() == [LAST]
    assert release.rows == STEMS
    assert release.pointers == [LAST]


def test_with_nothing_pending_nothing_is_written_and_the_old_release_goes_on(
    release: Release,
) -> None:
    release.old.upgrade()
    for _ in range(2):
        assert release.upgrade() == []
        assert release.pointers == ["a1b2c3d4e5f6"]
        assert release.rows == []
        release.old.upgrade()
    assert release.status().up_to_date


def test_the_first_new_file_moves_the_pointer_and_the_old_release_is_told(
    release: Release,
) -> None:
    release.old.upgrade()
    release.new.write("005_new", NEW)
    assert release.upgrade() == ["005_new"]
    assert release.rows == [*STEMS, "005_new"]
    assert release.pointers == ["005_new"]
    assert release.status().findings == ()
    assert release.upgrade() == []
    with pytest.raises(CommandError, match="Can't locate revision identified by '005_new'"):
        release.old.upgrade()


def test_a_new_file_that_fails_leaves_the_database_to_the_old_release(release: Release) -> None:
    release.old.upgrade()
    release.new.write("005_new", NEW.replace("CREATE TABLE new ()", "DROP TABLE nothing"))
    with pytest.raises(MigrationError):
        release.upgrade()
    assert release.pointers == ["a1b2c3d4e5f6"]
    assert release.rows == []
    release.old.upgrade()
    release.new.write("005_new", NEW)
    assert release.upgrade() == ["005_new"]
    assert release.rows == [*STEMS, "005_new"]


def test_one_that_runs_outside_of_transactions_is_recorded_with_all_before_it(
    release: Release,
) -> None:
    release.old.upgrade()
    release.new.write("005_new", f'transaction = "autocommit"\n{NEW}')
    assert release.upgrade() == ["005_new"]
    assert release.rows == [*STEMS, "005_new"]
    assert release.pointers == ["005_new"]


def test_an_id_that_no_file_knows_is_refused_as_ever(release: Release) -> None:
    release.old.upgrade()
    release.execute("INSERT INTO alembic_version VALUES ('ffffffffffff')")
    with pytest.raises(LedgerError, match="ffffffffffff"):
        release.upgrade()
    found = release.status()
    assert [each.id for each in found.findings] == ["foreign-version-table"]
    assert len(release.pointers) == 2


@pytest.mark.parametrize("copied", [FIRST, LAST])
def test_an_id_that_two_files_have_is_refused(release: Release, copied: str) -> None:
    """Whoever writes a new file begins with a copy of another."""
    release.old.upgrade()
    release.new.write("005_a_copy", (release.new.migrations / f"{copied}.py").read_text())
    with pytest.raises(LedgerError, match=rf"005_a_copy.py and .*{copied}.py both say"):
        release.upgrade()
    assert release.pointers == ["a1b2c3d4e5f6"]
    release.new.write("005_a_copy", NEW)
    assert release.upgrade() == ["005_a_copy"]


def test_a_gap_in_what_is_followed_is_refused(release: Release) -> None:
    release.old.upgrade()
    release.new.remove(SECOND)
    assert [each.id for each in release.status().findings] == ["imported-unclear"]
    with pytest.raises(LedgerError, match="53fffde5ad5 follows ae1027a6acf0"):
        release.upgrade()
    release.new.alembic("stamp", "--purge", LAST, check=True)
    assert release.rows == [FIRST, CART, LAST]
    assert release.pointers == [LAST]


def test_a_file_that_cannot_be_read_is_refused_and_nothing_runs(release: Release) -> None:
    release.old.upgrade()
    text = (release.new.migrations / f"{SECOND}.py").read_text()
    release.new.write(SECOND, f"{text}\ndef (:\n")
    with pytest.raises(LedgerError, match=f"{SECOND}.py"):
        release.upgrade()
    assert release.pointers == ["a1b2c3d4e5f6"]


def test_an_env_py_that_is_kept_does_the_same(release: Release) -> None:
    release.old.upgrade("27c6a30d7c24")
    release.new.ini("""\
        [alembic]
        script_location = %(here)s/alembic
        version_locations = %(here)s/migrations
        path_separator = os
        plain_files = true
    """)
    (release.new.path / "alembic").mkdir()
    (release.new.path / "alembic" / "env.py").write_text(
        "from alembic import context\n\nimport bridge\n\nbridge.run_environment(context)\n"
    )
    done = release.new.alembic("upgrade", "head", check=True)
    assert "imported migrations count as applied" in done.stderr
    assert release.rows == [FIRST, CART, SECOND, LAST]
    assert release.pointers == [LAST]


def test_the_commands_of_alembic_see_the_same(release: Release) -> None:
    release.old.upgrade()
    release.new.write("005_new", NEW)
    told = release.new.alembic("current", check=True).stdout
    assert LAST in told
    assert release.pointers == ["a1b2c3d4e5f6"]
    release.new.alembic("downgrade", "-1", check=True)
    assert release.rows == STEMS[:-1]
    assert release.pointers == [CART]
    release.new.alembic("upgrade", "head", check=True)
    assert release.rows == [*STEMS, "005_new"]


@pytest.mark.parametrize("to", ["head", "005_new", SECOND])
def test_a_stamp_records_all_at_once(release: Release, to: str) -> None:
    release.old.upgrade("ae1027a6acf0")
    release.new.write("005_new", NEW)
    release.new.alembic("stamp", to, check=True)
    stems = [*STEMS, "005_new"]
    wanted = {"head": stems, "005_new": stems, SECOND: stems[:2]}[to]
    assert release.rows == wanted
    assert release.pointers == [wanted[-1]]


def test_mark_records_what_is_before_it_too(release: Release) -> None:
    release.old.upgrade("ae1027a6acf0")
    release.new.eai("migrate", "mark", CART, "--applied", "--yes", check=True)
    assert release.rows == STEMS[:3]
    assert release.pointers == [CART]
    assert release.status().pending == (LAST,)


def test_dry_run_rehearse_and_check_tell_it_and_write_nothing(release: Release) -> None:
    release.old.upgrade()
    release.new.write("005_new", NEW)
    for command, code in (
        (("migrate", "--dry-run"), 0),
        (("migrate", "rehearse", "--yes"), 0),
        (("migrate", "check", "--database"), 3),
        (("migrate", "status"), 0),
    ):
        done = release.new.eai(*command)
        assert done.returncode == code, done.stdout + done.stderr
        assert "4 imported migrations count as applied" in done.stdout + done.stderr, command
    assert release.pointers == ["a1b2c3d4e5f6"]
    assert release.rows == []


def test_a_script_does_as_the_run_does(release: Release) -> None:
    release.old.upgrade()
    release.new.write("005_new", NEW)
    out = io.StringIO()
    write_sql(Request(database=release.url_text, config=release.config), out=out)
    release.execute(out.getvalue().replace("%", "%%"))
    assert release.rows == [*STEMS, "005_new"]
    assert release.pointers == ["005_new"]


def test_the_run_says_until_when_the_old_releases_go_on(release: Release) -> None:
    release.old.upgrade()
    reporter = Recording()
    bridge.upgrade(release.url_text, config=release.config, reporter=reporter)
    assert any(
        "until then releases that use Alembic alone run" in told for told in reporter.warnings
    )


def test_each_revision_of_a_large_history_means_what_alembic_says(
    tmp_path: Path, database_url: URL
) -> None:
    """Each of its revisions, and each two that a database may be at together."""
    old = AlembicProject.create(tmp_path / "old", database_url)
    alembic_project.large(old)
    new = Project(tmp_path / "new", database_url)
    new.path.mkdir()
    wanted = plan_import(
        ForeignProject.read(find_config(old.ini, environ={}), None), new.migrations
    )
    write_files(wanted)
    new.ini(DEFAULT_INI)
    release = Release(old, new, database_url)
    release.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) PRIMARY KEY)")
    script = ScriptDirectory.from_config(old.config())
    known = {id_: {each.revision for each in _ancestors(script, id_)} for id_ in old.ids}
    both = [(a, b) for a in old.ids for b in old.ids if a < b and not known[a] & {b}]
    pairs = [(a, b) for a, b in both if a not in known[b]]
    assert len(pairs) == 2 * 2 + 4 * 4 + 3 * 3
    for heads in [*((id_,) for id_ in old.ids), *pairs]:
        values = ", ".join(f"('{each}')" for each in heads)
        release.execute(f"TRUNCATE alembic_version; INSERT INTO alembic_version VALUES {values}")
        applied = set().union(*(known[each] for each in heads))
        pending = [each.stem for each in wanted.files if each.place.ids[0] not in applied]
        assert list(release.status().pending) == pending, heads


def _ancestors(script: ScriptDirectory, id_: str) -> list[Script]:
    return [*script.iterate_revisions(id_, "base")]
