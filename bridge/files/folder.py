"""Read a folder of plain files: which of them are migrations, and in what order.

A scan reads names only. The one exception is a `.py` file without a number, which is opened to
see whether it was meant to be a migration.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bridge.errors import FilesError, FolderMissing
from bridge.files.conventions import OURS, Conventions, Order
from bridge.files.plain_file import PlainFile
from bridge.files.stems import is_looked_at, numbered, ordinary_stems

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bridge.files.name_faults import NameFault


@dataclass(frozen=True, slots=True)
class Folder:
    """The migrations of one folder."""

    path: str
    #: In their order: the alphabetical one of their stems, by code point, or that of their numbers.
    files: tuple[PlainFile, ...]


def scan(folder: str, conventions: Conventions = OURS, *, beginning: bool = False) -> Folder:
    """Find the migrations of `folder`; with `beginning`, to write its first one.

    Raises FolderMissing if there is no such folder, FilesError if it cannot be read or holds a
    file that would silently never run or cannot be told from another; all such files are named.
    """
    stems = ordinary_stems(folder)
    if stems is not None:
        return Folder(folder, _in_order(folder, stems, conventions))
    # Most folders hold nothing to look at.
    from bridge.files.name_faults import name_faults
    from bridge.files.unnumbered import look_at

    files, others, no_files = listed(folder, conventions)
    found = look_at(folder, others, files, beginning=beginning)
    faults = [*no_files, *name_faults(folder, files), *found.faults]
    if faults:
        raise FilesError("\n".join(map(str, faults)))
    return Folder(folder, files)


def _in_order(folder: str, stems: Iterable[str], conventions: Conventions) -> tuple[PlainFile, ...]:
    files = [PlainFile(folder, stem, conventions) for stem in stems]
    if conventions.order is not Order.NAME:  # they come in that order
        files.sort(key=lambda file: file.place)
    return tuple(files)


def listed(
    folder: str, conventions: Conventions = OURS
) -> tuple[tuple[PlainFile, ...], list[str], list[NameFault]]:
    """List the numbered files of `folder` and the stems of its others, unchecked, in order.

    And the faults of what is called like a file that is looked at, and is none. Raises
    FolderMissing if there is no such folder, FilesError if it cannot be read.
    """
    stems, faults = [], []
    for stem, is_file in sorted(_entries(folder)):
        fault = None if is_file else _no_file(PlainFile(folder, stem))
        if fault is None:
            stems.append(stem)
        else:
            faults.append(fault)
    migrations = numbered(stems)
    others = set(stems).difference(migrations)
    files = _in_order(folder, migrations, conventions)
    return files, [stem for stem in stems if stem in others], faults


def _entries(folder: str) -> Iterator[tuple[str, bool]]:
    """List the stems of what is called like a module, not a private one, and which are files."""
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if is_looked_at(entry.name):
                    yield entry.name[:-3], _is_file(entry)
    except FileNotFoundError as error:
        raise FolderMissing(
            f"The folder of migrations {folder} does not exist. `version_locations` in alembic.ini "
            "names it: create the folder, or correct the setting."
        ) from error
    except NotADirectoryError as error:
        raise FilesError(
            f"{folder} is a file, not a folder of migrations. Correct `version_locations` in "
            "alembic.ini, which names it."
        ) from error
    except OSError as error:
        raise FilesError(
            f"The folder of migrations {folder} cannot be read: {error.strerror or error}. Give "
            "the user that runs migrations the right to list it, or correct `version_locations` "
            "in alembic.ini, which names it."
        ) from error


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:
        return False  # a link to itself, say


def _no_file(file: PlainFile) -> NameFault | None:
    from bridge.files.name_faults import NameFault
    from bridge.files.unreadable import why_no_file

    why = why_no_file(file.path)
    return None if why is None else NameFault("unreadable", file.stem, None, file.path, why)
