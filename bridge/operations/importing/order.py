"""Put the revisions of an Alembic history into one line, as plain files are.

Data in, data out.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bridge.errors import FilesError

if TYPE_CHECKING:
    from bridge.alembic.foreign import Revision


@dataclass(frozen=True, slots=True)
class Place:
    """One place in the line: a revision that does something, and merges that do not."""

    revision: Revision
    #: Merges without a body, for which all has run once this place is reached.
    merges: tuple[Revision, ...] = ()

    @property
    def ids(self) -> tuple[str, ...]:
        """The revision's id, then those of the merges."""
        return (self.revision.id, *(each.id for each in self.merges))

    @property
    def revisions(self) -> tuple[Revision, ...]:
        """The revision, then the merges, in the order in which Alembic would run them."""
        return (self.revision, *self.merges)


def parents(revision: Revision) -> tuple[str, ...]:
    """Return the ids of all that has to run before a revision."""
    return tuple(dict.fromkeys((*revision.down, *revision.depends_on)))


def in_line(
    revisions: Sequence[Revision], *, dates: Mapping[str, str], empty: Collection[str]
) -> tuple[Place, ...]:
    """Order revisions: each after all that it follows, else by the time when it was written.

    `dates` are those times by id, and `empty` the ids of revisions that do nothing. A merge that
    does nothing gets no place of its own. Raises FilesError where branches are meant to stay apart,
    so that no line means the same.
    """
    _refuse_apart(revisions)
    places: list[Place] = []
    at: dict[str, int] = {}
    for revision in _sorted(revisions, dates):
        above = parents(revision)
        if len(above) > 1 and revision.id in empty:
            last = at[revision.id] = max(at[each] for each in above)
            place = places[last]
            places[last] = Place(place.revision, (*place.merges, revision))
        else:
            at[revision.id] = len(places)
            places.append(Place(revision))
    return tuple(places)


def follows(places: Sequence[Place]) -> tuple[dict[str, tuple[str, ...]], ...]:
    """Return for each place which of its ids do not follow just the id before it, and whom."""
    found: list[dict[str, tuple[str, ...]]] = []
    before: tuple[str, ...] = ()
    for place in places:
        found.append({})
        for revision in place.revisions:
            if set(parents(revision)) != set(before):
                found[-1][revision.id] = parents(revision)
            before = (revision.id,)
    return tuple(found)


@dataclass(order=True, slots=True)
class _Next:
    """A revision whose turn may come."""

    date: str
    id: str
    revision: Revision = field(compare=False)


def _sorted(revisions: Sequence[Revision], dates: Mapping[str, str]) -> Iterator[Revision]:
    left = {each.id: set(parents(each)) for each in revisions}
    children: dict[str, list[Revision]] = {}
    for each in revisions:
        for parent in parents(each):
            children.setdefault(parent, []).append(each)
    ready = [
        _Next(dates.get(each.id, ""), each.id, each) for each in revisions if not left[each.id]
    ]
    heapq.heapify(ready)
    while ready:
        revision = heapq.heappop(ready).revision
        yield revision
        for child in children.get(revision.id, ()):
            left[child.id].discard(revision.id)
            if not left[child.id]:
                heapq.heappush(ready, _Next(dates.get(child.id, ""), child.id, child))


def _refuse_apart(revisions: Sequence[Revision]) -> None:
    followed = {parent for each in revisions for parent in each.down}
    heads = [each for each in revisions if each.id not in followed]
    bases = [each for each in revisions if not each.down]
    apart = [each for each in revisions if each.labels or each.depends_on]
    if not apart or (len(heads) == len(bases) == 1):
        return  # whoever is at the head has all of it, whatever the branches are called
    said = "; ".join(sorted(map(_said, apart)))
    raise FilesError(
        f"This history has {_counted(bases, 'base')} and {_counted(heads, 'head')}, and its "
        f"branches are meant to stay apart: {said}. Plain files form one line, in which each "
        "database gets all of them. Nothing was written. Merge the branches with `alembic merge "
        "heads`, if every database has both; else import each branch into a folder of its own, "
        "with a version_table of its own."
    )


def _said(revision: Revision) -> str:
    what = [f"branch_labels {', '.join(revision.labels)}"] if revision.labels else []
    what += [f"depends_on {', '.join(revision.depends_on)}"] if revision.depends_on else []
    return f"{revision.id} ({revision.path}) has {' and '.join(what)}"


def _counted(revisions: Sequence[Revision], word: str) -> str:
    names = ", ".join(sorted(each.id for each in revisions))
    return f"{len(revisions)} {word}{'' if len(revisions) == 1 else 's'} ({names})"
