"""`eai migrate import`: projects of Alembic's become plain files, proved with real runs of both."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from support import alembic_project
from support.alembic_project import AlembicProject
from support.project import DEFAULT_INI, Project

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    from sqlalchemy import URL


@dataclass
class Team:
    """A project of Alembic's, and the server of the tests for scratch databases."""

    old: AlembicProject
    project: Project
    server: URL

    def imports(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        scratch = "--scratch-url", self.server.render_as_string(hide_password=False)
        given = () if "--no-proof" in arguments else scratch
        return self.project.eai("migrate", "import", *given, *arguments)

    def imported(self, *arguments: str) -> dict[str, Any]:
        done = self.imports("--json", *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    @property
    def files(self) -> list[str]:
        folder = self.project.migrations
        return sorted(each.name for each in folder.iterdir()) if folder.exists() else []

    def text(self, name: str) -> str:
        return (self.project.migrations / f"{name}.py").read_text()


@pytest.fixture
def team(tmp_path: Path, server_url: URL) -> Team:
    path = tmp_path / "project"
    return Team(AlembicProject.create(path), Project(path), server_url)


def test_the_tutorial_becomes_two_files_and_says_what_to_do_then(team: Team) -> None:
    alembic_project.tutorial(team.old)
    before = team.old.ini.read_text()
    done = team.imports()
    assert done.returncode == 0, done.stderr
    assert team.files == ["001_create_account_table.py", "002_add_a_column.py"]
    told = done.stdout
    assert "Wrote 2 files into migrations, of 2 revisions:" in told
    assert "  001_create_account_table.py  1975ea83b712\n" in told
    assert "leave the same schema and the same rows" in told
    assert "The same on the way down, for 2 files, to the beginning." in told
    assert "    version_locations = %(here)s/migrations\n" in told
    assert "plain_files = true" in told
    assert team.old.ini.read_text() == before
    assert 'revision = "ae1027a6acf0"\n' in team.text("002_add_a_column")
    assert "def upgrade(db):\n    op.add_column" in team.text("002_add_a_column")


@pytest.mark.parametrize(
    ("history", "files"),
    [(alembic_project.branches, 4), (alembic_project.data, 6)],
    ids=["branches", "data"],
)
def test_alembics_own_examples_are_proved(
    team: Team, history: Callable[[AlembicProject], None], files: int
) -> None:
    history(team.old)
    found = team.imported()
    assert len(found["files"]) == files == len(team.files)
    assert found["proof"]["same"]
    assert {id_ for each in found["files"] for id_ in each["revisions"]} == set(team.old.ids)
    # What an import has written is in order for whoever runs it.
    team.project.ini(DEFAULT_INI)
    checked = team.project.eai("migrate", "check")
    assert checked.returncode == 0, checked.stdout


def test_branches_say_what_they_follow_and_a_merge_is_a_further_id(team: Team) -> None:
    alembic_project.branches(team.old)
    team.imported()
    text = team.text("003_add_shopping_cart_table")
    assert 'revision = ("27c6a30d7c24", "53fffde5ad5")\n' in text
    assert '"27c6a30d7c24": ("1975ea83b712",)' in text
    assert '"53fffde5ad5": ("ae1027a6acf0", "27c6a30d7c24")' in text
    assert "follows" not in team.text("004_after_the_merge")


def test_what_differs_between_any_two_runs_is_named_and_not_compared(team: Team) -> None:
    alembic_project.data(team.old)
    proof = team.imported()["proof"]
    assert proof["not_compared"] == ["public.account.last_transaction_date"]
    assert proof["reverted"] == ["006_kinds_of_rows"]
    assert proof["stopped"] == "005_another_kind has no way back"


def test_a_large_history_is_proved_up_and_down(team: Team) -> None:
    alembic_project.large(team.old)
    assert len(team.old.ids) == 31
    found = team.imported()
    assert len(found["files"]) == 28
    assert found["proof"]["reverted"] == [f["file"][:-3] for f in reversed(found["files"])]


def test_branches_that_stay_apart_are_refused_with_their_names(team: Team) -> None:
    alembic_project.independent(team.old)
    done = team.imports()
    assert done.returncode == 4
    assert "55af2cb1c267" in done.stderr
    assert "has branch_labels shoppingcart and depends_on 3782d9986ced" in done.stderr
    assert team.files == []


def test_what_differs_is_shown_and_nothing_is_written(team: Team) -> None:
    """A revision that asks who runs it."""
    alembic_project.tutorial(team.old)
    team.old.revision(
        "cccccccccccc",
        "it depends",
        imports="import sys",
        upgrade="""
            here = op.get_context().opts["version_table"] + str("bridge_import" in __file__)
            op.execute(f"CREATE TABLE {here} ()")
        """,
    )
    done = team.imports()
    assert done.returncode == 4, done.stderr
    assert "+CREATE TABLE public.alembic_versiontrue (" in done.stdout
    assert "Nothing was written" in done.stdout
    assert team.files == []
    assert team.imports("--no-proof").returncode == 0
    assert len(team.files) == 3


def test_no_revision_is_told_of_the_applications_database(team: Team) -> None:
    alembic_project.tutorial(team.old)
    team.old.revision(
        "cccccccccccc",
        "by itself",
        imports="from alembic import context",
        upgrade="""
            url = context.config.get_main_option("sqlalchemy.url")
            op.execute(f"COMMENT ON TABLE account IS '{url or None}'")
        """,
    )
    assert team.imported()["proof"]["same"]


def test_where_the_order_of_branches_matters_it_is_said(team: Team) -> None:
    alembic_project.tutorial(team.old)
    for id_, date in (("dddddddddddd", "2023"), ("eeeeeeeeeeee", "2022")):
        team.old.revision(
            id_,
            f"column {id_[0]}",
            down="ae1027a6acf0",
            upgrade=f'op.add_column("account", sa.Column("{id_[0]}", sa.Integer))',
            date=f"{date}-01-01 00:00:00",
        )
    by_date = team.imported("--dry-run")
    assert [each["revisions"] for each in by_date["files"][2:]] == [
        ["eeeeeeeeeeee"],
        ["dddddddddddd"],
    ]
    team.old.versions.joinpath("eeeeeeeeeeee_column_e.py").rename(team.old.versions / "0.py")
    by_name = team.imported("--dry-run")
    told = [found["proof"]["by_order"] for found in (by_date, by_name)]
    same, other = sorted(told)
    assert same == []  # Alembic goes by the names of the files
    assert other[:2] == ["--- what Alembic makes", "+++ what Alembic makes in its own order"]
    assert {each.strip(" +,-") for each in other} > {"d integer", "e integer"}
    said = team.imports("--dry-run").stdout
    assert ("The order of the branches matters" in said) == bool(told[1])


def test_other_rows_are_a_difference(team: Team) -> None:
    alembic_project.tutorial(team.old)
    team.old.revision(
        "cccccccccccc",
        "it depends",
        upgrade="""
            name = "b" if "bridge_import" in __file__ else "a"
            op.execute(f"INSERT INTO account VALUES (1, '{name}')")
        """,
    )
    done = team.imports()
    assert done.returncode == 4, done.stderr
    assert "public.account: values of name differ" in done.stdout
    assert team.files == []


def test_rows_that_each_run_shuffles_are_not_compared(team: Team) -> None:
    """Each column has the same values as before, and the rows are others."""
    alembic_project.tutorial(team.old)
    shuffled = "SELECT row_number() OVER (ORDER BY random()), n FROM generate_series(1, 30) AS n"
    team.old.revision(
        "cccccccccccc",
        "shuffled",
        upgrade=f'op.execute("INSERT INTO account (id, name) {shuffled}")',
    )
    proof = team.imported()["proof"]
    assert proof["same"]
    assert {"public.account.id", "public.account.name"} <= {*proof["not_compared"]}


def test_a_revision_that_alembic_cannot_run_ends_it(team: Team) -> None:
    alembic_project.tutorial(team.old)
    team.old.revision("cccccccccccc", "broken", upgrade='op.drop_table("nothing")')
    done = team.imports()
    assert done.returncode == 1
    assert "cccccccccccc_broken.py: Alembic's own run of its upgrade failed" in done.stderr
    assert team.files == []


def test_a_way_back_that_alembic_cannot_go_is_where_the_proof_ends(team: Team) -> None:
    alembic_project.tutorial(team.old)
    team.old.revision(
        "cccccccccccc",
        "broken",
        upgrade='op.execute("CREATE TABLE x ()")',
        downgrade='op.drop_table("nothing")',
    )
    proof = team.imported()["proof"]
    assert proof["reverted"] == []
    assert "its downgrade failed" in proof["stopped"]


def test_a_dry_run_proves_and_writes_nothing(team: Team) -> None:
    alembic_project.tutorial(team.old)
    done = team.imports("--dry-run")
    assert done.returncode == 0, done.stderr
    assert "Would write 2 files" in done.stdout
    assert team.files == []


def test_nothing_is_written_over_what_is_there(team: Team) -> None:
    alembic_project.tutorial(team.old)
    team.imported("--no-proof")
    done = team.imports("--no-proof")
    assert done.returncode == 2
    assert "has migrations already: 001_create_account_table.py" in done.stderr
    assert team.imported("--no-proof", "--folder", "others")["wrote"]
    assert (team.project.path / "others" / "002_add_a_column.py").exists()


def test_a_project_is_found_by_its_folder_too(team: Team) -> None:
    alembic_project.tutorial(team.old)
    team.old.ini.unlink()
    found = team.imported("--from", "alembic", "--dry-run")
    assert len(found["files"]) == 2
    done = team.imports("--from", "nowhere")
    assert done.returncode == 2


def test_one_that_is_set_up_for_plain_files_is_told(team: Team) -> None:
    team.project.ini(DEFAULT_INI)
    done = team.imports()
    assert done.returncode == 2
    assert "is set up for plain files already" in done.stderr


def test_what_env_py_says_of_the_version_table_is_a_setting_then(team: Team) -> None:
    alembic_project.tutorial(team.old)
    env_py = team.old.path / "alembic" / "env.py"
    text = env_py.read_text().replace("connection=conn", 'version_table="v", connection=conn')
    env_py.write_text(text)
    assert "version_table = v" in team.imported("--no-proof")["to_add"]


@pytest.mark.parametrize("to", ["1975ea83b712", "ae1027a6acf0", "heads"])
def test_a_database_at_any_revision_goes_on_from_there(
    team: Team, create_database: Callable[[], URL], to: str
) -> None:
    """An import, the lines in alembic.ini, and the next file: what a team types."""
    alembic_project.branches(team.old)
    database = create_database()
    team.old.upgrade(to, database)
    team.imported("--no-proof")
    team.project.ini(DEFAULT_INI)
    team.project.write(
        "005_new",
        'description = "New"\ndef upgrade(db):\n    db.execute(text("CREATE TABLE n ()"))'
        "\nfrom sqlalchemy import text\n",
    )
    here = Project(team.project.path, database)
    applied = {"1975ea83b712": 1, "ae1027a6acf0": 2, "heads": 4}[to]
    status = here.eai("migrate", "status", check=True).stdout
    assert status.count(" applied ") == applied
    here.eai("migrate", check=True)
    engine = create_engine(database, poolclass=NullPool)
    with engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT count(*) FROM schema_migrations").scalar()
        pointer = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalars()
        assert (rows, pointer.all()) == (5, ["005_new"])


def test_an_autocommit_block_goes_into_a_script_too(team: Team) -> None:
    team.old.revision(
        "1975ea83b712",
        "outside",
        upgrade="""
            op.execute("CREATE TABLE t (n int)")
            with op.get_context().autocommit_block():
                op.execute("CREATE INDEX CONCURRENTLY t_n ON t (n)")
        """,
    )
    found = team.imported()
    assert found["files"][0]["autocommit"]
    team.project.ini(DEFAULT_INI)
    script = team.project.eai("migrate", "--sql", check=True).stdout
    assert "\nCREATE INDEX CONCURRENTLY t_n ON t (n);\n" in script


def test_what_a_revision_reads_beside_itself_comes_with_it(team: Team) -> None:
    (team.old.versions / "sql").mkdir()
    (team.old.versions / "sql" / "one.sql").write_text("CREATE TABLE one ()")
    (team.old.versions / "README").write_text("Ours")
    team.old.revision(
        "1975ea83b712",
        "from a file",
        imports="from pathlib import Path",
        upgrade='op.execute((Path(__file__).parent / "sql" / "one.sql").read_text())',
    )
    assert team.imported()["beside"] == ["README", "sql"]
    assert team.files == ["001_from_a_file.py", "README", "sql"]
    assert (team.project.migrations / "sql" / "one.sql").read_text() == "CREATE TABLE one ()"
