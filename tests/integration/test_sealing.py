"""Records that are written in one message, and what is found out before they are."""

from __future__ import annotations

import secrets
from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

import bridge
from bridge.errors import LedgerError, MigrationError
from support.books import Books
from support.running import ask, column, do, recorded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Engine

    from support.project import Project

#: Nothing in the text of this tells what its trigger does.
QUIET = """
    from sqlalchemy import text
    def upgrade(db):
        db.execute(text("INSERT INTO public.quiet VALUES (1)"))
        {end}
"""
#: What each migration after it sees.
NEXT = """
    from sqlalchemy import text
    def upgrade(db):
        db.execute(text("CREATE TABLE seen AS SELECT concat_ws(' ', {settings}) AS settings"))
"""
SETTINGS = ", ".join(
    f"current_setting('{name}')"
    for name in ("role", "search_path", "statement_timeout", "default_transaction_read_only")
)
CHANGES = {
    "search_path": "set_config('search_path', 'elsewhere', false)",
    "a search_path without tables": "set_config('search_path', 'nowhere', false)",
    "role": "set_config('role', '{role}', false)",
    "lock_timeout": "set_config('lock_timeout', '7ms', false)",
    "statement_timeout": "set_config('statement_timeout', '7s', false)",
    "read-only": "set_config('default_transaction_read_only', 'on', false)",
}


@pytest.fixture
def role(engine: Engine) -> Iterator[str]:
    name = f"bridge_sealing_{secrets.token_hex(4)}"
    do(engine, f"CREATE ROLE {name}")
    yield name
    do(engine, f"DROP OWNED BY {name}", f"DROP ROLE {name}")


@pytest.mark.parametrize("end", ["db.commit()", "pass"])
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_that_no_text_tells_of_is_found_and_put_back(
    project: Project, engine: Engine, role: str, change: str, end: str
) -> None:
    """Also where another schema has tables of the same names, which hold the same."""
    books = Books(project)
    books.files("001_a")
    books.upgrade()
    do(
        engine,
        "CREATE SCHEMA elsewhere",
        "CREATE TABLE elsewhere.alembic_version AS TABLE alembic_version",
        "CREATE TABLE elsewhere.schema_migrations AS TABLE schema_migrations",
        "CREATE TABLE quiet (n int)",
        "CREATE FUNCTION change() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$BEGIN PERFORM {change.format(role=role)}; RETURN NEW; END$$",
        "CREATE TRIGGER change BEFORE INSERT ON quiet FOR EACH ROW EXECUTE FUNCTION change()",
    )
    project.write("002_quiet", QUIET.format(end=end))
    project.write("003_next", NEXT.format(settings=SETTINGS))
    before = ask(engine, f"SELECT concat_ws(' ', {SETTINGS})")
    bridge.upgrade(engine, config=project.path / "alembic.ini")
    assert recorded(engine) == ["001_a", "002_quiet", "003_next"]
    assert column(engine, "SELECT version_num FROM alembic_version") == ["003_next"]
    assert column(engine, "SELECT version FROM elsewhere.schema_migrations") == ["001_a"]
    assert ask(engine, "SELECT settings FROM seen") == before


@pytest.mark.parametrize("last", ["pass", "raise ValueError", "raise KeyboardInterrupt"])
def test_one_limit_for_the_waits_on_locks_counts_for_all_files_and_for_nothing_else(
    project: Project, engine: Engine, last: str
) -> None:
    limits = "CREATE TABLE {} AS SELECT current_setting('lock_timeout') AS longest"
    body = """
        from sqlalchemy import text
        def upgrade(db):
            db.execute(text("{}"))
            db.commit()
            {}
    """
    for stem in ("001_a", "002_b", "003_c"):
        project.write(stem, body.format(limits.format(stem[-1]), "pass"))
    project.write("004_d", body.format("SELECT 1", last))
    do(
        engine,
        "CREATE TABLE recording (longest text)",
        "CREATE TABLE schema_migrations (version text PRIMARY KEY, applied_at timestamptz)",
        "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN "
        "INSERT INTO recording VALUES (current_setting('lock_timeout')); RETURN NEW; END$$",
        "CREATE TRIGGER note BEFORE INSERT ON schema_migrations FOR EACH ROW "
        "EXECUTE FUNCTION note()",
    )
    with engine.connect() as connection:
        connection.execute(text("SET lock_timeout = '3s'"))
        connection.commit()
        with suppress(MigrationError, KeyboardInterrupt):
            bridge.upgrade(connection, config=project.path / "alembic.ini")
        assert connection.scalar(text("SHOW lock_timeout")) == "3s"
    for table in ("a", "b", "c"):
        assert column(engine, f"SELECT longest FROM {table}") == ["2s"]
    assert column(engine, "SELECT DISTINCT longest FROM recording") == ["3s"]
    assert len(recorded(engine)) == (4 if last == "pass" else 3)


@pytest.mark.parametrize("runs", [["001_a", "head"], ["head"]], ids=["two runs", "one run"])
def test_a_commit_checks_what_is_deferred_whichever_file_has_made_it_so(
    project: Project, engine: Engine, runs: list[str]
) -> None:
    project.write(
        "001_a",
        """
        from sqlalchemy import text
        def upgrade(db):
            db.execute(text("CREATE TABLE late (n int UNIQUE DEFERRABLE INITIALLY DEFERRED)"))
            db.commit()
        """,
    )
    project.write(
        "002_b",
        """
        from sqlalchemy import text
        from sqlalchemy.exc import IntegrityError
        def upgrade(db):
            for values in ("(1), (1)", "(2)"):
                try:
                    db.execute(text(f"INSERT INTO late VALUES {values}"))
                    db.commit()
                except IntegrityError:
                    db.rollback()
        """,
    )
    for to in runs:
        bridge.upgrade(engine, config=project.path / "alembic.ini", to=to)
    assert recorded(engine) == ["001_a", "002_b"]
    assert column(engine, "SELECT n FROM late") == [2]


def test_a_row_that_is_there_already_is_told_as_ever(project: Project, engine: Engine) -> None:
    books = Books(project)
    books.files("001_a")
    books.upgrade()
    row = "INSERT INTO schema_migrations (version) VALUES ('002_b')"
    project.write(
        "002_b",
        f"""
        from sqlalchemy import text
        def upgrade(db):
            db.execute(text("CREATE TABLE b ()"))
            db.execute(text("{row}"))
            db.commit()
        """,
    )
    with pytest.raises(MigrationError) as caught:
        books.upgrade()
    assert isinstance(caught.value.__cause__, LedgerError)
    assert "already holds a row for 002_b" in str(caught.value)
    assert "while it was being recorded" in str(caught.value)
    assert recorded(engine) == ["001_a"]
    assert ask(engine, "SELECT to_regclass('b')") is None


def test_a_pointer_that_a_file_moved_is_told_as_ever(project: Project, engine: Engine) -> None:
    books = Books(project)
    books.files("001_a")
    books.upgrade()
    project.write(
        "002_b",
        """
        from sqlalchemy import text
        def upgrade(db):
            db.execute(text("DELETE FROM alembic_version"))
        """,
    )
    with pytest.raises(MigrationError, match="No rows of alembic_version were changed"):
        books.upgrade()
    assert recorded(engine) == ["001_a"]
    assert column(engine, "SELECT version_num FROM alembic_version") == ["001_a"]


def test_rows_are_in_order_although_the_clock_goes_back(project: Project, engine: Engine) -> None:
    books = Books(project)
    books.files("001_a")
    books.upgrade()
    do(engine, "UPDATE schema_migrations SET applied_at = now() + interval '1 day'")
    books.files("002_b", "003_c", "004_d")
    books.upgrade()
    later = "SELECT version FROM schema_migrations ORDER BY applied_at"
    assert column(engine, later) == ["001_a", "002_b", "003_c", "004_d"]


@pytest.mark.parametrize("kind", ["date", "timestamp(0) without time zone", "text"])
def test_a_ledger_with_another_kind_of_time_is_written_as_well(
    project: Project, engine: Engine, kind: str
) -> None:
    do(engine, f"CREATE TABLE schema_migrations (version text, applied_at {kind})")
    books = Books(project)
    books.files("001_a", "002_b", "003_c", "004_d")
    books.upgrade()
    assert recorded(engine) == ["001_a", "002_b", "003_c", "004_d"]


@pytest.mark.parametrize("kind", ["integer", "bigint", "name", "character varying(40)"])
def test_a_ledger_with_another_kind_of_name_is_written_as_well(
    project: Project, engine: Engine, kind: str
) -> None:
    do(engine, f"CREATE TABLE schema_migrations (version {kind} PRIMARY KEY)")
    stems = ["001_a", "002_b", "003_c", "004_d"]
    books = Books(project)
    if "int" in kind:
        do(engine, "INSERT INTO schema_migrations VALUES (1)")
    books.files(*stems)
    books.upgrade()
    kept = column(engine, "SELECT version::text FROM schema_migrations ORDER BY 1")
    assert kept == (["1", "2", "3", "4"] if "int" in kind else stems)
    assert column(engine, "SELECT version_num FROM alembic_version") == ["004_d"]


@pytest.mark.parametrize("name", ["new", "latest", "key", "description"])
def test_a_column_for_names_may_be_called_as_a_value_of_the_record_is(
    project: Project, engine: Engine, name: str
) -> None:
    do(engine, f"CREATE TABLE schema_migrations ({name} integer PRIMARY KEY)")
    project.ini(extra=f"ledger_key = {name}\nledger_key_form = number")
    books = Books(project)
    books.files("001_a", "002_b", "003_c", "004_d")
    books.upgrade()
    assert column(engine, f"SELECT {name} FROM schema_migrations ORDER BY 1") == [1, 2, 3, 4]


FORGETS = {
    "deallocates": "DEALLOCATE ALL",
    "discards": "DISCARD ALL",
}


@pytest.mark.parametrize("statement", FORGETS.values(), ids=FORGETS)
def test_a_file_may_make_the_session_forget_what_was_prepared(
    project: Project, engine: Engine, statement: str
) -> None:
    books = Books(project)
    books.files("001_a", "002_b", "003_c", "005_e", "006_f", "007_g")
    project.write(
        "004_d",
        f"""
        from sqlalchemy import text
        transaction = "autocommit"
        def upgrade(db):
            db.execute(text("{statement}"))
        """,
    )
    books.upgrade()
    done = ["001_a", "002_b", "003_c", "004_d", "005_e", "006_f", "007_g"]
    assert recorded(engine) == done
    assert column(engine, "SELECT version_num FROM alembic_version") == ["007_g"]


@pytest.mark.parametrize("fails", [False, True], ids=["ends well", "fails"])
def test_a_session_that_was_handed_in_keeps_nothing_that_was_prepared_for_the_run(
    project: Project, engine: Engine, *, fails: bool
) -> None:
    stems = ["001_a", "002_b", "003_c", "004_d"]
    Books(project).files(*stems)
    if fails:
        project.write("005_e", "def upgrade(db):\n    raise ValueError\n")
    prepared = "SELECT name FROM pg_prepared_statements"
    with engine.connect() as connection:
        connection.execute(text("PREPARE mine AS SELECT 1"))
        connection.commit()
        with pytest.raises(MigrationError) if fails else nullcontext():
            bridge.upgrade(connection, config=project.path / "alembic.ini")
        assert connection.scalars(text(prepared)).all() == ["mine"]
    assert recorded(engine) == stems


def test_names_that_the_session_has_prepared_already_are_in_nobodys_way(
    project: Project, engine: Engine
) -> None:
    Books(project).files("001_a", "002_b", "003_c", "004_d", "005_e")
    with engine.connect() as connection:
        connection.execute(text("PREPARE bridge_1_move AS SELECT 1"))
        connection.commit()
        bridge.upgrade(connection, config=project.path / "alembic.ini")
        assert connection.scalar(text("EXECUTE bridge_1_move")) == 1
    assert recorded(engine) == ["001_a", "002_b", "003_c", "004_d", "005_e"]


def test_a_file_may_change_the_tables_for_which_statements_are_prepared(
    project: Project, engine: Engine
) -> None:
    books = Books(project)
    books.files("001_a", "002_b", "003_c", "005_e", "006_f")
    project.write(
        "004_d",
        """
        from sqlalchemy import text
        def upgrade(db):
            db.execute(text("ALTER TABLE alembic_version ALTER version_num TYPE text"))
            db.execute(text("ALTER TABLE schema_migrations ADD COLUMN team text DEFAULT 'core'"))
            db.commit()
            db.execute(text("ALTER TABLE schema_migrations ALTER applied_at TYPE timestamp"))
        """,
    )
    books.upgrade()
    assert recorded(engine) == ["001_a", "002_b", "003_c", "004_d", "005_e", "006_f"]
    assert ask(engine, "SELECT count(*) FROM schema_migrations WHERE team = 'core'") == 6


def test_names_may_hold_what_drivers_and_sqlalchemy_take_for_parameters(
    project: Project, engine: Engine
) -> None:
    project.ini(extra="ledger_table = odd%%s:name")
    books = Books(project)
    books.files("001_a", "002_b", "003_c", "004_d")
    books.upgrade()
    with engine.connect() as connection:
        statement = 'SELECT version FROM "odd%s\\:name" ORDER BY 1'
        names = connection.scalars(text(statement)).all()
        assert names == ["001_a", "002_b", "003_c", "004_d"]
