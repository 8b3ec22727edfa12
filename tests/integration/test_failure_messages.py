"""What a person reads when a migration failed."""

# ruff: noqa: E501 - a message is compared as it is printed, and its sentences are not folded

from __future__ import annotations

import re
import sys
import threading
from contextlib import contextmanager
from textwrap import dedent
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import Engine, text

import bridge
from bridge.database.request import Request
from bridge.errors import Disturbed, MigrationError
from bridge.operations.upgrade import run_upgrade
from support.both import migration, outcome
from support.running import do

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.project import Project


def url_of(project: Project) -> str:
    assert project.url is not None
    return project.url.render_as_string(hide_password=False)


def message(project: Project, *bodies: str, parameters: bool = False) -> str:
    """What the upgrade says; FILE stands for the path of the last file."""
    for number, body in enumerate(bodies, start=1):
        project.write(f"{number:03}_file", migration(body))
    request = Request(
        database=url_of(project),
        config=project.path / "alembic.ini",
        overrides={"show_parameters": parameters},
    )
    with pytest.raises((MigrationError, Disturbed)) as caught:
        run_upgrade(request)
    return tidy(project, str(caught.value))


def tidy(project: Project, said: str) -> str:
    return said.replace(f"{project.migrations}/", "").replace(str(project.path), "PROJECT")


def lines(said: str) -> str:
    return dedent(said).strip("\n")


#: The first line of a body in its file: there are imports above it.
FIRST = migration("BODY").split("BODY")[0].count("\n") + 1


def at(line: int) -> str:
    return f"line {FIRST + line - 1}"


def test_before_the_only_commit(project: Project) -> None:
    said = message(
        project,
        'run(db, "CREATE TABLE t (n int)")',
        'run(db, "INSERT INTO t VALUES (1)")',
        '''
        run(db, "CREATE TABLE u (n int)")
        run(db, "INSERT INTO u VALUES (1)")
        run(db, """
            CREATE TABLE v (
                n int REFERENCES nobody
            )
        """)
        db.commit()
        ''',
    )
    # Of the file's lines the innermost is named: that of its helper `run`, far above.
    assert said == lines(
        """
        003_file failed: 003_file.py, line 4
          UndefinedTable: relation "nobody" does not exist
          statement:
            CREATE TABLE v (
                n int REFERENCES nobody
            )
        Everything it did was rolled back. It is not recorded as applied. 001_file, 002_file were applied before it and stay so.
        Correct the file, and type: eai migrate
        """
    )


def test_after_two_commits(project: Project) -> None:
    said = message(
        project,
        """
        db.execute(text("CREATE TABLE t (n int)"))
        db.commit()
        db.execute(text("INSERT INTO t VALUES (1)"))
        db.commit()
        db.execute(text("INSERT INTO t VALUES (2)"))
        raise ValueError("no more")
        """,
    )
    assert said == lines(
        f"""
        001_file failed: 001_file.py, {at(6)}
          ValueError: no more
        It had made 2 commits, the last at {at(4)}: what it did up to there stays. Everything after it was rolled back. It is not recorded as applied.
        Correct the file, make sure that it can run again from its beginning, and type: eai migrate
        """
    )


def test_after_one_commit(project: Project) -> None:
    said = message(project, "run(db, 'SELECT 1'); db.commit(); run(db, 'SELECT 1 / 0')")
    assert f"It had made 1 commit, at {at(1)}: what it did up to there stays." in said


def test_at_import(project: Project) -> None:
    said = message(project, "import nobody_has_this\ndef upgrade(db): pass")
    assert said == lines(
        f"""
        001_file failed: 001_file.py, line {FIRST - 1}
          ModuleNotFoundError: No module named 'nobody_has_this'
        Everything it did was rolled back. It is not recorded as applied.
        Correct the file, and type: eai migrate
        """
    )


FLUSH = """
from sqlalchemy.orm import declarative_base
from sqlalchemy import Column, Integer, Text
class T(declarative_base()):
    __tablename__ = "t"
    n = Column(Integer, primary_key=True)
    email = Column(Text, unique=True)
T.metadata.create_all(db.get_bind())
db.add(T(n=1, email="ann@example.org"))
db.flush()
db.add(T(n=2, email="ann@example.org"))
db.commit()
"""


def test_in_a_flush_with_parameters_hidden(project: Project) -> None:
    said = message(project, FLUSH)
    assert said == lines(
        f"""
        001_file failed: 001_file.py, {at(11)}
          UniqueViolation: duplicate key value violates unique constraint "t_email_key"
          statement:
            INSERT INTO t (n, email) VALUES (%(n)s, %(email)s)
          (parameters and details are hidden; --show-parameters shows them)
        Everything it did was rolled back. It is not recorded as applied.
        Correct the file, and type: eai migrate
        """
    )


def test_in_a_flush_with_parameters_shown(project: Project) -> None:
    said = message(project, FLUSH, parameters=True)
    assert said == lines(
        f"""
        001_file failed: 001_file.py, {at(11)}
          UniqueViolation: duplicate key value violates unique constraint "t_email_key"
          DETAIL: Key (email)=(ann@example.org) already exists.
          statement:
            INSERT INTO t (n, email) VALUES (%(n)s, %(email)s)
          parameters: {{'n': 2, 'email': 'ann@example.org'}}
        Everything it did was rolled back. It is not recorded as applied.
        Correct the file, and type: eai migrate
        """
    )


def test_a_cursor_of_the_drivers_hides_the_row_as_well(project: Project) -> None:
    said = message(
        project,
        """
        db.execute(text("CREATE TABLE t (email text UNIQUE)"))
        cursor = db.connection().connection.cursor()
        cursor.execute("INSERT INTO t VALUES (%s), (%s)", ["ann@example.org"] * 2)
        """,
    )
    assert said.splitlines()[1:5] == [
        '  UniqueViolation: duplicate key value violates unique constraint "t_email_key"',
        "  statement:",
        "    INSERT INTO t VALUES (%s), (%s)",
        "  (parameters and details are hidden; --show-parameters shows them)",
    ]


def test_the_cause_hides_parameters_in_a_traceback_too(project: Project) -> None:
    project.write("001_file", migration(FLUSH))
    with pytest.raises(MigrationError) as caught:
        bridge.upgrade(url_of(project), config=project.path / "alembic.ini")
    assert "'email': 'ann@example.org'" not in str(caught.value.__cause__)


def test_a_long_statement_is_cut(project: Project) -> None:
    said = message(
        project,
        """
        values = ",\\n".join(f"({n})" for n in range(100))
        db.execute(text(f"INSERT INTO nobody VALUES\\n{values}"))
        """,
    )
    assert "    (28),\n    ... (71 more lines)\nEverything" in said
    said = message(project, "db.execute(text('SELECT nobody, ' + '1, ' * 1000 + '1'))")
    assert max(map(len, said.splitlines())) < 600


def test_in_a_deferred_constraint_at_the_end(project: Project) -> None:
    deferred = """
    db.execute(text("CREATE TABLE t (n int PRIMARY KEY)"))
    db.execute(text("CREATE TABLE c (n int CONSTRAINT has_parent REFERENCES t INITIALLY DEFERRED)"))
    db.execute(text("INSERT INTO c VALUES (1)"))
    """
    said = lines(
        """
        001_file failed: 001_file.py, {}
          ForeignKeyViolation: insert or update on table "c" violates foreign key constraint "has_parent"
          at the COMMIT, which checks deferred constraints
          (parameters and details are hidden; --show-parameters shows them)
        Everything it did was rolled back. It is not recorded as applied.
        Correct the file, and type: eai migrate
        """
    )
    assert message(project, deferred) == said.format("after its last line")
    assert message(project, dedent(deferred) + "db.commit()") == said.format(at(4))


def test_in_the_record_itself(project: Project, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(
            text(
                """
                CREATE TABLE schema_migrations (version varchar(255) PRIMARY KEY,
                    applied_at timestamptz DEFAULT now(), description text);
                CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS
                    $$ BEGIN RAISE EXCEPTION 'not today'; END $$;
                CREATE TRIGGER no BEFORE INSERT ON schema_migrations
                    FOR EACH ROW EXECUTE FUNCTION no();
                """
            )
        )
    said = message(project, 'db.execute(text("CREATE TABLE t (n int)")); db.commit()').splitlines()
    assert said[:2] == [
        "001_file failed: 001_file.py, while it was being recorded",
        "  RaiseException: not today",
    ]
    assert said[-3:] == [
        "The file ran without an error. What failed is to record that it is applied, in schema_migrations and alembic_version. A trigger on schema_migrations or alembic_version refuses it: CONTEXT above names its function. Let that function accept it, or drop the trigger.",
        "Everything it did was rolled back. It is not recorded as applied.",
        "After that, type: eai migrate",
    ]
    assert project.url is not None
    assert outcome(project.url).rows == {}


def test_a_statement_that_refuses_a_transaction(project: Project) -> None:
    said = message(project, 'db.execute(text("VACUUM"))')
    assert said == lines(
        f"""
        001_file failed: 001_file.py, {at(1)}
          ActiveSqlTransaction: VACUUM cannot run inside a transaction block
          statement:
            VACUUM
        Put transaction = "autocommit" at the top of the file: this statement refuses to run inside a transaction.
        Everything it did was rolled back. It is not recorded as applied.
        Correct the file, and type: eai migrate
        """
    )


def test_a_new_enum_value_used_too_early(project: Project) -> None:
    said = message(
        project,
        """
        db.execute(text("CREATE TYPE mood AS ENUM ('sad')"))
        db.commit()
        db.execute(text("ALTER TYPE mood ADD VALUE 'happy'"))
        db.execute(text("SELECT 'happy'::mood"))
        """,
    )
    assert (
        "A new enum value can be used only after it was committed: put a db.commit() after the "
        'ALTER TYPE, and transaction = "default" if the file says "atomic".' in said
    )


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (
            "db.get_bind().raw_connection()",
            (
                "db.get_bind().raw_connection() would be a second connection, outside of this "
                "migration's transaction. Use db.connection().connection, which is the same as the "
                "Session's; or create_engine(db.get_bind().url), if a second one is meant."
            ),
        ),
        (
            "db.get_bind().dispose()",
            (
                "db.get_bind() is the Engine of this migration's own connection, which it still needs. "
                "Leave dispose() out."
            ),
        ),
        (
            "db.bind.execution_options(isolation_level='AUTOCOMMIT').connect()",
            (
                "A connection of db.get_bind() is in the transaction of this migration, and an "
                "isolation level would end that. Set it with db.connection(execution_options=...) "
                'before the first statement, or write transaction = "autocommit" at the top of the '
                "file."
            ),
        ),
        (
            "with db.get_bind().begin() as c: c.execute(text('COMMIT'))",
            (
                "A connection of db.get_bind() is in the transaction of this migration, and a COMMIT "
                "or ROLLBACK as text would end that."
            ),
        ),
    ],
)
def test_the_engine_of_a_file_is_its_own_connection(project: Project, body: str, told: str) -> None:
    assert told in message(project, body)


RUNS_ON = "Migrations run on psycopg2, whichever driver the URL names, "
JSON = "Send json.dumps(...), in SQL with a cast: CAST(:value AS jsonb)."
COMPOSED = "What psycopg.sql has composed is for psycopg 3: take SQL, Identifier and Literal from psycopg2.sql, and give them to execute() of a cursor."
ROWS = "For rows as dictionaries, use cursor(cursor_factory=psycopg2.extras.RealDictCursor)."


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (
            "from psycopg.types.json import Jsonb; db.execute(text('SELECT :j'), {'j': Jsonb(1)})",
            f"and it does not know the type Jsonb. {JSON}",
        ),
        (
            "db.execute(text('SELECT :j'), {'j': {'a': 1}})",
            f"and it does not know the type dict. {JSON}",
        ),
        (
            "from enum import Enum; db.execute(text('SELECT :e'), {'e': Enum('Mood', 'A').A})",
            "and it does not know the type Mood. Send an ordinary value: json.dumps(...) for JSON, value.value of an Enum, str(...) of others.",
        ),
        (
            "from ipaddress import ip_address; db.execute(text('SELECT :a'), {'a': ip_address('::1')})",
            "and it does not know the type IPv6Address. Send str(...) of it, with a cast: CAST(:value AS inet).",
        ),
        (
            "from psycopg.types.range import Range; db.execute(text('SELECT :r'), {'r': Range(1, 2)})",
            "and it does not know the type Range. Send its text, '[1,10)', with a cast, or a range of psycopg2.extras.",
        ),
        (
            "raw.execute('SELECT 1')",
            "and psycopg2 has no execute there. Use a cursor of it: cursor = connection.cursor(), and cursor.execute(...).",
        ),
        (
            "raw.dbapi_connection.pipeline()",
            "and psycopg2 has no pipeline there. Leave it out. psycopg2.extras.execute_values() sends many rows at once.",
        ),
        (
            "raw.transaction()",
            "and psycopg2 has no transaction there. Use db.begin_nested() for a savepoint, and db.commit().",
        ),
        (
            "raw.cursor().copy('COPY t FROM STDIN')",
            "and psycopg2 has no copy there. For COPY, use copy_expert(sql, file) of a cursor.",
        ),
        (
            "from psycopg2.extras import DictCursor; raw.cursor(cursor_factory=DictCursor).stream('SELECT 1')",
            'and psycopg2 has no stream there. Use a cursor with a name, connection.cursor("rows"), and go through it.',
        ),
        (
            "raw.cursor().execute('SELECT 1').fetchone()",
            "and execute() of its cursors returns None. Write cursor.fetchone() on a line of its own, after cursor.execute(...).",
        ),
        (
            "raw.cursor(row_factory=None)",
            f"and psycopg2 has no row_factory= there. {ROWS}",
        ),
        (
            "raw.cursor().executemany('SELECT %s', [(1,)], returning=True)",
            "and psycopg2 has no returning= there. Use psycopg2.extras.execute_values(..., fetch=True).",
        ),
        (
            "raw.cursor().execute('SELECT 1', prepare=True)",
            "and psycopg2 has no prepare= there. Leave it out: psycopg2 prepares nothing.",
        ),
        (
            "raw.cursor().execute('SELECT %b', (1,))",
            "and in a statement of psycopg2 a parameter is %s, not %b. Where the sign itself is meant, write it twice: %%.",
        ),
        (
            "from psycopg import sql; raw.cursor().execute(sql.SQL('DROP TABLE {}').format(sql.Identifier('t')))",
            f"and psycopg2 has no pgconn there. {COMPOSED}",
        ),
        (
            "from psycopg import sql; db.execute(sql.SQL('SELECT 1'))",
            f"and db.execute() takes text(...). {COMPOSED}",
        ),
        (
            "raw.cursor().execute(type('Template', (), {})())",
            "and its cursors take a text, or what psycopg2.sql has composed.",
        ),
    ],
)
def test_a_file_that_was_written_for_psycopg_3(project: Project, body: str, told: str) -> None:
    said = message(project, f"raw = db.connection().connection\n{body}")
    assert f"\n{RUNS_ON}{told}\n" in said


@pytest.mark.parametrize(
    ("imported", "body", "told"),
    [
        (
            "import psycopg\nfrom psycopg.rows import dict_row",
            "raw.row_factory = dict_row; c = raw.cursor(); c.execute('SELECT 1'); c.fetchone()['a']",
            f"and this file was written for psycopg 3: line {FIRST} imports psycopg.rows.dict_row. {ROWS}",
        ),
        (
            "import psycopg",
            "list(raw.notifies())",
            f"and this file was written for psycopg 3: line {FIRST - 1} imports psycopg. Use db; or psycopg2, psycopg2.sql, psycopg2.errors and psycopg2.extras.",
        ),
        (
            "from psycopg.errors import DuplicateSchema as Exists",
            """
            try:
                raw.cursor().execute("CREATE SCHEMA public")
            except Exists:
                pass
            """,
            f"so an except with psycopg.errors.DuplicateSchema (line {FIRST - 1}) catches nothing. Use psycopg2.errors: the names are the same.",
        ),
    ],
)
def test_what_a_file_imports_of_psycopg_3_explains_an_error_that_says_nothing(
    project: Project, imported: str, body: str, told: str
) -> None:
    work = dedent(body).strip().replace("\n", "\n    ")
    upgrade = f"def upgrade(db):\n    raw = db.connection().connection\n    {work}\n"
    said = message(project, f"{imported}\n{upgrade}")
    assert f"\n{RUNS_ON}{told}\n" in said


def test_an_import_of_psycopg_3_explains_no_error_of_the_servers(project: Project) -> None:
    said = message(project, "import psycopg\ndb.execute(text('SELECT 1 / 0'))")
    assert "psycopg2" not in said


def test_psycopg_3_that_is_not_installed(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "psycopg"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(
        "sys.meta_path",
        [SimpleNamespace(find_spec=_no_psycopg), *sys.meta_path],
    )
    assert (
        f"\n{RUNS_ON}and psycopg 3 is not installed here. Use db; or psycopg2, psycopg2.sql, psycopg2.errors and psycopg2.extras.\n"
        in message(project, "import psycopg")
    )


def _no_psycopg(name: str, *_: object) -> None:
    if name == "psycopg":
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)


#: A connection of the file's own, by `OTHER`.
OTHER = "(**db.get_bind().dialect.create_connect_args(db.get_bind().url)[1]"
OF_ITS_OWN = "The statement went over a connection that the file opened itself. "
UNSEEN = f"{OF_ITS_OWN}It sees only what is committed. "
WAITED = f"{OF_ITS_OWN}What it waited for may be a lock that this very migration holds. "
NOT_SEEN = 'bridge does not see it, and so may send the COMMIT of a db.commit() a quarter of a second later. Send it through db; or, after db.commit(), execute any statement through db before it: db.execute(text("SELECT 1")).'


@pytest.mark.parametrize(
    ("mode", "body", "told"),
    [
        (
            "default",
            f"""
            db.execute(text("CREATE TABLE u (n int)"))
            psycopg2.connect{OTHER}).cursor().execute("SELECT * FROM u")
            """,
            f"{UNSEEN}Send it through db, or call db.commit() before it.",
        ),
        (
            "atomic",
            f"""
            db.execute(text("CREATE TABLE u (n int)"))
            db.commit()
            psycopg2.connect{OTHER}).cursor().execute("SELECT * FROM u")
            """,
            f"{UNSEEN}db.commit() makes nothing final in this file, which is all or nothing. Send it through db.",
        ),
        (
            "default",
            f"""
            other = psycopg2.connect{OTHER}, connection_factory=LoggingConnection)
            other.initialize(io.StringIO())
            db.execute(text("CREATE TABLE u (n int)"))
            other.cursor().execute("SELECT * FROM u")
            """,
            f"{UNSEEN}{NOT_SEEN}",
        ),
        (
            "default",
            f"""
            db.execute(text("CREATE TABLE u (n int)"))
            with psycopg.connect{OTHER}) as other:
                other.execute("SELECT * FROM u")
            """,
            f"{UNSEEN}{NOT_SEEN}",
        ),
        (
            "default",
            f"""
            db.execute(text("LOCK TABLE t"))
            with psycopg.connect{OTHER}) as other:
                other.execute("SET lock_timeout = '10ms'")
                other.execute("ALTER TABLE t ADD m int")
            """,
            f"{WAITED}{NOT_SEEN}",
        ),
        (
            "default",
            f"""
            db.execute(text("LOCK TABLE t"))
            other = psycopg2.connect{OTHER}).cursor()
            other.execute("SET lock_timeout = '10ms'")
            other.execute("ALTER TABLE t ADD m int")
            """,
            f"{WAITED}Send it through db, or call db.commit() before it.",
        ),
        (
            "default",
            """
            db.execute(text("LOCK TABLE t"))
            with create_engine(db.get_bind().url).connect() as other:
                other.execute(text("SET lock_timeout = '10ms'"))
                other.execute(text("ALTER TABLE t ADD m int"))
            """,
            f"{WAITED}Send it through db, or call db.commit() before it.",
        ),
    ],
)
def test_a_connection_of_the_files_own(project: Project, mode: str, body: str, told: str) -> None:
    head = "import io, psycopg, psycopg2\nfrom psycopg2.extras import LoggingConnection"
    work = dedent(body).strip().replace("\n", "\n    ")
    said = message(
        project,
        "db.execute(text('CREATE TABLE t (n int)'))",
        f'{head}\ntransaction = "{mode}"\ndef upgrade(db):\n    {work}\n',
    )
    assert f"\n{told}\n" in said


def test_a_connection_of_the_files_own_says_nothing_of_another_fault(project: Project) -> None:
    body = f"""
    import psycopg
    with psycopg.connect{OTHER}) as other:
        other.execute("SELECT 1 / 0")
    """
    said = message(project, body)
    assert OF_ITS_OWN not in said


def test_a_connection_that_ended_the_sessions_transaction(project: Project) -> None:
    assert (
        "commit() or rollback() of the Connection has ended the Session's transaction, and the "
        "Session does not know. Use db.commit() and db.rollback()."
        in message(project, "db.connection().commit()")
    )


def test_an_extension_that_the_server_lacks(project: Project) -> None:
    said = message(project, 'db.execute(text("CREATE EXTENSION no_such_extension"))')
    assert (
        "This server has no extension no_such_extension. The embedded PostgreSQL comes without "
        "most extensions: set DATABASE_URL to a server that has it." in said
    )


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (
            """db.execute(text("SELECT '{\\"a\\":1}'"))""",
            'In text() a name after a colon is a parameter, here :1. Where the colon itself is meant, write a backslash before it, in a raw string: text(r"... \\:1 ...").',
        ),
        (
            """db.connection().exec_driver_sql("SELECT 'a' LIKE '%a'")""",
            "In exec_driver_sql() a % begins a parameter. Where the sign itself is meant, write it twice: %%.",
        ),
        (
            """db.connection().exec_driver_sql("SELECT 'a' LIKE '%a'", (1,))""",
            "In exec_driver_sql() a % begins a parameter. Where the sign itself is meant, write it twice: %%.",
        ),
        (
            "db.execute(text('SELECT 1 WHERE 1 = ANY(:ids::int[])'), {'ids': [1, 2]})",
            "In text() a parameter may not stand right before a cast with two colons. Write CAST(:ids AS int[]).",
        ),
        (
            "db.execute(text('SELECT :v::jsonb'), {'v': '1'})",
            "In text() a parameter may not stand right before a cast with two colons. Write CAST(:v AS jsonb).",
        ),
    ],
    ids=["a colon", "a percent sign", "a percent sign and a parameter", "a cast", "one letter"],
)
def test_a_sign_that_means_something_else_in_a_text(project: Project, body: str, told: str) -> None:
    assert f"\n{told}\nEverything it did was rolled back." in message(project, body)


def test_a_lock_that_was_not_obtained(project: Project, engine: Engine) -> None:
    with engine.connect() as holder:
        holder.execute(text("CREATE TABLE t (n int)"))
        holder.commit()
        holder.execute(text("LOCK TABLE t"))
        body = """
        db.execute(text("SET LOCAL lock_timeout = '10ms'"))
        db.execute(text("ALTER TABLE t ADD COLUMN m int"))
        """
        said = message(project, body)
        assert said == lines(
            f"""
            001_file failed: 001_file.py, {at(2)}
              LockNotAvailable: canceling statement due to lock timeout
              statement:
                ALTER TABLE t ADD COLUMN m int
            Another session holds a lock on the table for longer than lock_timeout allows. Nothing is wrong with the file: run again when the table is less busy.
            Everything it did was rolled back. It is not recorded as applied.
            Type: eai migrate
            """
        )
        swallowed = """
        db.execute(text("SET lock_timeout = '10ms'"))
        db.commit()
        try:
            db.execute(text("ALTER TABLE t ADD COLUMN m int"))
        except Exception:
            db.rollback()
        db.commit()
        """
        assert message(project, swallowed) == lines(
            f"""
            001_file failed: 001_file.py, after its last line
              The file caught an error and went on, but some of its work is missing: canceling statement due to lock timeout (in: ALTER TABLE t ADD COLUMN m int).
            It had made 1 commit, at {at(2)}: what it did up to there stays. Everything after it was rolled back. It is not recorded as applied.
            Correct the file, make sure that it can run again from its beginning, and type: eai migrate
            """
        )


def test_a_statement_that_takes_too_long_for_the_database(project: Project, engine: Engine) -> None:
    do(engine, f"ALTER DATABASE {engine.url.database} SET statement_timeout = '400ms'")
    said = message(project, 'run(db, "SELECT pg_sleep(60)")')
    assert said == lines(
        """
        001_file failed: 001_file.py, line 4
          QueryCanceled: canceling statement due to statement timeout
          statement:
            SELECT pg_sleep(60)
        The server cancels what takes longer than statement_timeout, which is 400ms here. If this file needs longer, begin its upgrade() with: db.execute(text("SET statement_timeout = 0")). After the file it is put back.
        Everything it did was rolled back. It is not recorded as applied.
        Type: eai migrate
        """
    )
    lifted = ("SET statement_timeout = 0", "SELECT pg_sleep(0.5)")
    project.write("001_file", migration("\n".join(f"run(db, {each!r})" for each in lifted)))
    assert bridge.upgrade(url_of(project), config=project.path / "alembic.ini").applied


def test_a_session_that_the_server_has_ended(project: Project, engine: Engine) -> None:
    limit = "transaction_timeout"
    do(engine, f"ALTER DATABASE {engine.url.database} SET {limit} = '400ms'")
    said = message(project, 'import time\nrun(db, "SELECT 1")\ntime.sleep(2)\nrun(db, "SELECT 2")')
    assert re.search(
        r"""
It had run for \d+(\.\d)? s, so the server may have ended its session for transaction_timeout, which is 400ms here\. If this file needs longer, begin its upgrade\(\) with: db\.execute\(text\("SET transaction_timeout = 0"\)\)\. After the file it is put back\.
Everything it did was rolled back\. It is not recorded as applied\.
Type: eai migrate$""",
        said,
    )


def test_a_commit_that_was_lost(project: Project) -> None:
    said = message(
        project,
        """
        try:
            db.execute(text("SELECT 1 / 0"))
        except Exception:
            pass
        db.commit()
        """,
    )
    assert said == lines(
        f"""
        001_file failed: 001_file.py, {at(5)}
          A statement failed (division by zero) and the file went on without db.rollback(), so PostgreSQL threw away everything since the last commit. Use db.begin_nested() around a statement that may fail, or db.rollback() after it.
        Everything it did was rolled back. It is not recorded as applied.
        Correct the file, and type: eai migrate
        """
    )


def test_a_commit_that_the_server_refuses(project: Project) -> None:
    """A serialization failure shows at the COMMIT, which is sent at once for that."""
    said = message(
        project,
        """
        from sqlalchemy import create_engine
        db.execute(text("CREATE TABLE t (n int)"))
        db.commit()
        db.connection(execution_options={"isolation_level": "SERIALIZABLE"})
        db.execute(text("INSERT INTO t SELECT count(*) FROM t"))
        with other_engine(db).connect().execution_options(isolation_level="SERIALIZABLE") as other:
            other.execute(text("INSERT INTO t SELECT count(*) FROM t"))
            other.commit()
        db.commit()
        """,
    )
    assert f"001_file.py, {at(9)}\n  SerializationFailure: could not serialize access due" in said
    assert f"It had made 1 commit, at {at(3)}: what it did up to there stays." in said


def test_a_commit_through_the_driver(project: Project) -> None:
    body = """
    db.execute(text("CREATE TABLE t (n int)"))
    db.connection().connection.commit()
    1 / 0
    """
    assert message(project, body).splitlines()[2:] == [
        (
            f"It had made 1 commit, at {at(2)}: what it did up to there stays. Everything after it "
            "was rolled back. It is not recorded as applied."
        ),
        (
            "Correct the file, make sure that it can run again from its beginning, and type: "
            "eai migrate"
        ),
    ]


@pytest.mark.parametrize(
    ("body", "name"), [("upgrade = lambda db: (yield)", "generator"), ("", "coroutine")]
)
def test_a_function_that_does_not_do_its_work(project: Project, body: str, name: str) -> None:
    body = body or "async def work(db): pass\ndef upgrade(db): return work(db)"
    assert (
        f"  upgrade returned a {name} instead of doing its work: it must be an ordinary function, "
        "neither async nor a generator.\n" in message(project, "def upgrade(db): pass\n" + body)
    )


def test_without_a_transaction(project: Project) -> None:
    said = message(
        project,
        'transaction = "autocommit"\ndef upgrade(db): db.execute(text("SELECT 1 / 0"))',
    )
    assert said.splitlines()[-2:] == [
        (
            "It runs without a transaction, so what it did before this point stays, and nothing was rolled back. It is not recorded as applied."
        ),
        (
            "Correct the file, make sure that it can run again from its beginning, and type: "
            "eai migrate"
        ),
    ]


def test_a_downgrade(project: Project) -> None:
    project.write("001_file", migration("def upgrade(db): pass\ndef downgrade(db): 1 / 0"))
    project.alembic("upgrade", "head", check=True)
    done = project.alembic("downgrade", "base")
    assert done.returncode == 1
    said = tidy(project, done.stderr)
    assert f"FAILED: 001_file failed to downgrade: 001_file.py, line {FIRST}\n" in said
    assert "Everything it did was rolled back. It is still recorded as applied.\n" in said


def test_sys_exit_does_not_look_like_success(project: Project) -> None:
    said = message(project, "import sys\nsys.exit()")
    assert said.splitlines()[1:] == [
        "  The file called sys.exit(), so its migration did not finish.",
        "Everything it did was rolled back. It is not recorded as applied.",
        "Correct the file, and type: eai migrate",
    ]


@pytest.mark.parametrize("error", ["KeyboardInterrupt", "SystemExit(3)", "Interrupted(15)"])
def test_an_interruption_says_what_it_means(project: Project, error: str) -> None:
    project.write("001_file", migration("pass"))
    project.write(
        "002_file",
        migration(
            f"""
            from bridge.errors import Interrupted
            db.execute(text("CREATE TABLE t (n int)"))
            raise {error}
            """
        ),
    )
    with pytest.raises(BaseException) as caught:
        bridge.upgrade(url_of(project), config=project.path / "alembic.ini")
    assert type(caught.value).__name__ == error.split("(", maxsplit=1)[0]
    (note,) = caught.value.__notes__
    assert tidy(project, note) == lines(
        f"""
        002_file was interrupted at {at(3)} (002_file.py).
        Everything it did was rolled back. It is not recorded as applied. 001_file was applied before it and stays so.
        To go on, type: eai migrate
        """
    )


def test_a_lock_of_the_files_own_is_found(project: Project) -> None:
    said = message(
        project,
        """
        db.execute(text("CREATE TABLE t (n int)"))
        db.commit()
        db.execute(text("INSERT INTO t VALUES (1)"))
        with other_engine(db).begin() as other:
            other.execute(text("DROP TABLE t"))
        """,
    )
    assert said == lines(
        f"""
        001_file failed: 001_file.py, {at(5)}
          QueryCanceled: canceling statement due to user request
          statement:
            DROP TABLE t
        A statement waited for a lock that this very migration holds through another connection. It would have waited for ever, so it was cancelled.
          what waited: DROP TABLE t
          the last statement of the connection that holds the lock: INSERT INTO t VALUES (1)
        Send both through db, or commit before another connection is used.
        It had made 1 commit, at {at(2)}: what it did up to there stays. Everything after it was rolled back. What it did over another connection may stay. It is not recorded as applied.
        Correct the file, make sure that it can run again from its beginning, and type: eai migrate
        """
    )


def test_a_lock_of_the_files_own_is_found_the_other_way_round_and_cannot_be_swallowed(
    project: Project,
) -> None:
    said = message(
        project,
        """
        db.execute(text("CREATE TABLE t (n int)"))
        db.commit()
        other = other_engine(db).connect()
        other.execute(text("SELECT * FROM t"))
        try:
            db.execute(text("DROP TABLE t"))
        except Exception:
            db.rollback()
        other.close()
        """,
    )
    assert "  A statement was cancelled, and the file went on.\n" in said
    assert "  what waited: DROP TABLE t\n" in said
    assert "that holds the lock: SELECT * FROM t\n" in said


def test_a_lock_of_a_strangers_is_waited_for(project: Project, engine: Engine) -> None:
    """Also when the file has a second connection."""
    with engine.connect() as stranger:
        stranger.execute(text("CREATE TABLE t (n int)"))
        stranger.commit()
        stranger.execute(text("LOCK TABLE t"))
        release = threading.Timer(2.2, stranger.rollback)
        release.start()
        project.write(
            "001_file",
            migration(
                """
                other = other_engine(db).connect()
                other.execute(text("SELECT 1"))
                db.execute(text("DROP TABLE t"))
                other.close()
                """
            ),
        )
        config = project.ini(extra="ddl_lock_timeout = 0\n")
        report = bridge.upgrade(url_of(project), config=config)
        release.join()
    assert [applied.stem for applied in report.applied] == ["001_file"]


def at_the_last_commit(engine: Engine, action: str) -> None:
    """Have the server do something while it commits the record."""
    with engine.begin() as connection:
        connection.execute(
            text(
                f"""
                CREATE TABLE schema_migrations (version varchar(255) PRIMARY KEY,
                    applied_at timestamptz DEFAULT now(), description text);
                CREATE FUNCTION act() RETURNS trigger LANGUAGE plpgsql AS
                    $$ BEGIN PERFORM {action}; RETURN NULL; END $$;
                CREATE CONSTRAINT TRIGGER act AFTER INSERT ON schema_migrations
                    INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION act();
                CREATE FUNCTION defer() RETURNS trigger LANGUAGE plpgsql AS
                    $$ BEGIN SET CONSTRAINTS ALL DEFERRED; RETURN NEW; END $$;
                CREATE TRIGGER defer BEFORE INSERT ON schema_migrations
                    FOR EACH ROW EXECUTE FUNCTION defer();
                """
            )
        )


def test_an_interruption_at_the_very_end_says_that_the_migration_is_done(
    project: Project, engine: Engine
) -> None:
    """Python raises KeyboardInterrupt when the driver comes back from the COMMIT.

    The signal comes while the server is in that: a second after the file it may be long over.
    """
    at_the_last_commit(engine, "pg_sleep(1.5)")
    project.write("001_file", migration("pass"))
    done = project.python(
        """
        import bridge, os, signal, threading
        from sqlalchemy import create_engine, text
        from sqlalchemy.pool import NullPool

        ASLEEP = text("SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep'")

        def interrupt_the_commit():
            with create_engine(os.environ["DATABASE_URL"], poolclass=NullPool).connect() as other:
                while other.execute(ASLEEP).first() is None:
                    other.rollback()
            os.kill(os.getpid(), signal.SIGINT)

        threading.Thread(target=interrupt_the_commit, daemon=True).start()
        try:
            bridge.upgrade()
        except KeyboardInterrupt as error:
            print(*error.__notes__)
        """
    )
    assert done.stdout == (
        "001_file was just finished, and is recorded as applied.\nTo go on, type: eai migrate\n"
    )
    assert project.url is not None
    assert outcome(project.url).recorded == ["001_file"]


def test_a_connection_that_breaks_in_the_last_commit(project: Project, engine: Engine) -> None:
    at_the_last_commit(engine, "pg_terminate_backend(pg_backend_pid())")
    said = message(project, "pass").splitlines()
    assert said[0] == "001_file failed: 001_file.py, while it was being recorded"
    assert said[-2:] == [
        "The connection broke while the COMMIT was under way, so it is not known whether 001_file was committed; its record was in the same transaction, so the next run will know.",
        "Type: eai migrate",
    ]


ROLLED_BACK = "Everything it did was rolled back. It is not recorded as applied."
RECORD_FAILED = (
    "The file ran without an error. What failed is to record that it is applied, in "
    "schema_migrations and alembic_version. "
)


@pytest.mark.parametrize(
    ("added", "told"),
    [
        (
            "COLUMN team text NOT NULL",
            "schema_migrations has a column team that must have a value, and bridge has none for it. Type as the table's owner: ALTER TABLE schema_migrations ALTER COLUMN team DROP NOT NULL; or give it a DEFAULT.",
        ),
        (
            "CONSTRAINT numbered CHECK (version ~ '^V')",
            "The constraint numbered of schema_migrations forbids it. Let the constraint allow it, or type as the table's owner: ALTER TABLE schema_migrations DROP CONSTRAINT numbered;",
        ),
        (
            "COLUMN by text DEFAULT 'me' CONSTRAINT known REFERENCES people",
            "The foreign key known of schema_migrations forbids it. Type as the table's owner: ALTER TABLE schema_migrations DROP CONSTRAINT known;",
        ),
    ],
    ids=["a column", "a check", "a foreign key"],
)
def test_a_ledger_that_refuses_the_row_is_told_and_not_the_file(
    project: Project, engine: Engine, added: str, told: str
) -> None:
    """What is there before a run is asked for; here it comes while the file runs."""
    do(engine, "CREATE TABLE people (name text PRIMARY KEY)")
    said = message(project, f'run(db, "ALTER TABLE schema_migrations ADD {added}")')
    assert said.splitlines()[-3:] == [
        RECORD_FAILED + told,
        ROLLED_BACK,
        "After that, type: eai migrate",
    ]


def test_a_right_that_the_record_lacks_is_told_with_the_grant(
    project: Project, engine: Engine
) -> None:
    """The rights are asked for before a run, but a file can take them away."""
    with as_role(project, engine) as role:
        said = message(project, f'run(db, "REVOKE ALL ON schema_migrations FROM {role}")')
        assert said.splitlines()[-3:] == [
            RECORD_FAILED
            + f"The role {role} lacks a right on them. Type as their owner: GRANT SELECT, INSERT, UPDATE, DELETE ON schema_migrations, alembic_version TO {role}; or set MIGRATION_DATABASE_URL to the address of a role that has it.",
            ROLLED_BACK,
            "After that, type: eai migrate",
        ]


@contextmanager
def as_role(project: Project, engine: Engine) -> Iterator[str]:
    """Migrate as a role that may make tables, and no more."""
    role, url = f"{engine.url.database}_app", project.url
    assert url is not None
    do(engine, f"CREATE ROLE {role} LOGIN", f"GRANT CREATE, USAGE ON SCHEMA public TO {role}")
    object.__setattr__(project, "url", url.set(username=role))
    try:
        yield role
    finally:
        object.__setattr__(project, "url", url)
        do(engine, f"DROP OWNED BY {role}", f"DROP ROLE {role}")


def test_a_record_that_fails_after_work_that_stays_is_made_up_for(project: Project) -> None:
    said = message(
        project,
        """
        transaction = "autocommit"
        def upgrade(db):
            run(db, "ALTER TABLE schema_migrations ADD COLUMN team text NOT NULL")
        """,
    )
    assert said.splitlines()[-2:] == [
        "It runs without a transaction, so what it did before this point stays, and nothing was rolled back. It is not recorded as applied.",
        "After that, record it without running it again: eai migrate mark 001_file --applied",
    ]


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        (
            "SELECT * FROM theirs",
            "Nothing is wrong with the file: {} lacks a right. GRANT it what the message names, or set MIGRATION_DATABASE_URL to the address of a role that may do it.",
        ),
        (
            "ALTER TABLE theirs ADD COLUMN m int",
            "Nothing is wrong with the file: {} is not the owner, and only the owner may do this. Make it a member of the owner, with GRANT, or set MIGRATION_DATABASE_URL to the address of a role that may do it.",
        ),
        (
            "INSERT INTO guarded VALUES (1)",
            "Nothing is wrong with the file: a policy of row level security keeps {} from this. Let the table's owner add a policy that allows it, or set MIGRATION_DATABASE_URL to the address of a role that may do it.",
        ),
    ],
    ids=["a right", "an owner", "a policy"],
)
def test_a_right_that_a_role_lacks(
    project: Project, engine: Engine, statement: str, told: str
) -> None:
    do(
        engine,
        "CREATE TABLE theirs (n int)",
        "CREATE TABLE guarded (n int)",
        "ALTER TABLE guarded ENABLE ROW LEVEL SECURITY",
    )
    with as_role(project, engine) as role:
        do(engine, f"GRANT ALL ON guarded TO {role}")
        for body, who in (
            (f'run(db, "{statement}")', f"the role {role}"),
            (
                f'run(db, "SET ROLE {role}"); run(db, "{statement}")',
                "the role that the file has set",
            ),
        ):
            said = message(project, body).splitlines()[-3:]
            assert said == [told.format(who), ROLLED_BACK, "After that, type: eai migrate"]


DONE_ALREADY = [
    "If this database has all of its work already (made by hand or by another tool, or its row was deleted), record it without running it: eai migrate mark 001_file --applied",
    "If not, let the file cope with what is there (IF NOT EXISTS), or remove that, and type: eai migrate",
]


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE made (n int)",
        "CREATE INDEX made_n ON made (n)",
        "ALTER TABLE made ADD COLUMN n int",
        "ALTER TABLE made ADD CONSTRAINT positive CHECK (n > 0)",
        "ALTER TABLE made ADD PRIMARY KEY (n)",
        "CREATE SCHEMA apart",
        "CREATE TYPE mood AS ENUM ()",
        "CREATE FUNCTION one() RETURNS int LANGUAGE sql RETURN 1",
    ],
)
def test_work_that_is_there_already_has_two_ways_on(
    project: Project, engine: Engine, statement: str
) -> None:
    do(
        engine,
        "CREATE TABLE made (n int PRIMARY KEY CONSTRAINT positive CHECK (n > 0))",
        "CREATE INDEX made_n ON made (n)",
        "CREATE SCHEMA apart",
        "CREATE TYPE mood AS ENUM ()",
        "CREATE FUNCTION one() RETURNS int LANGUAGE sql RETURN 1",
    )
    said = message(project, f'run(db, "{statement}")').splitlines()
    assert said[-3:] == [ROLLED_BACK, *DONE_ALREADY]


def test_work_that_is_there_after_a_commit_of_the_files_own(project: Project) -> None:
    said = message(
        project,
        "run(db, 'CREATE TABLE a ()'); db.commit()\nrun(db, 'CREATE TABLE a ()')",
    )
    assert said.splitlines()[-1] == (
        "If not, let the file cope with what is there (IF NOT EXISTS), or remove that, make sure that it can run again from its beginning, and type: eai migrate"
    )


def downgrade_message(project: Project, body: str, *, head: str = "") -> str:
    """What the downgrade of one file says."""
    file = f"{head}\ndef upgrade(db): pass\ndef downgrade(db):\n"
    body = "".join(f"    {line}\n" for line in dedent(body).strip().splitlines())
    project.write("001_file", migration(file + body))
    bridge.upgrade(url_of(project), config=project.path / "alembic.ini")
    done = project.eai("migrate", "downgrade", "base", "--yes")
    assert (done.returncode, "Traceback" in done.stderr) == (1, False), done
    return tidy(project, done.stderr[done.stderr.index("Error: ") :])


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE gone",
        "ALTER TABLE made DROP COLUMN gone",
        "DROP INDEX gone",
        "DROP FUNCTION gone()",
        "DROP SCHEMA gone",
        "DROP TYPE gone",
        "ALTER TABLE made DROP CONSTRAINT gone",
        "ALTER TABLE made ADD COLUMN n int",
    ],
)
def test_what_is_gone_already_has_two_ways_on(
    project: Project, engine: Engine, statement: str
) -> None:
    do(engine, "CREATE TABLE made (n int)")
    said = downgrade_message(project, f'run(db, "{statement}")').splitlines()
    assert said[-3:] == [
        "Everything it did was rolled back. It is still recorded as applied.",
        "If all of it is reverted in this database already (by hand or by another tool), record that without running it: eai migrate mark 001_file --pending",
        "If not, let the file cope with that (IF EXISTS), and type: eai migrate downgrade base",
    ]


BOTH_WAYS = """\
To finish the downgrade: correct the file, make sure that its downgrade() can run again from its beginning, and type: eai migrate mark 001_file --applied
Then type: eai migrate downgrade base
To apply it again instead: make sure that its upgrade() can run on what is left, and type: eai migrate"""


def test_a_downgrade_that_fails_after_its_first_commit(project: Project) -> None:
    said = downgrade_message(
        project,
        """
        run(db, "CREATE TABLE half ()")
        db.commit()
        run(db, "SELECT 1 / 0")
        """,
    )
    assert said.splitlines()[4:] == [
        f"It had made 1 commit, at line {FIRST + 2}: what it did up to there stays. Everything after it was rolled back. It is recorded as not applied, which was part of its first commit. It may be only partly reverted.",
        *BOTH_WAYS.splitlines(),
    ]


def test_a_downgrade_that_fails_outside_of_transactions(project: Project) -> None:
    said = downgrade_message(
        project,
        """
        run(db, "CREATE TABLE half ()")
        run(db, "SELECT 1 / 0")
        """,
        head='transaction = "autocommit"',
    )
    assert said.splitlines()[4:] == [
        "It runs without a transaction, so what it did before this point stays, and nothing was rolled back. It is recorded as not applied, which was written before its first statement. It may be only partly reverted.",
        *BOTH_WAYS.splitlines(),
    ]
    done = project.alembic("stamp", "001_file", check=True)
    assert "Traceback" not in done.stderr
    assert "Nothing to revert" not in project.eai("migrate", "downgrade", "base", "--yes").stdout


def test_a_downgrade_whose_first_commit_cannot_be_recorded(
    project: Project, engine: Engine
) -> None:
    project.write("001_file", migration("pass"))
    bridge.upgrade(url_of(project), config=project.path / "alembic.ini")
    do(
        engine,
        "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'not today'; END $$",
        "CREATE TRIGGER no BEFORE DELETE ON schema_migrations FOR EACH ROW EXECUTE FUNCTION no()",
    )
    said = downgrade_message(
        project,
        """
        run(db, "CREATE TABLE half ()")
        db.commit()
        run(db, "SELECT 1")
        """,
    )
    assert said.splitlines()[1:] == [
        f"  The commit asked for at line {FIRST + 2} failed: not today",
        "Nothing is wrong with the file. What failed is to record that it is taken back, in schema_migrations and alembic_version. A trigger on schema_migrations or alembic_version refuses it: CONTEXT above names its function. Let that function accept it, or drop the trigger.",
        "Everything it did was rolled back. It is still recorded as applied.",
        "After that, type: eai migrate downgrade base",
    ]


def test_a_statement_that_somebody_has_cancelled_is_run_again(project: Project) -> None:
    said = message(project, 'run(db, "SELECT pg_cancel_backend(pg_backend_pid()), pg_sleep(9)")')
    assert said.splitlines()[-3:] == [
        "Somebody cancelled the statement: with `eai migrate lock --cancel`, at a console, or a program (pg_cancel_backend). Nothing is wrong with the file: run again.",
        ROLLED_BACK,
        "Type: eai migrate",
    ]


def test_a_connection_that_somebody_has_ended_is_run_again(project: Project) -> None:
    """What the driver says of it depends on which of the server's messages it got first."""
    said = message(project, 'run(db, "SELECT pg_terminate_backend(pg_backend_pid())")')
    assert said.splitlines()[-3] in {
        "Somebody ended the connection (pg_terminate_backend), or the server was shut down. Nothing is wrong with the file: run again.",
        "The connection to the server broke. Nothing is wrong with the file: run again.",
    }
    assert said.splitlines()[-2:] == [ROLLED_BACK, "Type: eai migrate"]


def test_a_disk_that_is_full_is_no_fault_of_the_files(project: Project) -> None:
    said = message(
        project,
        """
        run(db, "DO $$ BEGIN RAISE EXCEPTION 'No space left on device' "
                "USING ERRCODE = 'disk_full'; END $$")
        """,
    )
    assert said.splitlines()[-3:] == [
        "The server's disk is full. Nothing is wrong with the file: make room on that disk.",
        ROLLED_BACK,
        "After that, type: eai migrate",
    ]


def test_a_commit_that_others_made_fail_is_run_again(project: Project) -> None:
    """A serialization failure shows at the COMMIT, which is sent at once for that."""
    said = message(
        project,
        """
        run(db, "CREATE TABLE t (n int)")
        db.commit()
        db.connection(execution_options={"isolation_level": "SERIALIZABLE"})
        run(db, "INSERT INTO t SELECT count(*) FROM t")
        with other_engine(db).connect().execution_options(isolation_level="SERIALIZABLE") as other:
            other.execute(text("INSERT INTO t SELECT count(*) FROM t"))
            other.commit()
        db.commit()
        run(db, "SELECT 1")
        """,
    )
    assert said.splitlines()[-3] == (
        "Another transaction worked on the same rows at the same time, and this one had to give way. Nothing is wrong with the file: run again."
    )
    assert said.splitlines()[-1] == (
        "Make sure that it can run again from its beginning, and type: eai migrate"
    )
