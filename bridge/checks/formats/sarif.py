"""Tell what was found as SARIF 2.1.0, which GitHub's code scanning and many editors read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from bridge.checks.meanings import MEANINGS
from bridge.checks.rules import NOT_LINTED, Severity
from bridge.reporting.escaping import json_text

if TYPE_CHECKING:
    from bridge.checks.formats.report import Found, Report

_SCHEMA: Final = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
_LEVELS: Final = {
    Severity.ERROR: "error",
    Severity.WARNING: "warning",
    Severity.PENDING: "note",
}
_WITHOUT: Final = "Leave --database-url out to run all files from nothing."
#: The root of the repository, as readers of SARIF call it.
_ROOT: Final = "%SRCROOT%"


def sarif(report: Report) -> str:
    """Return the log, with one run."""
    rules = list(dict.fromkeys(each.problem.id for each in report.found))
    driver = {
        "name": "bridge",
        "version": report.version,
        "rules": [_rule(report.command, rule) for rule in rules],
    }
    run = {
        "tool": {"driver": driver},
        # What is uploaded replaces what the same command has found before, and nothing else.
        "automationDetails": {"id": f"bridge/{report.command}/"},
        "columnKind": "unicodeCodePoints",
        "results": [_result(each, rules.index(each.problem.id)) for each in report.found],
    }
    return json_text({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2)


def _rule(command: str, rule: str) -> dict[str, Any]:
    """Return the rule with the three texts that GitHub wants."""
    if command == "check":
        short, advice = MEANINGS[rule].wrong, MEANINGS[rule].advice
    elif rule == NOT_LINTED:
        short, advice = "This file could not be rehearsed, so nothing is known of it.", _WITHOUT
    else:
        short, advice = rule.replace("-", " ").capitalize(), f"https://squawkhq.com/docs/{rule}"
    return {
        "id": rule,
        "shortDescription": {"text": short},
        "fullDescription": {"text": short},
        "help": {"text": advice},
    }


def _result(found: Found, rule: int) -> dict[str, Any]:
    problem = found.problem
    place: dict[str, Any] = {"artifactLocation": _file(found.path)}
    if problem.line:
        place["region"] = {"startLine": problem.line}
    return {
        "ruleId": problem.id,
        "ruleIndex": rule,
        "level": _LEVELS[problem.severity],
        "message": {"text": found.text},
        "locations": [{"physicalLocation": place}],
        "partialFingerprints": {"bridge/v1": found.fingerprint},
    }


def _file(path: str) -> dict[str, str]:
    if path.startswith("/"):  # neither in a repository nor below the working directory
        return {"uri": f"file://{quote(path)}"}
    return {"uri": quote(path), "uriBaseId": _ROOT}
