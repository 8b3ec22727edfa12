"""A model of one database and its folder: what must come of each command, worked out apart.

It knows what bridge promises about a ledger, a pointer and a folder, and nothing of how bridge
keeps these promises: it shares no decision with it. Names and lists in, names and lists out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

#: Where a file breaks off: not at all, before its only commit, or after a first commit.
SOUND, AT_ONCE, HALF_WAY = "", "at once", "half way"

SOURCE = '''\
"""About {name}."""

from pathlib import Path

from sqlalchemy import text

description = "About {name}"

# edited {edits} times


def log(db, what):
    db.execute(text("INSERT INTO ran (what) VALUES (:what)"), {{"what": what}})


def upgrade(db):
    stem = Path(__file__).stem
{begin}    log(db, stem)
{middle}    db.commit()


def downgrade(db):
    log(db, "-" + Path(__file__).stem)
    db.commit()
'''


@dataclass(frozen=True)
class Text:
    """What is in a file; the file's name is not part of it, so that it can be renamed."""

    name: str
    edits: int = 0
    fails: str = SOUND

    @property
    def source(self) -> str:
        begin = '    log(db, stem + " begun")\n    db.commit()\n' if self.fails == HALF_WAY else ""
        middle = '    raise RuntimeError("broken off")\n' if self.fails else ""
        return SOURCE.format(name=self.name, edits=self.edits, begin=begin, middle=middle)

    def edited(self, *, fails: str = SOUND) -> Text:
        return replace(self, edits=self.edits + 1, fails=fails)


@dataclass(frozen=True)
class Recorded:
    """A row of the ledger: a stem, and the text whose checksum it has, if it has one."""

    stem: str
    text: Text | None
    #: Whether a person has said that no file of another name is this one.
    apart: bool = False


@dataclass
class Outcome:
    """What a command must do."""

    #: The refusals that are right; if there are any, the command must give one of them.
    refusals: set[str] = field(default_factory=set)
    #: The file whose failure must end the command.
    failed: str | None = None
    #: What the files log, in this order.
    logged: list[str] = field(default_factory=list)
    #: Files that come late, of which the command warns.
    late: set[str] = field(default_factory=set)


@dataclass
class World:
    """A folder and a database, as they must be."""

    files: dict[str, Text] = field(default_factory=dict)
    #: In the order in which they were applied; None where there is no ledger.
    rows: list[Recorded] | None = None
    #: Whether the ledger has the columns that only bridge adds.
    ours: bool = False
    #: None where there is no version table.
    pointers: list[str] | None = None
    #: Whether a person has said that the ledger is this project's, whatever its rows are.
    adopted: bool = False

    def copy(self) -> World:
        rows = None if self.rows is None else list(self.rows)
        pointers = None if self.pointers is None else list(self.pointers)
        return World(dict(self.files), rows, self.ours, pointers, self.adopted)

    @property
    def applied(self) -> list[str]:
        return [row.stem for row in self.rows or ()]

    @property
    def pending(self) -> list[str]:
        return sorted(self.files.keys() - set(self.applied))

    @property
    def line(self) -> list[str]:
        return self.applied + self.pending

    @property
    def at_rest(self) -> bool:
        """Whether all files and nothing else are applied, in tables of bridge's own form."""
        return bool(
            self.files
            and self.ours
            and self.files.keys() == set(self.applied)
            and self.pointers == [revision(self.applied[-1])]
        )

    # Commands. Each changes this world as the command must change the real one.

    def upgrade(self, to: str | None = None, *, quick: bool = False) -> Outcome:
        """`alembic upgrade`, to the head or to one of the line.

        One that is `quick` looks first whether there is nothing to do, and then writes nothing.
        """
        if quick and self.at_rest:
            return Outcome()
        outcome = Outcome(refusals(self) or renames(self) | resemblances(self))
        if outcome.refusals:
            return outcome
        last = max((stem for stem in self.applied if stem in self.files), default="")
        wanted = self.pending
        if to is not None:
            wanted = wanted[: wanted.index(to) + 1] if to in wanted else []
        outcome.late = {stem for stem in wanted if stem < last}
        self._settle()
        for stem in wanted:
            if not self._run(stem, outcome):
                break
            self._append(stem)
            self.pointers = [revision(stem)]
        return outcome

    def downgrade(self, to: str | None) -> Outcome:
        """`alembic downgrade` to one of the applied, or to base."""
        outcome = Outcome(refusals(self))
        if outcome.refusals:
            return outcome
        kept = 0 if to is None else self.applied.index(to) + 1
        reverted = self.applied[kept:]
        gone = any(stem not in self.files for stem in reverted)
        outcome.refusals = renames(self) | ({"missing file"} if gone else set())
        if outcome.refusals:
            return outcome
        self._settle()
        outcome.logged = [f"-{stem}" for stem in reversed(reverted)]
        self._keep(self.applied[:kept])
        return outcome

    def stamp(self, to: str | None, *, purge: bool = False) -> Outcome:
        """`alembic stamp` to one of the line, or to base."""
        if purge:
            self.rows = [row for row in self.rows or () if row.stem in self.files]
        wrong = set() if purge else refusals(self) - {"lost ledger", "lost rows"}
        outcome = Outcome(wrong if wrong or purge else renames(self))
        if outcome.refusals:
            return outcome
        wanted = [] if to is None else self.line[: self.line.index(to) + 1]
        if any(stem not in self.files for stem in set(self.applied) - set(wanted)):
            outcome.refusals = {"forgets missing"}
            return outcome
        self._settle(texts=False)
        self._keep([stem for stem in self.applied if stem in wanted])
        for stem in wanted:
            if stem not in self.applied:
                self._append(stem)
        self.pointers = [] if to is None else [revision(to)]
        return outcome

    def old_runner(self) -> Outcome:
        outcome = Outcome()
        if self.rows is None:
            self.rows, self.ours = [], False
        for stem in self.pending:
            if not self._run(stem, outcome):
                break
            self.rows.append(Recorded(stem, None))
        return outcome

    def repair(self, only: Sequence[str] = ()) -> Outcome:
        """`eai migrate repair`, agreed to: of everything, or of one row, and perhaps its file."""
        rows = [row for row in self.rows or () if not only or row.stem in only]
        found = {row.stem: stems for row in rows if (stems := self._may_be(row, only))}
        claims = [stem for stems in found.values() for stem in stems]
        if len(claims) > len(found) or len(set(claims)) < len(claims):
            return Outcome({"ambiguous"})
        names = {old: new for old, (new,) in found.items()}
        for old in list(names):
            if not self._follow(old, names):
                return Outcome({"ambiguous"})
        after = self.copy()
        if self.rows is not None:
            after.rows = [
                Recorded(stem, self.files[stem])
                if stem in self.files and (not only or {row.stem, stem} & {*only})
                else row
                for row in self.rows
                for stem in [names.get(row.stem, row.stem)]
            ]
        ids = {revision(old): revision(new) for old, new in names.items()}
        after.pointers = [ids.get(pointer, pointer) for pointer in self.pointers or ()]
        outcome = Outcome(refusals(after))
        if not outcome.refusals and after.rows != self.rows:
            self.rows, self.ours = after.rows, True
            if self.pointers:
                self.pointers = [revision(self.applied[-1])]
        return outcome

    def _may_be(self, row: Recorded, only: Sequence[str]) -> list[str]:
        """The pending files that a row may be; by a part of its name only if it was named."""
        if not self._has_moved(row):
            return []
        pending, gone = self.pending, row.stem not in self.files
        same = [stem for stem in pending if row.text == self.files[stem]]
        alike = [stem for stem in pending if gone and spelling(stem) == spelling(row.stem)]
        near = [stem for stem in pending if only and gone and resembles(row, stem)]
        found = same or alike or near
        return [stem for stem in found if stem in only] or found

    def _has_moved(self, row: Recorded) -> bool:
        """Whether the file of a row's name is gone, or known not to be what was applied."""
        file = self.files.get(row.stem)
        return file is None or row.text not in {None, file}

    def _follow(self, freed: str, names: dict[str, str]) -> bool:
        """Follow the row whose text the file of a freed name has, and the next; False for two."""
        while freed in self.files:
            text = self.files[freed]
            left = [row for row in self.rows or () if row.stem not in names]
            moved = [row.stem for row in left if row.text == text and self._has_moved(row)]
            if len(moved) != 1:
                return not moved
            names[moved[0]] = freed
            freed = moved[0]
        return True

    def adopt(self) -> Outcome:
        """`eai migrate repair --adopt`, agreed to."""
        after = self.copy()
        after.adopted = True
        outcome = Outcome(refusals(after))
        self.adopted = self.adopted or not outcome.refusals
        return outcome

    def mark(self, stem: str, *, applied: bool) -> Outcome:
        """`eai migrate mark` one of the line, agreed to."""
        outcome = Outcome(refusals(self))
        if outcome.refusals or (applied and stem in self.applied):
            return outcome
        if not applied and stem not in self.applied:
            said = {row for row in self.rows or () if self._is_unsure(row) and resembles(row, stem)}
            if said:
                self.rows = [replace(r, apart=True) if r in said else r for r in self.rows or ()]
                self.ours = True
            return outcome
        self.rows, self.ours = self.rows or [], True
        if applied:
            self._append(stem)
        else:
            self.delete_row(stem)
        if self.pointers is not None:
            self.pointers = [revision(last) for last in self.applied[-1:]]
        return outcome

    def _is_unsure(self, row: Recorded) -> bool:
        return row.stem not in self.files and row.text is None and not row.apart

    # What a person does

    def delete_row(self, stem: str) -> None:
        self.rows = [row for row in self.rows or () if row.stem != stem]

    def rename_row(self, old: str, new: str) -> None:
        self.rows = [replace(r, stem=new) if r.stem == old else r for r in self.rows or ()]

    def _settle(self, *, texts: bool = True) -> None:
        """Both tables are there afterwards, and the pointer is the last applied.

        With `texts`, rows of which no text is known have that of their files.
        """
        self.rows = [
            Recorded(row.stem, self.files[row.stem])
            if texts and row.text is None and row.stem in self.files
            else row
            for row in self.rows or ()
        ]
        self.ours = True
        self._keep(self.applied)

    def _keep(self, stems: Iterable[str]) -> None:
        kept = set(stems)
        self.rows = [row for row in self.rows or () if row.stem in kept]
        self.pointers = [revision(self.rows[-1].stem)] if self.rows else []

    def _append(self, stem: str) -> None:
        assert self.rows is not None
        self.rows.append(Recorded(stem, self.files.get(stem)))

    def _run(self, stem: str, outcome: Outcome) -> bool:
        text = self.files[stem]
        if text.fails == HALF_WAY:
            outcome.logged.append(f"{stem} begun")
        if text.fails:
            outcome.failed = stem
            return False
        outcome.logged.append(stem)
        return True


def refusals(world: World) -> set[str]:
    """The reasons for which every command must refuse this database; none if it may go on."""
    rows, pointers = world.applied, world.pointers or []
    known = {revision(stem) for stem in [*world.files, *rows]}
    unknown = [pointer for pointer in pointers if pointer not in known]
    gone = [stem for stem in rows if stem not in world.files]
    found = set()
    if not world.files and (rows or pointers):
        found.add("no files")
    if len({revision(stem) for stem in rows}) < len(rows):
        found.add("twins")
    if set(map(spelling, gone)) & set(map(spelling, world.pending)):
        found.add("names differ")
    if rows and len(gone) == len(rows) and not world.adopted:
        squashed = all(stem > max(rows) for stem in world.pending)
        if not (world.ours and squashed):
            found.add("foreign ledger")
    if unknown and not world.ours:
        found.add("foreign pointer")
    if unknown and world.ours and not rows:
        found.add("unknown pointer")
    if pointers and not unknown and not rows:
        first = revision(min(world.files))
        if world.rows is None:
            found.add("lost ledger")
        elif pointers != [first]:
            found.add("lost rows")
    return found


def renames(world: World) -> set[str]:
    """The refusal of a run or a stamp over files that carry the text of another name."""
    pending = [world.files[stem] for stem in world.pending]
    moved = [r.text for r in world.rows or () if r.text and world.files.get(r.stem) != r.text]
    return {"renamed"} if any(text in pending for text in moved) else set()


def resemblances(world: World) -> set[str]:
    """The refusal to run what may have run under a name of which nothing else is known."""
    unsure = [r for r in world.rows or () if r.text is None and r.stem not in world.files]
    near = any(resembles(row, stem) for row in unsure if not row.apart for stem in world.pending)
    return {"maybe renamed"} if near else set()


def is_renamed(row: Recorded, stem: str, text: Text) -> bool:
    """Whether a row without a file and a file without a row are one migration."""
    return row.text == text or spelling(row.stem) == spelling(stem)


def resembles(row: Recorded, stem: str) -> bool:
    """Whether a row of which only the name is known has the number or the words of a file."""
    if row.text is not None or row.apart:
        return False
    number, words = _parts(row.stem)
    other_number, other_words = _parts(stem)
    return number == other_number or (words == other_words and bool(words))


def _parts(stem: str) -> tuple[int, str]:
    number, _, words = spelling(stem).partition("_")
    return int(number), words


def spelling(stem: str) -> str:
    """What is left of a name when its spelling does not count."""
    return revision(stem).lower()


def revision(stem: str) -> str:
    return re.sub(r"[^A-Za-z0-9_]", "_", stem)
