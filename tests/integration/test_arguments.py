"""A migration gets what its team's runner gave it, and its work means what it meant there."""

from __future__ import annotations

from textwrap import dedent, indent
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import Engine, text

import bridge
from bridge.errors import BridgeError, MigrationError
from support.team_runner import run_as_its_team

if TYPE_CHECKING:
    from support.project import Project

HEAD = """\
from sqlalchemy import MetaData, Table, Column, Integer, inspect, text
from psycopg2.extras import execute_values

ONE, TWO, THREE = (f"INSERT INTO t VALUES ({n})" for n in (1, 2, 3))
BAD = "INSERT INTO t VALUES (1 / 0)"
"""

#: Bodies of `upgrade`, by what it takes.
BODIES = {
    "connection": {
        "leaves": "c.execute(text(ONE))",
        "commits": "c.execute(text(ONE)); c.commit()",
        "commits_and_leaves": "c.execute(text(ONE)); c.commit(); c.execute(text(TWO))",
        "rolls_back": "c.execute(text(ONE)); c.commit(); c.execute(text(TWO)); c.rollback()",
        "begins": "with c.begin():\n    c.execute(text(ONE))\nc.execute(text(TWO))",
        "begins_twice": (
            "with c.begin():\n    c.execute(text(ONE))\nwith c.begin():\n    c.execute(text(TWO))"
        ),
        "nested": (
            "c.execute(text(ONE))\n"
            "try:\n    with c.begin_nested():\n        c.execute(text(BAD))\n"
            "except Exception:\n    c.execute(text(TWO))"
        ),
        "fails": "c.execute(text(ONE)); c.execute(text(BAD))",
        "fails_after_a_commit": "c.execute(text(ONE)); c.commit(); c.execute(text(BAD))",
        "exec_driver_sql": "c.exec_driver_sql(ONE)",
        "creates_all": "Table('made', m := MetaData(), Column('n', Integer))\nm.create_all(c)",
        "inspects": "if inspect(c).has_table('t'):\n    c.execute(text(ONE))",
        "autocommit": (
            "c.execution_options(isolation_level='AUTOCOMMIT')\nc.execute(text(ONE))\nc.rollback()"
        ),
        "raw": "k = c.connection.cursor()\nk.execute(ONE)\nc.connection.commit()",
        "in_batches": "for n in range(5):\n    c.execute(text(f'INSERT INTO t VALUES ({n})'))\n"
        "    c.commit()",
    },
    "engine": {
        "begins": "with c.begin() as k:\n    k.execute(text(ONE))",
        "begins_twice": (
            "with c.begin() as k:\n    k.execute(text(ONE))\n"
            "with c.begin() as k:\n    k.execute(text(TWO))"
        ),
        "connects_and_commits": "with c.connect() as k:\n    k.execute(text(ONE))\n    k.commit()",
        "connects_and_forgets": "with c.connect() as k:\n    k.execute(text(ONE))",
        "leaves_one_open": "k = c.connect()\nk.execute(text(ONE))",
        "fails_in_the_second": (
            "with c.begin() as k:\n    k.execute(text(ONE))\n"
            "with c.begin() as k:\n    k.execute(text(TWO))\n    k.execute(text(BAD))"
        ),
        "swallows_the_second": (
            "with c.begin() as k:\n    k.execute(text(ONE))\n"
            "try:\n    with c.begin() as k:\n        k.execute(text(BAD))\n"
            "except Exception:\n    pass"
        ),
        "creates_all": "Table('made', m := MetaData(), Column('n', Integer))\nm.create_all(c)",
        "inspects": "if inspect(c).has_table('t'):\n    with c.begin() as k: k.execute(text(ONE))",
        "autocommit": (
            "with c.connect().execution_options(isolation_level='AUTOCOMMIT') as k:\n"
            "    k.execute(text(ONE))\n"
            "with c.begin() as k:\n    k.execute(text(TWO))"
        ),
        "autocommit_of_the_engine": (
            "with c.execution_options(isolation_level='AUTOCOMMIT').connect() as k:\n"
            "    k.execute(text(ONE))"
        ),
        "raw": (
            "with c.connect() as k:\n    r = k.connection.cursor()\n    r.execute(ONE)\n"
            "    k.connection.commit()"
        ),
        "does_nothing": "pass",
    },
    "dbapi": {
        "leaves": "c.cursor().execute(ONE)",
        "commits": "c.cursor().execute(ONE); c.commit()",
        "commits_and_leaves": "c.cursor().execute(ONE); c.commit(); c.cursor().execute(TWO)",
        "rolls_back": "c.cursor().execute(ONE); c.commit(); c.cursor().execute(TWO); c.rollback()",
        "within": "with c:\n    c.cursor().execute(ONE)\nc.cursor().execute(TWO)",
        "within_that_fails": (
            "with c:\n    c.cursor().execute(ONE)\n"
            "try:\n    with c:\n        c.cursor().execute(BAD)\nexcept Exception:\n    pass"
        ),
        "fails": "c.cursor().execute(ONE); c.cursor().execute(BAD)",
        "fails_after_a_commit": "c.cursor().execute(ONE); c.commit(); c.cursor().execute(BAD)",
        "autocommit": "c.autocommit = True\nc.cursor().execute(ONE)\nc.autocommit = False",
        "left_in_autocommit": "c.autocommit = True\nc.cursor().execute(ONE)",
        "execute_values": "execute_values(c.cursor(), 'INSERT INTO t VALUES %s', [(1,), (2,)])",
        "text_commit": "k = c.cursor()\nk.execute(ONE)\nk.execute('COMMIT')",
        "named_cursor": (
            "c.cursor().execute(ONE)\nk = c.cursor('n')\nk.execute('SELECT n FROM t')\n"
            "assert k.fetchall() == [(1,)]"
        ),
    },
    "cursor": {
        "leaves": "c.execute(ONE)",
        "commits": "c.execute(ONE); c.connection.commit()",
        "commits_and_leaves": "c.execute(ONE); c.connection.commit(); c.execute(TWO)",
        "rolls_back": "c.execute(ONE); c.connection.rollback(); c.execute(TWO)",
        "reads": "c.execute(ONE)\nc.execute('SELECT n FROM t')\nassert c.fetchone() == (1,)",
        "executemany": "c.executemany('INSERT INTO t VALUES (%s)', [(1,), (2,)])",
        "execute_values": "execute_values(c, 'INSERT INTO t VALUES %s', [(1,), (2,)])",
        "copies": "import io\nc.copy_expert('COPY t FROM STDIN', io.StringIO('1\\n2\\n'))",
        "fails": "c.execute(ONE); c.execute(BAD)",
        "closes": "c.execute(ONE)\nc.close()",
        "savepoint": (
            "c.execute(ONE)\nc.execute('SAVEPOINT a')\n"
            "try:\n    c.execute(BAD)\nexcept Exception:\n    c.execute('ROLLBACK TO a')\n"
            "c.execute(TWO)"
        ),
    },
}
CASES = [
    pytest.param(argument, body, id=f"{argument}-{name}")
    for argument, bodies in BODIES.items()
    for name, body in bodies.items()
]


def source(body: str, head: str = "def upgrade(c)") -> str:
    return f"{HEAD}\n\n{head}:\n{indent(dedent(body), '    ')}\n"


def rows(engine: Engine) -> list[list[int | None]]:
    """The rows of `t`, and whether `made` is there."""
    with engine.connect() as connection:
        found = connection.execute(text("SELECT n FROM t ORDER BY n")).scalars().all()
        made = connection.execute(text("SELECT to_regclass('made')::oid::int")).scalar()
        return [list(found), [made and 1]]


def empty(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE IF EXISTS made, t; CREATE TABLE t (n integer)"))


def recorded(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        if connection.execute(text("SELECT to_regclass('schema_migrations')")).scalar() is None:
            return []
        found = connection.execute(text("SELECT version FROM schema_migrations ORDER BY 1"))
        return list(found.scalars())


@pytest.mark.parametrize("handed_in", [False, True], ids=["url", "connection"])
@pytest.mark.parametrize(("argument", "body"), CASES)
def test_work_means_what_it_means_under_its_teams_own_runner(
    project: Project, engine: Engine, argument: str, body: str, handed_in: bool
) -> None:
    empty(engine)
    assert project.url is not None
    raised = run_as_its_team(project.url, argument, source(body))
    wanted = rows(engine)
    empty(engine)
    project.write("001_file", source(body))
    ini = project.ini(extra=f"argument = {argument}\n")
    error: BaseException | None = None
    try:
        if handed_in:
            with engine.connect() as connection:
                bridge.upgrade(connection, config=ini)
        else:
            bridge.upgrade(str(project.url.render_as_string(hide_password=False)), config=ini)
    except BridgeError as failed:
        error = failed
    assert (rows(engine), error is None) == (wanted, raised is None), (raised, error)
    assert recorded(engine) == ([] if error else ["001_file"])


@pytest.mark.parametrize(
    ("annotation", "body"),
    [
        ("'Connection'", "c.exec_driver_sql(ONE)"),
        ("'Engine'", "with c.begin() as k:\n    k.execute(text(ONE))"),
        ("'psycopg2.extensions.connection'", "c.cursor().execute(ONE)"),
        ("'cursor'", "c.execute(ONE)"),
        ("'Session'", "c.execute(text(ONE)); c.flush()"),
        (
            "'RealDictCursor'",
            "c.execute('SELECT 1 AS n')\nassert c.fetchone() == {'n': 1}\nc.execute(ONE)",
        ),
        (
            "'DictCursor'",
            "c.execute('SELECT 1 AS n')\nassert c.fetchone()['n'] == 1\nc.execute(ONE)",
        ),
    ],
)
def test_an_annotation_goes_before_the_setting(
    project: Project, engine: Engine, annotation: str, body: str
) -> None:
    empty(engine)
    project.write("001_file", source(body, f"def upgrade(c: {annotation})"))
    bridge.upgrade(engine, config=project.ini(extra="argument = engine\n"))
    assert rows(engine)[0] == [1]


def test_other_names_of_the_functions_run_up_and_down(project: Project, engine: Engine) -> None:
    empty(engine)
    project.write(
        "V9__first", source("c.execute(ONE)", "def up(c)") + source("c.execute(f'DELETE FROM t')",
                                                                    "def down(c)")
    )  # fmt: skip
    project.write("V10__second", source("c.execute('UPDATE t SET n = n * 10')", "def up(c)"))
    ini = project.ini(
        extra="argument = cursor\nupgrade_function = up\ndowngrade_function = down\n"
        "order = number\n"
    )
    done = bridge.upgrade(engine, config=ini)
    assert [each.stem for each in done.applied] == ["V9__first", "V10__second"]
    assert rows(engine)[0] == [10]
    assert bridge.upgrade(engine, config=ini).applied == ()
    refused = project.eai("migrate", "downgrade", "--steps", "2", "--yes")
    assert "V10__second.py has no down(cur)" in refused.stderr, refused.stderr


def test_a_failure_is_recorded_nowhere_and_names_the_line(project: Project, engine: Engine) -> None:
    empty(engine)
    path = project.write("001_file", source("c.execute(ONE)\nc.execute(BAD)"))
    with pytest.raises(MigrationError) as caught:
        bridge.upgrade(engine, config=project.ini(extra="argument = cursor\n"))
    line = path.read_text().splitlines().index("    c.execute(BAD)") + 1
    assert f"line {line}" in str(caught.value)
    assert "INSERT INTO t VALUES (1 / 0)" in str(caught.value)
    assert (rows(engine)[0], recorded(engine)) == ([], [])


@pytest.mark.parametrize(
    ("argument", "body", "sentence"),
    [
        ("engine", "c.raw_connection()", "engine.raw_connection() would be a second connection"),
        ("engine", "c.dispose()", "Leave dispose() out."),
        ("connection", "c.engine.raw_connection()", "Use engine.connect().connection"),
    ],
)
def test_what_has_no_place_on_the_one_connection_says_what_to_write(
    project: Project, engine: Engine, argument: str, body: str, sentence: str
) -> None:
    empty(engine)
    project.write("001_file", source(body))
    with pytest.raises(MigrationError) as caught:
        bridge.upgrade(engine, config=project.ini(extra=f"argument = {argument}\n"))
    assert sentence in str(caught.value)


@pytest.mark.parametrize("mode", ["atomic", "autocommit"])
@pytest.mark.parametrize(
    ("argument", "body"),
    [
        ("connection", "c.execute(text(ONE)); c.commit(); c.execute(text(BAD))"),
        ("engine", "with c.begin() as k: k.execute(text(ONE))\nc.connect().execute(text(BAD))"),
        ("dbapi", "c.cursor().execute(ONE); c.commit(); c.cursor().execute(BAD)"),
        ("cursor", "c.execute(ONE); c.connection.commit(); c.execute(BAD)"),
    ],
)
def test_the_modes_count_for_all_of_them(
    project: Project, engine: Engine, argument: str, body: str, mode: str
) -> None:
    empty(engine)
    project.write("001_file", source(body) + f'\n\ntransaction = "{mode}"\n')
    with pytest.raises(MigrationError):
        bridge.upgrade(engine, config=project.ini(extra=f"argument = {argument}\n"))
    assert rows(engine)[0] == ([] if mode == "atomic" else [1])


@pytest.mark.parametrize("argument", list(BODIES))
def test_a_rehearsal_rolls_back_what_each_of_them_does(
    project: Project, engine: Engine, argument: str
) -> None:
    empty(engine)
    body = BODIES[argument].get("commits") or BODIES[argument]["begins_twice"]
    project.write("001_file", source(body))
    project.ini(extra=f"argument = {argument}\n")
    done = project.eai("migrate", "rehearse", "--yes", check=True)
    assert "INSERT INTO t VALUES (1)" in done.stdout
    assert (rows(engine)[0], recorded(engine)) == ([], [])


def test_a_script_stands_for_a_connection_and_refuses_the_others(project: Project) -> None:
    for argument, bodies in BODIES.items():
        project.write("001_file", source(bodies.get("commits") or bodies["begins"]))
        project.ini(extra=f"argument = {argument}\n")
        done = project.alembic("upgrade", "head", "--sql")
        if argument == "connection":
            assert "INSERT INTO t VALUES (1);" in done.stdout, done.stderr
            assert done.returncode == 0
        else:
            assert "which nothing can stand for while a script is written" in done.stderr
            assert "eai migrate rehearse" in done.stderr
            assert (done.stdout, done.returncode) == ("", 4)


def test_sqlmodels_session_has_exec(project: Project, engine: Engine) -> None:
    sqlmodel = pytest.importorskip("sqlmodel")
    assert sqlmodel.Session
    empty(engine)
    project.write(
        "001_file",
        "from sqlmodel import Session, select, text\n\n\n"
        "def upgrade(session: Session):\n"
        "    session.exec(text('INSERT INTO t VALUES (1)'))\n"
        "    session.commit()\n"
        "    assert isinstance(session, Session)\n",
    )
    project.write(
        "002_ordinary",
        "from sqlalchemy import literal\n\n\ndef upgrade(db):\n"
        "    assert db.query(literal(1)).scalar() == 1\n",
    )
    bridge.upgrade(engine, config=project.ini())
    assert rows(engine)[0] == [1]
