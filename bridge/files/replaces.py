"""Read which migrations one file stands for: the header `replaces` of a squash.

Data in, data out; nothing here opens or executes a file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bridge.errors import PlainFileError
from bridge.files.bindings import UNREADABLE, bindings_of, last_assigned, parse
from bridge.files.stems import number_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bridge.files.bindings import Binding
    from bridge.files.plain_file import PlainFile

#: The name in the header.
NAME: Final = "replaces"
_FORM: Final = '["001_a", "002_b"]: the names of files, without .py'


@dataclass(frozen=True, slots=True)
class Replaces:
    """What a file says that it stands for."""

    #: The stems of the migrations, as the file lists them.
    names: tuple[str, ...]
    #: The line of the file, counted from 1.
    line: int


def replaces_in(path: str, stem: str, source: str) -> Replaces | None:
    """Read `replaces` out of `source`, the text of the file at `path`; None if it has none.

    A text that is not Python has none: that is told where the file is to run. Raises
    PlainFileError for a list that does not name migrations.
    """
    if NAME not in source:
        return None
    try:
        bindings = bindings_of(parse(path, source))
    except (PlainFileError, RecursionError, MemoryError):
        return None
    return replaces_of(path, bindings, stem=stem)


def replaces_of(path: str, bindings: Sequence[Binding], *, stem: str) -> Replaces | None:
    """Read `replaces`, None if it is not there; raises as `replaces_in`."""
    binding = last_assigned(NAME, bindings)
    if binding is None:
        return None
    value = UNREADABLE if binding.conditional else binding.literal()
    if value is UNREADABLE:
        raise PlainFileError(
            path,
            binding.line,
            f"`{NAME}` must be known without running the file. Write it once, outside of any "
            f"block, as {_FORM}.",
        )
    names = tuple(value) if isinstance(value, (list, tuple)) else ()
    fault = next(_faults(stem, names), None) if names else f"is {value!r}"
    if fault is not None:
        raise PlainFileError(
            path, binding.line, f"`{NAME}` {fault}. Write {_FORM}, or leave the line out."
        )
    return Replaces(names, binding.line)


def lists_names(value: Sequence[object]) -> bool:
    """Return whether a list could be one of migrations."""
    return bool(value) and all(isinstance(name, str) and number_of(name) for name in value)


def _faults(stem: str, names: Sequence[object]) -> Iterator[str]:
    """Find what is wrong with a list of names, whatever else is in the folder."""
    seen: set[str] = set()
    for name in names:
        if not isinstance(name, str) or not number_of(name) or name.endswith(".py"):
            yield f"holds {name!r}, which is not the name of a migration"
        elif name == stem:
            yield f"names {name}, which is this file itself"
        elif name in seen:
            yield f"names {name} twice"
        else:
            seen.add(name)


def replaced_by(files: Sequence[PlainFile]) -> dict[str, tuple[str, ...]]:
    """Return what each file of a folder that stands for others stands for, by its stem.

    Each file is opened, the first time. Raises PlainFileError where one of them lists what is no
    name of a migration, or where nobody can tell which of two files stands for a migration.
    """
    squashes = {file: found for file in files if (found := file.replaces) is not None}
    if len(squashes) > 1:
        _refuse_disagreements(squashes)
    return {file.stem: found.names for file, found in squashes.items()}


def _refuse_disagreements(squashes: Mapping[PlainFile, Replaces]) -> None:
    """Refuse two files that stand for one migration, unless one of them stands for the other."""
    listed = list(squashes.items())
    for number, (file, found) in enumerate(listed):
        for other, of_other in listed[:number]:
            inner = file.stem in of_other.names
            if inner and other.stem in found.names:
                raise _refused(file, found, f"names {other.stem}, whose own `{NAME}` names it")
            one, of_one, two, of_two = (
                (other, of_other, file, found) if inner else (file, found, other, of_other)
            )
            if two.stem in of_one.names:
                _refuse_left_out(one, of_one, two, of_two)
            elif both := [name for name in found.names if name in {*of_other.names}]:
                raise _refused(file, found, f"names {both[0]}, which {other.stem} replaces as well")


def _refuse_left_out(outer: PlainFile, of_outer: Replaces, inner: PlainFile, of: Replaces) -> None:
    left = [name for name in of.names if name not in {*of_outer.names}]
    if left:
        what = f"names {inner.stem}, and not {left[0]}, which that file replaces"
        raise _refused(outer, of_outer, what)


def _refused(file: PlainFile, found: Replaces, what: str) -> PlainFileError:
    return PlainFileError(
        file.path,
        found.line,
        f"`{NAME}` {what}. A migration is replaced by one file; a file that replaces another "
        "squash lists it, and all that it replaced. Nothing was run.",
    )
