"""Check what a folder does to the migrations of a branch that others may have applied.

Data in, data out: `git_base` reads the branch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.checks.rules import Problem, problem
from bridge.errors import FilesError
from bridge.files.conventions import OURS, Conventions
from bridge.files.numbering import next_name
from bridge.files.plain_file import PlainFile
from bridge.files.stems import behind_number, numbered

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from bridge.checks.git_base import GitBase

    #: Returns what sorts a stem into its place.
    Place = Callable[[str], tuple[int, str]]


def base_problems(
    folder: str,
    now: Mapping[str, str],
    base: GitBase,
    conventions: Conventions = OURS,
    squashes: Mapping[str, Collection[str]] | None = None,
) -> list[Problem]:
    """Find what was changed, renamed or deleted, and new files that sort before the branch's.

    `now` has the checksum of each migration by its stem; `squashes` the names that a file replaces,
    which may go, and beside which it sorts.
    """
    squashes = squashes or {}
    replaced = {name for names in squashes.values() for name in names}
    place = conventions.order.place
    new = {s: text for s, text in now.items() if s not in base.fork and s not in base.tip}
    gone = [s for s in base.fork if s not in now and s in base.tip]
    renamed = {old: name for old in gone for name, text in new.items() if text == base.fork[old]}
    left = [s for s in gone if s not in renamed and s not in replaced]
    deleted = [s for s in left if not _is_squashed(s, now, base, place)]
    others = {*renamed.values(), *squashes}
    added = sorted((stem for stem in new if stem not in others), key=place)
    return [
        *_changed(folder, now, base),
        *(_renamed(folder, old, name, base) for old, name in renamed.items()),
        *(_deleted(folder, stem, base) for stem in deleted),
        *_sorted_before(folder, added, now, base, conventions),
    ]


def _is_squashed(stem: str, now: Mapping[str, str], base: GitBase, place: Place) -> bool:
    """Return whether it went with all that came before it, and something is left."""
    own = place(stem)
    return any(place(each) > own for each in now) and not any(
        place(each) < own for each in base.fork if each in now
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
                "Put the text of the base back, and make the change in a new migration.",
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


def _sorted_before(
    folder: str,
    added: Sequence[str],
    now: Mapping[str, str],
    base: GitBase,
    conventions: Conventions,
) -> Iterator[Problem]:
    theirs = {*base.tip, *(stem for stem in base.fork if stem in now)}
    place = conventions.order.place
    last = max(theirs, key=place, default="")
    known = [PlainFile(folder, stem, conventions) for stem in numbered({*theirs, *now})]
    for stem in added:
        if place(stem) > place(last):
            continue
        advice = f"Rename it so that it sorts after {last}.py."
        try:
            slug = behind_number(stem).strip("_")
            free = PlainFile(folder, next_name(known, slug), conventions)
        except FilesError:
            pass
        else:
            known.append(free)
            advice = f"Rename it to {free.stem}.py, as long as it has not been applied anywhere."
        yield problem(
            "sorts-before-base",
            PlainFile(folder, stem).path,
            None,
            f"This new migration sorts before {last}.py, which is in {base.ref}: databases that "
            "have applied that one would run this one after it, new databases before it.",
            advice,
        )
