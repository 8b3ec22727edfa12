"""Functions that expect something else than a Session, found from their text alone."""

from __future__ import annotations

from textwrap import dedent, indent
from typing import TYPE_CHECKING

import pytest
from psycopg2.extensions import connection, cursor
from sqlalchemy import Connection, create_engine
from sqlalchemy.orm import Session

from bridge.checks.argument_kinds import NAMES
from bridge.checks.source import check_source
from bridge.execution.session import FileConnection, FileSession
from bridge.files.conventions import Argument, Conventions
from support.eighty import eighty_files

if TYPE_CHECKING:
    from bridge.checks.rules import Problem

ID = "not-a-session"


def problems(source: str, argument: Argument = Argument.SESSION) -> list[Problem]:
    found = check_source("m/001_x.py", source, conventions=Conventions(argument=argument))
    return [each for each in found.problems if each.id == ID]


def taking(parameter: str, body: str, *, name: str = "upgrade", more: str = "") -> str:
    upgrade = "" if name == "upgrade" else "def upgrade(db): pass\n"
    text = indent(dedent(body).strip() + "\n", "    ")
    return f"{dedent(more)}\n{upgrade}def {name}({parameter}):\n{text}"


ENGINE = create_engine("postgresql+psycopg2://")


@pytest.mark.parametrize(
    ("argument", "real", "more"),
    [
        (Argument.SESSION, Session(ENGINE), set()),
        (Argument.SESSION, FileSession, set()),
        (Argument.CONNECTION, Connection, {"dialect", "engine"}),
        (Argument.CONNECTION, FileConnection, {"dialect", "engine"}),
        (Argument.ENGINE, ENGINE, set()),
        (Argument.DBAPI, connection, set()),
        (Argument.CURSOR, cursor, set()),
    ],
)
def test_the_names_are_those_of_the_classes(
    argument: Argument, real: object, more: set[str]
) -> None:
    public = {name for name in dir(real) if not name.startswith("_")}
    assert public | more <= NAMES[argument]


# What runs today, under whatever name, is not told


@pytest.mark.parametrize(
    "parameter", ["db", "session", "connection", "conn", "cur", "cursor", "engine", "e: object"]
)
@pytest.mark.parametrize(
    "body",
    [
        "NAME.execute(text('CREATE TABLE a ()'))\nNAME.commit()",
        "NAME.scalar(text('SELECT 1'))\nNAME.flush()",
        "found = NAME.execute(text('SELECT 1')).fetchone()\nNAME.rollback()",
        "inspect(NAME.connection()).get_table_names()\nNAME.get_bind().dialect",
        "NAME.connection().connection.cursor().executemany('x', [])",
        "with NAME.begin_nested():\n    NAME.execute(text('x'))",
        "with NAME.begin():\n    NAME.execute(text('x'))",
        "conn2 = NAME.connection()\nconn2.exec_driver_sql('x')",
        "Base.metadata.create_all(NAME.connection())",
        "Base.metadata.create_all(bind=NAME.get_bind())",
        "SQL = text('SELECT 1')\nNAME.execute(SQL)",
        "NAME.execute(statement())\nNAME.execute(select(a))",
        "helpers.create_all(NAME)\nNAME.commit()",
        "pass",
    ],
)
def test_a_body_that_is_content_with_a_session(parameter: str, body: str) -> None:
    name = parameter.partition(":")[0]
    assert problems(taking(parameter, body.replace("NAME", name))) == []


@pytest.mark.parametrize(
    "source",
    [
        taking("db", "if hasattr(db, 'cursor'):\n    db.cursor()"),
        taking("db", "if isinstance(db, Engine):\n    db.connect()"),
        taking("db", "try:\n    db.cursor()\nexcept AttributeError:\n    db.connection()"),
        taking("db", "db = db.connection()\ndb.exec_driver_sql('x')"),
        taking("conn", "with conn.connection() as conn:\n    conn.exec_driver_sql('x')"),
        taking("conn", "for conn in conns:\n    conn.cursor()"),
        taking("cur", "rows = [cur.fetchone() for cur in cursors]"),
        taking("db", "def inner(db):\n    db.cursor()\ninner(db.connection().connection)"),
        taking("db", "(lambda db: db.cursor())(db.connection().connection)"),
        taking("db", "run(db.connection().connection)", more="def run(db):\n    db.cursor()\n"),
        taking("db", "x = db\nx = db.connection()\nx.exec_driver_sql('y')"),
        taking("conn", "helpers.fill(conn)"),
        taking("cur", "helpers.fill(cur)\ncur.commit()"),
        "@with_cursor\n" + taking("cur", "cur.fetchone()").lstrip(),
        "def upgrade(db): pass\ndef other(engine):\n    engine.connect()\n",
        "def upgrade(engine):\n    engine.connect()\ndef upgrade(db): pass\n",
        "upgrade = lambda db: db.connect()\n",
        "from helpers import upgrade\n",
        "def upgrade(*args):\n    args[0].cursor()\n",
    ],
)
def test_what_nobody_can_tell_is_not_told(source: str) -> None:
    assert problems(source) == []


@pytest.mark.parametrize(
    "annotation",
    [
        "Session",
        "orm.Session",
        "'Session'",
        "AsyncSession | None",
        "Session | Connection",
        "Optional[Session]",
        "Annotated[Session, 'x']",
        "Any",
        "Database",
        "'not Python ('",
    ],
)
def test_an_annotation_that_names_a_session_or_nothing_known(annotation: str) -> None:
    assert problems(taking(f"db: {annotation}", "db.commit()")) == []


def test_ordinary_folders_are_not_told() -> None:
    assert [stem for stem, text in eighty_files().items() if problems(text)] == []


# What would fail is told once, at the first line that shows it


@pytest.mark.parametrize(
    ("parameter", "body", "line", "shown"),
    [
        ("cur", "cur.execute(text('x'))\ncur.fetchone()", 2, "which has no `fetchone`"),
        ("cur", "cur.executemany(sql, rows)", 1, "which has no `executemany`"),
        ("conn", "with conn.cursor() as cur:\n    cur.execute('x')", 1, "which has no `cursor`"),
        ("conn", "cur = conn.cursor()\ncur.execute('x')\nconn.commit()", 1, "has no `cursor`"),
        ("connection", "connection.exec_driver_sql('x')", 1, "has no `exec_driver_sql`"),
        ("db", "db.autocommit = True\ndb.commit()", 1, "which has no `autocommit`"),
        ("db", "db.exec(text('x'))", 1, "which has no `exec`."),
        ("db", "x = db\nx.fetchall()", 2, "which has no `fetchall`"),
        ("db", "def inner():\n    db.cursor()\ninner()", 2, "which has no `cursor`"),
        ("engine", "with engine.connect() as c:\n    pass", 1, "which has no `connect`"),
        ("engine", "engine.raw_connection()", 1, "which has no `raw_connection`"),
        (
            "engine",
            "with engine.begin() as conn:\n    conn.execute(text('x'))",
            1,
            "whose `begin()` returns no Connection: `conn` cannot send SQL",
        ),
        ("conn", "conn.execution_options(x=1)", 1, "has no `execution_options()`"),
        (
            "conn",
            "conn.execute('CREATE TABLE a ()')",
            1,
            "whose `execute` does not take a plain string",
        ),
        (
            "conn",
            "conn.execute(f'CREATE TABLE {a} ()')",
            1,
            "whose `execute` does not take a plain string",
        ),
        ("conn", "conn.execute('A' + b)", 1, "whose `execute` does not take a plain string"),
        ("conn", "conn.execute('%s' % b)", 1, "whose `execute` does not take a plain string"),
        ("conn", "conn.execute('{}'.format(b))", 1, "whose `execute` does not take a plain string"),
        ("conn", "SQL = 'A'\nconn.execute(SQL)", 2, "whose `execute` does not take a plain string"),
        (
            "conn",
            "conn.execute(dedent('A'), (1,))",
            1,
            "whose `execute` does not take a plain string",
        ),
        ("conn", "conn.scalar('SELECT 1')", 1, "whose `scalar` does not take a plain string"),
        ("e", "Base.metadata.create_all(e)", 1, "`Base.metadata.create_all` takes a Connection"),
        ("e", "table.create(bind=e)", 1, "and `table.create` takes a Connection instead"),
        ("e", "Table('a', m, autoload_with=e)", 1, "and `Table` takes a Connection instead"),
        ("e", "inspect(e)", 1, "and `inspect` takes a Connection instead"),
        ("e", "Session(e).commit()", 1, "and `Session` takes an Engine instead"),
        ("e", "Make = orm.sessionmaker(bind=e)", 1, "`orm.sessionmaker` takes an Engine in"),
        ("c", "execute_values(c, 'x', rows)", 1, "and `execute_values` takes a cursor of the"),
        ("engine", "helpers.create_tables(engine)", 0, "its parameter is called `engine`"),
        ("cur", "helpers.fill(cur)", 0, "and its parameter is called `cur`"),
    ],
)
@pytest.mark.parametrize("name", ["upgrade", "downgrade"])
def test_what_a_session_cannot_give(
    name: str, parameter: str, body: str, line: int, shown: str
) -> None:
    source = taking(parameter, body, name=name)
    (problem,) = problems(source)
    first = next(n for n, text in enumerate(source.splitlines(), 1) if f"def {name}(" in text)
    assert problem.line == first + line
    assert problem.message.startswith(f"`{name}` gets a SQLAlchemy Session, ")
    assert shown in problem.message


# What an annotation, or the folder's setting, says that it gets


@pytest.mark.parametrize(
    ("annotation", "body"),
    [
        ("Engine", "with e.connect() as c:\n    c.execute(text('x'))"),
        ("sa.Connection", "e.exec_driver_sql('x')\ne.commit()"),
        ("'Connection'", "e.exec_driver_sql('x')"),
        ("Optional[Engine]", "e.begin()"),
        ("Engine | None = None", "e.begin()"),
        ("psycopg2.extensions.connection", "e.cursor()"),
        ("RealDictCursor", "e.execute('x')\ne.fetchone()"),
    ],
)
def test_a_function_gets_what_its_annotation_says(annotation: str, body: str) -> None:
    assert problems(taking(f"e: {annotation}", body)) == []
    plain = annotation.removesuffix(" = None")
    (problem,) = problems(taking(f"e: {plain}", "e.flush()"))
    assert problem.message.endswith("which has no `flush`: a SQLAlchemy Session has it.")
    assert problem.advice.startswith("Correct the annotation of `e`, if it is a SQLAlchemy Sess")


@pytest.mark.parametrize(
    ("argument", "body"),
    [
        (Argument.CONNECTION, "x.exec_driver_sql('CREATE')\nBase.metadata.create_all(x)"),
        (Argument.CONNECTION, "with x.begin_twophase():\n    x.execute(text('x'))"),
        (Argument.ENGINE, "with x.begin() as c:\n    c.execute(text('x'))"),
        (Argument.ENGINE, "Base.metadata.create_all(x)\ninspect(x)\nSession(x)"),
        (Argument.DBAPI, "with x.cursor() as c:\n    c.execute('CREATE')\nx.commit()"),
        (Argument.CURSOR, "x.execute('CREATE')\nx.fetchall()\nexecute_values(x, 'x', [])"),
    ],
)
def test_a_function_gets_what_the_folder_says(argument: Argument, body: str) -> None:
    assert problems(taking("x", body), argument) == []
    assert problems(taking("x", body)) != []


@pytest.mark.parametrize(
    ("argument", "body", "shown"),
    [
        (Argument.CONNECTION, "x.execute('CREATE')", "a Connection, whose `execute` does not take"),
        (Argument.CONNECTION, "x.query(A)", "a Connection, which has no `query`: a SQLAlchemy S"),
        (Argument.ENGINE, "x.execute(text('x'))", "an Engine, which has no `execute`: a SQLAlchem"),
        (Argument.ENGINE, "x.cursor()", "which has no `cursor`: a connection of the driver has it"),
        (Argument.DBAPI, "x.execute('x')", "which has no `execute`: a SQLAlchemy Session has it."),
        (Argument.DBAPI, "execute_values(x, 'x', [])", "and `execute_values` takes a cursor of"),
        (Argument.CURSOR, "x.cursor()", "a cursor of the driver, which has no `cursor`: a conn"),
        (Argument.CURSOR, "x.nothing()", "which has no `nothing`."),
    ],
)
def test_what_the_folders_kind_of_argument_cannot_give(
    argument: Argument, body: str, shown: str
) -> None:
    (problem,) = problems(taking("x", body), argument)
    assert shown in problem.message


def test_a_session_has_exec_where_sqlmodel_is_imported() -> None:
    body = "db.exec(select(Person))"
    for more in ("from sqlmodel import select", "import sqlmodel", "import sqlmodel.sql as s"):
        assert problems(taking("db", body, more=more)) == []
    assert problems(taking("db", body, more="from sqlalchemy import select")) != []


def test_functions_of_the_same_file_are_followed() -> None:
    more = """
    def fill(rows, cur):
        again(rows, cur)
        cur.executemany("x", rows)

    def again(rows, cur):
        fill(rows, cur=cur)
    """
    (problem,) = problems(taking("db", "fill([], db)\ndb.fetchone()", more=more))
    assert (problem.line, "`executemany`" in problem.message) == (4, True)


def test_a_function_that_cannot_be_called_is_told_for_that_only() -> None:
    source = "def upgrade(cur, schema):\n    cur.fetchone()\n"
    assert "wrong-upgrade" in [e.id for e in check_source("m/001_x.py", source).problems]
    assert problems(source) == []


def test_the_words_and_the_way_on() -> None:
    def told(parameter: str, body: str) -> tuple[str, str]:
        (problem,) = problems(taking(parameter, body))
        return problem.message, problem.advice

    assert told("cur", "cur.fetchone()") == (
        (
            "`upgrade` gets a SQLAlchemy Session, which has no `fetchone`: a cursor of the "
            "driver has it."
        ),
        (
            "If the files of this folder take a cursor of the driver, put `argument = cursor` into "
            'alembic.ini. Else write `cur.execute(text("…"))`, or use '
            "`cur.connection().connection.cursor()`, which is a cursor of the driver in the "
            "migration's transaction."
        ),
    )
    assert told("engine", "engine.connect()") == (
        "`upgrade` gets a SQLAlchemy Session, which has no `connect`: an Engine has it.",
        (
            "If the files of this folder take an Engine, put `argument = engine` into alembic.ini. "
            'Else write `engine.execute(text("…"))`, or use `engine.connection()`, which is a '
            "Connection in the migration's transaction."
        ),
    )
    assert told("conn", "conn.execute('x')") == (
        "`upgrade` gets a SQLAlchemy Session, whose `execute` does not take a plain string.",
        'Write `conn.execute(text("…"))`, with `from sqlalchemy import text`.',
    )


@pytest.mark.parametrize(
    "body",
    [
        "f(db)(db)(lambda: db.commit())",
        "a.b[0](db, *db, **db)",
        "x = x\ndb.execute(x)",
        "A = B\nB = A\ndb.execute(A)",
        "db.execute()\ndb.execute(*[1])",
        "with db.begin() as (a, b): pass",
        "upgrade(db)",
    ],
)
def test_odd_code_is_no_reason_to_fail(body: str) -> None:
    assert problems(taking("db", body)) == []
