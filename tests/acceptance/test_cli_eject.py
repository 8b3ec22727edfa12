"""`eai migrate eject`: the project that it writes, run by a Python that has no bridge."""

from __future__ import annotations

import json
import signal
from dataclasses import dataclass
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from bridge.operations.eject import eject
from support.dump import dump_schema
from support.eighty import eighty_files
from support.running import PATIENCE, poll
from support.terminal import run_on_terminal
from support.without_bridge import WithoutBridge

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    from sqlalchemy import URL

    from support.project import Project

INI = """\
[alembic]
script_location = bridge:environment
version_locations = %(here)s/migrations
path_separator = os
prepend_sys_path = %(here)s
target_metadata = models:Base
"""
EJECTED_INI = """\
[alembic]
script_location = %(here)s/alembic
path_separator = os
prepend_sys_path = %(here)s:%(here)s/alembic
"""
BOOKS = ("schema_migrations", "alembic_version")

#: One file for each way to take something, and to end a transaction.
FILES = {
    "001_people": '''
        """
        Migration: People
        """

        from __future__ import annotations

        description = "People"  # said of it

        from sqlalchemy import text


        # Said of the function.
        def upgrade(db):
            db.execute(text("CREATE TABLE people (id serial PRIMARY KEY, name varchar NOT NULL)"))
            db.commit()


        def downgrade(db):
            db.execute(text("DROP TABLE people"))
            db.commit()
        ''',
    "002_enum": """
        import migrations._names as names
        from sqlalchemy import text

        from ._helpers import seed
        def upgrade(db):
            db.execute(text("CREATE TYPE mood AS ENUM ('sad')"))
            db.commit()
            db.execute(text("ALTER TYPE mood ADD VALUE 'ok'"))
            db.commit()
            db.execute(text(f"CREATE TABLE {names.MOODS} (m mood DEFAULT 'ok')"))
            db.execute(text("INSERT INTO moods VALUES (:m)"), {"m": "ok"})
            db.execute(text(seed()))
            db.execute(text("SELECT set_config('search_path', '', false)"))
        """,
    "003_concurrently": """
        from sqlalchemy import text
        transaction = "autocommit"

        def upgrade(db):
            db.execute(text("CREATE INDEX CONCURRENTLY by_name ON people (name)"))
            try:
                db.execute(text("CREATE INDEX CONCURRENTLY by_name ON people (name)"))
            except Exception:
                db.rollback()
        """,
    "004_atomic": """
        from sqlalchemy import text
        transaction = "atomic"

        def upgrade(db):
            db.execute(text("CREATE TABLE t4 (id int)"))
            db.commit()
            db.execute(text("CREATE TABLE t4_not (id int)"))
            db.rollback()
        """,
    "005_connection": """
        from alembic import op
        from sqlalchemy import Column, Connection, Integer, text

        def upgrade(conn: Connection):
            with conn.begin():
                conn.execute(text("CREATE TABLE t5 (id int)"))
            op.create_table("t5_op", Column("id", Integer))
        """,
    "006_engine": """
        from sqlalchemy import Engine, text

        def upgrade(engine: Engine):
            with engine.begin() as conn:
                conn.execute(text("CREATE TABLE t6 (id int)"))
            with engine.connect() as conn:
                conn.execute(text("CREATE TABLE t6_not (id int)"))
        """,
    "007_cursor": """
        from psycopg2.extras import DictCursor

        def upgrade(cur: DictCursor):
            cur.execute("CREATE TABLE t7 (id int)")
            cur.execute("SELECT 1 AS one")
            assert cur.fetchone()["one"] == 1
        """,
    "008_driver": """
        from psycopg2.extensions import connection

        def upgrade(conn: connection):
            conn.autocommit = True
            conn.cursor().execute("CREATE INDEX CONCURRENTLY by_both ON people (name, id)")
        """,
    "009_a_name_of_a_file_that_is_longer_than_thirty_two_characters": """
        from sqlalchemy import inspect, text
        revision = "ae1027a6acf0"

        def _up(db):
            assert inspect(db.get_bind()).has_table("people")
            db.execute(text("SET ROLE pg_read_all_data"))
        upgrade = _up

        def downgrade(db):
            pass
        """,
    "_helpers": """
        from pathlib import Path

        def seed():
            return (Path(__file__).parent / "data" / "seed.sql").read_text()
        """,
    "_names": 'MOODS = "moods"\n',
    "__init__": "",
}
LAST = "009_a_name_of_a_file_that_is_longer_than_thirty_two_characters"
MODELS = """\
from sqlalchemy import Column, Integer, MetaData, String, Table

class Base:
    metadata = MetaData()

people = Table(
    "people",
    Base.metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String, nullable=False),
)
"""
CREATE = """\
    from sqlalchemy import text

    def upgrade(db):
        db.execute(text("CREATE TABLE {name} (id int)"))
        db.commit()

    def downgrade(db):
        db.execute(text("DROP TABLE {name}"))
    """


@dataclass
class Leaving:
    """A project that leaves, and a Python that has no bridge."""

    project: Project
    server: URL
    outside: WithoutBridge

    def tables(self, *stems: str) -> None:
        """Write files, each of which makes a table."""
        for stem in stems:
            self.project.write(stem, CREATE.format(name=stem.partition("_")[2]))

    def eject(
        self, *arguments: str, code: int = 0, env: dict[str, str | None] | None = None
    ) -> subprocess.CompletedProcess[str]:
        scratch = ("--scratch-url", self.server.render_as_string(hide_password=False))
        done = self.project.eai("migrate", "eject", *scratch, *arguments, env=env)
        assert done.returncode == code, done.stdout + done.stderr
        return done

    def leave(self) -> None:
        """Change the lines, and have the plain files away."""
        self.project.ini(EJECTED_INI)
        self.project.migrations.rename(self.project.path / "away")

    @property
    def folder(self) -> Path:
        return self.project.path / "alembic"

    @property
    def has_written_nothing(self) -> bool:
        names = {each.name for each in self.project.path.iterdir()}
        return not any(name.startswith((".alembic", "alembic")) for name in names - {"alembic.ini"})


@pytest.fixture
def leaving(project: Project, server_url: URL, tmp_path: Path) -> Leaving:
    return Leaving(project, server_url, WithoutBridge.create(tmp_path / "links", project.path))


@pytest.fixture
def unproved(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the proof out, which takes some seconds, where something else is the claim."""
    monkeypatch.setattr(eject, "prove", lambda *_: None)


def ask(url: URL | None, query: str) -> list[Any]:
    assert url is not None
    with create_engine(url, poolclass=NullPool).connect() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


def run_sql(url: URL | None, *statements: str) -> None:
    assert url is not None
    with create_engine(url, poolclass=NullPool).begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def pointer(url: URL | None) -> list[str]:
    return [name for (name,) in ask(url, "SELECT version_num FROM alembic_version")]


def error_of(done: subprocess.CompletedProcess[str]) -> str:
    return done.stderr.partition("Error: ")[2].strip()


# The circle: bridge, then Alembic alone


def test_alembic_alone_makes_the_same_and_finds_an_existing_database_up_to_date(
    leaving: Leaving, create_database: Callable[[], URL]
) -> None:
    project, outside = leaving.project, leaving.outside
    for name, body in FILES.items():
        project.write(name, body)
    (project.migrations / "data").mkdir()
    seed = "INSERT INTO public.people (name) VALUES ('a%b')"
    (project.migrations / "data" / "seed.sql").write_text(seed)
    (project.path / "models.py").write_text(MODELS)
    project.ini(INI)
    project.eai("migrate", check=True)

    told = leaving.eject().stdout
    assert "Wrote alembic: 9 revisions, env.py and what it needs.\n" in told
    assert "    prepend_sys_path = %(here)s:%(here)s/alembic\n" in told
    assert "and take out: target_metadata, version_locations.\n" in told
    assert f"Alembic's pointer is at {LAST}; nothing left for alembic upgrade head.\n" in told
    assert "DROP TABLE schema_migrations;" in told
    leaving.leave()

    assert outside.alembic("current", "--check-heads", url=project.url).returncode == 0
    before = dump_schema(project.url)  # type: ignore[arg-type]
    outside.alembic("upgrade", "head", url=project.url)
    assert dump_schema(project.url) == before  # type: ignore[arg-type]
    assert ask(project.url, "SELECT count(*) FROM people") == [(1,)]

    new = create_database()
    outside.alembic("upgrade", "head", url=new)
    assert pointer(new) == [LAST]
    made = dump_schema(project.url, exclude=BOOKS)  # type: ignore[arg-type]
    assert dump_schema(new, exclude=BOOKS) == made
    assert "t4_not" not in made
    assert "t6_not" not in made
    assert ask(new, "SELECT name FROM people") == [("a%b",)]
    outside.alembic("downgrade", "-1", url=new)
    assert pointer(new) == ["008_driver"]
    refused = outside.alembic("downgrade", "-1", url=new, check=False)
    assert "FAILED: 008_driver cannot be taken back: it has no downgrade." in refused.stdout
    assert pointer(new) == ["008_driver"]

    # The models have the table people; nothing of bridge's is proposed to be dropped.
    compared = outside.alembic("check", url=project.url, check=False)
    assert "'remove_table', Table('t4'" in compared.stdout
    assert "schema_migrations" not in compared.stdout
    assert "'people'" not in compared.stdout.replace("Index", "")


@pytest.mark.usefixtures("unproved")
def test_a_revision_keeps_the_whole_text_of_its_file(leaving: Leaving) -> None:
    leaving.project.write("001_people", FILES["001_people"])
    leaving.eject(env={"DATABASE_URL": None})
    written = (leaving.folder / "versions" / "001_people.py").read_text()
    assert written == dedent('''
        """
        Migration: People
        """

        from __future__ import annotations

        import plain_migration

        # What Alembic goes by.
        revision = "001_people"
        down_revision = None
        branch_labels = None
        depends_on = None

        description = "People"  # said of it

        from sqlalchemy import text


        # Said of the function.
        @plain_migration.takes("session")
        def upgrade(db):
            db.execute(text("CREATE TABLE people (id serial PRIMARY KEY, name varchar NOT NULL)"))
            db.commit()


        @plain_migration.takes("session")
        def downgrade(db):
            db.execute(text("DROP TABLE people"))
            db.commit()
        ''')


@pytest.mark.long
def test_eighty_files_of_a_team_make_the_same_tables_and_rows(
    leaving: Leaving, create_database: Callable[[], URL]
) -> None:
    for stem, body in eighty_files().items():
        (leaving.project.migrations / f"{stem}.py").write_text(body)
    leaving.project.eai("migrate", check=True)
    leaving.eject()
    leaving.leave()
    leaving.outside.alembic("current", "--check-heads", url=leaving.project.url)
    new = create_database()
    leaving.outside.alembic("upgrade", "head", url=new)
    made = dump_schema(leaving.project.url, exclude=BOOKS)  # type: ignore[arg-type]
    assert dump_schema(new, exclude=BOOKS) == made
    ran = "SELECT id, stem FROM ran ORDER BY id"
    assert ask(new, ran) == ask(leaving.project.url, ran)


@pytest.mark.usefixtures("unproved")
def test_the_team_goes_on_with_revisions_of_alembics_own(
    leaving: Leaving, create_database: Callable[[], URL]
) -> None:
    leaving.tables("001_a", "002_b")
    leaving.eject()
    leaving.leave()
    leaving.outside.alembic("revision", "--rev-id", "003", "-m", "add c")
    written = leaving.folder / "versions" / "003_add_c.py"
    written.write_text(written.read_text().replace("pass", "op.execute('CREATE TABLE c ()')", 1))
    new = create_database()
    leaving.outside.alembic("upgrade", "head", url=new)
    assert ask(new, "SELECT to_regclass('c')::text, to_regclass('b')::text") == [("c", "b")]
    assert pointer(new) == ["003"]
    leaving.outside.alembic("downgrade", "base", url=new)
    assert pointer(new) == []
    assert ask(new, "SELECT to_regclass('a'), to_regclass('b')") == [(None, None)]
    assert leaving.outside.alembic("heads").stdout == "003 (head)\n"


@pytest.mark.usefixtures("unproved")
def test_a_script_has_the_commits_of_the_files(leaving: Leaving) -> None:
    leaving.tables("001_a")
    leaving.project.write(
        "002_b",
        """
        from sqlalchemy import text

        def upgrade(db):
            db.execute(text("CREATE TABLE b (n text)"))
            db.commit()
            db.execute(text("INSERT INTO b VALUES (:n)"), [{"n": "50%"}, {"n": "it's"}])
            db.commit()
        """,
    )
    leaving.project.write(
        "003_c",
        """
        from sqlalchemy import text

        def upgrade(db):
            db.execute(text("SELECT 1")).scalar()
        """,
    )
    leaving.eject(env={"DATABASE_URL": None})
    leaving.leave()
    script = leaving.outside.alembic("upgrade", "001_a:002_b", "--sql").stdout
    lines = [line for line in script.splitlines() if line and not line.startswith("--")]
    assert lines == [
        "BEGIN;",
        "CREATE TABLE b (n text);",
        "COMMIT;",
        "BEGIN;",
        "INSERT INTO b VALUES ('50%');",
        "INSERT INTO b VALUES ('it''s');",
        (
            "UPDATE alembic_version SET version_num='002_b' WHERE alembic_version.version_num = "
            "'001_a';"
        ),
        "COMMIT;",
    ]
    assert "VARCHAR(255)" in leaving.outside.alembic("upgrade", "001_a", "--sql").stdout
    refused = leaving.outside.alembic("upgrade", "002_b:003_c", "--sql", check=False)
    assert "FAILED: A migration reads rows, scalar, which needs a database" in refused.stdout


@pytest.mark.usefixtures("unproved")
def test_what_a_file_has_committed_stays_when_it_fails_and_nothing_else(
    leaving: Leaving, create_database: Callable[[], URL]
) -> None:
    leaving.tables("001_a")
    fails = """
        import os
        from sqlalchemy import text

        def upgrade(db):
            db.execute(text("CREATE TABLE {name} (id int)"))
            {commit}
            db.execute(text("CREATE TABLE {name}_not (id int)"))
            if "FAIL" in os.environ or os.path.exists("fail"):
                raise ValueError("stopped")
        """
    leaving.project.write("002_b", fails.format(name="b", commit="db.commit()"))
    leaving.project.write("003_c", fails.format(name="c", commit="pass"))
    leaving.eject(env={"DATABASE_URL": None})
    leaving.leave()
    (leaving.project.path / "fail").touch()
    new = create_database()
    query = "SELECT relname FROM pg_class WHERE relname IN ('b', 'b_not', 'c', 'c_not')"
    assert leaving.outside.alembic("upgrade", "head", url=new, check=False).returncode == 1
    assert (pointer(new), ask(new, query)) == (["001_a"], [("b",)])
    run_sql(new, "UPDATE alembic_version SET version_num = '002_b'")
    assert leaving.outside.alembic("upgrade", "head", url=new, check=False).returncode == 1
    assert (pointer(new), ask(new, query)) == (["002_b"], [("b",)])


@pytest.mark.usefixtures("unproved")
def test_in_a_transaction_of_the_callers_all_is_a_part_of_it(
    leaving: Leaving, create_database: Callable[[], URL]
) -> None:
    leaving.tables("001_a", "002_b")
    leaving.eject(env={"DATABASE_URL": None})
    leaving.leave()
    new = create_database()
    program = """\
import os
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, inspect

engine = create_engine(os.environ["DATABASE_URL"])
with engine.connect() as connection:
    for end in ("rollback", "commit"):
        connection.begin()
        config = Config("alembic.ini")
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        getattr(connection, end)()
        print(sorted(inspect(engine).get_table_names()))
"""
    done = leaving.outside.python("-c", program, url=new)
    assert done.stdout == "[]\n['a', 'alembic_version', 'b']\n", done.stderr


# The databases


@pytest.mark.usefixtures("unproved")
def test_a_database_in_which_a_file_is_late_is_refused_and_nothing_is_written_anywhere(
    leaving: Leaving, create_database: Callable[[], URL]
) -> None:
    leaving.tables("001_a", "003_c")
    leaving.project.eai("migrate", check=True)
    fine = create_database()
    leaving.tables("002_b")
    leaving.project.eai("migrate", "--database-url", str_of(fine), "--to", "002", check=True)
    run_sql(fine, "UPDATE alembic_version SET version_num = '001_a'")
    urls = ("--database-url", str_of(fine), "--database-url", str_of(leaving.project.url))
    done = leaving.eject(*urls, "--yes", code=4)
    assert error_of(done).startswith("database ")
    assert error_of(done).partition(": ")[2] == (
        "002_b is pending, and 003_c, which comes after, is applied. Alembic takes all before its "
        "pointer for applied, so it would never run. Nothing was written, in no database. Run what "
        "is pending first, with this database's URL: eai migrate"
    )
    assert leaving.has_written_nothing
    assert pointer(fine) == ["001_a"]

    # The way on: then its pointer is not the last file, and is set after a question.
    leaving.project.eai("migrate", check=True)
    assert pointer(leaving.project.url) == ["002_b"]
    shown = leaving.eject(*urls, "--dry-run").stdout
    assert "Alembic's pointer is 002_b, and would be 003_c. Then nothing left" in shown
    assert "Alembic's pointer is 001_a, and would be 002_b. Then 1 revision left" in shown
    assert leaving.has_written_nothing
    refused = leaving.eject(*urls, code=2)
    assert "there is no terminal to ask on. Nothing was written." in error_of(refused)
    assert leaving.has_written_nothing
    told = leaving.eject(*urls, "--yes").stdout
    assert "Alembic's pointer set to 003_c; nothing left" in told
    assert (pointer(leaving.project.url), pointer(fine)) == (["003_c"], ["002_b"])
    leaving.leave()
    leaving.outside.alembic("current", "--check-heads", url=leaving.project.url)
    leaving.outside.alembic("upgrade", "head", url=fine)
    assert pointer(fine) == ["003_c"]


def str_of(url: URL | None) -> str:
    assert url is not None
    return url.render_as_string(hide_password=False)


def test_the_answer_no_writes_nothing(leaving: Leaving) -> None:
    leaving.tables("001_a", "003_c")
    leaving.project.eai("migrate", check=True)
    leaving.tables("002_b")
    leaving.project.eai("migrate", check=True)
    scratch = ("--scratch-url", str_of(leaving.server))
    arguments = ("migrate", "eject", *scratch)
    code, _ = run_on_terminal(leaving.project, *arguments, prompt="set this?", typed="n\n")
    assert code == 1
    assert leaving.has_written_nothing
    assert pointer(leaving.project.url) == ["002_b"]


@pytest.mark.usefixtures("unproved")
def test_a_database_of_a_newer_release_is_refused(leaving: Leaving) -> None:
    leaving.tables("001_a", "002_b")
    leaving.project.eai("migrate", check=True)
    leaving.project.remove("002_b")
    told = error_of(leaving.eject(code=4))
    assert "002_b is applied, and the folder has no such file: a newer release has." in told
    assert leaving.has_written_nothing


@pytest.mark.usefixtures("unproved")
def test_a_file_that_was_renamed_is_refused_for_alembic_would_run_it_again(
    leaving: Leaving,
) -> None:
    leaving.tables("001_a", "002_b")
    leaving.project.eai("migrate", check=True)
    plain = leaving.project.migrations
    (plain / "002_b.py").rename(plain / "002_c.py")
    assert "eai migrate repair" in error_of(leaving.eject(code=4))
    assert leaving.has_written_nothing


@pytest.mark.usefixtures("unproved")
def test_a_database_that_bridge_has_not_adopted_yet_is_refused(leaving: Leaving) -> None:
    leaving.tables("001_a")
    run_sql(
        leaving.project.url,
        "CREATE TABLE schema_migrations (version varchar(255) PRIMARY KEY, applied_at timestamp)",
        "INSERT INTO schema_migrations VALUES ('001_a', now())",
        "CREATE TABLE a (id int)",
    )
    told = error_of(leaving.eject(code=4))
    assert "Alembic's table alembic_version is not there yet. Nothing was written" in told
    leaving.project.eai("migrate", check=True)
    assert "Alembic's pointer is at 001_a; nothing left" in leaving.eject().stdout


@pytest.mark.usefixtures("unproved")
def test_no_database_is_looked_at_where_none_is_named(leaving: Leaving) -> None:
    leaving.tables("001_a")
    told = leaving.eject(env={"DATABASE_URL": None}).stdout
    assert "No database was looked at: none is configured. Name each: --database-url URL" in told


# What is written, and what is not


@pytest.mark.usefixtures("unproved")
def test_a_second_time_only_databases_are_looked_at(leaving: Leaving) -> None:
    leaving.tables("001_a")
    leaving.eject()
    told = leaving.eject().stdout
    assert told.startswith("alembic is there already, and was not changed.\n")
    assert "nothing is applied; 1 revision left for alembic upgrade head." in told
    leaving.tables("002_b")
    refused = error_of(leaving.eject(code=2))
    assert "is there, and is not what would be written (versions/002_b.py)." in refused
    assert refused.endswith("or move this one away: --into FOLDER")
    assert leaving.eject("--into", "other").returncode == 0


@pytest.mark.parametrize(
    ("into", "said"),
    [
        ("migrations/alembic", "is in the folder of the plain files"),
        ("nowhere/alembic", "There is no folder "),
        ("alembic.ini", "is a file"),
        ("full", "is not what would be written (theirs.py)"),
    ],
)
def test_no_other_folder_is_written_into(leaving: Leaving, into: str, said: str) -> None:
    leaving.tables("001_a")
    (leaving.project.path / "full").mkdir()
    (leaving.project.path / "full" / "theirs.py").touch()
    refused = error_of(leaving.eject("--into", into, code=2))
    assert said in refused
    assert "Nothing was written." in refused


def test_what_makes_something_else_under_alembic_is_shown_and_not_written(leaving: Leaving) -> None:
    leaving.project.write(
        "001_a",
        """
        import sys
        from sqlalchemy import text

        def upgrade(db):
            kind = "int" if "bridge.execution" in sys.modules else "text"
            db.execute(text(f"CREATE TABLE a (id {kind})"))
        """,
    )
    told = error_of(leaving.eject(code=4))
    assert "changed: column a.id: text in the database, integer by the files" in told
    assert "+++ what they make under Alembic alone" in told
    assert leaving.has_written_nothing


def test_what_does_not_run_under_alembic_is_told_and_not_written(leaving: Leaving) -> None:
    leaving.project.write(
        "001_a",
        """
        from sqlalchemy import text

        def upgrade(db):
            with db.get_bind().connect() as other:
                other.execute(text("SELECT 1"))
        """,
    )
    told = error_of(leaving.eject(code=1))
    assert "The written project does not run under Alembic alone" in told
    assert "AttributeError: 'Connection' object has no attribute 'connect'" in told
    assert leaving.has_written_nothing


def test_a_signal_ends_alembic_and_leaves_nothing(leaving: Leaving) -> None:
    statement = f"SELECT pg_sleep(600), '{leaving.folder}'"
    leaving.project.write(
        "001_a",
        f"""
        import sys
        from sqlalchemy import text

        def upgrade(db):
            if "bridge.execution" not in sys.modules:
                db.execute(text({statement!r}))
        """,
    )

    def running() -> list[Any]:
        quoted = statement.replace("'", "''")
        return ask(leaving.server, f"SELECT datname FROM pg_stat_activity WHERE query = '{quoted}'")

    scratch = ("--scratch-url", str_of(leaving.server))
    process = leaving.project.popen_eai("migrate", "eject", *scratch)
    poll(running)
    ((name,),) = running()
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 143, said
    assert ask(leaving.server, f"SELECT FROM pg_database WHERE datname = '{name}'") == []
    assert leaving.has_written_nothing


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (
            (
                "from sqlalchemy import Connection\ntransaction = 'atomic'\n"
                "def upgrade(conn: Connection):\n    pass\n"
            ),
            'a function that takes the connection and says transaction = "atomic" cannot be',
        ),
        (
            "def upgrade(db):\n    pass\ndef revision():\n    pass\n",
            "001_a.py:3: `revision` has a meaning for Alembic",
        ),
        ("'x'; y = 1\ndef upgrade(db):\n    pass\n", "001_a.py:1: two statements stand in one"),
    ],
)
def test_a_file_that_cannot_be_a_revision_is_refused(
    leaving: Leaving, body: str, said: str
) -> None:
    leaving.project.write("001_a", body)
    assert said in error_of(leaving.eject(code=4))
    assert leaving.has_written_nothing


@pytest.mark.usefixtures("unproved")
def test_other_names_of_the_functions(leaving: Leaving, create_database: Callable[[], URL]) -> None:
    leaving.project.ini(
        extra="upgrade_function = up\ndowngrade_function = down\nargument = cursor\n"
    )
    leaving.project.write(
        "001_a",
        """
        def up(cur):
            cur.execute("CREATE TABLE a (id int)")

        def down(cur):
            cur.execute("DROP TABLE a")
        """,
    )
    leaving.eject(env={"DATABASE_URL": None})
    leaving.leave()
    new = create_database()
    leaving.outside.alembic("upgrade", "head", url=new)
    assert ask(new, "SELECT to_regclass('a')::text") == [("a",)]
    leaving.outside.alembic("downgrade", "base", url=new)
    assert ask(new, "SELECT to_regclass('a')::text") == [(None,)]
    assert pointer(new) == []


@pytest.mark.usefixtures("unproved")
def test_json(leaving: Leaving) -> None:
    leaving.tables("001_a")
    told = json.loads(leaving.eject("--json").stdout)
    assert told.pop("left_behind")
    (database,) = told.pop("databases")
    assert database.pop("database").startswith("database ")
    assert database == {"pointer": [], "to": None, "moves": False, "pending": 1}
    path = leaving.project.path
    assert told == {
        "folder": f"{path}/alembic",
        "files": ["env.py", "script.py.mako", "plain_migration.py", "versions/001_a.py"],
        "revisions": 1,
        "was_there": False,
        "config": f"{path}/alembic.ini",
        "to_write": [
            "script_location = %(here)s/alembic",
            "path_separator = os",
            "prepend_sys_path = %(here)s/alembic",
        ],
        "to_remove": ["version_locations"],
        "done": True,
    }


# Configurations


def test_a_pyproject_is_told_its_own_lines(leaving: Leaving) -> None:
    leaving.tables("001_a")
    (leaving.project.path / "alembic.ini").unlink()
    toml = leaving.project.path / "pyproject.toml"
    toml.write_text(
        '[tool.alembic]\nscript_location = "bridge:environment"\n'
        'version_locations = ["%(here)s/migrations"]\nprepend_sys_path = ["%(here)s"]\n'
    )
    told = json.loads(leaving.eject("--json").stdout)
    assert told["to_write"] == [
        'script_location = "%(here)s/alembic"',
        'prepend_sys_path = ["%(here)s", "%(here)s/alembic"]',
    ]
    assert told["to_remove"] == ["version_locations"]
    toml.write_text("\n".join(["[tool.alembic]", *told["to_write"]]))
    heads = leaving.outside.alembic("heads")
    assert heads.stdout == "001_a (head)\n"


def test_both_tables_stay_in_their_schema_and_under_their_names(
    leaving: Leaving, create_database: Callable[[], URL]
) -> None:
    leaving.project.ini(
        extra="version_table_schema = books\nversion_table = pointer\nledger_table = ran\n"
        "session_autoflush = yes\ncompare_type = true\n"
    )
    leaving.tables("001_a")
    run_sql(leaving.project.url, "CREATE SCHEMA books")
    leaving.project.eai("migrate", check=True)
    told = leaving.eject().stdout
    assert "Alembic's pointer is at 001_a; nothing left" in told
    assert "DROP TABLE books.ran;" in told
    assert (
        "and take out: ledger_table, session_autoflush, version_locations, version_table, "
        "version_table_schema.\n"
    ) in told
    env = (leaving.folder / "env.py").read_text()
    assert "OPTIONS: dict[str, Any] = {'compare_type': True}" in env
    assert "AUTOFLUSH = True" in (leaving.folder / "plain_migration.py").read_text()
    leaving.leave()
    leaving.outside.alembic("current", "--check-heads", url=leaving.project.url)
    new = create_database()
    run_sql(new, "CREATE SCHEMA books")
    leaving.outside.alembic("upgrade", "head", url=new)
    assert ask(new, "SELECT version_num FROM books.pointer") == [("001_a",)]


def test_an_env_py_of_the_teams_own_is_named(leaving: Leaving) -> None:
    (leaving.project.path / "theirs").mkdir()
    (leaving.project.path / "theirs" / "env.py").write_text(
        "from alembic import context\nimport bridge\nbridge.run_environment(context)\n"
    )
    leaving.project.ini(
        """\
        [alembic]
        script_location = %(here)s/theirs
        plain_files = true
        version_locations = %(here)s/migrations
        path_separator = os
        """
    )
    leaving.tables("001_a")
    told = leaving.eject().stdout
    assert "and take out: plain_files, version_locations.\n" in told
    assert "Your own env.py was not read: options that it gives to run_environment() go" in told
