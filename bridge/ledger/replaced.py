"""Decide what a squash means for one database: a file that says `replaces`, in place of many.

The one place that does. From the names of the files, what each squash replaces and the names that
are recorded, `resolve` finds which files count, where a squash stands among the rows, what is
recorded without being run, and what cannot be told. Data in, data out: nothing here reads a file or
a database.

A squash counts as applied where it is recorded, or all that it replaces is. Where none of that is
recorded it runs, in place of the files, and all of it is recorded with it. Where a part is, the
rest runs first, and the squash is only recorded.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

#: The names that each squash replaces, by its own.
Squashes = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Replaced:
    """The meaning of the squashes of a folder for one database; all names are stems."""

    #: Those that count: no other squash stands for them.
    squashes: Squashes = field(default_factory=dict)
    #: What is not there as a migration of its own, whether it has a file, a row, both or neither:
    #: by its name the squash that stands for it.
    hidden: Mapping[str, str] = field(default_factory=dict)
    #: Squashes that count as applied, because all that they replace is, and have no row.
    unrecorded: frozenset[str] = frozenset()
    #: Squashes that run as any pending file.
    running: frozenset[str] = frozenset()
    #: Squashes that are recorded, and not run, after the rest of what they replace.
    only_recorded: frozenset[str] = frozenset()
    #: Names whose rows need no file, beside those that are hidden.
    explained: frozenset[str] = frozenset()
    #: What is neither recorded nor a file, of each squash of which a part is recorded.
    gone: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def rows(self, recorded: Sequence[str]) -> tuple[str, ...]:
        """Return the names of the rows that count, in their order: a squash in place of many.

        Where the last of them is, so that what came after it stays after it.
        """
        places = {name: place for place, name in enumerate(recorded)}
        at = {name: place for name, place in places.items() if name not in self.hidden}
        for stem, names in self.squashes.items():
            own = [places[name] for name in names if name in places]
            if own and (stem in at or stem in self.unrecorded):
                at[stem] = min(max(own), at.get(stem, max(own)))
        return tuple(sorted(at, key=lambda name: at[name]))

    def rank(self, stem: str) -> int:
        """Return how many squashes are inside this one, itself included; 0 for an ordinary file."""
        if stem not in self.squashes:
            return 0
        return 1 + sum(name in self.squashes for name in self.squashes[stem])


#: What a folder without a squash means.
NOTHING: Final = Replaced()


def resolve(squashes: Squashes, files: Collection[str], recorded: Collection[str]) -> Replaced:
    """Find what these squashes mean where `recorded` has rows, and `files` are in the folder.

    A squash that replaces another one lists it, and all that it replaces.
    """
    if not squashes:
        return NOTHING
    # What is inside of another comes first, and has fewer names.
    ordered = dict(sorted(squashes.items(), key=lambda each: len(each[1])))
    done = {*recorded}
    applied, running, gone = set[str](), set[str](), dict[str, Sequence[str]]()
    for stem, names in ordered.items():
        if stem in done or done.issuperset(names):
            applied.add(stem)
            done.update((stem, *names))
        elif done.isdisjoint(names):
            running.add(stem)
        else:
            inner = [ordered[name] for name in names if name in ordered]
            found = {*files, *done}.union(*inner)
            gone[stem] = [name for name in names if name not in found]
    hidden = {
        name: stem
        for stem, names in ordered.items()  # the outermost last
        if stem in applied or stem in running
        for name in names
    }
    counting = {stem: names for stem, names in ordered.items() if stem not in hidden}
    # One that another squash stands for is as applied, or as new, as that one.
    partly = {stem: names for stem, names in gone.items() if stem in counting}
    return Replaced(
        squashes=counting,
        hidden=hidden,
        unrecorded=frozenset(applied.intersection(counting).difference(recorded)),
        running=frozenset(running.intersection(counting)),
        only_recorded=frozenset(partly),
        explained=frozenset(name for stem in partly for name in ordered[stem]),
        gone={stem: names for stem, names in partly.items() if names},
    )
