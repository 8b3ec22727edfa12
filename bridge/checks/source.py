"""What `check` has to say about one file, from its text: read once, and never executed."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bridge.checks.argument import argument_problems
from bridge.checks.control_flow import events_of
from bridge.checks.ignore_comments import Ignored
from bridge.checks.rules import Problem, of_error, problem
from bridge.checks.transactions import work_problems
from bridge.errors import PlainFileError
from bridge.files.bindings import UNREADABLE, Binding, module_bindings
from bridge.files.header import (
    breaking_of,
    function_fault,
    last_assigned,
    parse,
    refuse_misspellings,
    too_deep,
    transaction_of,
    unwritten,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence


@dataclass(frozen=True, slots=True)
class CheckedSource:
    """What was found in one file."""

    #: Those that its comments silence are among them.
    problems: tuple[Problem, ...]
    #: What its comments silence.
    ignored: Ignored


def check_source(path: str, source: str, *, mode: str = "default") -> CheckedSource:
    """Look for what is wrong in the text of the migration at `path`.

    `mode` is how a file runs that does not say it itself.
    """
    try:
        try:
            module = parse(path, source)
            bindings = tuple(module_bindings(module.body, conditional=False))
            problems = (
                *_header_problems(path, bindings, source),
                *_argument_problems(path, source, module, bindings),
                *_work_problems(path, source, module, bindings, mode),
            )
            return CheckedSource(problems, Ignored.of(source, module))
        except (RecursionError, MemoryError):
            too_deep(path)
    except PlainFileError as error:
        syntax = isinstance(error.__cause__, SyntaxError)
        rule = "syntax-error" if syntax else "unreadable-file"
        return CheckedSource((of_error(rule, path, error),), Ignored())


def _header_problems(path: str, bindings: Sequence[Binding], source: str) -> Iterator[Problem]:
    misspelled = _error_of(refuse_misspellings, path, bindings)
    if misspelled is not None:
        yield of_error("misspelled-name", path, misspelled)
    fault = function_fault(path, "upgrade", bindings, source)
    # Without a line nothing is called so; a name that is nearly right was told already.
    if fault is not None and fault.line:
        yield of_error("wrong-upgrade", path, fault)
    elif fault is not None and misspelled is None:
        yield of_error("no-upgrade", path, fault)
    if draft := unwritten(path, "upgrade", bindings, source):
        yield of_error("not-written", path, draft)
    undo = function_fault(path, "downgrade", bindings, source)
    if fault := undo or unwritten(path, "downgrade", bindings, source):
        yield of_error("wrong-downgrade", path, fault)
    for read in (transaction_of, breaking_of):
        if error := _error_of(read, path, bindings):
            yield of_error("wrong-setting", path, error)
    yield from _description_problems(path, bindings)


def _error_of(
    read: Callable[[str, Sequence[Binding]], object], path: str, bindings: Sequence[Binding]
) -> PlainFileError | None:
    try:
        read(path, bindings)
    except PlainFileError as error:
        return error
    return None


def _description_problems(path: str, bindings: Sequence[Binding]) -> Iterator[Problem]:
    binding = last_assigned("description", bindings)
    mend = 'Write `description = "Add widgets"` above `upgrade`, with what the migration does.'
    if binding is None:
        yield problem("no-description", path, 1, "This migration has no `description`.", mend)
        return
    value = binding.literal()
    if value is UNREADABLE:
        message = "`description` cannot be read without running the file, so no listing shows it."
        yield problem("no-description", path, binding.line, message, mend)
    elif not isinstance(value, str) or not value.strip():
        message = f"`description` is {value!r}, which tells a reader nothing."
        yield problem("no-description", path, binding.line, message, mend)


def _argument_problems(
    path: str, source: str, module: ast.Module, bindings: Sequence[Binding]
) -> Iterator[Problem]:
    """What a function wants that cannot be called at all is no matter."""
    broken = {
        name: function_fault(path, name, bindings, source) is not None
        for name in ("upgrade", "downgrade")
    }
    for name, each in argument_problems(path, module):
        if not broken[name]:
            yield each


def _work_problems(
    path: str, source: str, module: ast.Module, bindings: Sequence[Binding], mode: str
) -> list[Problem]:
    try:
        mode = transaction_of(path, bindings) or mode
    except PlainFileError:
        return []  # told already, and nobody knows how the file would run
    sets_autocommit = "AUTOCOMMIT" in source
    found = work_problems(path, events_of(module), mode, sets_autocommit=sets_autocommit)
    return sorted(found, key=lambda each: each.line or 0)
