"""Tell what was found as a report of GitLab's code quality, for `artifacts:reports:codequality`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bridge.checks.rules import Severity
from bridge.reporting.escaping import json_text

if TYPE_CHECKING:
    from bridge.checks.formats.report import Found, Report

_SEVERITIES: Final = {
    Severity.ERROR: "major",
    Severity.WARNING: "minor",
    Severity.PENDING: "info",
}


def gitlab(report: Report) -> str:
    """Return the report, a list with an object for each problem."""
    return json_text([_issue(report.command, each) for each in report.found], indent=2)


def _issue(command: str, found: Found) -> dict[str, object]:
    problem = found.problem
    return {
        "description": found.text,
        "check_name": f"{command}/{problem.id}",
        "fingerprint": found.fingerprint,
        "severity": _SEVERITIES[problem.severity],
        # A line is wanted; the first one where no single line is to blame.
        "location": {"path": found.path, "lines": {"begin": problem.line or 1}},
    }
