"""What a plain file says about itself, read from its text with `ast`.

Nothing here opens or executes a file. What cannot be known without running it (a name that is
imported, decorated or computed) is given the benefit of the doubt and left to the run.
"""

from __future__ import annotations

import ast
import sys
import warnings
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NoReturn

from bridge.errors import PlainFileError
from bridge.files.bindings import UNREADABLE, Binding, module_bindings
from bridge.files.mode import Mode
from bridge.files.placeholder import PLACEHOLDER, placeholder_in
from bridge.files.quick_header import first_line, storable
from bridge.files.shapes import Shape, in_place_of, other_function
from bridge.spelling import nearest

if TYPE_CHECKING:
    from collections.abc import Sequence

#: The names a plain file may give a meaning to.
OUR_NAMES: Final = ("upgrade", "downgrade", "description", "transaction", "breaking")

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

#: Nodes whose insides are a scope of their own, where a `yield` belongs to somebody else.
_SCOPES: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)


@dataclass(frozen=True, slots=True)
class Header:
    """What a listing needs to know of one migration."""

    #: The module's docstring without its indentation, or None.
    docstring: str | None
    #: The file's own `description`, else the docstring's first line, else the slug; never blank.
    description: str
    #: None where the file leaves it to the folder's default.
    transaction: Mode | None
    #: Whether the file says how to take the migration back.
    has_downgrade: bool
    #: Whether the file says that code of the release before cannot work after it.
    breaking: bool
    #: Why its `downgrade` could not run. Nobody looked at that function before, so it is no
    #: reason to refuse the upgrade.
    downgrade_fault: PlainFileError | None = field(default=None, compare=False)
    #: Why its `upgrade` is not to run yet: it is as a new file is written. Such a file is listed
    #: like any other.
    unwritten: PlainFileError | None = field(default=None, compare=False)

    @property
    def longdoc(self) -> str:
        """The longest text the file has about itself, for `alembic show`."""
        return self.docstring or self.description


def read_header(path: str, stem: str, source: str) -> Header:
    """Read the header out of `source`, the text of the file at `path`.

    Raises PlainFileError for anything that would keep the migration from running as it was meant.
    """
    try:
        module = parse(path, source)
        bindings = tuple(module_bindings(module.body, conditional=False))
        refuse_misspellings(path, bindings)
        fault = function_fault(path, "upgrade", bindings, source)
        if fault is not None:
            raise fault
        docstring = storable(ast.get_docstring(module) or "") or None
        never_undone = unwritten(path, "downgrade", bindings, source)
        offered = any(_offers(b, "downgrade") for b in _live("downgrade", bindings))
        return Header(
            docstring=docstring,
            description=_description(bindings, docstring, stem),
            transaction=transaction_of(path, bindings),
            has_downgrade=offered and never_undone is None,
            breaking=breaking_of(path, bindings),
            downgrade_fault=never_undone or function_fault(path, "downgrade", bindings, source),
            unwritten=unwritten(path, "upgrade", bindings, source),
        )
    except (RecursionError, MemoryError):
        too_deep(path)


def shape_of(path: str, source: str) -> Shape:
    """What the text holds of a migration; an imported `upgrade` does not make one."""
    try:
        bindings = tuple(module_bindings(parse(path, source).body, conditional=False))
    except (RecursionError, MemoryError):
        too_deep(path)
    own = [b for b in bindings if _offers(b, "upgrade") and b.kind in ("function", "assigned")]
    description = last_assigned("description", bindings)
    return Shape(
        upgrade=own[-1] if own else None,
        other=other_function(bindings),
        described=description is not None and isinstance(description.literal(), str),
    )


def too_deep(path: str) -> NoReturn:
    """Raise for a file that Python gives up on, in the reading or in the looking."""
    raise PlainFileError(
        path,
        None,
        "this file is nested too deeply for Python to read. Write its long expressions as several "
        "shorter ones.",
    ) from None


def parse(path: str, source: str) -> ast.Module:
    """The tree of a file; raises PlainFileError if its text is not Python."""
    python = f"Python {sys.version_info.major}.{sys.version_info.minor}"
    if "\0" in source:
        line = source.count("\n", 0, source.index("\0")) + 1
        raise PlainFileError(
            path,
            line,
            "this file holds a null character, so it is not Python source. Save it again as UTF-8, "
            "or restore it from version control.",
        )
    try:
        with warnings.catch_warnings():
            # An invalid escape such as "\d" is a warning of the run, and no reason to refuse a
            # listing where warnings are errors.
            warnings.simplefilter("ignore")
            return ast.parse(source, filename=path)
    except SyntaxError as error:
        raise PlainFileError(
            path, error.lineno, f"this is not valid {python}: {error.msg}. Correct the file."
        ) from error
    except ValueError as error:
        raise PlainFileError(
            path, None, f"this is not valid {python}: {error}. Correct the file."
        ) from error


def _offers(binding: Binding, name: str) -> bool:
    return binding.name == name and not isinstance(binding.node, _NEVER_CALLABLE)


def function_fault(
    path: str, name: str, bindings: Sequence[Binding], source: str
) -> PlainFileError | None:
    """Why calling `name` with a Session could not run it, or None."""
    live = _live(name, bindings)
    if live:
        complaints = [_complaint(name, b.node, source) for b in live]
        if all(complaints):
            return PlainFileError(path, live[-1].line, str(complaints[-1]))
    # A star import may bring it; only the run can tell.
    elif name == "upgrade" and not any(b.name == "*" for b in bindings):
        return PlainFileError(path, None, _no_upgrade(other_function(bindings)))
    return None


def _no_upgrade(other: Binding | None) -> str:
    """What is told where nothing is called so; `other` is what another runner would call."""
    if other is None:
        return (
            "this migration defines no `upgrade`. Add `def upgrade(db):` to it, or, if it is not "
            "a migration, begin its name with `_`."
        )
    written = str(in_place_of(other))
    return (
        f"this migration defines no `upgrade`, but `{other.name}` in line {other.line}. "
        f"{written[0].upper()}{written[1:]} (or, if it is not a migration, begin its name with "
        "`_`)."
    )


def unwritten(
    path: str, name: str, bindings: Sequence[Binding], source: str
) -> PlainFileError | None:
    """Why `name` is not to run: nobody has written yet what it does."""
    line = placeholder_in((binding.node for binding in _live(name, bindings)), source)
    if line is None:
        return None
    instead = (
        "Write the SQL of this migration in its place, or `pass` if there is nothing to do."
        if name == "upgrade"
        else "Write the SQL that undoes this migration in its place, or remove `downgrade`."
    )
    return PlainFileError(
        path,
        line,
        f"`{name}` is not written yet: it still has the placeholder `{PLACEHOLDER}` of a new file. "
        f"{instead}",
    )


def _live(name: str, bindings: Sequence[Binding]) -> list[Binding]:
    """The bindings of `name` that may be the one in force when the module has run."""
    found = [b for b in bindings if b.name == name]
    certain = [i for i, b in enumerate(found) if not b.conditional]
    return found[certain[-1] if certain else 0 :]


def _complaint(name: str, node: ast.AST | None, source: str) -> str | None:
    """Why the thing `name` stands for cannot be called with a Session, or None."""
    if isinstance(node, _NEVER_CALLABLE):
        if name == "downgrade" and isinstance(node, ast.Constant) and node.value is None:
            return None
        return f"`{name}` is a constant, not a function. Write `def {name}(db):`."
    if isinstance(node, ast.Lambda):
        return _argument_complaint(name, node.args)
    # What a decorator makes of a function is known only when it runs.
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or node.decorator_list:
        return None
    if isinstance(node, ast.AsyncFunctionDef):
        return (
            f"`{name}` is `async def`: calling it would run nothing. Write `def {name}(db):` and "
            "use the Session it gets without `await`."
        )
    # To look through the whole body takes as long as to parse it.
    if "yield" in source and _yields(node.body):
        return (
            f"`{name}` contains `yield`: calling it would run nothing. Take the `yield` out, so "
            "that it is an ordinary function."
        )
    return _argument_complaint(name, node.args)


def _argument_complaint(name: str, arguments: ast.arguments) -> str | None:
    positional = len(arguments.posonlyargs) + len(arguments.args)
    required = positional - len(arguments.defaults)
    takes_one = (positional or arguments.vararg) and required <= 1
    if takes_one and None not in arguments.kw_defaults:
        return None
    return (
        f"`{name}` is called with one argument, the Session, but is defined as "
        f"`{name}({ast.unparse(arguments)})`. Write `def {name}(db):`."
    )


def _yields(body: Sequence[ast.stmt]) -> bool:
    """Whether these statements make their own function a generator; iterative, for deep files."""
    pending: list[ast.AST] = list(body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Yield | ast.YieldFrom):
            return True
        if not isinstance(node, _SCOPES):
            pending.extend(ast.iter_child_nodes(node))
    return False


def last_assigned(name: str, bindings: Sequence[Binding]) -> Binding | None:
    """The last place that gives the name a value."""
    # A class, an import or a function of that name was never meant as our setting.
    return next((b for b in reversed(bindings) if b.name == name and b.kind == "assigned"), None)


def _description(bindings: Sequence[Binding], docstring: str | None, stem: str) -> str:
    binding = last_assigned("description", bindings)
    written = binding.literal() if binding else None
    if not isinstance(written, str) or not written.strip():
        slug = stem.lstrip("0123456789").replace("_", " ").strip() or stem
        written = first_line(docstring or "") or slug
    return storable(written)


def transaction_of(path: str, bindings: Sequence[Binding]) -> Mode | None:
    """Read the mode that the file gives itself, or None; raises PlainFileError for no mode."""
    binding = last_assigned("transaction", bindings)
    if binding is None:
        return None
    choices = ", ".join(f'"{mode}"' for mode in Mode)
    value = _setting(path, binding, f"one of {choices}")
    if isinstance(value, str) and value in list(Mode):
        return Mode(value)
    raise PlainFileError(
        path,
        binding.line,
        f"`transaction` is {value!r}. Write one of {choices}, or leave the line out for the "
        "folder's default.",
    )


def breaking_of(path: str, bindings: Sequence[Binding]) -> bool:
    """Whether the file says so; raises PlainFileError for neither True nor False."""
    binding = last_assigned("breaking", bindings)
    if binding is None:
        return False
    value = _setting(path, binding, "True or False")
    if isinstance(value, bool):
        return value
    raise PlainFileError(
        path, binding.line, f"`breaking` is {value!r}. Write True or False, or leave the line out."
    )


def _setting(path: str, binding: Binding, choices: str) -> object:
    """The value of a setting that decides how the file is run, so that no guess will do."""
    value = UNREADABLE if binding.conditional else binding.literal()
    if value is UNREADABLE:
        raise PlainFileError(
            path,
            binding.line,
            f"`{binding.name}` must be known without running the file. Write it once, outside of "
            f"any block, as {choices}.",
        )
    return value


def refuse_misspellings(path: str, bindings: Sequence[Binding]) -> None:
    """Refuse a name that is nearly one of ours, where ours is missing and the value would fit."""
    taken = {b.name for b in bindings}
    for binding in bindings:
        meant = meant_for(binding.name)
        if meant is None or meant in taken or not _would_fit(meant, binding):
            continue
        raise PlainFileError(
            path,
            binding.line,
            f"`{binding.name}` looks like a misspelling of `{meant}`, which this file does not "
            f"have. Rename it to `{meant}`; if it is meant to be something else, give it a name "
            "that is less alike.",
        )


@lru_cache(maxsize=1024)  # the files of a folder have most names in common
def meant_for(name: str) -> str | None:
    """Find the one of OUR_NAMES that `name` is a misspelling of, or None.

    A name with one of ours inside (`upgrade_users`, `descriptions`) is a name of its own.
    """
    if any(ours in name for ours in OUR_NAMES):
        return None
    return nearest(name, OUR_NAMES)


def _would_fit(name: str, binding: Binding) -> bool:
    """Whether the binding could have been written for `name`.

    A model called `Transaction` or an imported `translation` must not stop a folder that has
    been in use for years.
    """
    if name in ("upgrade", "downgrade"):
        return binding.kind == "function" or (
            binding.kind == "assigned" and _offers(binding, binding.name)
        )
    wanted = bool if name == "breaking" else str
    return binding.kind == "assigned" and isinstance(binding.literal(), wanted)
