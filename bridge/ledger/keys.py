"""The key of a migration in a ledger: its stem, its file's name or path, or its number.

bridge and the old runner record the stem. Other home-made runners recorded `004_new_feature.py`,
`migrations/004_new_feature.py`, or `4`, `004` or `V4`, some with the words after the number in
another column; their tables are adopted as they are, and go on being written in their way. A form
is understood only where all rows have it. Data in, data out.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from bridge.files.plain_file import PlainFile
from bridge.files.stems import number_of
from bridge.ledger.name_forms import WORDS
from bridge.ledger.number_form import PLAIN, NumberForm, value_of


class Form(StrEnum):
    """The form of the keys in one ledger, as the setting `ledger_key_form` names it."""

    STEM = "stem"
    FILE = "file"
    NUMBER = "number"
    PATH = "path"
    #: The number in one column, and the words after it in another; read together: `4 new_feature`.
    #: It is recognised, and no setting names it.
    PARTS = "number and words"


@dataclass(frozen=True, slots=True)
class Keys:
    """The translation between the keys of one ledger and the stems of one folder."""

    form: Form = Form.STEM
    #: How numbers are recorded.
    number: NumberForm = PLAIN
    #: The files of each number, for a ledger of numbers.
    by_number: Mapping[int, Sequence[str]] = field(default_factory=dict)
    #: How the words beside them are recorded, as `name_forms` calls it.
    words: str = ""
    #: What stands before and after the stem, for a ledger of file names or paths.
    before: str = ""
    after: str = ""

    @classmethod
    def recognise(
        cls, keys: Collection[str], files: Sequence[PlainFile], *, numeric: bool = False
    ) -> Keys:
        """Tell from what is recorded; where that says nothing, it is the stem.

        The form in which most rows are files, so that as few as possible are to be corrected.
        `numeric` is whether the column holds numbers, and so can hold nothing else.
        """
        stems = {file.stem for file in files}
        if numeric:
            return cls._of_numbers(keys, files) if _names_any(keys, files) else cls()
        if stems.issuperset(keys):
            return cls()  # as nearly always, so that no other form need be tried
        forms = [cls(), cls(Form.FILE, after=".py"), *cls._paths(keys, stems)]
        numbers = [key for key in keys if value_of(key) is not None]
        as_numbers = cls._of_numbers(numbers, files)
        # Beside names, numbers that two files share are no form that could be meant.
        certain = len(numbers) == len(keys) or not as_numbers.shared()
        if certain and _names_any(numbers, files):
            forms.append(as_numbers)
        best = max(forms, key=lambda form: sum(form.names_one(key, stems) for key in keys))
        if best.form is Form.STEM and keys and all(key.endswith(".py") for key in keys):
            return forms[1]
        return best

    @classmethod
    def in_form(
        cls,
        form: Form,
        keys: Collection[str],
        files: Sequence[PlainFile],
        *,
        numeric: bool = False,
    ) -> Keys:
        """As the settings say; raises ValueError, with the key, for one that has another form."""
        keyed = cls._of_form(form, keys, files, numeric=numeric)
        only_numbers = numeric and form is not Form.NUMBER
        wrong = next((key for key in keys if only_numbers or not keyed.fits(key)), None)
        if wrong is not None:
            raise ValueError(wrong)
        return keyed

    @classmethod
    def _of_form(
        cls, form: Form, keys: Collection[str], files: Sequence[PlainFile], *, numeric: bool
    ) -> Keys:
        if form is Form.NUMBER:
            # As it is in the names of the files, where nothing tells.
            if keys:
                return cls._of_numbers(keys, files)
            return cls(form, NumberForm(width=0 if numeric else None), _alone_by_number(files))
        if form is Form.FILE:
            return cls(form, after=".py")
        if form is Form.PATH:
            # The folder's own name is what a runner would write, where no row says it.
            folder = os.path.basename(files[0].folder.rstrip("/\\")) if files else ""  # noqa: PTH119
            usual = cls(form, before=f"{folder or 'migrations'}/", after=".py")
            return next(iter(cls._paths(keys, {file.stem for file in files})), usual)
        return cls(form)

    @classmethod
    def matching(
        cls, keys: Collection[str], files: Sequence[PlainFile], *, numeric: bool
    ) -> Keys | None:
        """The translation in which most of these keys are files, if there is one.

        As numbers all of them: many columns hold numbers.
        """
        if not keys or len(set(keys)) < len(keys):
            return None
        found = cls.recognise(keys, files, numeric=numeric)
        stems = {file.stem for file in files}
        count = sum(found.names_one(key, stems) for key in keys)
        enough = count == len(keys) if found.form is Form.NUMBER else 2 * count > len(keys)
        return found if enough else None

    @classmethod
    def of_parts(cls, keys: Sequence[str], files: Sequence[PlainFile]) -> Keys:
        """The translation for numbers and words in two columns, which the keys have together.

        In the form of the words in which most rows are files.
        """
        numbers = [key.partition(" ")[0] for key in keys]
        written = NumberForm.recognise(numbers, [file.stem for file in files])
        forms = [cls(Form.PARTS, written, _by_number(files), words) for words in WORDS]
        return max(forms, key=lambda keys_: sum(bool(keys_.meant_by(key)) for key in keys))

    @classmethod
    def _of_numbers(cls, keys: Collection[str], files: Sequence[PlainFile]) -> Keys:
        written = NumberForm.recognise(keys, [file.stem for file in files])
        return cls(Form.NUMBER, written, _alone_by_number(files))

    @classmethod
    def _paths(cls, keys: Collection[str], stems: Collection[str]) -> list[Keys]:
        """The form of paths in one folder that most of these keys have, if any is a path.

        Of those that are files, as far as any is.
        """
        frames: dict[tuple[str, str], tuple[int, int]] = {}
        for key in keys:
            end = max(key.rfind("/"), key.rfind("\\")) + 1
            if end and end < len(key):
                before, after = key[:end], ".py" if key.endswith(".py") else ""
                known, count = frames.get((before, after), (0, 0))
                known += key[end : len(key) - len(after)] in stems
                frames[before, after] = known, count + 1
        if not frames:
            return []
        before, after = max(frames, key=lambda frame: frames[frame])
        return [cls(Form.PATH, before=before, after=after)]

    def fits(self, key: str) -> bool:
        """Whether a key has this form, so that the runner that made the ledger would write it."""
        if self.form is Form.NUMBER:
            return self.number.fits(key)
        if self.form is Form.PARTS:
            number, _, words = key.partition(" ")
            return self.number.fits(number) and bool(words)
        if self.form is Form.STEM:
            return True
        stem = key[len(self.before) : len(key) - len(self.after)]
        # Of a path nothing but the whole frame is this form: without one nobody could write it.
        framed = bool(stem) and key == f"{self.before}{stem}{self.after}"
        return framed and (self.form is Form.FILE or bool(self.before))

    def names_one(self, key: str, stems: Collection[str]) -> bool:
        """Return whether a key has this form, and is that of one of these files."""
        return self.fits(key) and self.stem(key) in stems

    def meant_by(self, key: str) -> Sequence[str]:
        """The stems that a key of this form stands for: more than one where files share a number.

        Of names, whether or not there is such a file; of numbers, only files.
        """
        if not self.fits(key):
            return ()
        if self.form in _NUMBERED:
            return self._meant(key)
        return (key[len(self.before) : len(key) - len(self.after)],)

    def stem(self, key: str) -> str:
        """The stem of what is recorded under this key; the key itself if it has another form."""
        return next(iter(self.meant_by(key)), key)

    def key(self, stem: str) -> str:
        """The key under which the migration of this stem is recorded."""
        if self.form is Form.NUMBER:
            return self.number.of(stem)
        if self.form is Form.PARTS:
            return " ".join(self.parts(stem))
        return f"{self.before}{stem}{self.after}"

    def parts(self, stem: str) -> tuple[str, str]:
        """The number and the words of this migration, as they are recorded in two columns."""
        return self.number.of(stem), WORDS[self.words](stem)

    def _meant(self, key: str) -> Sequence[str]:
        number, _, words = key.partition(" ")
        value = value_of(number)
        stems = () if value is None else self.by_number.get(value, ())
        if self.form is Form.NUMBER:
            return stems
        return [stem for stem in stems if WORDS[self.words](stem) == words]

    def shared(self) -> Sequence[Sequence[str]]:
        """The files that a ledger of numbers cannot tell apart, those of each number together."""
        if self.form is not Form.PARTS:
            return [stems for stems in self.by_number.values() if len(stems) > 1]
        alike: dict[tuple[int, str], list[str]] = {}
        for number, stems in self.by_number.items():
            for stem in stems:
                alike.setdefault((number, WORDS[self.words](stem)), []).append(stem)
        return [stems for stems in alike.values() if len(stems) > 1]


_NUMBERED: Final = frozenset({Form.NUMBER, Form.PARTS})


def _names_any(keys: Collection[str], files: Sequence[PlainFile]) -> bool:
    numbers = _by_number(files)
    return not keys or any(value_of(key) in numbers for key in keys)


def _by_number(files: Sequence[PlainFile]) -> dict[int, list[str]]:
    by_number: dict[int, list[str]] = {}
    for file in files:
        if digits := file.number:
            by_number.setdefault(int(digits), []).append(file.stem)
    return by_number


def _alone_by_number(files: Sequence[PlainFile]) -> dict[int, list[str]]:
    """Find the files of each number, where nothing but the number is recorded.

    A squash may have the number of one that it replaces: the row is then that one's.
    """
    by_number = _by_number(files)
    for file in files if any(len(stems) > 1 for stems in by_number.values()) else ():
        names = file.replaces.names if file.replaces else ()
        if any(int(number_of(name)) == int(file.number) for name in names):
            by_number[int(file.number)].remove(file.stem)
    return by_number
