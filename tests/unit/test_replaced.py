"""What a squash means, held against a model of the databases that several releases have met."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import chain, combinations
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bridge.errors import PlainFileError
from bridge.files.plain_file import PlainFile
from bridge.files.replaces import Replaces, replaced_by, replaces_in
from bridge.ledger.history import Row, build_history, in_applied_order
from bridge.ledger.replaced import resolve

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

OLD = ("001_a", "002_b", "003_c", "004_d")
LATER = ("005_e", "006_f")
#: Of the same number as the last that it replaces, and sorting before it.
ONE = "004_all"
#: Replaces the first one and what came after that.
TWO = "005_all"
SQUASHES = {ONE: OLD, TWO: (*OLD, ONE, LATER[0])}
BEGINNING = datetime(2024, 1, 1, tzinfo=UTC)


def file(stem: str, names: Sequence[str] = ()) -> PlainFile:
    """A file that nobody has to write: what it replaces is known."""
    made = PlainFile("migrations", stem)
    found = Replaces(tuple(names), 1) if names else None
    object.__setattr__(made, "_replaces", found)
    return made


def folder(stems: Iterable[str], squashes: Mapping[str, Sequence[str]]) -> list[PlainFile]:
    return [file(stem, squashes.get(stem, ())) for stem in sorted(stems)]


@dataclass
class Model:
    """A database: what its rows say, in order, and what was really done to it."""

    rows: list[str] = field(default_factory=list)
    #: Each file whose work was done, once for each time.
    done: list[str] = field(default_factory=list)

    def refuses(self, release: Sequence[PlainFile], *, knows: bool = True) -> bool:
        """Run a release, as `bridge.alembic.write` does; returns whether it was refused.

        One that does not know squashes is the old runner.
        """
        if not knows:
            for stem in sorted({each.stem for each in release} - {*self.rows}):
                self.do(stem)
                self.rows.append(stem)
            return False
        history = build_history(release, self.recorded())
        if history.replaced.gone:
            return True
        for entry in history.applied:
            if entry.row is not None and entry.row.unrecorded:
                last = max(self.rows.index(name) for name in entry.replaces if name in self.rows)
                self.rows.insert(last + 1, entry.stem)
        for entry in history.pending:
            if entry.stem not in history.replaced.only_recorded:
                self.do(entry.stem)
            self.rows += [name for name in entry.replaces if name not in self.rows]
            self.rows.append(entry.stem)
        return False

    def do(self, stem: str) -> None:
        names = SQUASHES.get(stem, ())
        self.done += [each for each in names if each not in SQUASHES] or [stem]

    def recorded(self) -> list[Row]:
        moments = (BEGINNING + timedelta(seconds=number) for number in range(len(self.rows)))
        return [Row(name, applied_at=at) for name, at in zip(self.rows, moments, strict=True)]

    def hold(self) -> None:
        """Nothing is done twice, and what is recorded was done."""
        assert len(self.done) == len({*self.done}), self.done
        files = {name for name in self.rows if name not in SQUASHES}
        assert files == {*self.done}
        assert len(self.rows) == len({*self.rows})


def old(count: int) -> list[PlainFile]:
    return folder(OLD[:count], {})


#: The releases of one team, each with the files of before it or without them.
releases = st.sampled_from(
    [
        *((f"old to {count}", old(count), True) for count in range(1, 5)),
        *((f"the old runner to {count}", old(count), False) for count in range(1, 5)),
        ("old and later", folder((*OLD, *LATER), {}), True),
        ("squash beside", folder((*OLD, ONE), SQUASHES), True),
        ("squash, later, beside", folder((*OLD, ONE, *LATER), SQUASHES), True),
        ("squash alone", folder((ONE,), SQUASHES), True),
        ("squash, later", folder((ONE, *LATER), SQUASHES), True),
        ("squash, some beside", folder((*OLD[2:], ONE, *LATER), SQUASHES), True),
        ("both beside", folder((*OLD, *LATER, ONE, TWO), SQUASHES), True),
        ("second beside", folder((ONE, TWO, *LATER), SQUASHES), True),
        ("second alone", folder((TWO, LATER[1]), SQUASHES), True),
    ]
)


@given(st.lists(releases, min_size=1, max_size=8))
def test_whatever_releases_take_turns_each_migration_is_done_once(
    turns: list[tuple[str, list[PlainFile], bool]],
) -> None:
    """Claim: no file of what is replaced runs after the squash or twice, and nothing is lost."""
    database = Model()
    for _, release, knows in turns:
        refused = database.refuses(release, knows=knows)
        database.hold()
        wanted = {each.stem for each in release}
        inside = {name for stem in wanted for name in SQUASHES.get(stem, ()) if stem in SQUASHES}
        needed = {name for name in (wanted | inside) if name not in SQUASHES}
        if not refused:
            assert needed <= {*database.done}
            again = Model([*database.rows], [*database.done])
            assert not again.refuses(release, knows=knows)
            assert again == database


def test_it_is_refused_only_where_a_part_is_applied_and_a_file_is_gone() -> None:
    for part in range(len(OLD) + 1):
        for kept in chain.from_iterable(combinations(OLD, size) for size in range(len(OLD) + 1)):
            found = resolve({ONE: OLD}, {ONE, *kept}, OLD[:part])
            left = [name for name in OLD[part:] if name not in kept]
            is_part = 0 < part < len(OLD)
            assert found.gone == ({ONE: left} if is_part and left else {})
            assert found.only_recorded == ({ONE} if is_part else set())
            assert found.running == (set() if part else {ONE})
            assert found.unrecorded == ({ONE} if part == len(OLD) else set())
            assert set(found.hidden) == (set() if is_part else {*OLD})


def names(files: Sequence[PlainFile], *rows: str) -> tuple[list[str], list[str]]:
    """The names of the applied and of the pending migrations, in their order."""
    moments = (BEGINNING + timedelta(seconds=number) for number in range(len(rows)))
    recorded = [Row(name, applied_at=at) for name, at in zip(rows, moments, strict=True)]
    history = build_history(files, in_applied_order(recorded, certain=True))
    return [e.stem for e in history.applied], [e.stem for e in history.pending]


BESIDE = folder((*OLD, ONE, *LATER), SQUASHES)
ALONE = folder((ONE, *LATER), SQUASHES)


@pytest.mark.parametrize("files", [BESIDE, ALONE])
def test_nothing_recorded_the_squash_stands_for_all(files: list[PlainFile]) -> None:
    assert names(files) == ([], [ONE, *LATER])


@pytest.mark.parametrize("files", [BESIDE, ALONE])
def test_all_recorded_the_squash_is_where_the_last_of_them_is(files: list[PlainFile]) -> None:
    assert names(files, *OLD) == ([ONE], [*LATER])
    assert names(files, *OLD, LATER[0]) == ([ONE, LATER[0]], [LATER[1]])
    assert names(files, *OLD, LATER[0], ONE) == ([ONE, LATER[0]], [LATER[1]])
    assert names(files, LATER[0], *OLD) == ([LATER[0], ONE], [LATER[1]])


@pytest.mark.parametrize("files", [BESIDE, ALONE])
def test_the_row_of_the_squash_is_enough(files: list[PlainFile]) -> None:
    assert names(files, ONE) == ([ONE], [*LATER])
    assert names(files, OLD[1], ONE) == ([ONE], [*LATER])
    assert names(files, ONE, OLD[1], LATER[0]) == ([ONE, LATER[0]], [LATER[1]])


def test_a_part_recorded_the_squash_comes_last_of_them() -> None:
    assert names(BESIDE, *OLD[:2]) == ([*OLD[:2]], [*OLD[2:], ONE, *LATER])
    assert names(BESIDE, *OLD[:2], LATER[0]) == ([*OLD[:2], LATER[0]], [*OLD[2:], ONE, LATER[1]])
    some = folder((*OLD[2:], ONE), SQUASHES)
    assert names(some, *OLD[:2]) == ([*OLD[:2]], [*OLD[2:], ONE])
    history = build_history(some, [Row(name) for name in OLD[:2]])
    assert history.missing == history.holes == history.newer == history.late == ()


def test_one_squash_stands_inside_of_another() -> None:
    both = folder((*OLD, *LATER, ONE, TWO), SQUASHES)
    rest = LATER[1:]
    assert names(both) == ([], [TWO, *rest])
    assert names(both, *OLD) == ([ONE], [LATER[0], TWO, *rest])
    assert names(both, *OLD, ONE, LATER[0]) == ([TWO], [*rest])
    assert names(both, ONE, LATER[0]) == ([TWO], [*rest])
    assert names(both, *OLD, LATER[0]) == ([TWO], [*rest])
    assert names(both, *OLD[:1]) == ([OLD[0]], [*OLD[1:], ONE, LATER[0], TWO, *rest])
    assert names(both, LATER[0]) == ([LATER[0]], [ONE, TWO, *rest])


def test_a_breaking_row_is_explained_by_the_squash() -> None:
    rows = [replace(Row(name), breaking=True) for name in OLD]
    assert build_history(ALONE, rows).breaking == ()
    assert build_history(ALONE, rows).missing == ()


# The header

GOOD = 'replaces = ["001_a", "002_b"]\ndef upgrade(db): ...\n'


def test_a_list_or_a_tuple_of_names_is_read() -> None:
    assert replaces_in("x.py", "003_c", GOOD) == Replaces(("001_a", "002_b"), 1)
    assert replaces_in("x.py", "003_c", "x = 1\nreplaces = ('v1_a',)") == Replaces(("v1_a",), 2)
    assert replaces_in("x.py", "003_c", "# it replaces nothing") is None
    assert replaces_in("x.py", "003_c", "def replaces(): ...") is None
    assert replaces_in("x.py", "003_c", "replaces = (") is None


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("replaces = names()", "must be known without running the file"),
        ("if x:\n    replaces = ['001_a']", "must be known without running the file"),
        ("replaces = []", "`replaces` is []"),
        ("replaces = '001_a'", "`replaces` is '001_a'"),
        ("replaces = {'001_a': 1}", "`replaces` is {'001_a': 1}"),
        ("replaces = ['001_a', 2]", "holds 2, which is not the name of a migration"),
        ("replaces = ['001_a.py']", "holds '001_a.py'"),
        ("replaces = ['helpers']", "holds 'helpers'"),
        ("replaces = ['003_c']", "names 003_c, which is this file itself"),
        ("replaces = ['001_a', '001_a']", "names 001_a twice"),
    ],
)
def test_what_is_no_list_of_names_is_an_error_with_its_line(line: str, says: str) -> None:
    with pytest.raises(PlainFileError) as caught:
        replaces_in("003_c.py", "003_c", f"\n{line}")
    assert says in str(caught.value)
    assert caught.value.line == (3 if line.startswith("if") else 2)


@pytest.mark.parametrize(
    ("squashes", "says"),
    [
        ({ONE: OLD, TWO: OLD}, "names 001_a, which 004_all replaces as well"),
        ({ONE: OLD, TWO: (ONE,)}, "names 004_all, and not 001_a, which that file replaces"),
        ({ONE: (TWO,), TWO: (ONE,)}, "names 004_all, whose own `replaces` names it"),
    ],
)
def test_two_squashes_that_disagree_are_an_error(
    squashes: Mapping[str, Sequence[str]], says: str
) -> None:
    with pytest.raises(PlainFileError, match="Nothing was run") as caught:
        replaced_by(folder(squashes, squashes))
    assert says in str(caught.value)
    assert caught.value.path == "migrations/005_all.py"


@given(st.lists(st.sampled_from([*OLD, ONE, TWO, *LATER]), unique=True), st.data())
@example([], None)
def test_every_row_and_file_has_one_place(rows: list[str], data: st.DataObject | None) -> None:
    """Whatever is recorded and whatever is in the folder: nothing is there twice, or lost."""
    every = [*OLD, ONE, TWO, *LATER]
    stems = data.draw(st.sets(st.sampled_from(every))) if data else {*every}
    history = build_history(folder(stems, SQUASHES), [Row(name) for name in rows])
    shown = [entry.stem for entry in history.entries]
    assert len(shown) == len({*shown})
    assert {*shown} | {*history.replaced.hidden} >= {*rows} | stems
    assert not {*shown} & {*history.replaced.hidden}
    pending = {entry.stem for entry in history.pending}
    assert (
        history.replaced.only_recorded | history.replaced.running | {*history.replaced.gone}
        <= pending
    )
