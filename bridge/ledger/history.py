"""The history of one database: what was applied, in that order, then what is pending.

Data in, data out: nothing here reads a file or a database, so that every rule can be tested
without either. Each database may have a history of its own, because each may have met the same
files in another order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING, Final

from bridge.files.conventions import Order
from bridge.files.plain_file import PlainFile
from bridge.files.replaces import replaced_by
from bridge.files.stems import revision_id
from bridge.ledger.replaced import NOTHING, Replaced, resolve

if TYPE_CHECKING:
    from bridge.ledger.checksum_forms import ChecksumForm

#: Recorded in place of a checksum where a person has said that no file of the folder is this one.
NO_FILE: Final = "none"
#: What stands in a row of which nobody knows what was applied, as NULL does.
UNKNOWN_CHECKSUMS: Final = ("", NO_FILE)


@dataclass(frozen=True, slots=True)
class Row:
    """A migration that the ledger records as applied."""

    #: The file's stem, exactly as recorded.
    version: str
    description: str | None = None
    #: When it was applied: a timestamp, in some adopted tables only a date, or unknown.
    applied_at: date | None = None
    #: The place of the row in an adopted table that numbers its rows.
    serial: int | None = None
    #: The checksum of the text that was applied, if it was recorded.
    checksum: str | None = None
    #: How long it took, in milliseconds, if it was recorded.
    execution_ms: int | None = None
    #: Whether it declared that older releases of the application must not start after it.
    breaking: bool = False
    #: What the ledger calls it, if that is known to be something else.
    key: str | None = None
    #: The form of the checksum, if that is another team's; None for bridge's own.
    form: ChecksumForm | None = None
    #: The file that the row is to be written of.
    file: PlainFile | None = field(default=None, repr=False, compare=False)
    #: Whether the ledger has no such row: all that this migration replaces is recorded.
    unrecorded: bool = False

    @property
    def name(self) -> str:
        """What the ledger calls it."""
        return self.version if self.key is None else self.key

    @property
    def revision(self) -> str:
        """The Alembic revision id of this migration."""
        return revision_id(self.version)

    @property
    def lacks_checksum(self) -> bool:
        """Whether no checksum of bridge's is recorded, and nothing else in its place."""
        if self.unrecorded:
            return False  # what is not there is not to be given one
        return self.form is not None or (self.checksum or "") in UNKNOWN_CHECKSUMS


#: The fields that are read of each row after its name, in this order.
SELECTED: Final = ("description", "applied_at", "serial", "checksum", "execution_ms", "breaking")


@dataclass(frozen=True, slots=True)
class Entry:
    """One migration in the history: a file, a row, or both."""

    revision: str
    stem: str
    file: PlainFile | None
    row: Row | None
    #: The names of the migrations that it stands for, if it is a squash.
    replaces: tuple[str, ...] = ()

    @property
    def path(self) -> str | None:
        """Where its file is; None if that is gone."""
        return None if self.file is None else self.file.path


@dataclass(frozen=True)
class History:
    """Migrations in the order of one database: the applied ones first."""

    entries: tuple[Entry, ...]
    #: The order of the folder's files.
    order: Order = Order.NAME
    #: What the squashes of the folder mean here.
    replaced: Replaced = NOTHING
    #: What squashes stand for that are to run, with the files that are still there.
    hidden: tuple[Entry, ...] = ()

    @cached_property
    def applied(self) -> tuple[Entry, ...]:
        """Those with a row, in the order in which they were applied."""
        return tuple(entry for entry in self.entries if entry.row is not None)

    @cached_property
    def pending(self) -> tuple[Entry, ...]:
        """Those without a row, in the order of the folder's files."""
        return tuple(entry for entry in self.entries if entry.row is None)

    @cached_property
    def missing(self) -> tuple[Entry, ...]:
        """Applied migrations whose file is gone, and that no squash of the folder replaces."""
        explained = self.replaced.explained
        return tuple(
            entry for entry in self.applied if entry.file is None and entry.stem not in explained
        )

    @property
    def pointer(self) -> str | None:
        """The revision that ``alembic_version`` should name: the last applied."""
        return self.applied[-1].revision if self.applied else None

    @cached_property
    def by_revision(self) -> dict[str, Entry]:
        """Each entry under its revision id."""
        return {entry.revision: entry for entry in self.entries}

    def up_to(self, revision: str | None) -> tuple[Entry, ...]:
        """A revision and its ancestors in this history, oldest first; none of them for ``None``."""
        if revision is None:
            return ()
        position = self.entries.index(self.by_revision[revision])
        return self.entries[: position + 1]

    @cached_property
    def late(self) -> tuple[Entry, ...]:
        """Pending files whose place is before one that was applied already."""
        if (last := self.furthest) is None:
            return ()
        ran = [entry for entry in self.pending if entry.stem not in self.replaced.only_recorded]
        return tuple(entry for entry in ran if self.place(entry) < self.place(last))

    def stands_for(self, revision: str) -> str:
        """Return the revision of the squash that stands for this one here, or else itself."""
        return self._standing.get(revision, revision)

    @cached_property
    def _standing(self) -> dict[str, str]:
        applied = {entry.stem for entry in self.applied}
        hidden = self.replaced.hidden.items()
        return {revision_id(name): revision_id(by) for name, by in hidden if by in applied}

    @property
    def furthest(self) -> Entry | None:
        """The applied file with the last place."""
        applied = [entry for entry in self.applied if entry.file is not None]
        return max(applied, key=self.place, default=None)

    def place(self, entry: Entry) -> tuple[int, str]:
        """What sorts an entry among the files of the folder, whether its file is there or not."""
        return self.order.place(entry.stem)

    @cached_property
    def holes(self) -> tuple[Entry, ...]:
        """Applied migrations whose file is gone although files remain on either side of it.

        Files missing before the first one are a squashed history, files missing after the last
        one belong to a newer release: both are ordinary. One in the middle was lost.
        """
        if not self._places:
            return ()
        first, last = min(self._places), max(self._places)
        return tuple(entry for entry in self.missing if first < self.place(entry) < last)

    @cached_property
    def newer(self) -> tuple[Entry, ...]:
        """Applied migrations whose name comes after the last file: a newer release has them."""
        last = max(self._places, default=(-1, ""))
        return tuple(entry for entry in self.missing if self.place(entry) > last)

    @cached_property
    def breaking(self) -> tuple[Entry, ...]:
        """Applied migrations without which code cannot work, and which this folder lacks.

        A squashed history is none of them: this release knows what it has squashed.
        """
        lacking = {*self.holes, *self.newer}
        return tuple(e for e in self.missing if e in lacking and e.row and e.row.breaking)

    @cached_property
    def _places(self) -> list[tuple[int, str]]:
        return [self.place(entry) for entry in self.entries if entry.file is not None]


def in_applied_order(
    rows: Iterable[Row],
    *,
    certain: bool,
    pointers: Sequence[str] = (),
    order: Order = Order.NAME,
) -> tuple[Row, ...]:
    """Order rows as they were applied; without a time first, equal times by serial and file.

    Where the table cannot tell which of the latest was the last (`certain` is false), a pointer
    that is one of them was. An adopted table without a key may hold a row twice: once is enough.
    """

    def place(row: Row) -> tuple[bool, date, int, tuple[int, str]]:
        dated, at = row.applied_at is not None, row.applied_at or date.min
        return (dated, at, row.serial or 0, order.place(row.version))

    ordered = sorted({row.version: row for row in rows}.values(), key=place)
    if ordered and not certain:
        # A row that is known to be older was not the last, whatever the pointer says: somebody
        # who knows nothing of pointers, the old runner say, has applied others since.
        latest = [row for row in ordered if row.applied_at == ordered[-1].applied_at]
        last = next((row for row in reversed(latest) if row.revision in pointers), ordered[-1])
        ordered.sort(key=lambda row: row is last)
    return tuple(ordered)


def order_of(files: Sequence[PlainFile]) -> Order:
    """Return the order of a folder's files."""
    return files[0].conventions.order if files else Order.NAME


def build_history(files: Sequence[PlainFile], rows: Sequence[Row]) -> History:
    """The history of a database that has applied `rows`, in this order.

    Asks the files what they replace; raises FilesError where that cannot be told.
    """
    order = order_of(files)
    by_stem = {file.stem: file for file in files}
    by_name = {row.version: row for row in rows}
    replaced = resolve(replaced_by(files), by_stem, by_name)

    def entry(stem: str, row: Row | None = None) -> Entry:
        names = tuple(replaced.squashes.get(stem, ()))
        return Entry(revision_id(stem), stem, by_stem.get(stem), row, names)

    if replaced.squashes:
        rows = [
            by_name.get(name) or _standing_for(name, by_name, replaced)
            for name in replaced.rows(list(by_name))
        ]
    applied = [entry(row.version, row) for row in rows]
    recorded = {row.version for row in rows}
    left = by_stem.keys() - recorded - replaced.hidden.keys()
    pending = [entry(stem) for stem in sorted(left, key=lambda stem: _place(stem, order, replaced))]
    hidden = [entry(name) for name, by in replaced.hidden.items() if by in replaced.running]
    return History((*applied, *pending), order, replaced, tuple(hidden))


def counting(files: Sequence[PlainFile]) -> tuple[PlainFile, ...]:
    """Return the files that a new database runs, in their order: a squash in place of many."""
    return tuple(entry.file for entry in build_history(files, ()).entries if entry.file is not None)


def _place(stem: str, order: Order, replaced: Replaced) -> tuple[tuple[int, str], int]:
    """What sorts a pending file: one that is only recorded comes behind what it replaces."""
    names = replaced.squashes[stem] if stem in replaced.only_recorded else ()
    return max(map(order.place, (stem, *names))), replaced.rank(stem)


def _standing_for(stem: str, rows: Mapping[str, Row], replaced: Replaced) -> Row:
    """Return the row that a squash counts as having, where all that it replaces is applied."""
    last = [rows[name] for name in rows if name in replaced.squashes[stem]][-1]
    return Row(stem, applied_at=last.applied_at, serial=last.serial, unrecorded=True)
