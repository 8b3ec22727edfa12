"""Read what a plain file says about itself, from its text with `ast`.

Nothing here opens or executes a file. What cannot be known without running it (a name that is
imported, decorated or computed) is given the benefit of the doubt and left to the run.
"""

from __future__ import annotations

import ast
import re
import unicodedata
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from bridge.errors import PlainFileError
from bridge.files.argument import Annotated, annotated
from bridge.files.bindings import (
    UNREADABLE,
    Binding,
    bindings_of,
    last_assigned,
    parse,
    parse_and_compile,
    too_deep,
)
from bridge.files.conventions import OURS, Conventions
from bridge.files.functions import defines, function_fault, live, unwritten
from bridge.files.mode import Mode
from bridge.files.replaces import lists_names, replaces_of
from bridge.files.stems import behind_number
from bridge.spelling import nearest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import CodeType

#: The names that a plain file may give a meaning to, beside its two functions.
_SETTINGS: Final = ("description", "transaction", "breaking", "replaces", "shared")
#: Shorter names are near to many others.
_SHORTEST: Final = 5

_MIGRATION_PREFIX: Final = re.compile(r"(?i:migration\s*:\s*)")
#: PostgreSQL's TEXT can hold neither a null character nor half of a surrogate pair.
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")


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
    #: Whether the file touches the database as a whole, and not only the target that it runs for.
    shared: bool = False
    #: Why its `downgrade` could not run. Nobody looked at that function before, so it is no
    #: reason to refuse the upgrade.
    downgrade_fault: PlainFileError | None = field(default=None, compare=False)
    #: Why its `upgrade` is not to run yet: it is as a new file is written. Such a file is listed
    #: like any other.
    unwritten: PlainFileError | None = field(default=None, compare=False)
    #: What the annotations of the two functions say that they take.
    upgrade_takes: Annotated | None = None
    downgrade_takes: Annotated | None = None
    #: The file, compiled; None where Python warns of its text, which is for the run to do.
    code: CodeType | None = field(default=None, repr=False, compare=False)

    @property
    def longdoc(self) -> str:
        """The longest text the file has about itself, for `alembic show`."""
        return self.docstring or self.description


def read_header(path: str, stem: str, source: str, conventions: Conventions = OURS) -> Header:
    """Read the header out of `source`, the text of the file at `path`.

    Raises PlainFileError for anything that would keep the migration from running as it was meant.
    """
    try:
        module, code = parse_and_compile(path, source)
        bindings = bindings_of(module)
        refuse_misspellings(path, bindings, conventions)
        about = (bindings, source, conventions)
        fault = function_fault(path, "upgrade", *about)
        if fault is not None:
            raise fault
        replaces_of(path, bindings, stem=stem)
        docstring = _docstring(module)
        never_undone = unwritten(path, "downgrade", *about)
        upgrade, downgrade = (
            annotated(live(name, bindings)[-1].node, module) if live(name, bindings) else None
            for name in (conventions.upgrade, conventions.downgrade)
        )
        return Header(
            docstring=docstring,
            description=_description(bindings, docstring, stem),
            transaction=transaction_of(path, bindings),
            has_downgrade=defines(conventions.downgrade, bindings) and never_undone is None,
            breaking=breaking_of(path, bindings),
            shared=shared_of(bindings),
            downgrade_fault=never_undone or function_fault(path, "downgrade", *about),
            unwritten=unwritten(path, "upgrade", *about),
            upgrade_takes=upgrade,
            downgrade_takes=downgrade,
            code=code,
        )
    except (RecursionError, MemoryError):
        too_deep(path)


def quick_description(path: str, stem: str, source: str) -> str | None:
    """Read the description above the first function of a file, or None.

    None says that the whole file is to be parsed. What is found is what `read_header` finds, if
    the rest is a migration; nobody looks.

    A listing of thousands of files would spend its time in Python's parser: this takes 17 ms for
    the heads of a thousand files of 400 bytes, and `read_header` 73 ms.
    """
    head, _, rest = source.partition("\ndef ")
    # Python takes letters of other widths and styles for the ordinary ones.
    text = rest if rest.isascii() else unicodedata.normalize("NFKD", rest)
    if "description" in text:
        return None
    try:
        module = parse(path, head)
        return _description(bindings_of(module), _docstring(module), stem)
    except (PlainFileError, RecursionError, MemoryError):
        return None


def _docstring(module: ast.Module) -> str | None:
    return storable(ast.get_docstring(module) or "") or None


def _description(bindings: Sequence[Binding], docstring: str | None, stem: str) -> str:
    binding = last_assigned("description", bindings)
    written = binding.literal() if binding else None
    if not isinstance(written, str) or not written.strip():
        slug = behind_number(stem).replace("_", " ").strip() or stem
        written = _first_line(docstring or "") or slug
    return storable(written)


def _first_line(docstring: str) -> str | None:
    """Find the first line of a docstring that says something; a prefix "Migration:" does not."""
    lines = (_MIGRATION_PREFIX.sub("", line.strip(), count=1) for line in docstring.splitlines())
    return next((line for line in lines if line), None)


def storable(text: str) -> str:
    """Replace what PostgreSQL cannot hold, nor, since Python 3.13, a docstring."""
    if text.isascii() and "\0" not in text:
        return text
    return _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def transaction_of(path: str, bindings: Sequence[Binding]) -> Mode | None:
    """Read `transaction`, None if it is not there; raises PlainFileError for no mode."""
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
    """Read `breaking`; raises PlainFileError for neither True nor False."""
    binding = last_assigned("breaking", bindings)
    if binding is None:
        return False
    value = _setting(path, binding, "True or False")
    if isinstance(value, bool):
        return value
    raise PlainFileError(
        path, binding.line, f"`breaking` is {value!r}. Write True or False, or leave the line out."
    )


def shared_of(bindings: Sequence[Binding]) -> bool:
    """Read `shared`. Folders of old may mean something of their own by another value."""
    binding = last_assigned("shared", bindings)
    return binding is not None and not binding.conditional and binding.literal() is True


def _setting(path: str, binding: Binding, choices: str) -> object:
    """Evaluate a setting that decides how the file is run, so that no guess will do."""
    value = UNREADABLE if binding.conditional else binding.literal()
    if value is UNREADABLE:
        raise PlainFileError(
            path,
            binding.line,
            f"`{binding.name}` must be known without running the file. Write it once, outside of "
            f"any block, as {choices}.",
        )
    return value


def refuse_misspellings(
    path: str, bindings: Sequence[Binding], conventions: Conventions = OURS
) -> None:
    """Refuse a name that is nearly one of ours, where ours is missing and the value would fit."""
    taken = {b.name for b in bindings}
    functions = conventions.upgrade, conventions.downgrade
    for binding in bindings:
        meant = meant_for(binding.name, functions)
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
def meant_for(name: str, functions: tuple[str, ...] = (OURS.upgrade, OURS.downgrade)) -> str | None:
    """Find the one of our names that `name` is a misspelling of, or None.

    A name with one of ours inside (`upgrade_users`, `descriptions`) is a name of its own.
    """
    names = [ours for ours in (*functions, *_SETTINGS) if len(ours) >= _SHORTEST]
    if any(ours in name for ours in names) or name in functions:
        return None
    return nearest(name, names)


def _would_fit(name: str, binding: Binding) -> bool:
    """Return whether the binding could have been written for `name`.

    A model called `Transaction` or an imported `translation` must not stop a folder that has
    been in use for years.
    """
    if name not in _SETTINGS:
        return binding.kind == "function" or (binding.kind == "assigned" and binding.may_be_called)
    value = binding.literal() if binding.kind == "assigned" else UNREADABLE
    if name == "replaces":
        return isinstance(value, (list, tuple)) and lists_names(value)
    return isinstance(value, bool if name in {"breaking", "shared"} else str)
