"""What `check` finds, from texts and names alone."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.checks.check import Checked, run_check
from bridge.checks.git_base import GitBase
from bridge.checks.git_changes import base_problems
from bridge.checks.names import name_problems
from bridge.checks.rules import RULES, Problem, Severity
from bridge.checks.source import check_source
from bridge.config.settings import Settings
from bridge.errors import FolderMissing, UsageError
from bridge.files.mode import Mode
from bridge.files.plain_file import PlainFile
from support.eighty import eighty_files
from support.pages import page

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]


DESCRIPTION = 'description = "Add widgets"\n'
GOOD = DESCRIPTION + "def upgrade(db):\n    pass\n"


def found(source: str, *, mode: Mode = Mode.DEFAULT) -> list[Problem]:
    return list(check_source("m/004_x.py", source, mode=mode).problems)


def ids(source: str, *, mode: Mode = Mode.DEFAULT) -> list[str]:
    return [each.id for each in found(source, mode=mode)]


def work(body: str, *, transaction: str | None = None, more: str = "") -> str:
    """A migration with this body of `upgrade`; `sql(…)` in it executes a text."""
    body = re.sub(r"(?<![\w.])sql\((.*)\)", r"db.execute(text(\1))", dedent(body).strip())
    lines = body.splitlines()
    setting = f'transaction = "{transaction}"\n' if transaction else ""
    upgrade = "def upgrade(db):\n" + "".join(f"    {line}\n" for line in lines)
    return f"{DESCRIPTION}{setting}{upgrade}{dedent(more)}"


def told(source: str, *, mode: Mode = Mode.DEFAULT) -> list[tuple[str, int | None]]:
    """The ids with their lines, counted from the first line of the body of `work`."""
    first = next(n for n, text in enumerate(source.splitlines(), 1) if text == "def upgrade(db):")
    return [(each.id, each.line and each.line - first) for each in found(source, mode=mode)]


# One file


@pytest.mark.parametrize(
    ("source", "rule", "line", "message", "mend"),
    [
        (
            "def upgrade(db)\n",
            "syntax-error",
            1,
            f"this is not valid Python {sys.version_info[0]}.{sys.version_info[1]}: expected ':'.",
            "Correct the file.",
        ),
        (
            "x = 1\0\n",
            "unreadable-file",
            1,
            "this file holds a null character, so it is not Python source.",
            "Save it again as UTF-8, or restore it from version control.",
        ),
        (
            DESCRIPTION,
            "no-upgrade",
            None,
            "this migration defines no `upgrade`.",
            "Add `def upgrade(db):` to it, or, if it is not a migration, begin its name with `_`.",
        ),
        (
            DESCRIPTION + "async def up(conn): pass\n",
            "no-upgrade",
            None,
            "this migration defines no `upgrade`, but `up` in line 2.",
            (
                "Write `def upgrade(db):` in place of `async def up(conn):` (or, if it is not a "
                "migration, begin its name with `_`)."
            ),
        ),
        (
            DESCRIPTION + "upgrade = 3\n",
            "wrong-upgrade",
            2,
            "`upgrade` is a constant, not a function.",
            "Write `def upgrade(db):`.",
        ),
        (
            DESCRIPTION + "async def upgrade(db): pass\n",
            "wrong-upgrade",
            2,
            "`upgrade` is `async def`: calling it would run nothing.",
            "Write `def upgrade(db):` and use the Session it gets without `await`.",
        ),
        (
            DESCRIPTION + "def upgrade(): pass\n",
            "wrong-upgrade",
            2,
            "`upgrade` is called with one argument, the Session, but is defined as `upgrade()`.",
            "Write `def upgrade(db):`.",
        ),
        (
            GOOD + "def downgrade(db, more): pass\n",
            "wrong-downgrade",
            4,
            (
                "`downgrade` is called with one argument, the Session, but is defined as "
                "`downgrade(db, more)`."
            ),
            "Write `def downgrade(db):`.",
        ),
        (
            DESCRIPTION + "def upgarde(db): pass\n",
            "misspelled-name",
            2,
            "`upgarde` looks like a misspelling of `upgrade`, which this file does not have.",
            (
                "Rename it to `upgrade`; if it is meant to be something else, give it a name that "
                "is less alike."
            ),
        ),
        (
            GOOD + 'transaction = "atomical"\n',
            "wrong-setting",
            4,
            "`transaction` is 'atomical'.",
            (
                'Write one of "default", "atomic", "autocommit", or leave the line out for the '
                "folder's default."
            ),
        ),
        (
            "def upgrade(db): pass\n",
            "no-description",
            1,
            "This migration has no `description`.",
            'Write `description = "Add widgets"` above `upgrade`, with what the migration does.',
        ),
        (
            'description = "a" + str(1)\ndef upgrade(db): pass\n',
            "no-description",
            1,
            "`description` cannot be read without running the file, so no listing shows it.",
            'Write `description = "Add widgets"` above `upgrade`, with what the migration does.',
        ),
        (
            'def upgrade(db): pass\ndescription = " "\n',
            "no-description",
            2,
            "`description` is ' ', which tells a reader nothing.",
            'Write `description = "Add widgets"` above `upgrade`, with what the migration does.',
        ),
    ],
)
def test_what_is_wrong_with_one_file(
    source: str, rule: str, line: int | None, message: str, mend: str
) -> None:
    assert found(source) == [Problem(rule, RULES[rule].severity, "m/004_x.py", line, message, mend)]


def test_a_good_file_has_no_problem() -> None:
    assert ids(GOOD) == []


def test_all_that_is_wrong_with_a_file_is_told_at_once() -> None:
    source = 'transation = "atomic"\nbreaking = 3\nasync def upgrade(db): pass\n'
    assert ids(source) == ["misspelled-name", "wrong-upgrade", "wrong-setting", "no-description"]


def test_a_file_nested_too_deeply_is_a_problem_and_no_crash() -> None:
    (problem,) = found("x = " + "(" * 50_000 + ")" * 50_000)
    assert problem.id in {"syntax-error", "unreadable-file"}  # Python's parser decides which


# Commits

MIDDLE = "commit-in-the-middle"


@pytest.mark.parametrize(
    ("body", "lines"),
    [
        pytest.param('sql("CREATE TABLE a ()")\ndb.commit()', [], id="once, at the end"),
        pytest.param('sql("CREATE TABLE a ()")', [], id="never"),
        pytest.param('sql("CREATE TABLE a ()")\ndb.commit()\nprint("done")', [], id="then no work"),
        pytest.param(
            'sql("CREATE TABLE a ()")\ndb.commit()\nsql("CREATE TABLE b ()")\ndb.commit()',
            [2],
            id="between",
        ),
        pytest.param(
            'sql("CREATE TABLE a ()")\ndb.commit()\nsql("SELECT 1")', [2], id="before a query"
        ),
        pytest.param('db.commit()\nsql("CREATE TABLE a ()")\ndb.commit()', [], id="of nothing"),
        pytest.param('sql("SELECT 1")\ndb.commit()\nsql("DROP TABLE a")', [], id="of a query"),
        pytest.param(
            """
            if sql("SELECT 1"):
                sql("CREATE TABLE a ()")
                db.commit()
                return
            sql("CREATE TABLE b ()")
            db.commit()
            """,
            [],
            id="each way has one",
        ),
        pytest.param(
            """
            if sql("SELECT 1"):
                sql("CREATE TABLE a ()")
                db.commit()
            sql("CREATE TABLE b ()")
            """,
            [3],
            id="one way goes on",
        ),
        pytest.param(
            """
            for n in range(3):
                sql("UPDATE a SET b = 1")
                db.commit()
            """,
            [3],
            id="in a loop",
        ),
        pytest.param(
            """
            try:
                sql("CREATE TABLE a ()")
                db.commit()
            except Exception:
                db.rollback()
            sql("CREATE TABLE b ()")
            """,
            [3],
            id="in a try",
        ),
        pytest.param(
            """
            sql("CREATE TABLE a ()")
            db.rollback()
            db.commit()
            sql("CREATE TABLE b ()")
            """,
            [],
            id="after a rollback",
        ),
        pytest.param(
            """
            sql("ALTER TYPE t ADD VALUE IF NOT EXISTS 'new'")
            db.commit()
            sql("INSERT INTO a VALUES ('new')")
            db.commit()
            """,
            [],
            id="of a new enum value, as the guide says",
        ),
        pytest.param(
            """
            session = db
            session.add(1)
            session.commit()
            session.flush()
            """,
            [3],
            id="under another name",
        ),
        pytest.param(
            """
            connection = db.connection()
            connection.exec_driver_sql("CREATE TABLE a ()")
            db.commit()
            inspect(db.get_bind())
            connection.exec_driver_sql("CREATE TABLE b ()")
            """,
            [3],
            id="through its connection",
        ),
    ],
)
def test_a_commit_in_the_middle(body: str, lines: list[int]) -> None:
    assert told(work(body)) == [(MIDDLE, line) for line in lines]


def test_commits_of_the_files_own_functions_count() -> None:
    helper = """
    def fill(session, table):
        session.execute(text("UPDATE a SET b = 1"))
        session.commit()

    def again(db):
        again(db)
    """
    once = work("fill(db, 'a')\nagain(db)", more=helper)
    assert [(each.id, each.line) for each in found(once)] == [(MIDDLE, 8)]
    assert ids(work("fill(db, 'a')", more=helper)) == []
    assert ids(work("for t in 'ab':\n    fill(table=t, session=db)", more=helper)) == [MIDDLE]


def test_a_function_inside_of_upgrade_uses_its_session() -> None:
    body = """
    def create(name):
        sql(f"CREATE TABLE {name} ()")
        db.commit()
    create("a")
    create("b")
    """
    assert told(work(body)) == [(MIDDLE, 3)]


def test_the_words_about_a_commit_in_the_middle() -> None:
    (middle,) = found(work('sql("CREATE TABLE a ()")\ndb.commit()\nsql("CREATE TABLE b ()")'))
    assert middle.message == (
        "`db.commit()` before the end: this file is not all or nothing. If it fails later, what "
        "was done up to here stays, and the migration is not recorded."
    )
    assert middle.advice == (
        'Commit once, at the end; or write `transaction = "atomic"`; or, if the file can run '
        "again from the start, say so with `# bridge: ignore commit-in-the-middle`."
    )
    (loop,) = found(work('while True:\n    sql("UPDATE a SET b = 1")\n    db.commit()'))
    assert loop.message == (
        "`db.commit()` in a loop: if the file fails later, what was committed stays, and the "
        "migration is not recorded."
    )
    assert loop.advice == (
        "A backfill in batches may do this if the file can run again from the start: say so with "
        "`# bridge: ignore commit-in-the-middle`. Otherwise commit once, at the end."
    )


def test_in_an_atomic_file_a_commit_in_the_middle_is_no_matter() -> None:
    body = 'sql("CREATE TABLE a ()")\ndb.commit()\nsql("CREATE TABLE b ()")\ndb.commit()'
    assert ids(work(body, transaction="atomic")) == []
    assert ids(work(body), mode=Mode.ATOMIC) == []


@pytest.mark.parametrize(
    "sql",
    [
        '"CREATE UNIQUE INDEX  CONCURRENTLY i ON a (b)"',
        '"DROP INDEX CONCURRENTLY IF EXISTS i"',
        '"REINDEX (VERBOSE) TABLE CONCURRENTLY a"',
        '"-- soon\\nVACUUM a"',
        'f"VACUUM {table}"',
        '"VACUUM " + table',
        "VACUUM",
        '"""\n  ALTER SYSTEM SET a = 1"""',
        '"REINDEX SCHEMA public"',
        '"CLUSTER"',
        '"DISCARD ALL"',
        "\"COMMIT PREPARED 'a'\"",
        '"ALTER DATABASE a SET TABLESPACE b"',
        "\"CREATE SUBSCRIPTION a CONNECTION 'host=b' PUBLICATION c\"",
        '"ALTER SUBSCRIPTION a REFRESH PUBLICATION"',
        '"DROP SUBSCRIPTION a"',
    ],
)
def test_what_refuses_a_transaction_needs_autocommit(sql: str) -> None:
    source = f'VACUUM = "VACUUM a"\n{work("table = input()")}    db.execute(text({sql}))\n'
    (problem,) = found(source)
    assert problem.id == "needs-autocommit"
    assert ids(source + 'transaction = "autocommit"\n') == []
    assert ids(source, mode=Mode.AUTOCOMMIT) == []


def test_the_words_about_what_needs_autocommit() -> None:
    (problem,) = found(work('sql("CREATE INDEX\\n CONCURRENTLY i ON a (b)")'))
    assert problem.message == (
        "PostgreSQL refuses CREATE INDEX CONCURRENTLY inside a transaction, and this file runs in "
        "one."
    )
    assert problem.advice == 'Put it into a file of its own with `transaction = "autocommit"`.'


@pytest.mark.parametrize(
    "body",
    [
        'sql("COMMIT")\nsql("VACUUM a")',
        'db.connection(execution_options={"isolation_level": "AUTOCOMMIT"})\nsql("VACUUM a")',
        'try:\n    sql("VACUUM a")\nexcept Exception:\n    db.rollback()',
        "sql(\"COMMENT ON TABLE a IS 'VACUUM it'\")",
        'sql("REINDEX TABLE a; CLUSTER a; DISCARD PLANS")',
        'sql("ALTER SUBSCRIPTION a SET (slot_name = NONE)")\nsql("DROP SUBSCRIPTION a")',
    ],
)
def test_what_does_not_need_autocommit(body: str) -> None:
    assert ids(work(body)) == []


def test_an_autocommit_file_with_other_work() -> None:
    body = """
    sql("SET lock_timeout = '2s'; CREATE INDEX CONCURRENTLY i ON a (b); ANALYZE a")
    sql("ALTER  TABLE a ADD b int")
    sql(unknown())
    """
    (problem,) = found(work(body, transaction="autocommit"))
    assert (problem.id, problem.line) == ("autocommit-other-work", 5)
    assert problem.message == (
        'ALTER TABLE in a file with `transaction = "autocommit"`: it is final at once, and stays '
        "if a later statement of the file fails."
    )
    assert problem.advice == "Move it into a migration of its own, which is then all or nothing."


@pytest.mark.parametrize(
    "body",
    [
        "match db:\n    case 1:\n        with db.begin_nested():\n            db.add(1)",
        "x = x\ndb.execute(text(x))",
        "db.execute(statement=1)\ndb.commit(*[1], **{})",
        "f(db)(db)(lambda: db.commit())",
        "class A:\n    def upgrade(self): db.commit()",
    ],
)
def test_odd_code_is_no_reason_to_fail(body: str) -> None:
    assert isinstance(ids(work(body)), list)


@pytest.mark.parametrize(
    ("imported", "name", "instead"),
    [
        (
            "import psycopg",
            "psycopg",
            "Use db; or psycopg2, psycopg2.sql, psycopg2.errors and psycopg2.extras.",
        ),
        (
            "from psycopg import errors as e",
            "psycopg.errors",
            "Use psycopg2.errors: the names are the same.",
        ),
        (
            "import psycopg.errors",
            "psycopg.errors",
            "Use psycopg2.errors: the names are the same.",
        ),
        (
            "from psycopg.errors import DuplicateTable",
            "psycopg.errors.DuplicateTable",
            "Use psycopg2.errors: the names are the same.",
        ),
        (
            "from psycopg.types.json import Jsonb, Json",
            "psycopg.types.json.Jsonb",
            "Send json.dumps(...), in SQL with a cast: CAST(:value AS jsonb).",
        ),
        (
            "from psycopg.rows import dict_row",
            "psycopg.rows.dict_row",
            "For rows as dictionaries, use cursor(cursor_factory=psycopg2.extras.RealDictCursor).",
        ),
        ("import json, psycopg_pool", "psycopg_pool", "Use db."),
    ],
)
def test_what_is_of_psycopg_3(imported: str, name: str, instead: str) -> None:
    for source in (f"{imported}\n{GOOD}", f"{GOOD}    {imported}\n"):
        (problem,) = found(source)
        assert (problem.id, problem.severity) == ("other-driver", Severity.WARNING)
        assert source.splitlines()[(problem.line or 0) - 1].strip() == imported
        assert problem.message == (
            "Migrations run on psycopg2, whichever driver the URL names, and "
            f"`{name}` is of psycopg 3."
        )
        assert problem.advice == instead


@pytest.mark.parametrize(
    "imported",
    [
        "import psycopg2",
        "from psycopg2 import sql",
        "from psycopg2.extras import Json",
        "import psycopgish",
        "from . import psycopg",
        "from .psycopg import sql",
    ],
)
def test_what_is_not(imported: str) -> None:
    assert found(f"{imported}\n{GOOD}") == []


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("SELECT ANY(:ids::int[])", "ids int[]"),
        ("SELECT :v::jsonb", "v jsonb"),
        ("SELECT (:v::jsonb)", "v jsonb"),
        ("SELECT CAST(:v AS jsonb), '{}'::jsonb, a::text::int", None),
        (r"SELECT '\:v::x'", None),
        ("SELECT :v :: jsonb", None),
    ],
)
def test_a_parameter_before_a_cast(sql: str, told: str | None) -> None:
    problems = found(work(f"sql({sql!r})"))
    if told is None:
        assert problems == []
        return
    name, kind = told.split()
    (problem,) = problems
    assert (problem.id, problem.severity) == ("cast-of-parameter", Severity.WARNING)
    assert problem.message == (
        f"`:{name}::{kind}` is no parameter with a cast: `text()` does not read it so."
    )
    assert problem.advice == f"Write `CAST(:{name} AS {kind})`."


def test_functions_that_call_each_other_do_not_take_for_ever() -> None:
    helpers = "".join(f"def f{n}(db):\n    f{n + 1}(db)\n    f{n + 1}(db)\n" for n in range(60))
    assert ids(work("f0(db)\ndb.commit()", more=helpers)) == []


# Comments that silence

TWICE = 'sql("CREATE TABLE a ()")\ndb.commit(){}\nsql("CREATE TABLE b ()")\ndb.commit()'


def check_folder(folder: Path, **options: Any) -> Checked:
    return run_check(Settings(folder=str(folder)), **options)


def left(tmp_path: Path, source: str, **options: Any) -> list[str]:
    (tmp_path / "004_x.py").write_text(source)
    return [each.id for each in check_folder(tmp_path, **options).problems]


@pytest.mark.parametrize(
    ("comment", "silenced"),
    [
        ("", False),
        ("  # bridge: ignore commit-in-the-middle", True),
        ("  # noqa: X  # bridge: ignore commit-in-the-middle", True),
        ("  # bridge: ignore no-description, commit-in-the-middle", True),
        ("  # bridge: ignore no-description", False),
        ("  # bridge:ignore commit-in-the-middle", True),
        ("; x = '# bridge: ignore commit-in-the-middle'", False),
    ],
)
def test_a_comment_silences_its_line(tmp_path: Path, comment: str, silenced: bool) -> None:
    assert left(tmp_path, work(TWICE.format(comment))) == ([] if silenced else [MIDDLE])


def test_a_comment_of_its_own_silences_the_next_line(tmp_path: Path) -> None:
    source = work(TWICE.format("")).replace(
        "    db.commit()\n", "    # bridge: ignore commit-in-the-middle\n    db.commit()\n", 1
    )
    assert left(tmp_path, source) == []


def test_a_comment_above_the_first_statement_silences_the_file(tmp_path: Path) -> None:
    comment = "# bridge: ignore commit-in-the-middle\n"
    source = work(TWICE.format(""))
    assert left(tmp_path, f'"""Docstring."""\n\n{comment}\n{source}') == []
    assert left(tmp_path, f"{comment}{source}") == []
    assert left(tmp_path, f"{source}\n{comment}") == [MIDDLE]


def test_a_comment_silences_what_is_found_about_a_name(tmp_path: Path) -> None:
    (tmp_path / "004_w.py").write_text(GOOD)
    assert left(tmp_path, GOOD) == ["shared-number"]
    assert left(tmp_path, f"# bridge: ignore shared-number\n{GOOD}") == []


def test_what_a_run_refuses_cannot_be_silenced(tmp_path: Path) -> None:
    source = "# bridge: ignore no-upgrade\n" + DESCRIPTION
    assert left(tmp_path, source, ignore=["no-upgrade"]) == ["no-upgrade"]


def test_an_option_silences(tmp_path: Path) -> None:
    assert left(tmp_path, work(TWICE.format("")), ignore=["commit-in-the-middle"]) == []


def test_an_unknown_id_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as near:
        check_folder(tmp_path, ignore=["shared-numbers"])
    assert str(near.value) == (
        "--ignore shared-numbers: there is no such problem. Did you mean shared-number?"
    )
    with pytest.raises(UsageError, match=r"^--ignore qqq: there is no such problem. There are: s"):
        check_folder(tmp_path, ignore=["qqq"])


# Names


def names(*stems: str) -> list[Problem]:
    files = tuple(PlainFile("m", stem) for stem in sorted(stems))
    return list(name_problems("m", files, []))


def test_alphabetical_against_numeric_order() -> None:
    (problem,) = names("998_w", "999_x", "1000_y")
    assert (problem.id, problem.path, problem.line) == ("number-order", "m/1000_y.py", None)
    assert problem.message == (
        "1000_y.py runs before 998_w.py, although its number is greater: migrations run in "
        "alphabetical order."
    )
    assert problem.advice == (
        "Put `order = number` into alembic.ini if they are meant to run in the order of their "
        "numbers. Or rename the one that has not been applied anywhere: give its number as many "
        "digits as the others have, or call it 998_w_then_y.py (two files may share a number)."
    )


def test_a_shared_number() -> None:
    (problem,) = names("031_a", "031_b", "31_c", "032_d")[-1:]
    assert (problem.id, problem.path) == ("shared-number", "m/31_c.py")
    assert problem.severity is Severity.WARNING
    assert problem.message == (
        "031_a.py, 031_b.py share its number. All of them run, in alphabetical order."
    )
    assert problem.advice == "If it has not been applied anywhere, give it the next free number."


@pytest.mark.parametrize(
    ("one", "other"),
    [("004_ADD", "004_add"), ("004_\u00e9", "004_e\u0301"), ("004-a", "004_a")],
)
def test_names_that_something_could_confuse(one: str, other: str) -> None:
    assert [each.id for each in names(one, other)] == ["same-name", "shared-number"]


def test_all_that_is_wrong_with_the_names_is_told_at_once(tmp_path: Path) -> None:
    for name in ("004-a", "004_a", "005_b", "widgets", "helper", "05_c"):
        (tmp_path / f"{name}.py").write_text("x = 1\n" if name == "helper" else GOOD)
    (tmp_path / "broken.py").write_text("def upgrade(\n")
    (tmp_path / ("006_" + "a" * 248 + ".py")).write_text(GOOD)
    (tmp_path / "_private.py").write_text("raise\n")
    checked = check_folder(tmp_path)
    assert sorted(each.id for each in checked.problems) == [
        "no-number",
        "number-order",
        "same-name",
        "shared-number",
        "shared-number",
        "syntax-error",
    ]
    assert checked.files == 5
    number = next(each for each in checked.problems if each.id == "no-number")
    assert number.message == (
        "this file defines `upgrade`, but its name does not begin with a number, so it would "
        "never run."
    )
    assert number.advice == (
        "Name it: mv widgets.py 07_widgets.py; if it is not a migration, begin its name with `_`."
    )


def test_a_folder_of_files_of_another_shape_is_one_error(tmp_path: Path) -> None:
    for name in ("v_001_a", "v_002_b"):
        (tmp_path / f"{name}.py").write_text("def up(conn): pass\n")
    checked = check_folder(tmp_path, ignore=["no-migration"])
    (problem,) = checked.problems
    assert (problem.id, Path(problem.path).name) == ("no-migration", "v_001_a.py")
    assert problem.advice == (
        "Name it: mv v_001_a.py 001_a.py, and write `def upgrade(db):` in place of "
        "`def up(conn):`, and so on with the others."
    )
    assert (checked.files, checked.exit_code) == (0, 4)


def test_a_file_that_never_runs_can_say_that_it_should_not(tmp_path: Path) -> None:
    (tmp_path / "001_a.py").write_text(GOOD)
    helper = tmp_path / "v2_compat.py"
    helper.write_text("WORDS = ()\n")
    (problem,) = check_folder(tmp_path).problems
    assert (problem.id, problem.severity, problem.line) == ("never-run", Severity.WARNING, None)
    assert check_folder(tmp_path, ignore=["never-run"]).problems == ()
    helper.write_text("# bridge: ignore never-run\nWORDS = ()\n")
    assert check_folder(tmp_path).problems == ()


def test_a_name_that_is_not_text(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/004_\xff.py")).write_text(GOOD)
    (problem,) = check_folder(tmp_path).problems
    assert problem.id == "unreadable-name"


def test_a_name_that_is_too_long() -> None:
    (problem,) = names("004_" + "a" * 252)
    assert problem.id == "name-too-long"
    assert problem.advice == "Give the file a shorter name."


stems = st.lists(
    st.tuples(st.integers(0, 1200), st.integers(1, 4), st.sampled_from("abc")).map(
        lambda parts: f"{parts[0]:0{parts[1]}}_{parts[2]}"
    ),
    unique=True,
)


def sort_key(stem: str) -> int:
    return int(stem.partition("_")[0])


@given(stems)
def test_the_orders_disagree_just_where_it_is_told(found: list[str]) -> None:
    told = any(each.id == "number-order" for each in names(*found))
    by_name = sorted(found)
    assert told == ([*map(sort_key, by_name)] != sorted(map(sort_key, found)))


@given(stems)
def test_each_number_that_is_shared_is_told_once(found: list[str]) -> None:
    told = [each.path for each in names(*found) if each.id == "shared-number"]
    numbers = [*map(sort_key, found)]
    assert len(told) == len({n for n in numbers if numbers.count(n) > 1})


# Against a branch


def against(now: dict[str, str], fork: dict[str, str], tip: dict[str, str] | None = None) -> Any:
    """What is told, as the id and the stem; the values are checksums."""
    base = GitBase("origin/main", fork, fork if tip is None else tip)
    return [(each.id, Path(each.path).stem) for each in base_problems("m", now, base)]


OLD = {"001_a": "a", "002_b": "b", "004_d": "d"}


@pytest.mark.parametrize(
    ("now", "tip", "problems"),
    [
        (OLD, None, []),
        (OLD | {"005_e": "e"}, None, []),
        (OLD | {"003_c": "c"}, None, [("sorts-before-base", "003_c")]),
        (OLD | {"003_c": "c", "005_e": "e"}, None, [("sorts-before-base", "003_c")]),
        # The branch went on after this one began.
        (OLD | {"005_e": "e"}, OLD | {"006_f": "f"}, [("sorts-before-base", "005_e")]),
        (OLD, OLD | {"006_f": "f"}, []),
        # Both have it: it was taken over.
        (OLD | {"003_c": "c"}, OLD | {"003_c": "c"}, []),
        (OLD | {"002_b": "new"}, None, [("changed-since-base", "002_b")]),
        (OLD | {"002_b": "new"}, OLD | {"002_b": "new"}, []),
        ({"001_a": "a", "004_d": "d"}, None, [("deleted-since-base", "002_b")]),
        ({"001_a": "a", "002_b": "b"}, None, [("deleted-since-base", "004_d")]),
        ({}, None, [("deleted-since-base", stem) for stem in OLD]),
        # A beginning that was squashed.
        ({"004_d": "d"}, None, []),
        # The branch has deleted it as well.
        ({"001_a": "a", "004_d": "d"}, {"001_a": "a", "004_d": "d"}, []),
        (
            {"001_a": "a", "003_b": "b", "004_d": "d"},
            None,
            [("renamed-since-base", "003_b")],
        ),
    ],
)
def test_against_a_branch(
    now: dict[str, str], tip: dict[str, str] | None, problems: list[tuple[str, str]]
) -> None:
    assert against(now, OLD, tip) == problems


def test_the_words_about_a_branch() -> None:
    base = GitBase("origin/main", OLD | {"000_z": "z"}, OLD | {"000_z": "z"})
    now = {"000_y": "z", "001_a": "new", "002_x": "x", "002_y": "y", "004_d": "d"}
    told = {each.id: each for each in base_problems("m", now, base)}
    assert told["changed-since-base"].message == (
        "This migration is in origin/main and was changed here: databases that have applied it "
        "will not run it again."
    )
    assert told["changed-since-base"].advice == (
        "Put the text of the base back, and make the change in a new migration."
    )
    assert told["renamed-since-base"].message == (
        "This is 000_z.py of origin/main under another name: databases that have applied it know "
        "it by the old one, and a run would refuse."
    )
    assert told["renamed-since-base"].advice == "Name it 000_z.py again."
    assert told["deleted-since-base"].message == (
        "This migration is in origin/main and was deleted here: databases that have applied it "
        "keep its work, new ones will not have it."
    )
    assert told["deleted-since-base"].advice == (
        "Put the file back. To undo what it does, write a new migration."
    )
    assert told["sorts-before-base"].message == (
        "This new migration sorts before 004_d.py, which is in origin/main: databases that have "
        "applied that one would run this one after it, new databases before it."
    )
    # The first one takes 005.
    assert told["sorts-before-base"].advice == (
        "Rename it to 006_y.py, as long as it has not been applied anywhere."
    )


numbered = st.dictionaries(
    st.integers(0, 30).map(lambda n: f"{n:03}_a"), st.sampled_from("xyz"), max_size=8
)


@given(numbered, numbered)
def test_a_folder_that_only_grows_at_its_end_is_never_told(
    old: dict[str, str], more: dict[str, str]
) -> None:
    new = {f"1{stem}": text for stem, text in more.items()}
    assert against(old | new, old) == []


@given(numbered, numbered)
def test_every_change_of_a_branch_is_told(old: dict[str, str], now: dict[str, str]) -> None:
    changed = {stem for stem in now if stem in old and now[stem] != old[stem]}
    told = {stem for id_, stem in against(now, old) if id_ == "changed-since-base"}
    assert told == changed


# The whole


@pytest.fixture
def executed() -> Iterator[list[str]]:
    """The files whose code was compiled to be run, or run, while the test ran."""
    seen: list[str] = []
    active = True

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if active and event == "exec":
            seen.append(str(getattr(arguments[0], "co_filename", "")))

    sys.addaudithook(hook)
    yield seen
    active = False


def test_eighty_files_are_checked_and_none_is_executed(tmp_path: Path, executed: list[str]) -> None:
    for stem, text in eighty_files().items():
        (tmp_path / f"{stem}.py").write_text(f"raise SystemExit('executed')\n{text}")
    for seed in (ROOT / "migrations").glob("[0-9]*.py"):
        (tmp_path / f"9{seed.name}").write_text(seed.read_text())
    modules = set(sys.modules)
    checked = check_folder(tmp_path)
    assert (checked.files, checked.errors) == (83, 0)
    assert not [name for name in executed if name.startswith(str(tmp_path))]
    assert not {name for name in set(sys.modules) - modules if name[:1].isdigit()}


def test_the_migrations_of_this_repository_have_no_problem() -> None:
    assert check_folder(ROOT / "migrations").problems == ()


def test_each_kind_of_the_eighty_files_is_told_as_it_is(tmp_path: Path) -> None:
    files = eighty_files()
    told = {stem[6:13]: set(ids(text)) for stem, text in [*files.items()][:8]}
    middle = {kind for kind, problems in told.items() if problems}
    assert all(problems in (set(), {MIDDLE}) for problems in told.values())
    assert middle == {"add_par", "try_a_c", "add_sta", "fill_a_"}


def test_a_strict_check_has_errors_only(tmp_path: Path) -> None:
    assert left(tmp_path, "def upgrade(db): pass\n") == ["no-description"]
    usual, strict = check_folder(tmp_path), check_folder(tmp_path, strict=True)
    assert (usual.errors, usual.warnings, usual.exit_code) == (0, 1, 0)
    assert (strict.errors, strict.warnings, strict.exit_code) == (1, 0, 4)


def test_a_commit_of_many_is_told_once_in_a_file(tmp_path: Path) -> None:
    body = 'sql("CREATE TABLE a ()")\ndb.commit()\n' * 4
    assert left(tmp_path, work(body)) == [MIDDLE]


def test_a_file_that_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "004_x.py").symlink_to(tmp_path / "gone")
    (tmp_path / "005_x.py").write_bytes(b"\xff")
    checked = check_folder(tmp_path)
    assert [each.id for each in checked.problems] == ["unreadable-file", "unreadable-file"]


def test_the_setting_of_the_folder_counts(tmp_path: Path) -> None:
    (tmp_path / "004_x.py").write_text(work('sql("VACUUM a")'))
    assert [each.id for each in check_folder(tmp_path).problems] == ["needs-autocommit"]
    autocommit = Settings(folder=str(tmp_path), transaction=Mode.AUTOCOMMIT)
    assert run_check(autocommit).problems == ()


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FolderMissing):
        check_folder(tmp_path / "gone")


def test_every_rule_is_on_the_page() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \| (\w+)", page("rules"), re.MULTILINE)
    assert sorted(rows) == sorted((rule.id, str(rule.severity)) for rule in RULES.values())
