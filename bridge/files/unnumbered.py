"""Look for migrations among the files of a folder whose names do not begin with a number.

Most are helper modules. One that was meant to be a migration would silently never run, which is
the worst that could happen to it; so each is opened, and none is executed.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from bridge.errors import FilesError, PlainFileError
from bridge.files.name_faults import NameFault
from bridge.files.numbering import USUAL_WIDTH, is_in_place, next_number
from bridge.files.plain_file import PlainFile, name_keys
from bridge.files.shapes import Shape, is_v_numbered, to_write, v_parts, v_width

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bridge.files.name_faults import NameKind

_WHAT_ONE_IS: Final = (
    "A migration is a file like 001_add_widgets.py: its name begins with a number, and it has a "
    "`description` and a function `upgrade(db)`."
)
#: The end of a sentence that says how to make a migration of a file.
_OR_HELPER: Final = "; if it is not a migration, begin its name with `_`"


@dataclass(slots=True)
class Unnumbered:
    """What is wrong with the files without a number."""

    #: What keeps the folder from being run.
    faults: list[NameFault] = field(default_factory=list)
    #: Files that may have been meant to run, beside others that do.
    doubts: list[NameFault] = field(default_factory=list)


def look_at(
    folder: str, stems: Sequence[str], files: Sequence[PlainFile], *, beginning: bool = False
) -> Unnumbered:
    """Look at the files without a number, `stems`, beside the numbered `files`.

    With `beginning` a first migration is about to be written, so that there may be helper modules
    and nothing else.
    """
    found = Unnumbered()
    shapes: dict[str, Shape] = {}
    for stem in stems:
        file = PlainFile(folder, stem)
        try:
            shapes[stem] = file.shape()
        except PlainFileError as error:
            fault = NameFault("unreadable", stem, error.line, file.path, error.sentence)
            found.faults.append(fault)
    names = _Names(folder, stems, files)
    if shapes and not files and not found.faults and not any(map(_is_certain, shapes.items())):
        # One fault for a folder of them: what is wrong with the first is wrong with all.
        if not beginning or _evident(shapes):
            found.faults.append(_no_migration(names, shapes))
        return found
    for stem, shape in shapes.items():
        if shape.upgrade or (is_v_numbered(stem) and shape.holds_something):
            found.faults.append(names.fault("no-number", stem, shape))
        elif is_v_numbered(stem) or shape.is_evident:
            found.doubts.append(names.fault("never-run", stem, shape))
    return found


def _is_certain(named: tuple[str, Shape]) -> bool:
    """Return whether it is bridge's own kind of migration, and only lacks a number."""
    stem, shape = named
    return shape.upgrade is not None and not is_v_numbered(stem)


class _Names:
    """Proposes names, of which no two are alike."""

    def __init__(self, folder: str, stems: Sequence[str], files: Sequence[PlainFile]) -> None:
        self._folder = folder
        self._known = tuple(files)
        widths = [len(file.number) for file in files] or [USUAL_WIDTH, v_width(stems)]
        self._width = max(widths)

    def path(self, stem: str) -> str:
        """Name the file as messages do."""
        return PlainFile(self._folder, stem).path

    def advice(self, stem: str, shape: Shape) -> str:
        """Say how to make a migration of it; raises FilesError if no name is free.

        Its own number is kept, for it says where the file belongs.
        """
        proposed = self._proposed(stem)
        self._known = (*self._known, PlainFile(self._folder, proposed))
        rename = shlex.join(["mv", f"{stem}.py", f"{proposed}.py"])
        written = to_write(shape)
        return f"Name it: {rename}{f', and {written}' if written else ''}"

    def _proposed(self, stem: str) -> str:
        number, rest = v_parts(stem) or ("", f"_{stem}")
        own = number.zfill(self._width)
        taken = {key for file in self._known for key in name_keys(file.stem)}
        if number and is_in_place(self._known, own) and taken.isdisjoint(name_keys(own + rest)):
            return own + rest
        return next_number(self._known) + rest

    def fault(self, kind: NameKind, stem: str, shape: Shape) -> NameFault:
        """Describe the fault of one file beside others."""
        holds = f"defines `{shape.function.name}`" if shape.function else "has a `description`"
        what = (
            f"this file {holds}, but its name does not begin with a number, so it would never run."
            if shape.holds_something
            else "the number of this file is not at the beginning of its name, so it never runs."
        )
        try:
            advice = f"{self.advice(stem, shape)}{_OR_HELPER}."
        except FilesError as error:
            advice = str(error)
        return NameFault(kind, stem, None, self.path(stem), f"{what} {advice}")


def _evident(shapes: Mapping[str, Shape]) -> list[str]:
    """Find those that were certainly meant to be migrations; others may be helper modules."""
    return [s for s, shape in shapes.items() if is_v_numbered(s) or shape.is_evident]


def _no_migration(names: _Names, shapes: Mapping[str, Shape]) -> NameFault:
    evident = _evident(shapes)
    meant = evident or [stem for stem, shape in shapes.items() if shape.function]
    stem = next(iter(meant or shapes))
    what = (
        f"none of the {len(shapes)} Python files of this folder is a migration"
        if len(shapes) > 1
        else "this is the only Python file of the folder, and it is no migration"
    )
    if meant:
        others = ", and so on with the others" if meant[1:] else ""
        advice = f"{names.advice(stem, shapes[stem])}{others}{'' if evident else _OR_HELPER}."
    else:
        advice = (
            "To write the first one, type: eai migrate new MESSAGE; or begin the name of each "
            "helper module with `_`, or correct `version_locations` in alembic.ini, which names "
            "this folder."
        )
    sentence = f"{what}, so nothing would ever run. {_WHAT_ONE_IS} {advice}"
    return NameFault("no-migration", stem, None, names.path(stem), sentence)
