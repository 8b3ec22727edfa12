"""Make the text of a plain file of the text of a revision of Alembic's.

Text in, text out. What stays is not touched: the edits are by the positions of what they replace,
so that comments and blank lines survive.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from bridge.errors import PlainFileError
from bridge.files.bindings import parse
from bridge.files.new_file import literal
from bridge.operations.importing.edits import EditedText

#: What Alembic reads of a revision, and a plain file does not have.
_ALEMBICS: Final = ("down_revision", "branch_labels", "depends_on")
#: What a plain file has, and a revision may have for itself.
_OURS: Final = ("description", "transaction", "breaking", "replaces", "shared", "follows")
#: What the parameter is called: the first that the file does not use for something else.
_PARAMETERS: Final = ("db", "session", "_db")
_FUNCTIONS: Final = ("upgrade", "downgrade")
_CREATED: Final = re.compile(r"^Create Date: *(\S.*?) *$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Old:
    """What the text of a revision says beside its ids."""

    #: When it was written, as its docstring says; empty if it does not.
    created: str
    #: Whether neither of its functions does anything.
    is_empty: bool


@dataclass(frozen=True, slots=True)
class Plain:
    """A plain file that was a revision."""

    text: str
    #: Whether there is a way back that may be taken.
    has_downgrade: bool
    #: Whether all of it runs outside of transactions, for a part that Alembic has run so.
    autocommit: bool = False


def read_old(path: str, source: str) -> Old:
    """Read what its place depends on; raises PlainFileError if it is no revision for one line."""
    module = parse(path, source)
    functions = _functions(path, module)
    created = _CREATED.search(ast.get_docstring(module) or "")
    return Old(created[1] if created else "", all(map(_does_nothing, functions.values())))


def rewritten(
    path: str,
    source: str,
    *,
    description: str,
    ids: Sequence[str],
    follows: Mapping[str, Sequence[str]],
) -> Plain:
    """Return the plain file for the revision at `path`, whose text is `source`.

    Raises PlainFileError, with the line, for what cannot be one as it stands.
    """
    module = parse(path, source)
    functions = _functions(path, module)
    _refuse_taken(path, module)
    text = EditedText(source)
    autocommit = _calls(module, "autocommit_block")
    header = [f"description = {literal(description)}", f"revision = {_tuple(ids)}"]
    if follows:
        entries = ", ".join(
            f"{literal(each)}: {_tuple(of, always=True)}" for each, of in follows.items()
        )
        header.append(f"follows = {{{entries}}}")
    if autocommit:
        header.append('transaction = "autocommit"')
    removed: list[ast.stmt] = []
    for statement in module.body:
        name = _assigned(statement)
        if name == "revision":
            text.replace_lines(path, statement, "\n".join(header) + "\n")
        elif name in _ALEMBICS:
            removed.append(statement)
            text.replace_lines(path, statement, "")
    _refuse_used(path, module, _ALEMBICS if len(ids) == 1 else (*_ALEMBICS, "revision"))
    down = functions.get("downgrade")
    goes_back = down is not None and not (
        _does_nothing(down) and not _does_nothing(functions["upgrade"])
    )
    parameter = _parameter(path, module)
    for name, function in functions.items():
        if name == "downgrade" and not goes_back:
            removed.append(function)
            text.remove_function(function)
        else:
            text.give_parameter(path, function, parameter)
    for statement in _unused(module, removed):
        text.replace_lines(path, statement, "")
    return Plain(
        text.result(),
        has_downgrade=goes_back and down is not None and not _only_raises(down),
        autocommit=autocommit,
    )


def _functions(path: str, module: ast.Module) -> dict[str, ast.FunctionDef]:
    """Find both functions, in the order of the text; `upgrade` is there."""
    found: dict[str, ast.FunctionDef] = {}
    for statement in module.body:
        name = getattr(statement, "name", None)
        if name not in _FUNCTIONS:
            continue
        if isinstance(statement, ast.AsyncFunctionDef):
            raise PlainFileError(
                path, statement.lineno, f"`{name}` is `async def`, which no migration can be."
            )
        if not isinstance(statement, ast.FunctionDef) or name in found:
            raise PlainFileError(
                path, statement.lineno, f"`{name}` is no single function. Write one `def {name}():`"
            )
        if ast.unparse(statement.args):
            raise PlainFileError(
                path,
                statement.lineno,
                f"`{name}` takes ({ast.unparse(statement.args)}): this is a project with several "
                "databases, or an env.py of its own that calls it so. Plain files migrate one "
                "database. Import a project for each of them.",
            )
        found[name] = statement
    if "upgrade" not in found:
        raise PlainFileError(
            path, None, "this revision defines no `upgrade` of its own at the left margin."
        )
    return found


def _refuse_taken(path: str, module: ast.Module) -> None:
    for statement in module.body:
        if (name := _assigned(statement)) in _OURS:
            raise PlainFileError(
                path,
                statement.lineno,
                f"`{name}` means something in a plain file. Give it another name first.",
            )


def _refuse_used(path: str, module: ast.Module, names: Sequence[str]) -> None:
    """Refuse a text whose id is not simply assigned, or that uses what will be another value."""
    if not any(_assigned(each) == "revision" for each in module.body):
        raise PlainFileError(
            path, None, '`revision` is not assigned in a line of its own: revision = "…"'
        )
    for node in ast.walk(module):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in names:
            raise PlainFileError(
                path,
                node.lineno,
                f"`{node.id}` is used here, and the plain file will not have it. Write its value.",
            )


def _assigned(statement: ast.stmt) -> str | None:
    """Return the one name that a statement gives a value, and nothing else."""
    match statement:
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
            return name
    return None


def _does_nothing(function: ast.FunctionDef) -> bool:
    return all(
        isinstance(each, ast.Pass)
        or (isinstance(each, ast.Return) and each.value is None)
        or (isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant))
        for each in function.body
    )


def _only_raises(function: ast.FunctionDef) -> bool:
    """Return whether a function says that there is no way back."""
    first = next((e for e in function.body if not isinstance(e, ast.Expr)), None)
    return isinstance(first, ast.Raise)


def _calls(module: ast.Module, name: str) -> bool:
    return any(isinstance(n, ast.Attribute) and n.attr == name for n in ast.walk(module))


def _parameter(path: str, module: ast.Module) -> str:
    used = {node.id for node in ast.walk(module) if isinstance(node, ast.Name)}
    for node in ast.walk(module):
        if isinstance(node, ast.alias):
            used.add(node.asname or node.name.partition(".")[0])
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            used.add(node.name)
        elif isinstance(node, ast.arg):
            used.add(node.arg)
    free = next((each for each in _PARAMETERS if each not in used), None)
    if free is None:
        names = ", ".join(_PARAMETERS)
        raise PlainFileError(path, None, f"it uses each of the names {names} for its own.")
    return free


def _unused(module: ast.Module, removed: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """Find imports from `typing` that only the removed lines, and that of `revision`, have used."""
    gone = {id(node) for each in removed for node in ast.walk(each)}
    for statement in module.body:
        if _assigned(statement) == "revision":
            gone |= {id(node) for node in ast.walk(statement)}
    left = {n.id for n in ast.walk(module) if isinstance(n, ast.Name) and id(n) not in gone}
    for statement in module.body:
        if isinstance(statement, ast.ImportFrom) and statement.module in _TYPING:
            names = {each.asname or each.name for each in statement.names}
            if names.isdisjoint(left):
                yield statement


_TYPING: Final = ("typing", "collections.abc")


def _tuple(names: Sequence[str], *, always: bool = False) -> str:
    if len(names) == 1 and not always:
        return literal(names[0])
    inner = ", ".join(map(literal, names))
    return f"({inner},)" if len(names) == 1 else f"({inner})"
