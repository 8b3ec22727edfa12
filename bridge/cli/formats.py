"""The option --format of `check` and `lint`: for a person, for a program, or for a CI server."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bridge.cli.problems import problem_lines
from bridge.reporting.output import data, result, verbatim

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from bridge.checks.rules import Problem


class Format(StrEnum):
    """How a command writes what it has found."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"
    GITLAB = "gitlab"
    SARIF = "sarif"
    JUNIT = "junit"


FORMAT = Annotated[
    Format | None,
    typer.Option(
        "--format",
        metavar="FORMAT",
        help="How to write what was found: text, json, github (annotations of a pull request), "
        "gitlab (a report of code quality), sarif or junit. Default: text.",
    ),
]
AS_JSON = Annotated[bool, typer.Option("--json", help="The same as --format json.")]


def chosen(format_: Format | None, *, as_json: bool) -> Format:
    """Return the format that was asked for; raises BadParameter if two were."""
    if as_json and format_ not in {None, Format.JSON}:
        raise typer.BadParameter(f"give it or --format {format_}, not both.", param_hint="--json")
    return Format.JSON if as_json else format_ or Format.TEXT


def write(
    format_: Format,
    *,
    command: str,
    problems: Iterable[Problem],
    files: Iterable[str],
    fails: Callable[[Problem], bool],
    summary: str,
    told: Sequence[Problem],
    diff: str = "",
    as_json: dict[str, Any],
    as_typed: Callable[[str], str],
) -> None:
    """Write to standard output what a command has found.

    The text is what is `told` of the problems, with commands `as_typed`, a `diff` as it stands, and
    the `summary`; `as_json` is the documented object.
    """
    if format_ is Format.TEXT:
        here = [
            replace(each, message=as_typed(each.message), advice=as_typed(each.advice))
            for each in told
        ]
        result(*problem_lines(here))
        verbatim(*diff.splitlines())
        result(summary)
    elif format_ is Format.JSON:
        data(as_json, indent=2)
    else:
        from bridge import __version__
        from bridge.checks.formats.places import Lines, from_root
        from bridge.checks.formats.report import Report

        report = Report.of(
            problems,
            command=command,
            version=__version__,
            files=files,
            summary=summary,
            fails=fails,
            path=from_root,
            line=Lines(),
        )
        verbatim(_writer(format_)(report))


def _writer(format_: Format) -> Callable[..., str]:
    match format_:
        case Format.GITHUB:
            from bridge.checks.formats.github import github as write_
        case Format.GITLAB:
            from bridge.checks.formats.gitlab import gitlab as write_
        case Format.SARIF:
            from bridge.checks.formats.sarif import sarif as write_
        case _:
            from bridge.checks.formats.junit import junit as write_
    return write_
