"""What a ledger calls a migration: its stem, its file's name, or its bare number.

bridge and the old runner record the stem. Other home-made runners recorded `004_new_feature.py`,
or `4`, or `004`; their tables are adopted as they are, and go on being written in their way.
Data in, data out.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from bridge.plainfile import PlainFile


class Form(StrEnum):
    """The form of the keys in one ledger, as the setting `mirror_key_form` names it."""

    STEM = "stem"
    FILE = "file"
    NUMBER = "number"


@dataclass(frozen=True, slots=True)
class Keys:
    """The translation between the keys of one ledger and the stems of one folder."""

    form: Form = Form.STEM
    #: Whether numbers are recorded with their leading zeros.
    padded: bool = False
    #: The files of each number, for a ledger of numbers.
    by_number: Mapping[int, Sequence[str]] = field(default_factory=dict)

    @classmethod
    def recognise(
        cls, keys: Collection[str], files: Sequence[PlainFile], *, numeric: bool = False
    ) -> Keys:
        """Tell from what is recorded; where that says nothing, it is the stem.

        `numeric` is whether the column holds numbers, and so can hold nothing else.
        """
        if not numeric and (not keys or any(file.stem in keys for file in files)):
            return cls()
        if not numeric and all(key.endswith(".py") for key in keys):
            return cls(Form.FILE)
        if numeric or all(map(_is_number, keys)):
            by_number = _by_number(files)
            if not keys or any(int(key) in by_number for key in keys):
                return cls(Form.NUMBER, any(map(_has_zeros, keys)), by_number)
        return cls()

    @classmethod
    def told(
        cls,
        form: Form,
        keys: Collection[str],
        files: Sequence[PlainFile],
        *,
        numeric: bool = False,
    ) -> Keys:
        """As the settings say; raises ValueError, with the key, for one that has another form."""
        fits = {
            Form.STEM: lambda _key: not numeric,
            Form.FILE: lambda key: key.endswith(".py"),
            Form.NUMBER: _is_number,
        }[form]
        wrong = next((key for key in keys if not fits(key)), None)
        if wrong is not None:
            raise ValueError(wrong)
        if form is not Form.NUMBER:
            return cls(form)
        # As it is in the names of the files, where nothing tells.
        padded = any(map(_has_zeros, keys)) if keys else not numeric
        return cls(form, padded, _by_number(files))

    @classmethod
    def matching(
        cls, keys: Collection[str], files: Sequence[PlainFile], *, numeric: bool
    ) -> Keys | None:
        """The translation in which each of these keys is a file, if there is one."""
        if not keys or len(set(keys)) < len(keys):
            return None
        found = cls.recognise(keys, files, numeric=numeric)
        stems = {file.stem for file in files}
        return found if all(found.stem(key) in stems for key in keys) else None

    def stem(self, key: str) -> str:
        """The stem of what is recorded under this key; the key itself if no file has its number."""
        if self.form is Form.FILE:
            return key.removesuffix(".py")
        if self.form is Form.NUMBER:
            return next(iter(self.by_number.get(int(key), (key,))))
        return key

    def key(self, stem: str) -> str:
        """The key under which the migration of this stem is recorded."""
        if self.form is Form.FILE:
            return f"{stem}.py"
        if self.form is Form.NUMBER:
            number = PlainFile("", stem).number
            return number if self.padded else str(int(number))
        return stem

    def shared(self) -> Sequence[Sequence[str]]:
        """The files that a ledger of numbers cannot tell apart, those of each number together."""
        return [stems for stems in self.by_number.values() if len(stems) > 1]


def _by_number(files: Sequence[PlainFile]) -> dict[int, list[str]]:
    by_number: dict[int, list[str]] = {}
    for file in files:
        by_number.setdefault(int(file.number), []).append(file.stem)
    return by_number


def _is_number(key: str) -> bool:
    return key.isascii() and key.isdigit()


def _has_zeros(key: str) -> bool:
    return key[0] == "0" and len(key) > 1
