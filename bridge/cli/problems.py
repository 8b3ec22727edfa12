"""Show a problem of a file: in a line for a pipe, at a terminal with the source and a mark."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from bridge.checks.rules import Severity
from bridge.reporting.style import Style, Styled
from bridge.reporting.written import Look

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from bridge.checks.rules import Problem
    from bridge.reporting.style import Line

_STYLES = {
    Severity.ERROR: Style.RED,
    Severity.WARNING: Style.YELLOW,
    Severity.PENDING: Style.BOLD,
}


def problem_lines(problems: Iterable[Problem]) -> list[Line]:
    """Return the lines that tell these problems on standard output."""
    if not Look.of(sys.stdout).live:
        return [line for each in problems for line in in_a_pipe(each)]
    from bridge.checks.formats.places import Lines

    source = Lines()
    return [line for each in problems for line in at_a_terminal(each, source)]


def in_a_pipe(problem: Problem) -> list[str]:
    """Return one line, in the form that editors jump to, and one with what to do."""
    lines = [f"{problem.place}: {problem.severity}: {problem.message} [{problem.id}]"]
    lines += [f"    {problem.advice}"] if problem.advice else []
    return [_as_text(line) for line in lines]


def at_a_terminal(problem: Problem, source: Callable[[str, int], str]) -> Iterator[Line]:
    """Yield what is wrong, where, the line of the file with a mark under it, and what to do.

    `source` returns a line of a file, counted from 1; an empty one where it cannot be read.
    """
    style = _STYLES[problem.severity]
    yield (Styled(f"{problem.severity}[{problem.id}]", style), f": {_as_text(problem.message)}")
    text = source(problem.path, problem.line) if problem.line else ""
    number = str(problem.line) if text.strip() else ""
    margin = " " * len(number)
    yield (Styled(f"{margin}--> ", Style.DIM), Styled(_as_text(problem.place), Style.CYAN))
    if number:
        code = text.rstrip().expandtabs(4)
        begins = len(code) - len(code.lstrip())
        yield (Styled(f"{margin} |", Style.DIM),)
        yield (Styled(f"{number} | ", Style.DIM), Styled(_as_text(code), Style.SOURCE))
        before, mark = Styled(" " * begins, Style.SOURCE), Styled("^" * (len(code) - begins), style)
        yield (Styled(f"{margin} | ", Style.DIM), before, mark)
    if problem.advice:
        yield (Styled(f"{margin} = ", Style.DIM), _as_text(problem.advice))
    yield ""


def _as_text(text: str) -> str:
    # A name that is not text must not keep the rest from being told.
    return text.encode("utf-8", "backslashreplace").decode()
