"""Parse a module and find the names that it binds: the part of Python that a header needs.

Data in, data out. Only module level counts: functions and classes keep their names to
themselves, and `if __name__ == "__main__":` never happens to a migration.
"""

from __future__ import annotations

import ast
import sys
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, NoReturn

from bridge.errors import PlainFileError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from types import CodeType

#: Statements without blocks of this scope: nearly all of a migration's.
_SIMPLE: Final = (ast.FunctionDef, ast.Assign, ast.Expr, ast.Import, ast.ImportFrom, ast.AnnAssign)

#: Expressions that can never be called, whatever the rest of the file does.
_NEVER_CALLABLE: Final = (
    ast.Constant,
    ast.JoinedStr,
    ast.List,
    ast.Tuple,
    ast.Set,
    ast.Dict,
    ast.ListComp,
    ast.SetComp,
    ast.DictComp,
    ast.GeneratorExp,
)

#: A value that only running the file could tell.
UNREADABLE: Final = object()


@dataclass(frozen=True, slots=True)
class Binding:
    """One place at module level where a name gets a value."""

    name: str
    line: int
    kind: Literal["function", "assigned", "imported", "other"]
    #: The definition or the assigned expression; None where only the run can tell.
    node: ast.AST | None
    #: Whether it sits in a block that may not be entered.
    conditional: bool

    @property
    def may_be_called(self) -> bool:
        """Whether the value could be a function."""
        return not isinstance(self.node, _NEVER_CALLABLE)

    def literal(self) -> object:
        """Evaluate what is assigned; UNREADABLE where only running the file could tell."""
        if not isinstance(self.node, ast.expr):
            return UNREADABLE
        try:
            value: object = ast.literal_eval(self.node)
        except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
            return UNREADABLE
        return value


def parse(path: str, source: str) -> ast.Module:
    """Parse a file; raises PlainFileError if its text is not Python."""
    with _complaints(path):
        return _parsed(path, source)


def parse_and_compile(path: str, source: str) -> tuple[ast.Module, CodeType | None]:
    """Parse a file, and compile it: a `break` outside of a loop is parsed, and cannot run.

    Its code is None where Python has warnings to give, which are those of the run. Raises as
    `parse`.
    """
    with _complaints(path) as warned:
        module = _parsed(path, source)
        code = compile(module, path, "exec", dont_inherit=True)
    return module, None if warned else code


def _parsed(path: str, source: str) -> ast.Module:
    if "\0" in source:
        line = source.count("\n", 0, source.index("\0")) + 1
        raise PlainFileError(
            path,
            line,
            "this file holds a null character, so it is not Python source. Save it again as UTF-8, "
            "or restore it from version control.",
        )
    return ast.parse(source, filename=path)


@contextmanager
def _complaints(path: str) -> Iterator[list[warnings.WarningMessage]]:
    """Raise what Python has against the text of a file as a PlainFileError; note its warnings."""
    python = f"Python {sys.version_info.major}.{sys.version_info.minor}"
    try:
        with warnings.catch_warnings(record=True) as warned:
            # An invalid escape such as "\d" is a warning of the run, and no reason to refuse a
            # listing where warnings are errors.
            warnings.simplefilter("always")
            yield warned
    except SyntaxError as error:
        raise PlainFileError(
            path, error.lineno, f"this is not valid {python}: {error.msg}. Correct the file."
        ) from error
    except ValueError as error:
        raise PlainFileError(
            path, None, f"this is not valid {python}: {error}. Correct the file."
        ) from error


def too_deep(path: str) -> NoReturn:
    """Raise for a file that is too deep for Python, or for a search through its tree."""
    raise PlainFileError(
        path,
        None,
        "this file is nested too deeply for Python to read. Write its long expressions as several "
        "shorter ones.",
    ) from None


def bindings_of(module: ast.Module) -> tuple[Binding, ...]:
    """Find everything that a module binds, in source order, nested blocks included."""
    return tuple(_bound_in(module.body, conditional=False))


def last_assigned(name: str, bindings: Sequence[Binding]) -> Binding | None:
    """Find the last place that assigns a value to the name."""
    # A class, an import or a function of that name was never meant as our setting.
    return next((b for b in reversed(bindings) if b.name == name and b.kind == "assigned"), None)


def _bound_in(body: Iterable[ast.stmt], *, conditional: bool) -> Iterator[Binding]:
    for statement in body:
        yield from _bound_by(statement, conditional=conditional)
        if isinstance(statement, _SIMPLE):
            continue
        for block, may_be_skipped in _blocks(statement):
            yield from _bound_in(block, conditional=conditional or may_be_skipped)


def _bound_by(statement: ast.stmt, *, conditional: bool) -> Iterator[Binding]:
    if isinstance(statement, ast.Expr):
        return
    line = statement.lineno
    match statement:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            yield Binding(name, line, "function", statement, conditional)
        case ast.ClassDef(name=name):
            yield Binding(name, line, "other", statement, conditional)
        case ast.Assign(targets=targets, value=value):
            for target in targets:
                yield from _assigned(target, value, conditional=conditional)
        case ast.AnnAssign(target=target, value=ast.expr() as value):
            yield from _assigned(target, value, conditional=conditional)
        case ast.AugAssign(target=target):
            yield from _assigned(target, None, conditional=conditional)
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            for alias in names:
                name = alias.asname or alias.name.partition(".")[0]
                yield Binding(name, line, "imported", None, conditional)
        case ast.For(target=target) | ast.AsyncFor(target=target):
            yield from _stored(target, "other", conditional=conditional)
        case ast.With(items=items) | ast.AsyncWith(items=items):
            for item in items:
                if item.optional_vars is not None:
                    yield from _stored(item.optional_vars, "other", conditional=conditional)


def _assigned(target: ast.expr, value: ast.expr | None, *, conditional: bool) -> Iterator[Binding]:
    sequences = (ast.Tuple, ast.List)
    if isinstance(target, ast.Name):
        yield Binding(target.id, target.lineno, "assigned", value, conditional)
    elif (
        isinstance(target, sequences)
        and isinstance(value, sequences)
        and len(target.elts) == len(value.elts)
        and not any(isinstance(part, ast.Starred) for part in (*target.elts, *value.elts))
    ):
        for part, part_value in zip(target.elts, value.elts, strict=True):
            yield from _assigned(part, part_value, conditional=conditional)
    else:
        yield from _stored(target, "assigned", conditional=conditional)


def _stored(
    target: ast.expr, kind: Literal["assigned", "other"], *, conditional: bool
) -> Iterator[Binding]:
    for node in ast.walk(target):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield Binding(node.id, node.lineno, kind, None, conditional)


def _blocks(statement: ast.stmt) -> Iterator[tuple[Sequence[ast.stmt], bool]]:
    """Find the blocks inside a statement that share its scope, and whether each may be skipped."""
    match statement:
        case ast.If(test=test, body=body, orelse=orelse):
            if not _asks_for_main(test):
                yield body, True
            yield orelse, True
        case ast.For() | ast.AsyncFor() | ast.While():
            yield statement.body, True
            yield statement.orelse, True
        case ast.With(body=body) | ast.AsyncWith(body=body):
            yield body, False
        case ast.Try() | ast.TryStar():
            yield statement.body, True
            for handler in statement.handlers:
                yield handler.body, True
            yield statement.orelse, True
            yield statement.finalbody, False
        case ast.Match(cases=cases):
            for case in cases:
                yield case.body, True


def _asks_for_main(test: ast.expr) -> bool:
    """Return whether this is `__name__ == "__main__"`: never true for a migration."""
    match test:
        case ast.Compare(
            ast.Name("__name__"), [ast.Eq()], [ast.Constant("__main__")]
        ) | ast.Compare(ast.Constant("__main__"), [ast.Eq()], [ast.Name("__name__")]):
            return True
    return False
