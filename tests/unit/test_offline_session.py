"""What a migration's statements look like in a script, and what cannot be written into one."""

from __future__ import annotations

import io
import re
import sys
from textwrap import dedent, indent
from typing import TYPE_CHECKING

import pytest
from alembic import command
from alembic.config import Config
from alembic.util import CommandError

from support.project import DEFAULT_INI

if TYPE_CHECKING:
    from support.project import Project

PRELUDE = """\
from alembic import op
from sqlalchemy import *
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
class Base(DeclarativeBase):
    pass
class Widget(Base):
    __tablename__ = "widget"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
widget = Widget.__table__
def run(db, statement, **values):
    return db.execute(text(statement), values)
"""

#: The record, which every migration ends with.
RECORD = re.compile(
    r"INSERT INTO alembic_version \(version_num\) VALUES \('001_file'\);\s+"
    r"INSERT INTO schema_migrations \(.*'001_file'.*\);\s+COMMIT;\s+\Z"
)


def script(project: Project, body: str, *, head: str = "") -> str:
    """The whole script of one migration with this body."""
    text = f"{head}\n{PRELUDE}def upgrade(db):\n{indent(dedent(body), '    ')}\n"
    project.write("001_file", text)
    out = io.StringIO()
    config = Config(str(project.path / "alembic.ini"), output_buffer=out)
    command.upgrade(config, "head", sql=True)
    return out.getvalue()


def work(project: Project, body: str, *, head: str = "") -> list[str]:
    """The statements of one migration with this body, up to its record."""
    whole = script(project, body, head=head)
    _, _, ours = whole.partition("-- Running upgrade  -> 001_file\n\n")
    ours, found = RECORD.subn("RECORD;", ours)
    assert found == 1, whole
    return [part.strip() for part in ours.split("\n\n") if part.strip()]


def refused(project: Project, body: str, *, head: str = "") -> str:
    """What the person reads who asked for the script of this body."""
    with pytest.raises(CommandError) as caught:
        script(project, body, head=head)
    return str(caught.value)


def line_of(project: Project, words: str) -> int:
    lines = (project.migrations / "001_file.py").read_text().splitlines()
    (found,) = [number for number, line in enumerate(lines, 1) if words in line]
    return found


# Transactions.


def test_a_file_with_one_commit_at_its_end_is_one_transaction_with_its_record(
    folder_project: Project,
) -> None:
    written = work(folder_project, "run(db, 'SELECT 1')\nrun(db, 'SELECT 2')\ndb.commit()")
    assert written == ["BEGIN;", "SELECT 1;", "SELECT 2;", "RECORD;"]


def test_a_file_that_never_commits_is_one_transaction_with_its_record(
    folder_project: Project,
) -> None:
    assert work(folder_project, "run(db, 'SELECT 1')") == ["BEGIN;", "SELECT 1;", "RECORD;"]


def test_a_file_without_statements_is_recorded(folder_project: Project) -> None:
    assert work(folder_project, "pass") == ["BEGIN;", "RECORD;"]


def test_a_commit_in_the_middle_is_written_between_two_statements(folder_project: Project) -> None:
    body = "run(db, 'A')\ndb.commit()\ndb.commit()\nrun(db, 'B')\ndb.commit()"
    written = work(folder_project, body)
    assert written == ["BEGIN;", "A;", "COMMIT;", "BEGIN;", "B;", "RECORD;"]


def test_an_atomic_file_has_no_commit_inside(folder_project: Project) -> None:
    body = "run(db, 'A')\ndb.commit()\nrun(db, 'B')\ndb.commit()"
    written = work(folder_project, body, head='transaction = "atomic"')
    assert [one for one in written if "SAVEPOINT" not in one] == ["BEGIN;", "A;", "B;", "RECORD;"]


def test_an_autocommit_file_is_written_outside_a_transaction_and_its_record_inside_one(
    folder_project: Project,
) -> None:
    body = "run(db, 'CREATE INDEX CONCURRENTLY i ON t (a)')\ndb.commit()\nrun(db, 'VACUUM t')"
    written = work(folder_project, body, head='transaction = "autocommit"')
    index = "CREATE INDEX CONCURRENTLY i ON t (a);"
    check = next(one for one in written if "indisvalid" in one)
    assert written == [index, "VACUUM t;", "BEGIN;", check, "RECORD;"]


def test_the_mode_of_the_folder_counts_for_a_file_that_says_none(folder_project: Project) -> None:
    folder_project.ini(extra="transaction = autocommit\n")
    assert work(folder_project, "run(db, 'VACUUM t')") == ["VACUUM t;", "BEGIN;", "RECORD;"]


def test_a_rollback_takes_back_what_the_script_has_not_committed(folder_project: Project) -> None:
    body = "run(db, 'A')\ndb.commit()\ndb.rollback()\nrun(db, 'B')\ndb.rollback()\ndb.rollback()"
    written = work(folder_project, body)
    expected = ["BEGIN;", "A;", "COMMIT;", "BEGIN;", "B;", "ROLLBACK;", "BEGIN;", "RECORD;"]
    assert written == expected


def test_close_rolls_back_as_it_always_does(folder_project: Project) -> None:
    written = work(folder_project, "run(db, 'A')\ndb.close()\nrun(db, 'B')")
    assert written == ["BEGIN;", "A;", "ROLLBACK;", "BEGIN;", "B;", "RECORD;"]


def test_savepoints_are_written(folder_project: Project) -> None:
    body = """\
        with db.begin_nested():
            run(db, 'A')
        with db.begin_nested() as nested:
            run(db, 'B')
            nested.rollback()
    """
    written = [one.replace("sa_savepoint_", "s") for one in work(folder_project, body)]
    first = ["BEGIN;", "SAVEPOINT s1;", "A;", "RELEASE SAVEPOINT s1;"]
    assert written == [*first, "SAVEPOINT s2;", "B;", "ROLLBACK TO SAVEPOINT s2;", "RECORD;"]


def test_a_commit_as_text_ends_the_transaction_until_the_file_commits(
    folder_project: Project,
) -> None:
    body = "run(db, 'A')\nrun(db, 'COMMIT')\nrun(db, 'B')\ndb.commit()\nrun(db, 'C')"
    written = work(folder_project, body)
    assert written == ["BEGIN;", "A;", "COMMIT;", "B;", "BEGIN;", "C;", "RECORD;"]


def test_the_record_is_in_a_transaction_also_after_a_commit_as_text(
    folder_project: Project,
) -> None:
    written = work(folder_project, "run(db, 'A; COMMIT')")
    assert written == ["BEGIN;", "A; COMMIT;", "BEGIN;", "RECORD;"]


def test_an_isolation_level_is_that_of_its_transaction_only(folder_project: Project) -> None:
    body = """\
        db.connection(execution_options={"isolation_level": "SERIALIZABLE"})
        run(db, 'A')
        db.commit()
        run(db, 'B')
    """
    written = work(folder_project, body)
    serializable = "BEGIN ISOLATION LEVEL SERIALIZABLE;"
    assert written == [serializable, "A;", "COMMIT;", "BEGIN;", "B;", "RECORD;"]


def test_an_isolation_level_is_not_that_of_the_next_file(folder_project: Project) -> None:
    body = PRELUDE + "def upgrade(db):\n    run(db, 'B')\n"
    folder_project.write("002_next", body)
    body = 'db.connection(execution_options={"isolation_level": "SERIALIZABLE"})\nrun(db, "A")'
    whole = script(folder_project, body)
    assert whole.count("BEGIN ISOLATION LEVEL SERIALIZABLE;\n\nA;") == 1
    assert "-> 002_next\n\nBEGIN;\n\nB;" in whole


def test_isolation_level_autocommit_at_the_start_is_outside_a_transaction(
    folder_project: Project,
) -> None:
    body = """\
        db.connection(execution_options={"isolation_level": "AUTOCOMMIT"})
        run(db, 'VACUUM')
    """
    assert work(folder_project, body) == ["VACUUM;", "BEGIN;", "RECORD;"]


def test_an_atomic_file_may_not_end_the_transaction_by_a_text(folder_project: Project) -> None:
    told = refused(folder_project, "run(db, 'A; COMMIT')", head='transaction = "atomic"')
    where = f"001_file.py:{line_of(folder_project, 'return db.execute')}: "
    assert f'{where}the file says transaction = "atomic", all or nothing, and ends the' in told
    assert 'Nothing was written. Use db.commit() and db.rollback(), or transaction = "d' in told


# Statements.


def test_parameters_are_written_as_constants(folder_project: Project) -> None:
    body = r"""run(db, "INSERT INTO t VALUES (:a, :b, :c)", a="it's \\ :b", b=None, c=[1, 2])"""
    written = work(folder_project, body)
    assert written[1] == r"INSERT INTO t VALUES (E'it''s \\ :b', NULL, ARRAY[1, 2]);"


def test_percent_signs_casts_and_escaped_colons_are_what_they_were(
    folder_project: Project,
) -> None:
    body = r"""run(db, "SELECT 7 % 3, '50%%', a::text, '\\:x', :v WHERE b LIKE 'x%'", v="10%")"""
    written = work(folder_project, body)
    assert written[1] == "SELECT 7 % 3, '50%%', a::text, ':x', '10%' WHERE b LIKE 'x%';"


def test_tabs_and_empty_lines_inside_a_text_stay(folder_project: Project) -> None:
    whole = script(folder_project, r"""run(db, "SELECT 'a\tb\n\n\nc'")""")
    assert "\nSELECT 'a\tb\n\n\nc';\n" in whole


@pytest.mark.parametrize(
    ("statement", "written"),
    [
        ("SELECT 1", "SELECT 1;"),
        ("  SELECT 1 ;\\n", "SELECT 1;"),
        ("SELECT 1;;", "SELECT 1;"),
        ("SELECT 1 -- one", "SELECT 1 -- one\n;"),
        ("SELECT 1; -- one", "SELECT 1; -- one"),
        ("SELECT 1 /* one; */", "SELECT 1 /* one; */;"),
        ("SELECT '-- one'", "SELECT '-- one';"),
        ("SELECT 1 -- it;", "SELECT 1 -- it;\n;"),
        ("DO $$ BEGIN NULL; END $$", "DO $$ BEGIN NULL; END $$;"),
        ("DO $x$ BEGIN NULL; -- $$ END; $x$;", "DO $x$ BEGIN NULL; -- $$ END; $x$;"),
        ("SELECT E'\\\\\\\\' -- it''s", "SELECT E'\\\\' -- it''s\n;"),
    ],
)
def test_a_statement_ends_with_one_semicolon_that_counts(
    folder_project: Project, statement: str, written: str
) -> None:
    assert work(folder_project, f'run(db, "{statement}")')[1] == written


def test_core_constructs_are_written_as_they_are_sent(folder_project: Project) -> None:
    body = """\
        db.execute(widget.insert().values(name="a"))
        db.execute(insert(widget), [{"name": "b"}, {"name": "c"}])
        db.execute(update(widget).where(widget.c.id == 1).values(name="d"))
        db.execute(delete(widget).where(widget.c.name.in_(["e", "f"])))
    """
    assert work(folder_project, body)[1:-1] == [
        "INSERT INTO widget (name) VALUES ('a');",
        "INSERT INTO widget (name) VALUES ('b'), ('c');",
        "UPDATE widget SET name='d' WHERE widget.id = 1;",
        "DELETE FROM widget WHERE widget.name IN ('e', 'f');",
    ]


def test_statements_on_mapped_classes_are_written(folder_project: Project) -> None:
    body = """\
        db.execute(insert(Widget).values(name="a"))
        db.execute(update(Widget).where(Widget.id == 1).values(name="b"))
        db.execute(delete(Widget).where(Widget.id == 2))
    """
    assert work(folder_project, body)[1:-1] == [
        "INSERT INTO widget (name) VALUES ('a');",
        "UPDATE widget SET name='b' WHERE widget.id = 1;",
        "DELETE FROM widget WHERE widget.id = 2;",
    ]


def test_tables_are_created_from_metadata_without_looking_first(folder_project: Project) -> None:
    written = work(folder_project, "Base.metadata.create_all(db.get_bind(), checkfirst=False)")
    assert written[2].startswith("CREATE TABLE widget (")
    assert (written[1], written[3]) == ("SAVEPOINT bridge_1;", "RELEASE SAVEPOINT bridge_1;")


def test_op_and_the_session_write_in_the_order_of_the_file(folder_project: Project) -> None:
    body = r"""
        op.add_column("t", Column("a", Text, server_default="x\\y:z%"))
        run(db, "B")
        op.execute("C -- c")
        op.get_bind().execute(text("D :d"), {"d": 1})
        op.bulk_insert(widget, [{"name": "1\t2"}])
        db.connection().execute(text("E"))
        db.connection().exec_driver_sql("F %s", (2,))
    """
    assert work(folder_project, body)[1:-1] == [
        r"ALTER TABLE t ADD COLUMN a TEXT DEFAULT 'x\y:z%';",
        "B;",
        "C -- c\n;",
        "D 1;",
        "INSERT INTO widget (name) VALUES ('1\t2');",
        "E;",
        "F 2;",
    ]


def test_a_cursor_of_the_driver_writes_too(folder_project: Project) -> None:
    body = """\
        from psycopg2.extras import execute_values
        cursor = db.connection().connection.cursor()
        cursor.execute("SELECT '%'")
        cursor.execute("SELECT %s, %%", (None,))
        execute_values(cursor, "INSERT INTO t VALUES %s", [(1, "a"), (2, "b")])
    """
    written = work(folder_project, body)[1:-1]
    assert written == ["SELECT '%';", "SELECT NULL, %;", "INSERT INTO t VALUES (1,'a'),(2,'b');"]


def test_a_result_that_nobody_reads_is_no_matter(folder_project: Project) -> None:
    body = """\
        result = run(db, "INSERT INTO t VALUES (1) RETURNING id")
        with result:
            pass
        result.close()
        db.execute(widget.insert().values(name="a").returning(widget.c.id))
    """
    assert len(work(folder_project, body)) == 4


def test_what_a_file_prints_is_not_in_the_script(
    folder_project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    body = 'print("hello")\nimport sys\nsys.stdout.write("there")'
    whole = script(folder_project, body, head='print("first")')
    assert "hello" not in whole
    assert capsys.readouterr() == ("", "first\nhello\nthere")


def test_a_file_whose_standard_output_was_redirected_gives_it_back(
    folder_project: Project,
) -> None:
    before = sys.stdout
    script(folder_project, "pass")
    assert sys.stdout is before


# What a file leaves behind for its session.


@pytest.mark.parametrize(
    ("statement", "undone"),
    [
        ("SET search_path = other", ["RESET search_path;"]),
        ("SET LOCAL search_path TO other", ["RESET search_path;"]),
        ("SET ROLE other", ["RESET ROLE;"]),
        ("SET SESSION AUTHORIZATION other", ["RESET SESSION AUTHORIZATION;"]),
        ("set session lock_timeout = '1s'", ["RESET lock_timeout;"]),
        ("SET TIME ZONE 'UTC'", ["RESET TIME ZONE;"]),
        ("SET app.tenant = '1'", ["RESET app.tenant;"]),
        ("SELECT set_config('search_path', '', false)", ["RESET search_path;"]),
        ("SELECT 1; /* c */ SET SCHEMA 'x'", ["RESET search_path;"]),
        ("DO $$ BEGIN SET search_path = x; END $$", ["RESET search_path;"]),
        ("SET NAMES 'LATIN1'", ["SET client_encoding = 'UTF8';"]),
        ("RESET ALL", ["SET client_encoding = 'UTF8';"]),
        ("SELECT set_config(n, '', false)", ["RESET ALL;", "SET client_encoding = 'UTF8';"]),
        ("SET LOCAL lock_timeout = '1s'", []),
        ("SET CONSTRAINTS ALL DEFERRED", []),
        ("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", []),
        ("UPDATE t SET a = 1", []),
        ("SELECT 'x; SET ROLE a'", []),
        ("CREATE FUNCTION f() RETURNS int LANGUAGE sql SET search_path = x AS 'SELECT 1'", []),
    ],
)
def test_what_a_file_sets_for_its_session_is_put_back_before_the_record(
    folder_project: Project, statement: str, undone: list[str]
) -> None:
    written = work(folder_project, f'run(db, "{statement}")\ndb.commit()')
    assert written == ["BEGIN;", f"{statement};", *undone, "RECORD;"]


# What cannot be written.


def test_a_callback_of_an_env_py_cannot_read_either(folder_project: Project) -> None:
    folder_project.ini(
        DEFAULT_INI.replace("bridge:environment", "%(here)s/own"), extra="plain_files = true\n"
    )
    (folder_project.path / "own").mkdir()
    (folder_project.path / "own" / "env.py").write_text(
        dedent("""\
            import bridge
            from alembic import context
            from sqlalchemy import text
            def ask(ctx, **_told):
                ctx.connection.execute(text("SELECT 1")).scalar()
            bridge.run_environment(context, on_version_apply=ask)
        """)
    )
    told = refused(folder_project, "pass")
    assert told.startswith("env.py: this line reads what a statement answers (SELECT 1), and")


@pytest.mark.parametrize(
    "read",
    [
        "fetchone()",
        "fetchall()",
        "first()",
        "one()",
        "one_or_none()",
        "scalar()",
        "scalar_one_or_none()",
        "scalars()",
        "all()",
        "mappings()",
        "keys()",
        "rowcount",
        "lastrowid",
        "inserted_primary_key",
        "returns_rows",
    ],
)
def test_whatever_reads_a_result_is_an_error_with_file_and_line(
    folder_project: Project, read: str
) -> None:
    told = refused(
        folder_project,
        f"""\
        found = db.execute(text("SELECT 1 FROM t"))
        if not found.{read}:
            return
        """,
    )
    read_at = line_of(folder_project, "if not found")
    assert f"001_file.py:{read_at}: this line reads what a statement of line {read_at - 1}" in told
    assert "answers (SELECT 1 FROM t), and while a script is written there is no database" in told
    assert "Nothing was written. Leave the decision to SQL (IF NOT EXISTS, INSERT" in told
    assert "or let the file run instead: eai migrate rehearse, on a copy of the database," in told


@pytest.mark.parametrize(
    "read",
    [
        'db.scalar(text("SELECT 1"))',
        'db.scalars(text("SELECT 1"))',
        'list(db.execute(text("SELECT 1")))',
        'db.connection().scalar(text("SELECT 1"))',
        'db.connection().exec_driver_sql("SELECT 1").fetchone()',
        "db.query(Widget).all()",
        "db.query(Widget).delete()",
        "db.get(Widget, 1)",
        "db.execute(select(Widget)).scalars().all()",
        "db.connection().connection.cursor().fetchone()",
        'db.merge(Widget(id=1, name="a"))',
    ],
)
def test_there_is_no_other_way_to_read_either(folder_project: Project, read: str) -> None:
    told = refused(folder_project, read)
    assert f"001_file.py:{line_of(folder_project, read)}: this line reads what a" in told


@pytest.mark.parametrize("then", ["pass", "run(db, 'SELECT 2')", "raise ValueError from None"])
def test_a_file_that_catches_the_error_is_refused_all_the_same(
    folder_project: Project, then: str
) -> None:
    body = f"""\
        try:
            missing = not run(db, "SELECT 1").fetchone()
        except Exception:
            {then}
    """
    told = refused(folder_project, body)
    assert f"001_file.py:{line_of(folder_project, 'missing = not')}: this line reads" in told


@pytest.mark.parametrize(
    ("look", "who", "instead"),
    [
        (
            "Base.metadata.create_all(db.get_bind())",
            "create_all(), drop_all(), create() and drop() ask",
            "Pass checkfirst=False, or write the CREATE TABLE IF NOT EXISTS as text",
        ),
        *(
            (look, "inspect() asks", "Leave the decision to SQL (IF NOT EXISTS, a DO block)")
            for look in (
                "inspect(db.get_bind()).get_table_names()",
                "inspect(db.connection()).get_columns('t')",
                "inspect(op.get_bind()).has_table('t')",
            )
        ),
    ],
)
def test_looking_at_what_is_there_is_an_error(
    folder_project: Project, look: str, who: str, instead: str
) -> None:
    told = refused(folder_project, look)
    assert (
        f"001_file.py:{line_of(folder_project, look)}: {who} the database what is there already, "
        f"and while a script is written there is none to ask. Nothing was written. {instead}, or "
        "let the file run instead: eai migrate rehearse, on a copy of the database, runs what is "
        "pending, prints its SQL and rolls everything back." in told
    )


def test_adding_an_object_is_an_error(folder_project: Project) -> None:
    told = refused(folder_project, 'db.add(Widget(name="a"))')
    where = line_of(folder_project, "db.add")
    assert f"001_file.py:{where}: an object (Widget) is given to the Session, which" in told
    assert "Write it as INSERT, with db.execute()." in told


def test_the_engine_of_a_file_writes_into_the_same_transaction(folder_project: Project) -> None:
    body = """
        with db.get_bind().begin() as kept:
            run(kept, "A")
        with db.get_bind().connect() as dropped:
            run(dropped, "B")
    """
    assert work(folder_project, body)[1:-1] == [
        "SAVEPOINT bridge_1;",
        "A;",
        "RELEASE SAVEPOINT bridge_1;",
        "SAVEPOINT bridge_2;",
        "B;",
        "ROLLBACK TO SAVEPOINT bridge_2; RELEASE SAVEPOINT bridge_2;",
    ]


def test_an_engine_that_a_file_makes_goes_nowhere(folder_project: Project) -> None:
    body = "from sqlalchemy import create_engine\ncreate_engine(db.get_bind().engine.url).connect()"
    assert "no-database-while-a-script-is-written.invalid" in refused(folder_project, body)


def test_copy_is_an_error(folder_project: Project) -> None:
    body = 'db.connection().connection.cursor().copy_expert("COPY t FROM STDIN", None)'
    told = refused(folder_project, body)
    assert "cursor.copy_expert() exchanges data with this process, which a script cannot." in told


def test_a_value_that_the_driver_cannot_send_is_an_error(folder_project: Project) -> None:
    told = refused(folder_project, 'db.execute(text("SELECT :a"), {"a": {"b": "secret"}})')
    where = f"001_file.py:{line_of(folder_project, 'secret')}: "
    assert f"{where}upgrade failed while its SQL was written: ProgrammingError: can't ad" in told
    assert told.endswith("can't adapt type 'dict'. Nothing was written.")


def test_a_value_that_only_a_connection_can_write_is_an_error(folder_project: Project) -> None:
    body = r"""
        from psycopg2.extensions import AsIs
        run(db, "SELECT :a", a=AsIs("'\\'"))
    """
    told = refused(folder_project, body)
    assert "a value of type AsIs cannot be written into a script" in told
    assert "Put it into the statement as text." in told


def test_a_percent_sign_that_the_driver_would_refuse_is_an_error(folder_project: Project) -> None:
    told = refused(folder_project, """db.connection().exec_driver_sql("SELECT '5%'")""")
    assert "the parameters do not fit the statement" in told
    assert "a % that is no parameter is written %%" in told


@pytest.mark.parametrize("body", ['raise ValueError("boo")', "import sys; sys.exit(0)"])
def test_a_file_that_fails_is_an_error_with_its_line(folder_project: Project, body: str) -> None:
    told = refused(folder_project, body)
    where = line_of(folder_project, body)
    assert f"001_file.py:{where}: upgrade failed while its SQL was written: " in told
    assert told.endswith("Nothing was written.")


def test_a_script_that_cannot_be_finished_is_not_begun(folder_project: Project) -> None:
    folder_project.write("000_good", "def upgrade(db): pass\n")
    body = f"{PRELUDE}def upgrade(db):\n    run(db, 'SELECT 1').one()\n"
    folder_project.write("001_file", body)
    out = io.StringIO()
    config = Config(str(folder_project.path / "alembic.ini"), output_buffer=out)
    with pytest.raises(CommandError, match="this line reads"):
        command.upgrade(config, "head", sql=True)
    assert not out.getvalue()
