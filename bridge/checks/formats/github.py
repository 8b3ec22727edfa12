"""Tell what was found as workflow commands of GitHub, which shows them in the pull request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bridge.checks.rules import Severity

if TYPE_CHECKING:
    from bridge.checks.formats.report import Found, Report

_COMMANDS: Final = {
    Severity.ERROR: "error",
    Severity.WARNING: "warning",
    Severity.PENDING: "notice",
}
#: What would end a command, or a property of it; the percent sign first, for it begins the others.
_OF_MESSAGES: Final = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
_OF_PROPERTIES: Final = _OF_MESSAGES | str.maketrans({":": "%3A", ",": "%2C"})


def github(report: Report) -> str:
    """Return a command for each problem, a line each, and the summary."""
    return "\n".join([*map(_command, report.found), report.summary])


def _command(found: Found) -> str:
    problem = found.problem
    line = {"line": str(problem.line)} if problem.line else {}
    properties = {"title": f"bridge ({problem.id})", "file": found.path, **line}
    listed = ",".join(
        f"{name}={value.translate(_OF_PROPERTIES)}" for name, value in properties.items()
    )
    # The log of the step shows the message alone.
    place = f"{found.path}:{problem.line}" if problem.line else found.path
    message = f"{place}: {found.text} [{problem.id}]".translate(_OF_MESSAGES)
    return f"::{_COMMANDS[problem.severity]} {listed}::{message}"
