"""Where a finding of squawk's is shown, and how squawk itself is found, asked and understood."""

from __future__ import annotations

import sys
from pathlib import Path
from textwrap import dedent

import pytest

from bridge.checks.captured_sql import CapturedStatement, Catcher, as_sql
from bridge.checks.squawk import Finding, Squawk, find_squawk, parsed
from bridge.checks.squawk_script import Script, look
from bridge.checks.statement_places import StatementPlaces
from bridge.errors import UsageError
from bridge.reporting import events
from bridge.reporting.events import Direction
from bridge.reporting.reporter import Reporter
from support.recording import started

FILE = '''\
from sqlalchemy import text

SQL = """
    CREATE TABLE a (
        id int
    )
"""

def upgrade(db):
    db.execute(text(SQL))
    for table in ("b", "c"):
        db.execute(  # bridge: ignore rule-one
            text(f"""
                ALTER TABLE {table}
                ADD COLUMN x int
            """)
        )
    # bridge: ignore rule-two, rule-three
    db.execute(text("DROP TABLE d WHERE :name LIKE '%'"))
    db.execute(
        text("A\\nB")
    )
    _send(db, "E")  # bridge: ignore rule-five

def _send(db, sql):
    db.execute(text(sql.lower()))
'''
PLACES = StatementPlaces(FILE)


def sent(statement: str, *lines: int) -> CapturedStatement:
    return CapturedStatement(statement, lines, statement)


TABLE = sent("\n    CREATE TABLE a (\n        id int\n    )\n", 10)
COLUMN = sent("\n                ALTER TABLE b\n                ADD COLUMN x int\n            ", 13)
DROP = sent("DROP TABLE d WHERE %(name)s LIKE '%%'", 19)


def test_a_line_of_a_statement_is_shown_where_the_string_has_it() -> None:
    assert PLACES.line_of(TABLE, 2) == 5
    assert PLACES.line_of(COLUMN, 1) == 14
    assert PLACES.line_of(COLUMN, 2) == 15
    assert PLACES.line_of(DROP, 0) == 19


def test_where_the_lines_do_not_fit_it_is_the_line_that_sends_it() -> None:
    assert PLACES.line_of(sent("A\nB", 20), 1) == 21
    assert PLACES.line_of(sent("e", 26, 23), 0) == 26
    assert PLACES.line_of(sent("nowhere"), 0) is None


def test_a_comment_silences_its_own_rules_for_its_own_statement() -> None:
    assert PLACES.silences("rule-one", COLUMN, 15)
    assert PLACES.silences("rule-two", DROP, 19)
    assert PLACES.silences("rule-three", DROP, 19)
    assert not PLACES.silences("rule-two", COLUMN, 15)
    assert not PLACES.silences("rule-one", DROP, 19)
    assert not PLACES.silences("rule-one", TABLE, 5)


def test_a_comment_counts_where_a_helper_of_the_file_was_called() -> None:
    assert PLACES.silences("rule-five", sent("e", 26, 23), 26)
    assert not PLACES.silences("rule-five", sent("e", 26), 26)


def test_a_comment_above_the_first_statement_counts_for_the_whole_file() -> None:
    places = StatementPlaces("# bridge: ignore rule-one\nimport os\n\nos.x(1)\n")
    assert places.silences("rule-one", sent("x", 4), 4)
    assert not places.silences("rule-two", sent("x", 4), 4)


@pytest.mark.parametrize(
    ("statement", "parameters", "sql"),
    [
        ("SELECT '%%', %(a)s, %(b)s", {"a": 1, "b": "it's"}, "SELECT '%', 1, 'it''s'"),
        ("SELECT %s, %s", (1, None), "SELECT 1, NULL"),
        ("SELECT %(a)s\nFROM x", {"a": "1\n2\r\n3"}, "SELECT '1 2  3'\nFROM x"),
        ("SELECT %(a)s, %(b)s", {"a": object()}, "SELECT NULL, NULL"),
        ("SELECT '%%' LIKE '%'", None, "SELECT '%%' LIKE '%'"),
    ],
)
def test_a_statement_is_written_with_its_parameters_and_keeps_its_lines(
    statement: str, parameters: object, sql: str
) -> None:
    assert as_sql(statement, parameters) == sql


def test_each_line_of_a_script_is_traced_back_to_its_statement() -> None:
    statements = [sent("\n\nA\n  B\n"), sent("-- nothing"), sent("C -- c"), sent(" D;; ")]
    script = Script("", statements)
    assert script.text() == "\nA\n  B;\n-- nothing\nC -- c\n;\nD;\n"
    assert [script.number_at(line) for line in range(8)] == [0, 0, 0, 1, 2, 2, 3, 3]
    assert [script.line_within(line) for line in (1, 2, 4, 5, 6)] == [2, 3, 0, 1, 0]
    assert script.text(without={0, 3}) == "\n\n\n-- nothing\nC -- c\n;\n\n"


def test_what_a_loop_sends_again_is_kept_once_and_only_of_wanted_files() -> None:
    catcher = Catcher(Reporter(), "/x", ["002_b"])
    for stem in ("001_a", "002_b"):
        catcher.tell(started(stem, "", Direction.UPGRADE))
        for number in range(3):
            several = [{"n": number}, {"n": 7}]
            catcher.tell(events.Statement(sql="INSERT INTO a VALUES (%(n)s)", parameters=several))
        catcher.tell(events.Statement(sql="SELECT 1", parameters={}))
    assert [each.sql for each in catcher.of("002_b")] == ["INSERT INTO a VALUES (0)", "SELECT 1"]
    assert catcher.of("001_a") == []
    catcher.tell(started("002_b", "", Direction.UPGRADE))  # as after a lock timeout
    assert catcher.of("002_b") == []


def test_the_answer_of_squawk_is_read_in_the_order_of_its_lines() -> None:
    output = """[
      {"file": "x", "line": 4, "column": 1, "level": "Warning", "message": "A\\n  b",
       "help": null, "rule_name": "one", "column_end": 2, "line_end": 4},
      {"file": "x", "line": 0, "column": 3, "level": "Error", "message": "c", "help": "d",
       "rule_name": "two", "column_end": 4, "line_end": 0}
    ]"""
    assert parsed(output) == [
        Finding("two", "error", 0, 3, "c", "d"),
        Finding("one", "warning", 4, 1, "A b", ""),
    ]


def squawk(folder: Path, *exclude: str) -> Squawk:
    return Squawk(program=find_squawk(), folder=str(folder), exclude=exclude)


def test_one_statement_that_squawk_cannot_read_does_not_hide_the_others(tmp_path: Path) -> None:
    script = Script("", [sent("DROP TABLE a"), sent("FOO\nBAR"), sent("DROP TABLE b")])
    found, unread = look(squawk(tmp_path), script, "x.sql", in_transaction=True)
    assert [(each.rule, each.line) for each in found if each.rule == "ban-drop-table"] == [
        ("ban-drop-table", 1),
        ("ban-drop-table", 4),
    ]
    assert unread == [1]


def test_an_excluded_rule_and_one_that_squawks_own_file_excludes_both_count(
    tmp_path: Path,
) -> None:
    sql = "ALTER TABLE a ADD COLUMN b int;\nDROP TABLE c;\n"

    def rules(*exclude: str) -> set[str]:
        found = squawk(tmp_path, *exclude).look(sql, name="x.sql", in_transaction=True)
        return {each.rule for each in found}

    everything = rules()
    assert {"ban-drop-table", "prefer-bigint-over-int"} < everything
    (tmp_path / ".squawk.toml").write_text('excluded_rules = ["ban-drop-table"]\n')
    assert rules() == everything - {"ban-drop-table"}
    both = rules("prefer-bigint-over-int")
    assert both == everything - {"ban-drop-table", "prefer-bigint-over-int"}


def test_a_transaction_around_the_file_is_told_to_squawk(tmp_path: Path) -> None:
    sql = "SELECT 1;\nCREATE INDEX CONCURRENTLY IF NOT EXISTS i ON a (b);\n"
    rule = "ban-concurrent-index-creation-in-transaction"
    for inside in (True, False):
        found = squawk(tmp_path).look(sql, name="x.sql", in_transaction=inside)
        assert (rule in {each.rule for each in found}) is inside


def test_a_rule_that_squawk_does_not_know_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        squawk(tmp_path, "ban-drop-tabel").check_rules()
    assert str(caught.value) == (
        "squawk refused the rules in lint_exclude and --ignore: invalid value 'ban-drop-tabel' for "
        "'--exclude <rule>': invalid rule name ban-drop-tabel. Correct lint_exclude, --ignore or "
        ".squawk.toml."
    )


def test_what_squawk_says_of_its_own_file_is_passed_on(tmp_path: Path) -> None:
    (tmp_path / ".squawk.toml").write_text("nonsense")
    with pytest.raises(UsageError, match=r"refused x\.sql: Configuration"):
        squawk(tmp_path).look("SELECT 1;", name="x.sql", in_transaction=True)


def test_a_program_that_is_not_squawk_is_refused(tmp_path: Path) -> None:
    other = Squawk(program="/bin/echo", folder=str(tmp_path))
    with pytest.raises(UsageError, match="refused x"):
        other.look("", name="x", in_transaction=True)
    none = Squawk(program=str(tmp_path / "squawk"), folder=str(tmp_path))
    with pytest.raises(UsageError) as caught:
        none.look("", name="x", in_transaction=True)
    assert str(caught.value) == (
        f"squawk cannot be run: {tmp_path}/squawk: No such file or directory. Install it anew: "
        "pip install --force-reinstall squawk-cli"
    )


def test_squawk_is_found_beside_python_then_on_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Path(find_squawk()).parent == Path(sys.executable).parent
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError) as caught:
        find_squawk()
    assert str(caught.value) == (
        "squawk, which looks for what is dangerous in SQL, is not installed. Nothing was started. "
        "Type: pip install 'eai-bridge[lint]'"
    )
    program = tmp_path / "squawk"
    program.write_text(dedent("#!/bin/sh\n"))
    program.chmod(0o755)
    assert find_squawk() == str(program)
