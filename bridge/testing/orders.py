"""The orders in which databases may meet a branch's new migrations, and their results.

A database that is made anew runs all files by their names. One that had the base's files already
runs the new ones after them, wherever they sort. And one that had the branch before the base went
on, as its author's, runs the base's later files last.
"""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bridge.checks.git_base import read_base, read_migration
from bridge.files.conventions import Order as FileOrder

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from bridge.checks.git_base import GitBase


@dataclass(frozen=True, slots=True)
class Order:
    """One way to come to the same set of migrations."""

    #: Who would do it so: "a new database".
    description: str
    #: The stems that are there for the first run, for the second one, and so on.
    rounds: tuple[frozenset[str], ...]
    #: The order of the folder's files.
    by: FileOrder = FileOrder.NAME

    def sequence(self) -> tuple[str, ...]:
        """The stems in the order in which they run."""
        done: list[str] = []
        for each in self.rounds:
            done += sorted(each.difference(done), key=self.by.place)
        return tuple(done)


@dataclass(frozen=True, slots=True)
class Orders:
    """The orders that differ, the one of a new database first."""

    new: tuple[str, ...]
    #: Files of the base that are not in the work tree yet.
    elsewhere: frozenset[str]
    orders: tuple[Order, ...]


def orders_of(now: Collection[str], base: GitBase, order: FileOrder = FileOrder.NAME) -> Orders:
    """What may happen with the files `now` in the folder, given by their stems."""
    new = frozenset(now).difference(base.fork, base.tip)
    came = frozenset(base.tip).difference(base.fork)
    before = frozenset(now).difference(new, came)
    everything = before | came | new
    possible = (
        Order(f"a new database, which runs all files by their {order}s", (everything,), order),
        Order(
            f"a database that had the files of {base.ref} first",
            (before | came, everything),
            order,
        ),
        Order(
            f"a database that had the new files before those that came to {base.ref} since",
            (before, before | new, everything),
            order,
        ),
    )
    different = {each.sequence(): each for each in reversed(possible)}
    return Orders(
        tuple(sorted(new, key=order.place)),
        came.difference(now),
        tuple(each for each in possible if each in different.values()),
    )


def read_orders(
    folder: str, now: Collection[str], ref: str, order: FileOrder = FileOrder.NAME
) -> Orders:
    """As `orders_of`, for a branch of git; raises UsageError if git does not know it."""
    return orders_of(now, read_base(folder, ref), order)


@contextmanager
def folders(folder: str, order: Order, elsewhere: Collection[str], ref: str) -> Iterator[Growing]:
    """A folder that is given the files of one round after the other."""
    with tempfile.TemporaryDirectory(prefix="bridge-order-") as place:
        yield Growing(Path(folder), Path(place), order, frozenset(elsewhere), ref)


@dataclass(frozen=True, slots=True)
class Growing:
    """A folder of links to the project's files; what the base has besides is read from git."""

    source: Path
    place: Path
    order: Order
    elsewhere: frozenset[str]
    ref: str

    def __iter__(self) -> Iterator[str]:
        """The folder once for each round, when the round's files are in it."""
        migrations = {f"{stem}.py" for stems in self.order.rounds for stem in stems}
        self._link(entry.name for entry in self.source.iterdir() if entry.name not in migrations)
        there: frozenset[str] = frozenset()
        for stems in self.order.rounds:
            new = stems.difference(there)
            self._link(f"{stem}.py" for stem in new.difference(self.elsewhere))
            for stem in new & self.elsewhere:
                text = read_migration(str(self.source), self.ref, stem)
                (self.place / f"{stem}.py").write_bytes(text)
            there |= new
            if there:  # else there is nothing to run, which is told of a folder of helper modules
                yield str(self.place)

    def _link(self, names: Iterator[str] | Sequence[str]) -> None:
        for name in names:
            if name != "__pycache__":
                (self.place / name).symlink_to(self.source / name)
