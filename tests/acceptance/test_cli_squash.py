"""`eai migrate squash`: real files, real pg_dump, a real server."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from bridge.operations.squash import squash as operation
from bridge.operations.squash.text import file_text
from support.grown import COUNT, grown_files
from support.old_runner import run_old_runner

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    from conftest import Dump
    from sqlalchemy import URL, Engine

    from support.project import Project

LEDGER = ("schema_migrations", "alembic_version")


def file(*statements: str, before: str = "") -> str:
    """The text of a migration."""
    lines = "".join(f"    db.execute(text({statement!r}))\n" for statement in statements)
    return f"from sqlalchemy import text\n{before}\ndef upgrade(db):\n{lines}    db.commit()\n"


WIDGETS = file(
    "CREATE TABLE widgets (id serial PRIMARY KEY, name text, made_at timestamptz DEFAULT now())",
    "INSERT INTO widgets (name) VALUES ('it''s 100%'), (NULL)",
)
INDEX = file("CREATE INDEX widgets_name ON widgets (lower(name))")
LATER = file("INSERT INTO widgets (name) SELECT 'n' || count(*) FROM widgets")


@dataclass(frozen=True)
class Team:
    """A project of three migrations, and the server of the tests for scratch databases."""

    project: Project
    server: URL

    def squash(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        url = self.server.render_as_string(hide_password=False)
        return self.project.eai("migrate", "squash", *arguments, "--scratch-url", url)

    @property
    def files(self) -> list[str]:
        return sorted(path.name for path in self.project.migrations.iterdir())

    def text(self, stem: str) -> str:
        return (self.project.migrations / f"{stem}.py").read_text()


@pytest.fixture
def team(project: Project, server_url: URL) -> Team:
    project.write("001_widgets", WIDGETS)
    project.write("002_index", INDEX)
    project.write("003_later", LATER)
    return Team(project, server_url)


def error_of(done: subprocess.CompletedProcess[str]) -> str:
    """What a command ended with."""
    return " ".join(done.stderr.partition("Error: ")[2].split())


def rows(url: URL, query: str) -> list[tuple[object, ...]]:
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


def test_one_file_makes_what_the_old_ones_made(
    team: Team, engine: Engine, create_database: Callable[[], URL], dump: Dump
) -> None:
    assert team.project.eai("migrate").returncode == 0
    done = team.squash("--to", "002", "--delete")
    assert done.returncode == 0, done.stderr
    assert done.stdout == (
        f"Wrote {team.project.migrations}/002_baseline.py in place of 2 migrations, and proved "
        "that it makes the same schema and the same 2 rows. 2 old files removed.\n"
    )
    said = "Values differ between two runs of the old files: public.widgets.made_at. The new file"
    assert said in done.stderr
    assert team.files == ["002_baseline.py", "003_later.py"]
    written = team.text("002_baseline")
    said = "# Values of public.widgets.made_at differ between two runs of the old files; here they"
    assert f"{said} are those of one run.\n" in written
    assert 'replaces = [\n    "001_widgets",\n    "002_index",\n]\n' in written
    assert "\n    (1, 'it''s 100%', '" in written

    other = create_database()
    object.__setattr__(team.project, "url", other)
    done = team.project.eai("migrate")
    assert done.returncode == 0, done.stderr
    assert dump(other, exclude=LEDGER) == dump(engine.url, exclude=LEDGER)
    for url in (other, engine.url):
        assert rows(url, "SELECT id, name FROM widgets ORDER BY id") == [
            (1, "it's 100%"),
            (2, None),
            (3, "n2"),
        ]


def test_the_old_runner_and_a_script_make_the_same_of_it(
    team: Team, engine: Engine, create_database: Callable[[], URL], dump: Dump
) -> None:
    assert team.squash("--to", "003", "--delete").returncode == 0
    run_old_runner(engine.url, team.project.migrations)
    scripted = create_database()
    done = team.project.alembic("upgrade", "head", "--sql")
    assert done.returncode == 0, done.stderr
    with create_engine(scripted, poolclass=NullPool).connect() as connection:
        raw = connection.execution_options(isolation_level="AUTOCOMMIT").connection
        raw.cursor().execute(done.stdout)
    assert dump(scripted, exclude=LEDGER) == dump(engine.url, exclude=LEDGER)
    query = "SELECT w.*, s.last_value FROM widgets AS w, widgets_id_seq AS s ORDER BY id"
    assert rows(scripted, query) == rows(engine.url, query)
    assert len(rows(scripted, query)) == 3


@pytest.mark.parametrize("argument", ["connection", "engine", "dbapi", "cursor"])
def test_it_is_written_for_what_the_folders_functions_take(
    team: Team, argument: str, dump: Dump, create_database: Callable[[], URL], engine: Engine
) -> None:
    team.project.eai("migrate", check=True)
    before = "from sqlalchemy.orm import Session\n"
    for stem in ("001_widgets", "002_index", "003_later"):
        source = team.text(stem).replace("def upgrade(db)", f"{before}def up(db: Session)")
        team.project.write(stem, source)
    team.project.ini(extra=f"argument = {argument}\nupgrade_function = up\n")
    done = team.squash("--to", "003", "--delete")
    assert done.returncode == 0, done.stderr
    object.__setattr__(team.project, "url", create_database())
    assert team.project.eai("migrate").returncode == 0
    assert team.project.url is not None
    assert dump(team.project.url, exclude=LEDGER) == dump(engine.url, exclude=LEDGER)


def test_dry_run_prints_what_would_be_written_and_writes_nothing(team: Team) -> None:
    before = team.files
    done = team.squash("--to", "002", "--name", "all of it", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith('"""\nMigration: 2 migrations in one\n')
    assert team.files == before
    assert team.squash("--to", "002", "--name", "all of it").returncode == 0
    assert team.files == sorted([*before, "002_all_of_it.py"])
    same = [line for line in team.text("002_all_of_it").splitlines() if "+00'" not in line]
    assert same == [line for line in done.stdout.splitlines() if "+00'" not in line]
    assert team.squash("--to", "001", "--name", "x", "--dry-run", "--delete").returncode == 0
    assert "001_widgets.py" in team.files


def test_a_file_that_is_there_is_never_written_over(team: Team) -> None:
    team.project.write("002_baseline", "def upgrade(db):\n    pass\n")
    before = team.text("002_baseline")
    done = team.squash("--to", "002_index")
    assert done.returncode == 4
    assert "002_baseline.py is there already, and is not written over." in error_of(done)
    assert team.text("002_baseline") == before
    assert team.squash("--to", "9").returncode == 2


def test_what_was_done_is_told_as_json(team: Team) -> None:
    done = team.squash("--to", "002", "--delete", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found.pop("text") == team.text("002_baseline")
    assert found == {
        "migration": "002_baseline",
        "file": f"{team.project.migrations}/002_baseline.py",
        "replaces": ["001_widgets", "002_index"],
        "rows": 2,
        "volatile": ["public.widgets.made_at"],
        "stale": [],
        "server_wide": [],
        "proved": True,
        "diff": "",
        "written": True,
        "deleted": ["001_widgets", "002_index"],
    }


def test_a_view_that_was_left_behind_is_filled_anew(
    team: Team, engine: Engine, create_database: Callable[[], URL]
) -> None:
    team.project.write(
        "004_views",
        file(
            "CREATE MATERIALIZED VIEW counted AS SELECT count(*) AS n FROM widgets",
            "CREATE MATERIALIZED VIEW again AS SELECT n, now() AS at FROM counted",
            "CREATE MATERIALIZED VIEW empty AS SELECT 1 AS n WITH NO DATA",
            "DELETE FROM widgets WHERE id = 1",
        ),
    )
    done = team.squash("--to", "004", "--delete")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "do not give any more: public.counted. The new file fills them anew." in done.stderr
    assert "Values differ between two runs of the old files: public.again.at, " in done.stderr
    assert "public.again" not in team.text("004_baseline").partition("SETTINGS")[0]
    assert team.project.eai("migrate").returncode == 0
    assert rows(engine.url, "SELECT counted.n, again.n FROM counted, again") == [(2, 2)]
    populated = "SELECT relispopulated FROM pg_class WHERE relname = 'empty'"
    assert rows(engine.url, populated) == [(False,)]


def test_what_means_another_thing_without_its_schema_is_written_with_it(
    team: Team, engine: Engine
) -> None:
    team.project.write(
        "004_names",
        file(
            "CREATE TYPE public.date AS ENUM ('today')",
            "CREATE VIEW viewed AS SELECT 1 AS n",
            "CREATE FUNCTION seen() RETURNS viewed LANGUAGE sql AS 'SELECT 1'",
            "CREATE TABLE named (at public.date DEFAULT 'today', of viewed)",
            "INSERT INTO named (of) VALUES (ROW(1))",
        ),
    )
    done = team.squash("--to", "004", "--delete")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "CREATE TYPE public.date AS ENUM" in team.text("004_baseline")
    assert team.project.eai("migrate").returncode == 0
    assert rows(engine.url, "SELECT at::text, of::text FROM named") == [("today", "(1)")]


# Refused


def test_files_that_do_not_make_the_same_twice_are_not_squashed(team: Team) -> None:
    team.project.write(
        "002_index",
        "import secrets\n"
        + file("CREATE TABLE x (i int)").replace(
            "'CREATE TABLE x (i int)'", "f'CREATE TABLE x_{secrets.token_hex(4)} (i int)'"
        ),
    )
    before = team.files
    done = team.squash("--to", "002", "--delete")
    assert done.returncode == 4
    assert "--- one run of the old files\n+++ another run of them\n" in done.stdout
    assert "\n-CREATE TABLE public.x_" in done.stdout
    assert done.stdout.endswith(
        "The old files do not make the same when they run twice, so that nothing can be proved of "
        "a file in their place. Nothing was written.\n"
    )
    assert team.files == before


def test_a_number_of_rows_that_differs_is_shown(team: Team) -> None:
    team.project.write(
        "002_more",
        file(
            "INSERT INTO widgets (name) SELECT 'x' FROM pg_database AS d, LATERAL"
            " generate_series(1, d.oid::int % 1000) WHERE d.datname = current_database()"
        ),
    )
    done = team.squash("--to", "002_more")
    assert done.returncode == 4
    assert "rows of public.widgets: " in done.stdout


def test_what_the_new_file_does_not_make_is_shown_and_nothing_is_written(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proof is what decides: a new file that is wrong does not come into the folder."""
    real = file_text

    def wrong(*arguments: object) -> str:
        made = real(*arguments)  # type: ignore[arg-type]
        assert "('it''s 100%'" in made or "'it''s 100%'" in made
        return made.replace("'it''s 100%'", "'its 100%'").replace("lower(name)", "upper(name)")

    monkeypatch.setattr(operation, "file_text", wrong)
    before = team.files
    done = team.squash("--to", "002", "--delete")
    assert done.returncode == 4
    index = "CREATE INDEX widgets_name ON public.widgets USING btree"
    assert f"\n-{index} (lower(name));\n+{index} (upper(name));\n" in done.stdout
    assert "\nrows of public.widgets: 2 and 2\n- ('1', 'it''s 100%', '" in done.stdout
    assert done.stdout.endswith("what the old ones make. Nothing was written.\n")
    assert team.files == before
    found = json.loads(team.squash("--to", "002", "--json").stdout)
    assert (found["proved"], found["written"]) == (False, False)
    assert "rows of public.widgets: 2 and 2" in found["diff"]


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("SELECT lo_create(4711)", "large object 4711"),
        (
            (
                "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET work_mem TO ''8MB''',"
                " current_database()); END $$"
            ),
            "setting of the database work_mem",
        ),
        (
            (
                "CREATE FOREIGN DATA WRAPPER nothing; CREATE SERVER s FOREIGN DATA WRAPPER"
                " nothing; CREATE FOREIGN TABLE far (i int) SERVER s"
            ),
            "foreign table far",
        ),
        ("ALTER TABLE widgets OWNER TO pg_monitor", "table public.widgets of the role pg_monitor"),
    ],
)
def test_what_no_sql_file_makes_again_is_refused(team: Team, statement: str, named: str) -> None:
    team.project.write("002_more", file(statement))
    before = team.files
    done = team.squash("--to", "002_more")
    assert done.returncode == 4
    assert error_of(done).startswith("The files make what a file of SQL could not make again: "), (
        done.stderr
    )
    assert named in error_of(done)
    assert team.files == before


def test_a_file_that_fails_in_the_scratch_database_is_named(team: Team) -> None:
    team.project.write("002_index", file("SELECT 1 / 0"))
    before = team.files
    done = team.squash("--to", "003")
    assert done.returncode == 1
    assert "002_index" in error_of(done)
    assert "This was in a scratch database, which is dropped again." in error_of(done)
    assert team.files == before


def test_roles_are_warned_about(team: Team) -> None:
    team.project.write("002_roles", file("DO $$ BEGIN IF false THEN CREATE ROLE a; END IF; END $$"))
    done = team.squash("--to", "002_roles")
    assert done.returncode == 0, done.stderr
    assert "002_roles changes what belongs to the server (roles, say)" in done.stderr
    assert "# 002_roles changes what belongs to the server" in team.text("002_baseline")


# A grown folder


def _extensions(server: URL) -> bool:
    query = "SELECT count(*) FROM pg_available_extensions WHERE name IN ('citext', 'hstore')"
    return rows(server, query) == [(2,)]


@pytest.mark.long
@pytest.mark.parametrize("upto", range(10, COUNT + 1, 10))
def test_a_grown_folder_is_squashed_at_every_tenth_file(
    team: Team,
    create_database: Callable[[], URL],
    dump: Dump,
    upto: int,
    record_property: Callable[[str, object], None],
) -> None:
    for name in team.files:
        team.project.remove(name.removesuffix(".py"))
    files = grown_files(extensions=_extensions(team.server))
    for stem, source in files.items():
        team.project.write(stem, source)
    before = _fresh(team, create_database(), record_property, "before")
    last = list(files)[upto - 1]
    done = team.squash("--to", last, "--delete")
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(team.files) == COUNT - upto + 1
    after = _fresh(team, create_database(), record_property, "after")
    assert dump(after, exclude=LEDGER) == dump(before, exclude=LEDGER)
    # The rest of the folder has done its own work on what the new file has made.
    for query in (
        "SELECT id, parent_id, name, note FROM thing_1 ORDER BY id",
        "SELECT nextval('thing_1_id_seq'), (SELECT last_value FROM open_8)",
        "SELECT id, word FROM many_10 ORDER BY id",
    ):
        assert rows(after, query) == rows(before, query)


def _fresh(team: Team, url: URL, record_property: Callable[[str, object], None], name: str) -> URL:
    """Make a fresh database of the folder as it is, and note how long it took."""
    object.__setattr__(team.project, "url", url)
    begun = time.monotonic()
    done = team.project.eai("migrate")
    record_property(f"seconds {name}", round(time.monotonic() - begun, 2))
    assert done.returncode == 0, done.stderr
    return url
