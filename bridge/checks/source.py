"""Check one file from its text, which is parsed once and never executed."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from functools import partial
from pathlib import PurePath
from typing import TYPE_CHECKING

from bridge.checks.argument import argument_problems
from bridge.checks.control_flow import DatabaseCall, database_calls
from bridge.checks.ignore_comments import Ignored
from bridge.checks.other_driver import other_driver_problems
from bridge.checks.rules import Problem, problem, problem_of_error
from bridge.checks.transactions import transaction_problems
from bridge.errors import PlainFileError
from bridge.files.bindings import UNREADABLE, Binding, bindings_of, last_assigned, parse, too_deep
from bridge.files.conventions import OURS, Conventions
from bridge.files.functions import function_fault, unwritten
from bridge.files.header import breaking_of, refuse_misspellings, transaction_of
from bridge.files.mode import Mode
from bridge.files.replaces import replaces_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence


@dataclass(frozen=True, slots=True)
class CheckedSource:
    """What was found in one file."""

    #: Those that its comments silence are among them.
    problems: tuple[Problem, ...]
    #: What its comments silence.
    ignored: Ignored = field(default_factory=Ignored)


@dataclass(frozen=True, slots=True)
class _Parsed:
    """The text of a file, in the forms that its checks need."""

    path: str
    source: str
    module: ast.Module
    bindings: tuple[Binding, ...]
    conventions: Conventions

    def fault(self, direction: str) -> PlainFileError | None:
        """Return why the function for this direction cannot be called."""
        about = self.bindings, self.source, self.conventions
        return function_fault(self.path, direction, *about)

    def unwritten(self, direction: str) -> PlainFileError | None:
        """Return why the function for this direction is not written yet."""
        return unwritten(self.path, direction, self.bindings, self.source, self.conventions)

    def error_of(self, read: Callable[[str, Sequence[Binding]], object]) -> PlainFileError | None:
        """Return why this cannot be read from the header."""
        try:
            read(self.path, self.bindings)
        except PlainFileError as error:
            return error
        return None


def check_source(
    path: str, source: str, *, mode: Mode = Mode.DEFAULT, conventions: Conventions = OURS
) -> CheckedSource:
    """Find what is wrong in the text of the migration at `path`.

    `mode` is the folder's setting, for a file that does not say how it runs.
    """
    try:
        try:
            module = parse(path, source)
            file = _Parsed(path, source, module, bindings_of(module), conventions)
            calls = database_calls(module, conventions.upgrade)
            problems = (
                *_header_problems(file),
                *_argument_problems(file),
                *other_driver_problems(path, module, calls),
                *_transaction_problems(file, mode, calls),
            )
            return CheckedSource(problems, Ignored.of(source, module))
        except (RecursionError, MemoryError):
            too_deep(path)
    except PlainFileError as error:
        syntax = isinstance(error.__cause__, SyntaxError)
        rule = "syntax-error" if syntax else "unreadable-file"
        return CheckedSource((problem_of_error(rule, path, error),))


def _header_problems(file: _Parsed) -> Iterator[Problem]:
    path = file.path
    misspelled = file.error_of(
        lambda path, bindings: refuse_misspellings(path, bindings, file.conventions)
    )
    if misspelled is not None:
        yield problem_of_error("misspelled-name", path, misspelled)
    fault = file.fault("upgrade")
    # A fault without a line: nothing has this name. A misspelling says that already.
    if fault is not None and fault.line:
        yield problem_of_error("wrong-upgrade", path, fault)
    elif fault is not None and misspelled is None:
        yield problem_of_error("no-upgrade", path, fault)
    if draft := file.unwritten("upgrade"):
        yield problem_of_error("not-written", path, draft)
    if fault := file.fault("downgrade") or file.unwritten("downgrade"):
        yield problem_of_error("wrong-downgrade", path, fault)
    stem = PurePath(path).stem
    for read in (transaction_of, breaking_of, partial(replaces_of, stem=stem)):
        if error := file.error_of(read):
            yield problem_of_error("wrong-setting", path, error)
    yield from _description_problems(file)


def _description_problems(file: _Parsed) -> Iterator[Problem]:
    binding = last_assigned("description", file.bindings)
    value = binding.literal() if binding else None
    if binding is None:
        message = "This migration has no `description`."
    elif value is UNREADABLE:
        message = "`description` cannot be read without running the file, so no listing shows it."
    elif not isinstance(value, str) or not value.strip():
        message = f"`description` is {value!r}, which tells a reader nothing."
    else:
        return
    advice = (
        f'Write `description = "Add widgets"` above `{file.conventions.upgrade}`, with what the '
        "migration does."
    )
    line = binding.line if binding else 1
    yield problem("no-description", file.path, line, message, advice)


def _argument_problems(file: _Parsed) -> Iterator[Problem]:
    for direction, each in argument_problems(file.path, file.module, file.conventions):
        # A function that cannot be called at all has another problem.
        if file.fault(direction) is None:
            yield each


def _transaction_problems(
    file: _Parsed, mode: Mode, calls: Sequence[DatabaseCall]
) -> Iterator[Problem]:
    try:
        mode = transaction_of(file.path, file.bindings) or mode
    except PlainFileError:
        return  # `wrong-setting` says so, and nobody knows how the file would run
    autocommit = "AUTOCOMMIT" in file.source
    yield from transaction_problems(file.path, calls, mode, sets_autocommit=autocommit)
