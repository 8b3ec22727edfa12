"""The formats for CI, each read by what reads it: a schema, a grammar, a reader."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft4Validator
from junitparser import Error, Failure, JUnitXml, Skipped

from bridge.checks.formats.github import github
from bridge.checks.formats.gitlab import gitlab
from bridge.checks.formats.junit import junit
from bridge.checks.formats.places import Lines, from_root
from bridge.checks.formats.report import Report
from bridge.checks.formats.sarif import sarif
from bridge.checks.meanings import MEANINGS
from bridge.checks.rules import NOT_LINTED, RULES, Problem, Severity

if TYPE_CHECKING:
    from collections.abc import Callable

SCHEMA = Path(__file__).parents[1] / "schemas" / "sarif-schema-2.1.0.json"
LATE = Problem("late", Severity.WARNING, "m/005_a.py", None, "It is late.", "Rename it.")
BAD = Problem("no-upgrade", Severity.ERROR, "m/006_b.py", 3, "There is no upgrade.", "Add it.")
PENDING = Problem("pending", Severity.PENDING, "m/007_c.py", None, "It is pending.")

#: Names of files and messages, with all that a format could trip over.
TEXTS = st.text(st.characters(exclude_categories=()), min_size=1).filter(lambda t: "\0" not in t)
PROBLEMS = st.lists(
    st.builds(
        Problem,
        st.sampled_from(sorted(RULES)),
        st.sampled_from(Severity),
        TEXTS,
        st.none() | st.integers(1, 10**6),
        TEXTS,
        TEXTS | st.just(""),
    ),
    max_size=5,
)


def report(
    *problems: Problem,
    files: tuple[str, ...] = (),
    command: str = "check",
    line: Callable[[str, int], str] = lambda path, line: f"{path} {line}",
) -> Report:
    return Report.of(
        problems,
        command=command,
        version="1.2.3",
        files=files,
        summary="Checked 3 migrations in m: 1 error, 1 warning, 1 pending.",
        fails=lambda problem: problem.severity is Severity.ERROR,
        path=lambda path: path,
        line=line,
    )


def sarif_of(text: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text)
    Draft4Validator(json.loads(SCHEMA.read_text("utf-8"))).validate(found)
    return found


def test_sarif_is_what_its_schema_says() -> None:
    log = sarif_of(sarif(report(LATE, BAD, BAD, PENDING)))
    run = log["runs"][0]
    assert run["tool"]["driver"]["version"] == "1.2.3"
    assert [each["id"] for each in run["tool"]["driver"]["rules"]] == [
        *("late", "no-upgrade", "pending"),
    ]
    assert [(r["ruleId"], r["ruleIndex"], r["level"]) for r in run["results"]] == [
        ("late", 0, "warning"),
        ("no-upgrade", 1, "error"),
        ("no-upgrade", 1, "error"),
        ("pending", 2, "note"),
    ]
    assert run["results"][1]["locations"] == [
        {
            "physicalLocation": {
                "artifactLocation": {"uri": "m/006_b.py", "uriBaseId": "%SRCROOT%"},
                "region": {"startLine": 3},
            }
        }
    ]
    assert "region" not in run["results"][0]["locations"][0]["physicalLocation"]
    assert run["results"][1]["message"] == {"text": "There is no upgrade. Add it."}


def test_the_schema_refuses_what_is_no_sarif() -> None:
    text = sarif(report(BAD)).replace('"error"', '"terrible"')
    errors = list(
        Draft4Validator(json.loads(SCHEMA.read_text("utf-8"))).iter_errors(json.loads(text))
    )
    assert errors


def test_every_rule_of_check_has_its_texts_in_sarif() -> None:
    problems = [Problem(rule, Severity.ERROR, "m/1_a.py", 1, "Wrong.") for rule in RULES]
    rules = sarif_of(sarif(report(*problems)))["runs"][0]["tool"]["driver"]["rules"]
    assert [each["shortDescription"]["text"] for each in rules] == [
        MEANINGS[each].wrong for each in RULES
    ]
    assert all(each["help"]["text"] for each in rules)


def test_a_rule_of_squawk_names_its_page_and_a_file_left_out_how_to_have_it_linted() -> None:
    found = [replace(BAD, id="ban-drop-table"), replace(BAD, id=NOT_LINTED)]
    rules = sarif_of(sarif(report(*found, command="lint")))["runs"][0]["tool"]["driver"]["rules"]
    assert rules[0]["shortDescription"]["text"] == "Ban drop table"
    assert rules[0]["help"]["text"] == "https://squawkhq.com/docs/ban-drop-table"
    assert "Leave --database-url out" in rules[1]["help"]["text"]


def test_a_file_outside_of_everything_has_an_absolute_address_in_sarif() -> None:
    log = sarif_of(sarif(report(replace(BAD, path="/srv/m p/006_b.py"))))
    location = log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]
    assert location["artifactLocation"] == {"uri": "file:///srv/m%20p/006_b.py"}


def test_github_has_a_command_for_each_problem_and_the_summary() -> None:
    assert github(report(LATE, BAD, PENDING)).splitlines() == [
        "::warning title=bridge (late),file=m/005_a.py::m/005_a.py: It is late. Rename it. [late]",
        (
            "::error title=bridge (no-upgrade),file=m/006_b.py,line=3::m/006_b.py:3: There is no "
            "upgrade. Add it. [no-upgrade]"
        ),
        "::notice title=bridge (pending),file=m/007_c.py::m/007_c.py: It is pending. [pending]",
        "Checked 3 migrations in m: 1 error, 1 warning, 1 pending.",
    ]


def command_of(line: str) -> tuple[str, dict[str, str], str]:
    """Read a workflow command as its documentation says: `::name key=value,key=value::message`."""
    match = re.fullmatch(r"::(\w+) ([^\r\n]*?)::([^\r\n]*)", line)
    assert match, line
    properties = {}
    for each in match[2].split(","):
        name, equals, value = each.partition("=")
        assert equals, each
        assert ":" not in value, value
        properties[name] = unquote(value)
    return match[1], properties, unquote(match[3])


def test_github_escapes_what_would_end_a_command_or_begin_another() -> None:
    bad = replace(
        BAD,
        path="m/6%0A::error file=x,y:z.py",
        message="100%\r\n::error file=other.py,line=1::no\n%0A",
        advice="",
    )
    line, summary = github(report(bad)).split("\n")
    name, properties, message = command_of(line)
    assert name == "error"
    assert properties == {"title": "bridge (no-upgrade)", "file": bad.path, "line": "3"}
    assert message.startswith(f"{bad.path}:3: 100%\n::error file=other.py,line=1::no\n%0A")
    assert summary.startswith("Checked 3")


@given(PROBLEMS)
def test_each_problem_is_one_command_of_github_whatever_it_says(problems: list[Problem]) -> None:
    lines = github(report(*problems)).split("\n")
    assert len(lines) == len(problems) + 1
    for line, each in zip(lines, problems, strict=False):
        assert not {"\r", "\x1b", "\x85"} & {*line}
        _, properties, _ = command_of(line)
        assert properties.get("line", "None") == str(each.line)


@given(PROBLEMS)
def test_every_format_can_be_read_whatever_the_problems_say(problems: list[Problem]) -> None:
    found = report(*problems, files=("m/001_fine.py",))
    sarif_of(sarif(found))
    issues = json.loads(gitlab(found))
    assert len(issues) == len(problems)
    assert len({each["fingerprint"] for each in issues}) == len(issues)
    suites = JUnitXml.fromstring(junit(found).encode())
    cases = [case for suite in suites for case in suite]
    assert len({(each.classname, each.name) for each in cases}) == len(cases)
    assert len(cases) == suites.tests
    failed = sum(isinstance(each, Failure) for case in cases for each in case.result)
    assert failed == suites.failures == sum(p.severity is Severity.ERROR for p in problems)


def test_gitlab_has_what_its_widget_wants() -> None:
    issues = json.loads(gitlab(report(LATE, BAD, PENDING)))
    assert [
        (each["check_name"], each["severity"], each["location"], each["description"])
        for each in issues
    ] == [
        (
            "check/late",
            "minor",
            {"path": "m/005_a.py", "lines": {"begin": 1}},
            "It is late. Rename it.",
        ),
        (
            "check/no-upgrade",
            "major",
            {"path": "m/006_b.py", "lines": {"begin": 3}},
            "There is no upgrade. Add it.",
        ),
        (
            "check/pending",
            "info",
            {"path": "m/007_c.py", "lines": {"begin": 1}},
            "It is pending.",
        ),
    ]


def fingerprints(text: str, *lines: int) -> list[str]:
    problems = [replace(BAD, line=line, message=f"Look at line {line}.") for line in lines]
    shown = text.splitlines()
    found = report(*problems, line=lambda _, line: shown[line - 1])
    return [each["fingerprint"] for each in json.loads(gitlab(found))]


def test_a_fingerprint_stays_while_lines_move_and_indentation_changes() -> None:
    before = fingerprints("a\nb\na\n", 1, 2, 3)
    assert fingerprints("new\n\n  a\nb\n\na\n", 3, 4, 6) == before
    assert len(set(before)) == 3
    assert fingerprints("a\nB\na\n", 1, 2, 3)[1] not in before


def test_junit_fails_for_errors_only_and_passes_for_files_without_a_problem() -> None:
    text = junit(report(LATE, BAD, BAD, PENDING, files=("m/001_fine.py", "m/006_b.py")))
    suites = JUnitXml.fromstring(text.encode())
    assert (suites.tests, suites.failures, suites.skipped, suites.errors) == (5, 2, 1, 0)
    (suite,) = suites
    told = {(case.classname, case.name): [type(each) for each in case.result] for case in suite}
    assert told == {
        ("m/001_fine.py", "check"): [],
        ("m/005_a.py", "late"): [],
        ("m/006_b.py", "no-upgrade"): [Failure],
        ("m/006_b.py", "no-upgrade (2)"): [Failure],
        ("m/007_c.py", "pending"): [Skipped],
    }
    assert Error not in {type(each) for case in suite for each in case.result}
    late = next(case for case in suite if case.name == "late")
    assert late.system_out == "warning: m/005_a.py: It is late. Rename it."


@pytest.mark.parametrize("write", [github, gitlab, sarif, junit])
def test_a_report_without_a_problem_can_be_read_too(write: Callable[[Report], str]) -> None:
    text = write(report(files=("m/001_fine.py",)))
    match write.__name__:
        case "github":
            assert text == report().summary
        case "gitlab":
            assert json.loads(text) == []
        case "sarif":
            assert sarif_of(text)["runs"][0]["results"] == []
        case _:
            assert JUnitXml.fromstring(text.encode()).tests == 1


def test_paths_begin_at_the_root_of_the_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = tmp_path / "repository" / "app"
    (inside / "m").mkdir(parents=True)
    (tmp_path / "repository" / ".git").write_text("gitdir: elsewhere")  # as in a worktree
    monkeypatch.chdir(inside)
    assert from_root("m/1_a.py") == "app/m/1_a.py"
    assert from_root("../m/1_a.py") == "m/1_a.py"
    assert from_root(str(inside / "m" / "1_a.py")) == "app/m/1_a.py"
    monkeypatch.chdir(tmp_path)
    assert from_root("repository/m/1_a.py") == "m/1_a.py"
    assert from_root("x/1_a.py") == "x/1_a.py"
    monkeypatch.chdir(inside)
    assert from_root("../../x/1_a.py") == str(tmp_path / "x" / "1_a.py")


def test_lines_of_a_file_and_of_none(tmp_path: Path) -> None:
    file = tmp_path / "1_a.py"
    file.write_text("one\ntwo\n")
    lines = Lines()
    assert [lines(str(file), number) for number in (1, 2, 9)] == ["one", "two", ""]
    assert lines(str(tmp_path), 1) == ""
    assert lines(str(tmp_path / "none.py"), 1) == ""
