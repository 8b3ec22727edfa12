"""Find the names of files that keep a folder from being run.

Data in, data out: nothing is opened.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from bridge.files.plain_file import PlainFile, name_keys

if TYPE_CHECKING:
    from collections.abc import Sequence

#: `schema_migrations.version` is a VARCHAR(255).
_MAX_STEM: Final = 255

#: Names that no other name in a folder can be confused with: each is its own revision id.
_ORDINARY_NAMES: Final = re.compile(r"(?:[a-z0-9_]{1,255}\n)*")

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


def name_faults(folder: str, files: Sequence[PlainFile]) -> list[NameFault]:
    """Find each name that cannot be recorded or told from another."""
    if _ORDINARY_NAMES.fullmatch("".join([f"{file.stem}\n" for file in files])):
        return []
    faults: list[NameFault] = []
    seen: dict[str, PlainFile] = {}
    for file in files:
        stem = file.stem
        if len(stem) > _MAX_STEM:
            sentence = (
                f"this name has {len(stem)} characters before .py, and the ledger holds "
                f"{_MAX_STEM}. Give the file a shorter name."
            )
            faults.append(NameFault("too-long", stem, None, file.path, sentence))
        if not stem.isascii() and not _is_text(stem):
            sentence = (
                f"the name {stem + '.py'!a} is not valid UTF-8, so it cannot be recorded. Give "
                "the file another name."
            )
            faults.append(NameFault("not-text", stem, None, folder, sentence))
            continue
        for key in name_keys(stem):
            other = seen.setdefault(key, file)
            if other is not file:
                sentence = _clash(other, file)
                faults.append(NameFault("alike", stem, None, folder, sentence))
                break
    return faults


def _is_text(stem: str) -> bool:
    """Return whether a name is text, and not bytes that the file system could not decode."""
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
