"""Check the names of a folder by themselves.

Only a file without a number is opened, to see whether it is a migration.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Final

from bridge.checks.rules import Problem, problem, problem_in_words
from bridge.files.name_faults import name_faults
from bridge.files.numbering import order_disagreements
from bridge.files.plain_file import PlainFile
from bridge.files.stems import behind_number
from bridge.files.unnumbered import look_at

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from bridge.files.name_faults import NameFault

#: The rules of the kinds of `NameFault`.
_RULES: Final = {
    "too-long": "name-too-long",
    "not-text": "unreadable-name",
    "alike": "same-name",
    "no-number": "no-number",
    "no-migration": "no-migration",
    "never-run": "never-run",
}


def name_problems(
    folder: str,
    files: Sequence[PlainFile],
    others: Sequence[str],
    no_files: Sequence[NameFault] = (),
    *,
    ordered: bool = False,
    replaced: Collection[str] = (),
) -> Iterator[Problem]:
    """Find what is wrong with the names; `others` are the stems of files without a number.

    `no_files` is what is wrong with what has such a name and is no file. `ordered` is whether the
    settings say in which order files run. `replaced` are the stems of what a squash stands for.
    """
    found = look_at(folder, others, files)
    for fault in (*no_files, *name_faults(folder, files), *found.faults, *found.doubts):
        rule = _RULES.get(fault.kind) or ("syntax-error" if fault.line else "unreadable-file")
        path = PlainFile(folder, fault.stem).path
        yield problem_in_words(rule, path, fault.line, fault.sentence)
    yield from () if ordered else _order_problems(folder, files)
    yield from _shared_numbers([file for file in files if file.stem not in replaced])


def _order_problems(folder: str, files: Sequence[PlainFile]) -> Iterator[Problem]:
    for first, second in order_disagreements(files):
        slug = behind_number(first).strip("_") or "next"
        yield problem(
            "number-order",
            PlainFile(folder, first).path,
            None,
            f"{first}.py runs before {second}.py, although its number is greater: migrations run "
            "in alphabetical order.",
            "Put `order = number` into alembic.ini if they are meant to run in the order of their "
            "numbers. Or rename the one that has not been applied anywhere: give its number as "
            f"many digits as the others have, or call it {second}_then_{slug}.py (two files may "
            "share a number).",
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
