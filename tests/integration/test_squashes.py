"""A file that replaces others, on real databases: which have none, all or a part of them."""

from __future__ import annotations

import json
from contextlib import closing
from typing import TYPE_CHECKING

import psycopg2
import psycopg2.errors
import pytest

import bridge
from bridge.config.settings import Settings
from bridge.database.request import Request
from bridge.operations.quick_query import is_up_to_date, through_engine
from bridge.operations.rehearsal.rehearse import rehearse
from bridge.operations.status import status_for
from bridge.operations.upgrade import plan
from support.books import LOGGED, Books

if TYPE_CHECKING:
    from collections.abc import Sequence

    from support.project import Project

OLD = ["001_a", "002_b", "003_c"]
S = "003_all"
LATER = "004_d"
RECORDED = f"{S}: recorded, not run: it replaces 3 migrations that are applied here."


def squashed(stem: str, names: Sequence[str]) -> str:
    """A squash of files that log their runs: it logs that each of them was done."""
    work = "\n".join(
        f"    db.execute(text(\"INSERT INTO ran (what) VALUES ('{name}')\"))" for name in names
    )
    return f"""\
from sqlalchemy import text

description = "All up to {names[-1]}"
replaces = {list(names)!r}


def upgrade(db):
    db.execute(text("CREATE TABLE IF NOT EXISTS ran (id serial, what text)"))
    db.execute(text("INSERT INTO ran (what) VALUES ('{stem}')"))
{work}
    db.commit()
"""


class Team(Books):
    """A team that has squashed its first three files."""

    def old(self, count: int = 3) -> None:
        """Deploy the release with the first files, and nothing else."""
        self.clear()
        self.files(*OLD[:count])

    def beside(self, *, later: bool = False) -> None:
        """Deploy the release with the squash, and the old files beside it."""
        self.clear()
        self.files(*OLD, *([LATER] if later else []))
        self.squash()

    def alone(self, *, later: bool = False) -> None:
        """Deploy the release with the squash, and without the old files."""
        self.clear()
        self.files(*([LATER] if later else []))
        self.squash()

    def squash(self) -> None:
        self.project.write(S, squashed(S, OLD))

    def clear(self) -> None:
        for file in self.project.migrations.glob("*.py"):
            file.unlink()

    @property
    def request(self) -> Request:
        return Request(database=str(self.url), config=self.project.path / "alembic.ini")

    @property
    def url(self) -> str:
        return self.engine.url.render_as_string(hide_password=False)

    def execute(self, script: str) -> None:
        """Run a script as psql does."""
        with closing(psycopg2.connect(self.url.replace("+psycopg2", ""))) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(script)

    def plainly_up_to_date(self) -> bool:
        """Ask as a start does that has nothing to do."""
        settings = Settings.load(self.project.path / "alembic.ini")
        with self.engine.connect() as connection:
            return is_up_to_date(through_engine(connection), settings)

    def states(self) -> list[tuple[str, str]]:
        found = status_for(self.request)
        assert not found.problems
        return [(each.version, str(each.state)) for each in found.migrations]

    @property
    def told(self) -> list[str]:
        return self.reporter.notes

    @property
    def warned(self) -> list[str]:
        return self.reporter.warnings


@pytest.fixture
def team(project: Project) -> Team:
    return Team(project)


@pytest.fixture(params=["beside", "alone"])
def deploy(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_a_new_database_runs_the_squash_and_records_what_it_replaces(
    team: Team, deploy: str
) -> None:
    getattr(team, deploy)(later=True)
    assert [each.stem for each in plan(team.request)] == [S, LATER]
    assert team.upgrade() == [S, LATER]
    assert team.ran == [S, *OLD, LATER]
    assert team.applied == [*OLD, S, LATER]
    assert team.pointers == [LATER]
    assert team.states() == [(S, "applied"), (LATER, "applied")]
    rows = team.table("schema_migrations", "version, checksum IS NULL, applied_at", "applied_at")
    assert rows is not None
    assert [(name, bare) for name, bare, _ in rows] == [
        *((name, True) for name in OLD),
        (S, False),
        (LATER, False),
    ]
    assert len({at for *_, at in rows}) == len(rows)
    assert team.upgrade() == []
    assert team.warned == []


def test_a_database_with_all_of_them_records_it_without_running_it(team: Team, deploy: str) -> None:
    team.old()
    assert team.upgrade() == OLD
    getattr(team, deploy)()
    assert team.states() == [(S, "applied")]
    assert status_for(team.request).up_to_date
    assert plan(team.request) == ()
    assert team.upgrade() == []
    assert team.told == [RECORDED]
    assert team.ran == OLD
    assert team.applied == [*OLD, S]
    assert team.pointers == [S]
    before = team.everything()
    assert team.upgrade() == []
    assert team.everything() == before
    assert team.told == [RECORDED]
    assert team.warned == []


def test_it_is_recorded_before_what_was_applied_after_it(team: Team, deploy: str) -> None:
    team.old()
    team.files(LATER)
    assert team.upgrade() == [*OLD, LATER]
    getattr(team, deploy)(later=True)
    team.files("005_e")
    assert team.upgrade() == ["005_e"]
    assert team.applied == [*OLD, S, LATER, "005_e"]
    assert team.pointers == ["005_e"]
    team.downgrade("-1")
    team.downgrade("-1")
    assert team.ran == [*OLD, LATER, "005_e", "-005_e", f"-{LATER}"]
    assert team.pointers == [S]
    assert team.warned == []


@pytest.mark.parametrize("drift", ["warn", "refuse"])
def test_a_start_with_nothing_to_do_is_told_by_one_query(
    team: Team, deploy: str, drift: str
) -> None:
    team.project.ini(extra=f"drift = {drift}\n")
    team.old()
    team.upgrade()
    getattr(team, deploy)(later=True)
    assert not team.plainly_up_to_date()
    team.upgrade()
    assert team.plainly_up_to_date()
    team.alone(later=True)
    assert team.plainly_up_to_date()
    team.sql("INSERT INTO schema_migrations (version, applied_at) VALUES ('000_x', '2020-01-01')")
    assert not team.plainly_up_to_date()
    team.sql("DELETE FROM schema_migrations WHERE version = '000_x'")
    team.beside(later=True)
    assert team.plainly_up_to_date()
    team.project.remove(S)
    assert not team.plainly_up_to_date()


def test_a_part_of_them_runs_first_and_then_it_is_recorded(team: Team) -> None:
    team.old(1)
    assert team.upgrade() == OLD[:1]
    team.beside(later=True)
    assert team.states() == [
        (OLD[0], "applied"),
        *((name, "pending") for name in (*OLD[1:], S, LATER)),
    ]
    planned = plan(team.request)
    assert [(each.stem, each.only_recorded) for each in planned] == [
        (OLD[1], False),
        (OLD[2], False),
        (S, True),
        (LATER, False),
    ]
    assert [each.stem for each in rehearse(team.request).done] == [*OLD[1:], LATER]
    assert team.upgrade(OLD[1]) == [OLD[1]]
    assert team.upgrade() == [OLD[2], LATER]
    assert team.told == [RECORDED]
    assert team.ran == [*OLD, LATER]
    assert team.applied == [*OLD, S, LATER]
    assert team.pointers == [LATER]
    assert team.states() == [(S, "applied"), (LATER, "applied")]
    assert team.warned == []


def test_a_part_of_them_without_the_rest_of_the_files_is_refused(team: Team) -> None:
    team.old(1)
    team.upgrade()
    team.alone(later=True)
    sentence = team.refused(team.upgrade)
    assert "003_all.py replaces 3 migrations, of which 1 is applied" in sentence
    assert "the last of them 001_a; 002_b, 003_c are not" in sentence
    assert "the last of them being 003_c.py" in sentence
    assert status_for(team.request).findings[0].id == "partly-replaced"
    team.old()
    assert team.upgrade() == OLD[1:]
    team.alone(later=True)
    assert team.upgrade() == [LATER]
    assert team.applied == [*OLD, S, LATER]


def test_a_part_with_the_rest_of_the_files_needs_no_others(team: Team) -> None:
    team.old(1)
    team.upgrade()
    team.beside()
    team.project.remove(OLD[0])
    assert team.upgrade() == OLD[1:]
    assert team.applied == [*OLD, S]
    assert team.warned == []


@pytest.mark.parametrize("first", ["old", "beside", "alone"])
def test_two_releases_take_turns(team: Team, first: str) -> None:
    """The old one, with bridge or with its own runner, finds nothing of it to do."""
    getattr(team, first)()
    team.upgrade()
    ran = team.ran
    for release in ("beside", "old", "alone", "old", "beside"):
        getattr(team, release)()
        assert team.upgrade() == []
        if release == "old":
            assert team.old_runner() == []
    assert team.ran == ran
    assert team.applied == [*OLD, S]


def test_the_files_may_go_and_come_back(team: Team) -> None:
    team.beside(later=True)
    team.upgrade()
    for release in (team.alone, team.beside, team.alone):
        release(later=True)
        before = team.everything()
        assert team.upgrade() == []
        assert team.everything() == before
        assert team.states() == [(S, "applied"), (LATER, "applied")]
    assert team.warned == []


def test_the_old_runner_may_have_been_there_before(team: Team, deploy: str) -> None:
    team.old()
    assert team.old_runner() == OLD
    getattr(team, deploy)(later=True)
    assert team.upgrade() == [LATER]
    assert team.applied == [*OLD, S, LATER]
    assert team.old_runner() == []
    assert team.ran == [*OLD, LATER]


def test_a_squash_of_a_squash(team: Team) -> None:
    names = [*OLD, S, LATER]
    second = "004_more"
    team.beside(later=True)
    team.upgrade()
    team.project.write(second, squashed(second, names))
    assert team.upgrade() == []
    assert team.applied == [*OLD, S, LATER, second]
    assert team.pointers == [second]
    assert team.states() == [(second, "applied")]
    for name in (*OLD, S, LATER):
        team.project.remove(name)
    assert team.upgrade() == []
    assert team.states() == [(second, "applied")]
    assert team.warned == []


def test_nothing_is_recorded_where_the_squash_fails(team: Team) -> None:
    team.beside()
    team.project.write(S, squashed(S, OLD).replace("    db.commit()", "    1 / 0"))
    with pytest.raises(bridge.BridgeError):
        team.upgrade()
    assert (team.applied, team.pointers, team.ran) == ([], [], [])
    team.squash()
    assert team.upgrade() == [S]


# Other commands


def test_a_downgrade_stops_at_it(team: Team, deploy: str) -> None:
    getattr(team, deploy)(later=True)
    team.upgrade()
    for to in ("base", "-2"):
        sentence = team.refused(team.downgrade, to)
        assert "replaces 3 migrations, which cannot be taken back one by one" in sentence
        assert f"no further: alembic downgrade {S}" in sentence
    team.downgrade(S)
    assert team.ran[-1] == f"-{LATER}"
    assert team.applied == [*OLD, S]


def test_a_stamp_records_and_forgets_it_with_all_that_it_replaces(team: Team, deploy: str) -> None:
    getattr(team, deploy)(later=True)
    team.stamp("head")
    assert team.applied == [*OLD, S, LATER]
    team.stamp(S)
    assert team.applied == [*OLD, S]
    team.stamp("base")
    assert team.applied == []
    team.stamp("head", purge=True)
    assert team.applied == [*OLD, S, LATER]
    assert team.ran == []
    assert team.upgrade() == []


def test_mark_records_and_forgets_it_with_all_that_it_replaces(team: Team, deploy: str) -> None:
    getattr(team, deploy)(later=True)
    team.upgrade()
    told = team.project.eai("migrate", "mark", S, "--pending", "--yes", check=True)
    assert "with the 3 migrations that it replaces" in told.stdout + told.stderr
    assert team.applied == [LATER]
    team.project.eai("migrate", "mark", S, "--applied", "--yes", check=True)
    assert team.applied == [LATER, *OLD, S]
    assert team.upgrade() == []


def test_repair_has_nothing_to_do(team: Team, deploy: str) -> None:
    team.old()
    team.upgrade()
    getattr(team, deploy)()
    told = team.project.eai("migrate", "repair", "--dry-run", check=True)
    assert "nothing" in (told.stdout + told.stderr).lower()
    team.upgrade()
    told = team.project.eai("migrate", "repair", "--dry-run", check=True)
    assert "nothing" in (told.stdout + told.stderr).lower()


def test_files_that_it_replaces_may_change(team: Team) -> None:
    team.project.ini(extra="drift = refuse\n")
    team.old()
    team.upgrade()
    team.beside(later=True)
    team.project.write(OLD[0], LOGGED.format(stem="another") + "\nCHANGED = True\n")
    assert team.upgrade() == [LATER]
    assert team.upgrade() == []


def test_alembic_shows_the_squash_only(team: Team, deploy: str) -> None:
    getattr(team, deploy)(later=True)
    project = team.project
    assert project.alembic("heads", check=True).stdout == f"{LATER} (head)\n"
    history = project.alembic("history", check=True).stdout.splitlines()
    assert [line.split(" ")[:3] for line in history] == [
        [S, "->", LATER],
        ["<base>", "->", f"{S},"],
    ]
    team.upgrade()
    assert project.alembic("current", check=True).stdout == f"{LATER} (head)\n"


def test_status_says_how_many_it_replaces(team: Team, deploy: str) -> None:
    getattr(team, deploy)(later=True)
    told = json.loads(team.project.eai("migrate", "status", "--json", check=True).stdout)
    assert [(each["version"], each["replaces"]) for each in told["migrations"]] == [
        (S, 3),
        (LATER, 0),
    ]
    for arguments in ((), ("--offline",)):
        shown = team.project.eai("migrate", "status", *arguments, check=True).stdout
        assert "All up to 003_c (replaces 3 migrations)" in shown
        assert OLD[0] not in shown
    planned = team.project.eai("migrate", "--dry-run", check=True).stdout
    assert f"{S}  All up to 003_c  (replaces 3 migrations)" in planned


def test_check_finds_nothing_wrong(team: Team, deploy: str) -> None:
    getattr(team, deploy)(later=True)
    told = team.project.eai("migrate", "check")
    assert told.returncode == 0, told.stdout
    assert "shared-number" not in told.stdout


def test_check_finds_a_list_that_is_none(team: Team) -> None:
    team.beside()
    text = squashed(S, OLD)
    team.project.write(S, text.replace("replaces = ", "replaces = list() or "))
    told = team.project.eai("migrate", "check")
    assert told.returncode == 4
    assert "`replaces` must be known without running the file" in told.stdout
    team.squash()
    team.project.write("004_again", squashed("004_again", OLD))
    told = team.project.eai("migrate", "check")
    assert told.returncode == 4
    assert "names 001_a, which 003_all replaces as well" in told.stdout


def test_a_faulty_list_is_an_error_before_anything_runs(team: Team) -> None:
    team.beside()
    team.project.write(S, squashed(S, OLD).replace("replaces = ", "replaces = list() or "))
    with pytest.raises(bridge.BridgeError, match=r"003_all\.py:4: `replaces` must be known"):
        team.upgrade()
    assert team.pointers == []


# Scripts


def run_script(team: Team, *arguments: str) -> None:
    team.execute(team.project.eai("migrate", "--sql", *arguments, check=True).stdout)


@pytest.mark.parametrize("applied", range(4))
def test_a_script_does_what_the_run_does(team: Team, applied: int) -> None:
    team.old(applied)
    if applied:
        team.upgrade()
    team.beside(later=True)
    run_script(team)
    assert team.applied == [*OLD, S, LATER]
    assert team.pointers == [LATER]
    assert sorted(team.ran) == sorted([*OLD, LATER, *([] if applied else [S])])
    assert team.upgrade() == []


def test_a_script_records_it_where_nothing_is_to_run(team: Team, deploy: str) -> None:
    team.old()
    team.upgrade()
    getattr(team, deploy)()
    run_script(team)
    assert team.applied == [*OLD, S]
    assert team.pointers == [S]


def test_a_script_for_no_database_runs_it_and_stops_where_a_part_is_applied(
    team: Team, deploy: str
) -> None:
    getattr(team, deploy)(later=True)
    script = team.project.alembic("upgrade", "head", "--sql", check=True).stdout
    assert "001_a" in script
    team.old(1)
    team.upgrade()
    with pytest.raises(psycopg2.errors.RaiseException, match="001_a"):
        team.execute(script)
    assert team.ran == OLD[:1]
    team.sql("DROP TABLE ran, schema_migrations, alembic_version")
    team.execute(script)
    assert team.applied == [*OLD, S, LATER]


# Ledgers of other forms


@pytest.mark.parametrize("value", ["number || ''", "lpad(number || '', 3, '0')"])
def test_a_ledger_of_numbers_has_one_row_for_the_last_and_for_the_squash(
    team: Team, deploy: str, value: str
) -> None:
    team.sql(
        "CREATE TABLE schema_migrations (version TEXT PRIMARY KEY, applied_at TIMESTAMPTZ)",
        f"INSERT INTO schema_migrations SELECT {value}, clock_timestamp() "
        "FROM generate_series(1, 3) AS number",
    )
    getattr(team, deploy)(later=True)
    assert team.upgrade() == [LATER]
    assert len(team.applied) == 4
    assert team.pointers == [LATER]
    assert team.upgrade() == []
    assert team.states() == [(S, "applied"), (LATER, "applied")]


@pytest.mark.parametrize("form", ["number", "file", "path"])
def test_what_is_recorded_in_a_form_of_the_team_counts(team: Team, deploy: str, form: str) -> None:
    team.project.ini(extra=f"ledger_key_form = {form}\n")
    getattr(team, deploy)(later=True)
    assert team.upgrade() == [S, LATER]
    before = team.everything()
    assert team.upgrade() == []
    assert team.everything() == before
    team.beside(later=True)
    assert team.upgrade() == []
    team.clear()
    team.files(*OLD, LATER)
    assert team.upgrade() == []
    assert team.ran == [S, *OLD, LATER]


def test_a_row_of_another_spelling_keeps_the_squash_from_running(team: Team, deploy: str) -> None:
    team.sql(
        "CREATE TABLE schema_migrations (version TEXT PRIMARY KEY, applied_at TIMESTAMPTZ)",
        "INSERT INTO schema_migrations VALUES ('001-A', now()), ('004_d', now())",
    )
    getattr(team, deploy)(later=True)
    sentence = team.refused(team.upgrade)
    assert "'001-A'" in sentence
