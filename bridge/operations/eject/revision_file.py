"""Write a plain file as a revision of Alembic's: its whole text, and what Alembic goes by.

Data in, data out. The text is edited at the positions that `ast` tells, so that comments and
layout stay as they are.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bridge.errors import PlainFileError
from bridge.files.bindings import UNREADABLE, Binding, bindings_of, parse
from bridge.files.conventions import Argument
from bridge.files.edits import Edit, Text
from bridge.files.functions import live
from bridge.files.imported import origin_of
from bridge.files.mode import Mode
from bridge.operations.eject.helper_imports import helper_imports

if TYPE_CHECKING:
    from bridge.files.plain_file import PlainFile

#: The module beside env.py that opens what a function takes.
SUPPORT: Final = "plain_migration"
#: What Alembic reads of a revision.
_IDENTIFIERS: Final = ("revision", "down_revision", "branch_labels", "depends_on")
_DIRECTIONS: Final = ("upgrade", "downgrade")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The place of a file among the revisions."""

    #: The revision before it; None for the first one.
    down: str | None
    #: How the file runs if it does not say so itself.
    mode: Mode
    #: The package that its folder is; None if it is in none.
    package: str | None


def as_revision(file: PlainFile, place: Place) -> str:
    """Return the text of the revision; raises PlainFileError for what cannot be one."""
    source = file.source()
    module = parse(file.path, source)
    bindings = bindings_of(module)
    text = Text(source if source.endswith("\n") else f"{source}\n")
    mode = file.header.transaction or place.mode
    edits = [  # of several at one place the first stands first
        _identifiers(file, module, text, place.down),
        *_own_identifiers(file, module, bindings, text),
        *helper_imports(file.path, module, text, package=place.package),
    ]
    endings = []
    for direction in _DIRECTIONS:
        edit, ending = _function(file, direction, bindings, text, mode)
        edits += edit
        endings += ending
    return text.edited(edits) + "".join(endings)


def _identifiers(file: PlainFile, module: ast.Module, text: Text, down: str | None) -> Edit:
    """Put what Alembic goes by behind the docstring and what has to be first in a file."""
    lines = [
        f"import {SUPPORT}",
        "",
        "# What Alembic goes by.",
        f"revision = {_quoted(file.revision)}",
        f"down_revision = {_quoted(down)}",
        "branch_labels = None",
        "depends_on = None",
    ]
    first, rest = _head(module)
    if first is None:
        return Edit.insert(text.line(_first_line(rest[0])), "\n".join([*lines, "", ""]))
    end = first.end_lineno or first.lineno
    if rest and rest[0].lineno == end:
        raise PlainFileError(file.path, end, "two statements stand in one line. Divide them.")
    blank = not rest or text.is_blank(end + 1)
    return Edit.insert(text.line(end + 1), "\n".join(["", *lines, *([""] if blank else ["", ""])]))


def _head(module: ast.Module) -> tuple[ast.stmt | None, list[ast.stmt]]:
    """Return the last of the statements that have to be first, and those behind it."""
    number = 0
    for statement in module.body:
        match statement:
            case ast.Expr(value=ast.Constant(value=str())) if number == 0:
                number += 1
            case ast.ImportFrom(module="__future__"):
                number += 1
            case _:
                break
    return (module.body[number - 1] if number else None), module.body[number:]


def _own_identifiers(
    file: PlainFile, module: ast.Module, bindings: tuple[Binding, ...], text: Text
) -> Iterator[Edit]:
    """Make comments of what the file itself calls `revision`, as an imported one does."""
    imported = origin_of(file.path, file.source()) is not None
    names = (*_IDENTIFIERS, "follows") if imported else _IDENTIFIERS
    for name in names:
        for binding in (b for b in bindings if b.name == name):
            statement = _alone(module, binding.line)
            if statement is None or binding.literal() is UNREADABLE:
                raise _taken(file, binding)
            for line in range(statement.lineno, (statement.end_lineno or statement.lineno) + 1):
                yield Edit.insert(text.line(line), "# Before: ")


def _alone(module: ast.Module, line: int) -> ast.stmt | None:
    """Return the statement that gives one name a value, if nothing else stands in its lines."""
    found = [each for each in module.body if each.lineno <= line <= (each.end_lineno or line)]
    match found:
        case [ast.Assign(targets=[ast.Name()]) | ast.AnnAssign(target=ast.Name())]:
            return found[0]
    return None


def _function(
    file: PlainFile, direction: str, bindings: tuple[Binding, ...], text: Text, mode: Mode
) -> tuple[list[Edit], list[str]]:
    """Make what Alembic calls of the function for this direction: edits, and what to append."""
    name = file.conventions.function(direction)
    header = file.header
    if name != direction and (others := live(direction, bindings)):
        raise _taken(file, others[-1])
    if direction == "downgrade" and not (header.has_downgrade and not header.downgrade_fault):
        return [], [_IRREVERSIBLE.format(support=SUPPORT, stem=_quoted(file.stem))]
    takes = _takes(file, direction, mode)
    found = live(name, bindings)
    if name == direction and all(isinstance(each.node, ast.FunctionDef) for each in found):
        nodes = [each.node for each in found if isinstance(each.node, ast.FunctionDef)]
        return [_decorated(node, text, takes) for node in nodes], []
    return [], [f"\n{direction} = {takes}({name})\n"]


_IRREVERSIBLE: Final = '''

def downgrade() -> None:
    """Refuse: nobody has written how to take this migration back."""
    {support}.irreversible({stem})
'''


def _decorated(node: ast.FunctionDef, text: Text, takes: str) -> Edit:
    line = _first_line(node)
    return Edit.insert(text.line(line), f"{text.indentation(line)}@{takes}\n")


def _first_line(node: ast.stmt) -> int:
    """Return the line in which a statement begins, its decorators included."""
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min([node.lineno, *(each.lineno for each in decorators)])


def _takes(file: PlainFile, direction: str, mode: Mode) -> str:
    argument, named = file.takes(direction)
    parts = [_quoted(str(argument))]
    if argument is Argument.CURSOR and named not in {None, "cursor", "Cursor"}:
        parts.append(_quoted(named))
    if mode is not Mode.DEFAULT:
        parts.append(f"transaction={_quoted(str(mode))}")
    if mode is Mode.ATOMIC and argument is not Argument.SESSION:
        raise PlainFileError(
            file.path,
            None,
            f'a function that takes the {argument} and says transaction = "atomic" cannot be '
            "written for Alembic alone: its commits would be real. Let it take the Session, or "
            'take out its commits and say transaction = "default".',
        )
    return f"{SUPPORT}.takes({', '.join(parts)})"


def _quoted(value: str | None) -> str:
    return "None" if value is None else f'"{value}"'


def _taken(file: PlainFile, binding: Binding) -> PlainFileError:
    return PlainFileError(
        file.path,
        binding.line,
        f"`{binding.name}` has a meaning for Alembic, and this file uses the name for something "
        "else. Give it another name.",
    )
