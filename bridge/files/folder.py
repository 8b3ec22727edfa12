"""A folder of plain files: which of them are migrations, their order, the name of the next one.

A scan reads names only. The one exception is a `.py` file without a number, which is opened to
see whether it was meant to be a migration.
"""

from __future__ import annotations

import os
import re
import unicodedata
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final, Literal

from bridge.errors import FilesError, FolderMissing, UsageError
from bridge.files.plain_file import PlainFile, name_keys

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: `schema_migrations.version` is a VARCHAR(255).
MAX_STEM: Final = 255

#: Digits of a number in a folder that does not show another width.
USUAL_WIDTH: Final = 3
#: Most file systems end a name after 255 bytes, `.py` included.
_LONGEST_NEW_STEM: Final = 252

#: Names that no other name in a folder can be confused with: each is its own revision id.
_ORDINARY_NAMES: Final = re.compile(r"(?:[a-z0-9_]{1,255}\n)*")

#: One or more names of such files with a number, divided by what no name of a file holds.
_NUMBERED_FILES: Final = re.compile(r"(?:[0-9][a-z0-9_]{0,254}\.py(?:/|\Z))+")

_DIGITS: Final = frozenset("0123456789")


NameKind = Literal[
    "too-long", "not-text", "alike", "no-number", "never-run", "no-migration", "unreadable"
]


@dataclass(frozen=True, slots=True)
class NameFault:
    """A name that keeps the folder from being run."""

    kind: NameKind
    #: The file to look at.
    stem: str
    #: The line of it that is not Python, where that is the fault.
    line: int | None
    #: The path that the message begins with.
    path: str
    #: What is wrong, then, as the last sentence, what to do.
    sentence: str

    def __str__(self) -> str:
        return f"{self.path}:{f'{self.line}:' if self.line else ''} {self.sentence}"


@dataclass(frozen=True, slots=True)
class Folder:
    """The migrations of one folder."""

    path: str
    #: In alphabetical order of their stems, by code point, as `sorted` gives it.
    files: tuple[PlainFile, ...]


def scan(folder: str, *, beginning: bool = False) -> Folder:
    """Find the migrations of `folder`; with `beginning`, to write its first one.

    Raises FolderMissing if there is no such folder, FilesError if it cannot be read or holds a
    file that would silently never run or cannot be told from another; all such files are named.
    """
    stems = ordinary_stems(folder)
    if stems is not None:
        return Folder(folder, tuple([PlainFile(folder, stem) for stem in stems]))
    from bridge.files.unnumbered import look_at  # most folders hold nothing to look at

    files, others = listed(folder)
    found = look_at(folder, others, files, beginning=beginning)
    faults = [*name_faults(folder, files), *found.faults]
    if faults:
        raise FilesError("\n".join(map(str, faults)))
    return Folder(folder, files)


def listed(folder: str) -> tuple[tuple[PlainFile, ...], list[str]]:
    """The numbered files of `folder` and the stems of its others, unchecked, in order.

    Raises FolderMissing if there is no such folder, FilesError if it cannot be read.
    """
    stems = sorted(_stems(folder))
    files = tuple(PlainFile(folder, stem) for stem in stems if stem[0] in _DIGITS)
    return files, [stem for stem in stems if stem[0] not in _DIGITS]


def ordinary_stems(folder: str) -> list[str] | None:
    """The stems that `scan` would find, in order; None where it has to look more closely.

    Quick, for the start that has nothing to do: it makes no objects, and raises nothing.
    """
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if not entry.is_dir()]
    except OSError:
        return None
    if not _NUMBERED_FILES.fullmatch("/".join(names)):
        names = [name for name in names if name.endswith(".py") and name[0] not in "._"]
        if not _NUMBERED_FILES.fullmatch("/".join(names)):
            return None
    return sorted([name[:-3] for name in names])


def _stems(folder: str) -> Iterator[str]:
    """The stems of the files that Python would import by name, private ones excepted."""
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                name = entry.name
                # A dangling link is not a folder: it is kept, and reading it is an error.
                if name.endswith(".py") and name[0] not in "._" and not _is_folder(entry):
                    yield name[:-3]
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


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        # A link to itself, say. It is there, so reading it must fail, not be forgotten.
        return False


def name_faults(folder: str, files: Sequence[PlainFile]) -> list[NameFault]:
    """One fault for each name that cannot be recorded or told from another."""
    if _ORDINARY_NAMES.fullmatch("".join([f"{file.stem}\n" for file in files])):
        return []
    faults: list[NameFault] = []
    seen: dict[str, PlainFile] = {}
    for file in files:
        stem = file.stem
        if len(stem) > MAX_STEM:
            told = (
                f"this name has {len(stem)} characters before .py, and the ledger holds "
                f"{MAX_STEM}. Give the file a shorter name."
            )
            faults.append(NameFault("too-long", stem, None, file.path, told))
        if not stem.isascii() and not _is_text(stem):
            told = (
                f"the name {stem + '.py'!a} is not valid UTF-8, so it cannot be recorded. Give "
                "the file another name."
            )
            faults.append(NameFault("not-text", stem, None, folder, told))
            continue
        for key in name_keys(stem):
            other = seen.setdefault(key, file)
            if other is not file:
                told = _clash(other, file)
                faults.append(NameFault("alike", stem, None, folder, told))
                break
    return faults


def _is_text(stem: str) -> bool:
    """Whether a name is text, and not bytes that the file system could not decode."""
    try:
        stem.encode()
    except UnicodeEncodeError:
        return False
    return True


def _clash(one: PlainFile, other: PlainFile) -> str:
    alike = (
        f"both have the revision id {one.revision}"
        if one.revision == other.revision
        else "their names differ only in spelling"
    )
    return (
        f"{one.stem}.py and {other.stem}.py cannot be told apart: {alike}. Remove one, or give "
        "the one that has not been applied anywhere another name."
    )


def next_number(files: Sequence[PlainFile]) -> str:
    """The number after the greatest one, in the folder's width, that sorts after all others.

    Raises FilesError where there is none: `1000_y` sorts before `999_x`.
    """
    if not files:
        return "1".zfill(USUAL_WIDTH)
    last = max(file.stem for file in files)
    width = len(PlainFile("", last).number)
    greatest = max(int(file.number) for file in files)
    # A folder that counts 1, 2, 3 goes on with 4, for 004 would sort before them.
    for digits in (max(width, USUAL_WIDTH), width):
        number = str(greatest + 1).zfill(digits)
        if f"{number}_" > last:
            return number
    raise FilesError(
        f"There is no next number: migrations run in alphabetical order, and {greatest + 1} sorts "
        f"before {last}.py. Name the file yourself so that it sorts last, for example "
        f"{last}_then_add_widgets.py: two files may share a number."
    )


def new_stem(files: Sequence[PlainFile], message: str, number: str | None = None) -> str:
    """The stem of a new migration about `message`, with the next number or the one given.

    Raises UsageError if the number given is not one, is taken, or would give the file a place in
    alphabetical order that is not its place by number.
    """
    if number is None:
        number = next_number(files)
    else:
        _check_number(files, number)
    return f"{number}_{slugify(message)}"[:_LONGEST_NEW_STEM].rstrip("_")


def _check_number(files: Sequence[PlainFile], number: str) -> None:
    if not re.fullmatch("[0-9]{1,64}", number):
        raise UsageError(f"{number!r} is not a number for a migration. Write digits only, as 010.")
    for file in files:
        if int(file.number) == int(number):
            raise UsageError(
                f"The number {number} is taken by {file.stem}.py. Choose another, or leave the "
                "number out to get the next free one."
            )
    for file in files:
        if not is_in_place([file], number):
            raise UsageError(
                f"A file numbered {number} would be out of place: migrations run in alphabetical "
                f"order, where {number} and {file.stem}.py stand the other way round than by "
                f"number. Write the number with {len(file.number)} digits, or leave it out to get "
                "the next free one."
            )


def is_in_place(files: Sequence[PlainFile], number: str) -> bool:
    """Whether a name with this number stands between the others where its number does."""
    own = int(number)
    # Two files may share a number.
    return all(
        own == int(file.number) or (f"{number}_" < file.stem) == (own < int(file.number))
        for file in files
    )


def slugify(message: str) -> str:
    """The message as a part of a file name: `Add  new-feature!` gives `add_new_feature`."""
    plain = unicodedata.normalize("NFKD", message).encode("ascii", "ignore").decode()
    return re.sub("[^a-z0-9]+", "_", plain.lower()).strip("_") or "migration"


def order_disagreements(files: Sequence[PlainFile]) -> list[tuple[str, str]]:
    """Neighbours in alphabetical order whose numbers are the other way round.

    An empty list means that the two orders agree on all files.
    """
    ordered = sorted(files, key=lambda file: file.stem)
    return [
        (file.stem, following.stem)
        for file, following in pairwise(ordered)
        if int(file.number) > int(following.number)
    ]
