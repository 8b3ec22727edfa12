"""What `check` has to say about the names of a folder, by themselves and against another branch.

Data in, data out; only a file without a number is opened, to see whether it is a migration.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Final

from bridge.checks.rules import Problem, problem, told
from bridge.errors import FilesError
from bridge.files.folder import name_faults, next_number, order_disagreements
from bridge.files.plain_file import PlainFile
from bridge.files.unnumbered import look_at

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bridge.checks.git_base import GitBase

_FAULTS: Final = {
    "too-long": "name-too-long",
    "not-text": "unreadable-name",
    "alike": "same-name",
    "no-number": "no-number",
    "no-migration": "no-migration",
    "never-run": "never-run",
}


def name_problems(
    folder: str, files: Sequence[PlainFile], others: Sequence[str]
) -> Iterator[Problem]:
    """What is wrong with the names; `others` are the stems of files without a number."""
    found = look_at(folder, others, files)
    for fault in (*name_faults(folder, files), *found.faults, *found.doubts):
        rule = _FAULTS.get(fault.kind) or ("syntax-error" if fault.line else "unreadable-file")
        yield told(rule, PlainFile(folder, fault.stem).path, fault.line, fault.sentence)
    yield from _order_problems(folder, files)
    yield from _shared_numbers(files)


def _order_problems(folder: str, files: Sequence[PlainFile]) -> Iterator[Problem]:
    for first, second in order_disagreements(files):
        slug = first.lstrip("0123456789").strip("_") or "next"
        yield problem(
            "number-order",
            PlainFile(folder, first).path,
            None,
            f"{first}.py runs before {second}.py, although its number is greater: migrations run "
            "in alphabetical order.",
            "Give the one that has not been applied anywhere a name with which both orders agree: "
            f"as many digits as the others have, or {second}_then_{slug}.py (two files may share "
            "a number).",
        )


def _shared_numbers(files: Sequence[PlainFile]) -> Iterator[Problem]:
    by_number = sorted(files, key=lambda file: (int(file.number), file.stem))
    for _, group in groupby(by_number, key=lambda file: int(file.number)):
        *before, last = group
        if before:
            names = ", ".join(f"{file.stem}.py" for file in before)
            share, all_run = ("share", "All of them run") if before[1:] else ("shares", "Both run")
            yield problem(
                "shared-number",
                last.path,
                None,
                f"{names} {share} its number. {all_run}, in alphabetical order.",
                "If it has not been applied anywhere, give it the next free number.",
            )


def base_problems(folder: str, now: Mapping[str, str], base: GitBase) -> list[Problem]:
    """What this folder does to the migrations of a branch that others have applied.

    `now` has the checksum of each migration by its stem.
    """
    new = {s: text for s, text in now.items() if s not in base.fork and s not in base.tip}
    gone = [s for s in base.fork if s not in now and s in base.tip]
    renamed = {old: name for old in gone for name, text in new.items() if text == base.fork[old]}
    late = [stem for stem in new if stem not in renamed.values()]
    return [
        *_changed(folder, now, base),
        *(_renamed(folder, old, name, base) for old, name in renamed.items()),
        *(
            _deleted(folder, stem, base)
            for stem in gone
            if stem not in renamed and not _is_squashed(stem, now, base)
        ),
        *_late(folder, sorted(late), now, base),
    ]


def _is_squashed(stem: str, now: Mapping[str, str], base: GitBase) -> bool:
    """Whether it went with all that came before it, and something is left."""
    return any(each > stem for each in now) and not any(
        each < stem for each in base.fork if each in now
    )


def _changed(folder: str, now: Mapping[str, str], base: GitBase) -> Iterator[Problem]:
    for stem, text in now.items():
        if stem in base.fork and text not in (base.fork[stem], base.tip.get(stem)):
            yield problem(
                "changed-since-base",
                PlainFile(folder, stem).path,
                None,
                f"This migration is in {base.ref} and was changed here: databases that have "
                "applied it will not run it again.",
                "Put back the text of the base, and the change into a new migration.",
            )


def _renamed(folder: str, old: str, new: str, base: GitBase) -> Problem:
    return problem(
        "renamed-since-base",
        PlainFile(folder, new).path,
        None,
        f"This is {old}.py of {base.ref} under another name: databases that have applied it know "
        "it by the old one, and a run would refuse.",
        f"Name it {old}.py again.",
    )


def _deleted(folder: str, stem: str, base: GitBase) -> Problem:
    return problem(
        "deleted-since-base",
        PlainFile(folder, stem).path,
        None,
        f"This migration is in {base.ref} and was deleted here: databases that have applied it "
        "keep its work, new ones will not have it.",
        "Put the file back. To undo what it does, write a new migration.",
    )


def _late(
    folder: str, stems: Sequence[str], now: Mapping[str, str], base: GitBase
) -> Iterator[Problem]:
    theirs = {*base.tip, *(stem for stem in base.fork if stem in now)}
    last = max(theirs, default="")
    known = [PlainFile(folder, stem) for stem in {*theirs, *now} if stem[:1].isdigit()]
    for stem in stems:
        if stem > last:
            continue
        mend = f"Name it so that it sorts after {last}.py."
        try:
            slug = stem.lstrip("0123456789").strip("_")
            free = PlainFile(folder, "_".join(filter(None, (next_number(known), slug))))
        except FilesError:
            pass
        else:
            known.append(free)
            mend = f"Rename it, as long as it has not been applied anywhere: {free.stem}.py."
        yield problem(
            "sorts-before-base",
            PlainFile(folder, stem).path,
            None,
            f"This new migration sorts before {last}.py, which is in {base.ref}: databases that "
            "have applied that one would run this one after it, new databases before it.",
            mend,
        )
