"""Decide which files a squash replaces, in which order they run, and what the new file is called.

Data in, data out, but for the headers that are read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bridge.alembic.revision_names import unknown_revision
from bridge.errors import FilesError, UsageError
from bridge.files.numbering import name_like, slugify
from bridge.files.plain_file import PlainFile, name_keys

if TYPE_CHECKING:
    from bridge.files.conventions import Order

_NOTHING = "Nothing was written."


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be squashed."""

    #: The new file, which is not there yet.
    new: PlainFile
    #: The files that make what it makes, in the order in which they run.
    runs: tuple[PlainFile, ...]
    #: The stems that it replaces, in that order; files that an earlier squash replaced among them.
    replaces: tuple[str, ...]
    #: Those of them that are files of the folder.
    present: tuple[PlainFile, ...]

    @property
    def first(self) -> str:
        """The first of the stems that it replaces."""
        return self.replaces[0]

    @property
    def last(self) -> str:
        """The last of the stems that it replaces."""
        return self.replaces[-1]


def plan(folder: str, files: Sequence[PlainFile], *, to: str, name: str) -> Plan:
    """Plan a file called `name` in place of all files up to `to`: a stem, or its beginning.

    Raises UsageError if `to` means no file, FilesError if the new name is taken, or would sort
    behind a file that is not replaced.
    """
    last = _meant(folder, files, to)
    counted = files[: files.index(last) + 1]
    replaced_by = {file.stem: _replaced(file) for file in counted}
    earlier = {stem for stems in replaced_by.values() for stem in stems}
    # In the place of an earlier squash stands what it replaced, and then itself.
    replaces = tuple(
        dict.fromkeys(
            stem
            for file in counted
            if file.stem not in earlier
            for stem in (*replaced_by[file.stem], file.stem)
        )
    )
    stem = name_like(last.stem, slugify(name), last.number)
    new = PlainFile(folder, stem, last.conventions)
    _refuse_name(new, files, files[len(counted) :], last.conventions.order)
    return Plan(
        new=new,
        runs=tuple(file for file in counted if file.stem not in earlier),
        replaces=replaces,
        present=tuple(file for file in counted if file.stem in replaces),
    )


def _replaced(file: PlainFile) -> tuple[str, ...]:
    return file.replaces.names if file.replaces is not None else ()


def _meant(folder: str, files: Sequence[PlainFile], to: str) -> PlainFile:
    wanted = to.removesuffix(".py")
    by_stem = {file.stem: file for file in files}
    fitting = [file for file in files if file.stem.startswith(wanted)]
    if wanted in by_stem:
        return by_stem[wanted]
    if not wanted or len(fitting) != 1:
        raise UsageError(f"{unknown_revision(to, by_stem.keys(), folder)}. {_NOTHING}")
    return fitting[0]


def _refuse_name(
    new: PlainFile, files: Sequence[PlainFile], following: Sequence[PlainFile], order: Order
) -> None:
    keys = set(name_keys(new.stem))
    for file in files:
        if keys.intersection(name_keys(file.stem)):
            raise FilesError(
                f"{file.path} is there already, and is not written over. {_NOTHING} Give the new "
                "file another name: --name"
            )
    for file in following:
        if order.place(file.stem) < new.place:
            raise FilesError(
                f"{new.stem}.py would sort behind {file.stem}.py, which it does not replace and "
                f"which runs after it. {_NOTHING} Name {file.stem} with --to; or give the new file "
                "a name that sorts before it: --name"
            )
