"""`--sql`: scripts as a DBA runs them, with psql."""

from __future__ import annotations

import io
import os
import subprocess
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

import bridge
from bridge.database.embedded.programs import find_program
from bridge.database.request import Request
from bridge.errors import BridgeError, LedgerError, PlainFileError
from bridge.operations.sql_script import write_sql
from support.both import outcome, str_of
from support.dump import dump_schema
from support.old_runner import run_old_runner
from support.project import DEFAULT_INI, Project
from support.seed import MIGRATIONS, STEMS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sqlalchemy import URL

#: No database may be asked, and none is named.
NOWHERE = {"DATABASE_URL": None}

STEPS = {
    "001_commits_once": """
        description = "It's the first \\\\ one"
        def upgrade(db):
            run(db, "CREATE TYPE mood AS ENUM ('sad')")
            run(db, "CREATE TABLE t (n int PRIMARY KEY, m mood, note text)")
            db.commit()
        def downgrade(db):
            run(db, "DROP TABLE t")
            run(db, "DROP TYPE mood")
        """,
    "002_commits_in_the_middle": """
        breaking = True
        def upgrade(db):
            run(db, "ALTER TYPE mood ADD VALUE 'glad'")
            db.commit()
            run(db, "INSERT INTO t VALUES (1, 'glad')")
            db.commit()
            run(db, "INSERT INTO t VALUES (2)")
            db.commit()
            run(db, "INSERT INTO t VALUES (3)")
            db.rollback()
        def downgrade(db):
            run(db, "DELETE FROM t")
        """,
    "003_never_commits": """
        def upgrade(db):
            with db.begin_nested():
                run(db, "INSERT INTO t VALUES (4, NULL, :note)", note="50% 'é' \\\\ \\t:x")
        def downgrade(db):
            run(db, "DELETE FROM t WHERE n = 4")
        """,
    "004_atomic": """
        transaction = "atomic"
        def upgrade(db):
            run(db, "INSERT INTO t VALUES (5)")
            db.commit()
            run(db, "INSERT INTO t VALUES (6)")
            db.rollback()
            run(db, "INSERT INTO t VALUES (7)")
        def downgrade(db):
            run(db, "DELETE FROM t WHERE n >= 5")
            db.commit()
        """,
    "005_autocommit": """
        transaction = "autocommit"
        def upgrade(db):
            run(db, "CREATE INDEX CONCURRENTLY t_m ON t (m)")
            run(db, "VACUUM t")
        def downgrade(db):
            run(db, "DROP INDEX CONCURRENTLY t_m")
        """,
    "006_op": """
        def upgrade(db):
            op.create_table("made", sa.Column("id", sa.Integer, primary_key=True),
                            sa.Column("kind", sa.Enum("a", "b", name="kind")),
                            sa.Column("note", sa.Text, server_default="a\\\\b"))
            run(db, "INSERT INTO made (kind) VALUES ('b')")
            op.bulk_insert(sa.table("made", sa.column("note")), [{"note": "x\\ty"}])
        def downgrade(db):
            op.drop_table("made")
            run(db, "DROP TYPE kind")
        """,
    "007_leaves_settings": """
        def upgrade(db):
            run(db, "CREATE SCHEMA aside")
            run(db, "CREATE ROLE offline_nobody")
            run(db, "SET search_path = aside")
            run(db, "CREATE TABLE there (n int)")
            run(db, "SET ROLE offline_nobody")
        def downgrade(db):
            run(db, "DROP SCHEMA aside CASCADE")
            run(db, "DROP ROLE offline_nobody")
        """,
    "008_ends_the_transaction_by_a_text": """
        def upgrade(db):
            run(db, "INSERT INTO t VALUES (8)")
            run(db, "COMMIT")
            run(db, "INSERT INTO t VALUES (9)")
        def downgrade(db):
            run(db, "DELETE FROM t WHERE n >= 8 -- these two")
        """,
    "009_values": """
        import datetime, decimal, uuid
        from psycopg2.extras import Json, NumericRange
        VALUES = {
            "a": [1, None], "b": b"\\0\\xff", "c": decimal.Decimal("1.50"), "d": uuid.UUID(int=7),
            "e": datetime.datetime(2020, 1, 2, 3, 4, tzinfo=datetime.timezone.utc), "f": True,
            "g": Json({"k": "v'\\\\"}), "h": float("-inf"), "i": datetime.timedelta(hours=-5),
            "j": NumericRange(1, 5), "k": [], "l": ["'", "\\\\"],
        }
        def upgrade(db):
            run(db, "CREATE TABLE v (a int[], b bytea, c numeric, d uuid, e timestamptz, f bool, "
                    "g jsonb, h float, i interval, j int4range, k text[], l text[])")
            names = ", ".join(f":{name}" for name in VALUES)
            run(db, f"INSERT INTO v VALUES ({names})", **VALUES)
            v = sa.table("v", sa.column("c", sa.Numeric), sa.column("g", JSONB))
            db.execute(sa.insert(v), [{"c": 1, "g": {"x": [1]}}, {"c": 2, "g": None}])
        def downgrade(db):
            run(db, "DROP TABLE v")
        """,
}

PRELUDE = """\
import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB
def run(db, statement, **values):
    return db.execute(sa.text(statement), values)
"""


@pytest.fixture
def steps(folder_project: Project) -> Project:
    """A project with one migration of each kind."""
    for stem, body in STEPS.items():
        write(folder_project, stem, body)
    return folder_project


@pytest.fixture
def seeds(tmp_path: Path) -> Project:
    """A project whose migrations are those of this repository."""
    ini = DEFAULT_INI.replace("%(here)s/migrations", str(MIGRATIONS))
    return Project.create(tmp_path / "seeds", ini=ini)


def write(project: Project, stem: str, body: str) -> None:
    lines = [line[8:] for line in body.strip("\n").splitlines()]
    project.write(stem, PRELUDE + "\n".join(lines) + "\n")


def sql(project: Project, *arguments: str) -> str:
    """The script that an Alembic command writes where no database is named."""
    return project.alembic(*arguments, "--sql", env=NOWHERE, check=True).stdout


def psql(url: URL, script: str, *, check: bool = True) -> str:
    """Run a script as its header says; gives what psql complains of."""
    done = subprocess.run(
        [find_program("psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", "-", dsn(url)],
        input=script,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        timeout=60,
        env={"PATH": os.environ["PATH"], "PGCLIENTENCODING": "LATIN1"},
    )
    assert not check or done.returncode == 0, f"{done.stderr}\n{script}"
    assert check or done.returncode == 3
    return done.stderr


def dsn(url: URL) -> str:
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


def books(url: URL) -> tuple[list[tuple[object, ...]], list[str]]:
    """What both tables say, without times, in the order of the ledger."""
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        rows = connection.execute(
            text(
                "SELECT version, description, checksum, breaking FROM schema_migrations "
                "ORDER BY applied_at"
            )
        )
        pointers = connection.scalars(text("SELECT version_num FROM alembic_version"))
        return [tuple(row) for row in rows], list(pointers)


def stems(url: URL) -> list[object]:
    return [row[0] for row in books(url)[0]]


def migrate(project: Project, url: URL, to: str = "head") -> list[str]:
    """What a run of bridge on this database finds to do, and does."""
    report = bridge.upgrade(str_of(url), config=project.path / "alembic.ini", to=to)
    return [one.stem for one in report.applied]


def execute(url: URL, *statements: str) -> None:
    engine = create_engine(url, poolclass=NullPool)
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement, execution_options={"no_parameters": True})


def same(one: URL, other: URL, *, rows: bool = True) -> None:
    """Two databases hold the same tables, records and rows; the seed's rows have random keys."""
    assert dump_schema(one) == dump_schema(other)
    assert books(one) == books(other)
    if rows:
        assert outcome(one).left == outcome(other).left


# A script and a run.


def test_the_script_of_the_seed_migrations_does_what_a_run_does(
    seeds: Project, create_database: Callable[[], URL], dump: Callable[[URL], str]
) -> None:
    scripted, run = create_database(), create_database()
    psql(scripted, sql(seeds, "upgrade", "head"))
    assert migrate(seeds, run) == STEMS
    same(scripted, run, rows=False)
    told = seeds.eai("migrate", env={"DATABASE_URL": dsn(scripted)}, check=True)
    assert "001_add_organizations" not in told.stdout + told.stderr
    assert migrate(seeds, scripted) == []


def test_the_script_of_every_kind_of_file_does_what_a_run_does(
    steps: Project, create_database: Callable[[], URL], dump: Callable[[URL], str]
) -> None:
    scripted, run = create_database(), create_database()
    psql(scripted, sql(steps, "upgrade", "head"))
    execute(scripted, "DROP OWNED BY offline_nobody", "DROP ROLE offline_nobody")
    assert migrate(steps, run) == list(STEPS)
    execute(run, "DROP OWNED BY offline_nobody", "DROP ROLE offline_nobody")
    same(scripted, run)
    assert migrate(steps, scripted) == []


def test_a_name_may_hold_what_ends_a_block_of_the_script(
    folder_project: Project, create_database: Callable[[], URL]
) -> None:
    scripted, again = create_database(), create_database()
    names = ["001_$bridge$", "002_a$bridge$b$bridge0$"]
    folder_project.ini(extra="ledger_table = books$bridge$\n")
    for name in names:
        write(
            folder_project,
            name,
            f"        def upgrade(db):\n            run(db, 'SELECT {name[:3]}')\n",
        )
    psql(scripted, sql(folder_project, "upgrade", "head"))
    assert migrate(folder_project, scripted) == []
    psql(again, sql(folder_project, "upgrade", "head"))
    complaint = psql(again, sql(folder_project, "upgrade", "head"), check=False)
    assert "This script begins at base" in complaint


def test_the_script_of_a_downgrade_does_what_a_downgrade_does(
    steps: Project, create_database: Callable[[], URL], dump: Callable[[URL], str]
) -> None:
    steps.remove("005_autocommit")  # once is enough for it, and it is slow
    scripted, run = create_database(), create_database()
    psql(scripted, sql(steps, "upgrade", "head"))
    psql(scripted, sql(steps, "downgrade", "009:003"))
    assert stems(scripted) == list(STEPS)[:3]
    assert books(scripted)[1] == ["003_never_commits"]
    migrate(steps, run)
    steps.alembic("downgrade", "003", env={"DATABASE_URL": dsn(run)}, check=True)
    same(scripted, run)
    psql(scripted, sql(steps, "downgrade", "003:base"))
    steps.alembic("downgrade", "base", env={"DATABASE_URL": dsn(run)}, check=True)
    assert books(scripted) == ([], [])
    assert dump(scripted) == dump(run)
    psql(scripted, sql(steps, "upgrade", "001"))
    assert stems(scripted) == ["001_commits_once"]


#: What a downgrade of 002 does, and what its script holds, in this order.
ORDERS = {
    "one commit": (
        "",
        ["run(db, 'DELETE FROM t')", "db.commit()"],
        ["BEGIN", "DELETE FROM t", "UPDATE alembic_version", "DELETE FROM schema_m", "COMMIT"],
    ),
    "two commits": (
        "",
        ["run(db, 'DELETE FROM t')", "db.commit()", "run(db, 'DROP TABLE t')", "db.commit()"],
        [
            *("BEGIN", "DELETE FROM t", "DELETE FROM schema_m", "UPDATE alembic_version", "COMMIT"),
            *("BEGIN", "DROP TABLE t", "COMMIT"),
        ],
    ),
    "a rollback before": (
        "",
        [
            *("run(db, 'DELETE FROM t')", "db.rollback()", "run(db, 'DELETE FROM t')"),
            *("db.commit()", "run(db, 'DROP TABLE t')"),
        ],
        [
            *("BEGIN", "DELETE FROM t", "ROLLBACK", "BEGIN", "DELETE FROM t"),
            *("DELETE FROM schema_m", "UPDATE alembic_version", "COMMIT"),
            *("BEGIN", "DROP TABLE t", "COMMIT"),
        ],
    ),
    "outside of transactions": (
        'transaction = "autocommit"',
        ["run(db, 'VACUUM t')", "run(db, 'DROP TABLE t')"],
        [
            *("BEGIN", "DELETE FROM schema_m", "UPDATE alembic_version", "COMMIT"),
            *("VACUUM t", "DROP TABLE t"),
        ],
    ),
    "outside of transactions, and nothing": (
        'transaction = "autocommit"',
        ["pass"],
        ["BEGIN", "UPDATE alembic_version", "DELETE FROM schema_m", "COMMIT"],
    ),
    "autocommit of its own": (
        "",
        [
            "db.connection(execution_options={'isolation_level': 'AUTOCOMMIT'})",
            "run(db, 'VACUUM t')",
        ],
        ["BEGIN", "DELETE FROM schema_m", "UPDATE alembic_version", "COMMIT", "VACUUM t"],
    ),
    "as text": (
        "",
        ["run(db, 'DELETE FROM t')", "run(db, 'COMMIT')", "run(db, 'DROP TABLE t')"],
        [
            *("BEGIN", "DELETE FROM t", "DELETE FROM schema_m", "UPDATE alembic_version", "COMMIT"),
            *("DROP TABLE t", "BEGIN", "UPDATE alembic_version", "DELETE FROM schema_m", "COMMIT"),
        ],
    ),
    "with another search_path": (
        "",
        [
            *("run(db, 'SET search_path = aside')", "run(db, 'DELETE FROM public.t')"),
            *("db.commit()", "run(db, 'CREATE TABLE there ()')"),
        ],
        [
            *("BEGIN", "SET search_path = aside", "DELETE FROM public.t"),
            *("SET LOCAL search_path TO DEFAULT", "DELETE FROM schema_m", "UPDATE alembic_version"),
            *("COMMIT", "BEGIN", "CREATE TABLE there", "RESET search_path", "COMMIT"),
        ],
    ),
}


@pytest.mark.parametrize("to", ["001_t", "base"])
@pytest.mark.parametrize("how", ORDERS)
def test_the_script_of_a_downgrade_has_the_order_of_a_downgrade(
    folder_project: Project, create_database: Callable[[], URL], how: str, to: str
) -> None:
    head, body, expected = ORDERS[how]
    nothing = ["def upgrade(db): run(db, 'CREATE TABLE IF NOT EXISTS t ()')"]
    down = [head, *nothing, "def downgrade(db):", *(f"    {line}" for line in body)]
    stem = "002_u" if to == "001_t" else "001_t"
    folder_project.write("001_t", PRELUDE + "\n".join([*nothing, ""]))
    folder_project.write(stem, PRELUDE + "\n".join([*down, ""]))
    database = create_database()
    execute(database, "CREATE SCHEMA aside")
    psql(database, sql(folder_project, "upgrade", stem))
    script = sql(folder_project, "downgrade", f"{stem}:{to}")
    _, _, work = script.partition("RAISE EXCEPTION")
    _, _, work = work.partition("\n-- Running downgrade ")
    _, _, work = work.partition("\n\n")
    sent = [" ".join(each.split()) for each in work.split(";\n\n")][:-1]
    if to == "base":
        expected = [each.replace("UPDATE alembic", "DELETE FROM alembic") for each in expected]
    assert all(map(str.startswith, sent, expected)), sent
    assert len(sent) == len(expected), sent
    psql(database, script)
    left = [] if to == "base" else [to]
    assert (stems(database), books(database)[1]) == (left, left)


def test_a_script_refuses_a_commit_in_the_middle_of_a_text_after_a_change_of_role(
    folder_project: Project,
) -> None:
    body = """
        def upgrade(db): pass
        def downgrade(db):
            run(db, "SET ROLE nobody")
            run(db, "DELETE FROM t; COMMIT")
    """
    write(folder_project, "001_t", body)
    done = folder_project.alembic("downgrade", "001_t:base", "--sql", env=NOWHERE)
    assert done.returncode == 4
    assert "this text ends the transaction in the middle of it, in a downgrade that" in done.stderr


def test_a_range_continues_where_another_script_ended(
    seeds: Project, create_database: Callable[[], URL]
) -> None:
    scripted, run = create_database(), create_database()
    psql(scripted, sql(seeds, "upgrade", "001"))
    psql(scripted, sql(seeds, "upgrade", "001:003"))
    migrate(seeds, run)
    same(scripted, run, rows=False)


def test_the_script_of_a_stamp_records_without_running(
    seeds: Project, create_database: Callable[[], URL], dump: Callable[[URL], str]
) -> None:
    scripted, run = create_database(), create_database()
    script = sql(seeds, "stamp", "002")
    assert "from base to 002_add_iam, recorded without running it.\n" in script
    psql(scripted, script)
    seeds.alembic("stamp", "002", env={"DATABASE_URL": dsn(run)}, check=True)
    same(scripted, run, rows=False)
    psql(scripted, sql(seeds, "stamp", "002:003"))
    seeds.alembic("stamp", "003", env={"DATABASE_URL": dsn(run)}, check=True)
    same(scripted, run, rows=False)
    psql(scripted, sql(seeds, "stamp", "003:001"))
    seeds.alembic("stamp", "001", env={"DATABASE_URL": dsn(run)}, check=True)
    same(scripted, run, rows=False)


def test_names_of_tables_and_their_schema_are_those_of_the_settings(
    seeds: Project, create_database: Callable[[], URL], dump: Callable[[URL], str]
) -> None:
    seeds.ini(
        DEFAULT_INI.replace("%(here)s/migrations", str(MIGRATIONS)),
        extra=dedent("""\
            ledger_table = What:Ran %%s
            ledger_key = The name
            ledger_key_form = file
            version_table = order
            version_table_schema = The books
        """),
    )
    scripted, run = create_database(), create_database()
    for url in (scripted, run):
        execute(url, 'CREATE SCHEMA "The books"')
    psql(scripted, sql(seeds, "upgrade", "001"))
    psql(scripted, sql(seeds, "stamp", "001:002"))
    psql(scripted, sql(seeds, "stamp", "002:001"))
    psql(scripted, sql(seeds, "upgrade", "001:head"))
    assert migrate(seeds, scripted) == []
    migrate(seeds, run)
    assert dump(scripted) == dump(run)


def test_a_script_runs_whatever_the_session_says_about_backslashes(
    steps: Project, create_database: Callable[[], URL]
) -> None:
    one, other = create_database(), create_database()
    steps.remove("005_autocommit")
    script = sql(steps, "upgrade", "head").replace("RESET ROLE;", "RESET ROLE; DROP ROLE %;")
    script = script.replace(
        "DROP ROLE %;", "DROP OWNED BY offline_nobody; DROP ROLE offline_nobody;"
    )
    psql(one, script)
    off = "SET standard_conforming_strings = off; SET escape_string_warning = off;\n"
    psql(other, off + script.replace(r"DEFAULT 'a\b'", r"DEFAULT E'a\\b'"))
    same(one, other)


# A database that is somewhere else.


def test_a_script_that_was_run_already_stops_before_it_does_anything(
    steps: Project, database_url: URL
) -> None:
    script = sql(steps, "upgrade", "004")
    psql(database_url, script)
    before = outcome(database_url).left
    told = psql(database_url, script, check=False)
    assert (
        "ERROR:  This script begins at base, which is not where this database is: the version "
        "table says 004_atomic. Nothing was done. Write it again for this database: eai migrate "
        "--sql, or alembic upgrade FROM:TO --sql" in told
    )
    assert outcome(database_url).left == before


def test_a_range_on_a_database_that_is_not_there_yet_stops(
    seeds: Project, database_url: URL, dump: Callable[[URL], str]
) -> None:
    script = sql(seeds, "upgrade", "002:003")
    empty = dump(database_url)
    assert "not recorded as applied: 002_add_iam" in psql(database_url, script, check=False)
    assert dump(database_url) == empty
    psql(database_url, sql(seeds, "upgrade", "001"))
    assert "the version table says 001_add" in psql(database_url, script, check=False)
    assert stems(database_url) == STEMS[:1]


def test_a_script_for_another_order_stops(seeds: Project, database_url: URL) -> None:
    psql(database_url, sql(seeds, "stamp", "001"))
    execute(database_url, "INSERT INTO schema_migrations VALUES ('003_add_integrations')")
    told = psql(database_url, sql(seeds, "upgrade", "001:003"), check=False)
    assert "applied already: 003_add_integrations" in told


def test_a_downgrade_of_what_is_not_applied_stops(seeds: Project, database_url: URL) -> None:
    psql(database_url, sql(seeds, "upgrade", "head"))
    execute(database_url, "DELETE FROM schema_migrations WHERE version LIKE '002%'")
    told = psql(database_url, sql(seeds, "downgrade", "003:001"), check=False)
    assert "not recorded as applied: 002_add_iam" in told


def test_a_failing_migration_leaves_what_was_before_it(seeds: Project, database_url: URL) -> None:
    execute(database_url, "CREATE VIEW integrations AS SELECT 1")
    assert "integrations" in psql(database_url, sql(seeds, "upgrade", "head"), check=False)
    assert stems(database_url) == STEMS[:2]
    execute(database_url, "DROP VIEW integrations")
    assert migrate(seeds, database_url) == STEMS[2:]


@pytest.mark.parametrize("statement", ["IF NOT EXISTS i ON t (n)", "ON t ((n % 2))"])
def test_an_index_that_was_not_finished_stops_the_script_before_the_record(
    folder_project: Project, database_url: URL, statement: str
) -> None:
    body = f"""
        transaction = "autocommit"
        def upgrade(db):
            run(db, "CREATE INDEX CONCURRENTLY {statement}")
        """
    write(folder_project, "001_index", body)
    execute(database_url, "CREATE TABLE t (n int)", "INSERT INTO t VALUES (1), (1)")
    # As a try leaves it behind that was cancelled, or met a duplicate.
    unique = "CREATE UNIQUE INDEX CONCURRENTLY i ON t (n)"
    assert "could not create unique" in psql(database_url, unique, check=False)
    script = sql(folder_project, "upgrade", "head")
    told = psql(database_url, script, check=False)
    assert "ERROR:  INVALID index: i. It was not finished, and IF NOT EXISTS takes it for" in told
    assert "Type DROP INDEX CONCURRENTLY i; then write the script again, for the rest." in told
    assert stems(database_url) == []
    execute(database_url, "DROP INDEX i")
    psql(database_url, script)
    assert stems(database_url) == ["001_index"]


def test_a_database_of_the_old_runner_is_continued_and_adopted(
    seeds: Project, database_url: URL
) -> None:
    execute(database_url, "CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)")
    run_old_runner(database_url, MIGRATIONS)
    execute(
        database_url,
        "DELETE FROM schema_migrations WHERE version LIKE '003%'",
        "DROP TABLE integrations",
    )
    psql(database_url, sql(seeds, "upgrade", "002:003"))
    assert stems(database_url) == STEMS
    assert books(database_url)[1] == STEMS[2:]
    assert migrate(seeds, database_url) == []


# What the command says.


def test_a_file_that_reads_rows_ends_the_command_with_nothing_on_standard_output(
    steps: Project,
) -> None:
    write(
        steps,
        "010_reads",
        """
        def upgrade(db):
            if run(db, "SELECT 1 FROM t").first() is None:
                return
        """,
    )
    done = steps.alembic("upgrade", "head", "--sql", env=NOWHERE)
    assert done.returncode == PlainFileError.exit_code
    assert done.stdout == ""
    assert "FAILED: " in done.stderr
    assert f"{steps.migrations}/010_reads.py:7: this line reads what a statement" in done.stderr


def test_what_a_file_prints_goes_to_standard_error(folder_project: Project) -> None:
    write(folder_project, "001_prints", "        def upgrade(db):\n            print('psst')\n")
    done = folder_project.alembic("upgrade", "head", "--sql", env=NOWHERE, check=True)
    assert "psst" not in done.stdout
    assert "psst" in done.stderr


def test_a_script_is_in_utf_8_whatever_the_terminal_speaks(
    steps: Project, database_url: URL
) -> None:
    env = {**NOWHERE, "PYTHONIOENCODING": "ascii"}
    script = steps.program("alembic", "upgrade", "004", "--sql", env=env, check=True).stdout
    psql(database_url, script)
    assert "(4,,\"50% 'é' \\\\ \t:x\")" in outcome(database_url).rows["t"]


def test_nothing_to_do_is_a_comment(folder_project: Project) -> None:
    script = sql(folder_project, "upgrade", "head")
    assert script.startswith("-- bridge ")
    assert script.endswith(": nothing to do from base on.\n\n")


# eai migrate --sql.


def written(project: Project, url: URL | None, to: str = "head") -> str:
    out = io.StringIO()
    database = str_of(url) if url else None
    write_sql(Request(database=database, config=project.path / "alembic.ini"), to=to, out=out)
    return out.getvalue()


def test_write_sql_begins_after_what_the_database_has_applied(
    seeds: Project, create_database: Callable[[], URL], dump: Callable[[URL], str]
) -> None:
    scripted, run = create_database(), create_database()
    migrate(seeds, scripted, to="001")
    before = dump(scripted)
    script = written(seeds, scripted)
    assert dump(scripted) == before
    assert "-- Running upgrade 001_add_organizations -> 002_add_iam\n" in script
    assert "CREATE TABLE IF NOT EXISTS organizations" not in script
    psql(scripted, script)
    migrate(seeds, run)
    same(scripted, run, rows=False)
    assert ": nothing to do from 003_add_integrations on." in written(seeds, scripted)


def test_write_sql_begins_at_base_where_no_database_is_named(
    seeds: Project, database_url: URL
) -> None:
    script = written(seeds, None, to="001")
    psql(database_url, script)
    assert stems(database_url) == STEMS[:1]


def test_write_sql_puts_a_late_file_where_the_database_has_it(
    seeds: Project, folder_project: Project, database_url: URL
) -> None:
    for stem in ("001_a", "003_c"):
        write(folder_project, stem, "        def upgrade(db):\n            pass\n")
    migrate(folder_project, database_url)
    write(folder_project, "002_b", "        def upgrade(db):\n            pass\n")
    script = written(folder_project, database_url)
    assert "-- Running upgrade 003_c -> 002_b\n" in script
    psql(database_url, script)
    assert stems(database_url) == ["001_a", "003_c", "002_b"]
    assert migrate(folder_project, database_url) == []
    folder_project.ini(extra="out_of_order = refuse\n")
    write(folder_project, "000_z", "        def upgrade(db):\n            pass\n")
    with pytest.raises(LedgerError, match=r"out_of_order = refuse is set"):
        written(folder_project, database_url)


@pytest.mark.parametrize(
    ("table", "rows", "recorded"),
    [
        (
            "version text PRIMARY KEY, applied_at timestamptz DEFAULT now(), description text",
            "('001_add_organizations')",
            STEMS,
        ),
        ("version text PRIMARY KEY", "('001_add_organizations.py')", None),
        ("id serial PRIMARY KEY, version int, applied_at date", "(DEFAULT, 1)", ["1", "2", "3"]),
    ],
)
def test_write_sql_for_a_ledger_of_a_team_goes_on_in_its_way(
    seeds: Project, database_url: URL, table: str, rows: str, recorded: list[str] | None
) -> None:
    psql(database_url, sql(seeds, "upgrade", "001"))
    execute(
        database_url,
        "DROP TABLE alembic_version, schema_migrations",
        f"CREATE TABLE schema_migrations ({table})",
        f"INSERT INTO schema_migrations VALUES {rows}",
    )
    psql(database_url, written(seeds, database_url))
    engine = create_engine(database_url, poolclass=NullPool)
    with engine.connect() as connection:
        found = connection.scalars(text("SELECT version::text FROM schema_migrations ORDER BY 1"))
        assert list(found) == (recorded or [f"{stem}.py" for stem in STEMS])
    assert migrate(seeds, database_url) == []


def test_write_sql_puts_a_pointer_right_that_is_behind(seeds: Project, database_url: URL) -> None:
    migrate(seeds, database_url, to="002")
    execute(database_url, "UPDATE alembic_version SET version_num = '001_add_organizations'")
    psql(database_url, written(seeds, database_url))
    assert books(database_url)[1] == STEMS[2:]


def test_write_sql_refuses_what_a_run_refuses_and_writes_nothing(
    seeds: Project, database_url: URL
) -> None:
    migrate(seeds, database_url)
    execute(database_url, "TRUNCATE schema_migrations")
    out = io.StringIO()
    request = Request(database=str_of(database_url), config=seeds.path / "alembic.ini")
    with pytest.raises(BridgeError):
        write_sql(request, out=out)
    assert not out.getvalue()
