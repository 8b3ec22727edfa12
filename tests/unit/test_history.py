from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from bridge.files.plain_file import PlainFile
from bridge.ledger.history import Entry, History, Row, build_history, in_applied_order

if TYPE_CHECKING:
    from collections.abc import Iterable
    from random import Random


STEMS = [f"{number:03}_{letter}" for number in range(1, 5) for letter in "ab"]
MOMENTS = [datetime(2024, 1, day, tzinfo=UTC) for day in range(1, 4)]
DAYS = [moment.date() for moment in MOMENTS]

stems = st.lists(st.sampled_from(STEMS), unique=True)


@st.composite
def some_rows(draw: st.DrawFn, times: Iterable[date] = MOMENTS) -> list[Row]:
    when = st.none() | st.sampled_from(list(times))
    return [Row(version=stem, applied_at=draw(when)) for stem in draw(stems)]


def files(*names: str) -> tuple[PlainFile, ...]:
    return tuple(PlainFile("migrations", name) for name in names)


def at(version: str, day: int | None = None, *, serial: int | None = None) -> Row:
    moment = None if day is None else datetime(2024, 1, day, tzinfo=UTC)
    return Row(version=version, applied_at=moment, serial=serial)


def on(version: str, day: int) -> Row:
    return Row(version=version, applied_at=date(2024, 1, day))


def names(entries: Iterable[Entry | Row]) -> list[str]:
    return [entry.version if isinstance(entry, Row) else entry.stem for entry in entries]


def order(*rows: Row, certain: bool = True, pointers: tuple[str, ...] = ()) -> list[str]:
    return names(in_applied_order(rows, certain=certain, pointers=pointers))


# The order in which rows were applied


def test_rows_are_in_the_order_of_their_times() -> None:
    assert order(at("003_c", 2), at("001_a", 1), at("002_b", 3)) == ["001_a", "003_c", "002_b"]


def test_rows_without_a_time_come_first_by_stem() -> None:
    assert order(at("001_a", 1), at("003_c"), at("002_b")) == ["002_b", "003_c", "001_a"]


def test_equal_times_go_by_serial_and_then_by_stem() -> None:
    assert order(at("003_c", 1), at("001_a", 1), at("002_b", 1)) == ["001_a", "002_b", "003_c"]
    assert order(at("001_a", 1, serial=9), at("002_b", 1, serial=8)) == ["002_b", "001_a"]
    assert order(at("001_a", serial=9), at("002_b", serial=8)) == ["002_b", "001_a"]


def test_a_pointer_does_not_matter_where_the_order_is_certain() -> None:
    assert order(at("001_a", 1), at("002_b", 1), pointers=("001_a",)) == ["001_a", "002_b"]


def test_where_the_order_is_uncertain_a_pointer_that_is_a_row_was_the_last() -> None:
    same_day = [on("001_a", 1), on("002_b", 1), on("003_c", 1)]
    assert order(*same_day, certain=False, pointers=("002_b",)) == ["001_a", "003_c", "002_b"]
    undated = [at("001_a"), at("002_b")]
    assert order(*undated, certain=False, pointers=("001_a",)) == ["002_b", "001_a"]
    assert order(*undated, certain=False, pointers=("009_z",)) == ["001_a", "002_b"]


def test_of_several_pointers_into_an_uncertain_order_the_later_one_was_the_last() -> None:
    """The other stays in its place, so that the order is the same when it is gone."""
    rows = [at("001_a"), at("002_b"), at("003_c")]
    expected = ["001_a", "003_c", "002_b"]
    assert order(*rows, certain=False, pointers=("002_b", "001_a")) == expected
    assert order(*rows, certain=False, pointers=("002_b",)) == expected


def test_a_row_that_is_known_to_be_older_was_not_the_last_whatever_the_pointer_says() -> None:
    """The old runner applied 003 a day after bridge had pointed at 002."""
    rows = [on("001_a", 1), on("002_b", 1), on("003_c", 2)]
    assert order(*rows, certain=False, pointers=("002_b",)) == ["001_a", "002_b", "003_c"]
    mixed = [at("001_a"), at("002_b"), at("003_c", 1)]
    assert order(*mixed, certain=False, pointers=("001_a",)) == ["001_a", "002_b", "003_c"]


def test_a_row_that_an_adopted_table_holds_twice_is_one_migration() -> None:
    assert order(at("001_a", 1), at("001_a", 2)) == ["001_a"]


@given(some_rows(), st.booleans(), stems)
def test_every_row_has_one_place_in_the_order(
    rows: list[Row], certain: bool, pointers: list[str]
) -> None:
    ordered = in_applied_order(rows, certain=certain, pointers=pointers)
    assert sorted(ordered, key=repr) == sorted(rows, key=repr)
    times = [row.applied_at for row in ordered]
    known = [time for time in times if time is not None]
    assert times[: len(times) - len(known)] == [None] * (len(times) - len(known))
    assert known == sorted(known)
    if certain:
        places = [(row.applied_at or date.min, row.version) for row in ordered]
        assert places[-len(known) or len(places) :] == sorted(places[-len(known) or len(places) :])
    candidates = [row for row in rows if ordered and row.applied_at == ordered[-1].applied_at]
    pointed = {row.version for row in candidates} & set(pointers)
    if not certain and pointed:
        assert ordered[-1].version in pointed


@given(some_rows(), st.booleans(), stems, st.randoms())
def test_the_order_does_not_depend_on_how_the_database_gives_the_rows(
    rows: list[Row], certain: bool, pointers: list[str], random: Random
) -> None:
    shuffled = list(rows)
    random.shuffle(shuffled)
    ordered = in_applied_order(rows, certain=certain, pointers=pointers)
    assert ordered == in_applied_order(shuffled, certain=certain, pointers=pointers)


# The history


@given(stems, some_rows())
def test_the_history_is_the_applied_ones_and_then_the_pending_by_name(
    folder: list[str], rows: list[Row]
) -> None:
    ordered = in_applied_order(rows, certain=True)
    history = build_history(files(*folder), ordered)
    assert names(history.applied) == names(ordered)
    assert names(history.pending) == sorted(set(folder) - set(names(rows)))
    assert history.entries == history.applied + history.pending
    assert len(history.by_revision) == len(history.entries) == len({*folder, *names(rows)})
    assert names(history.missing) == [row.version for row in ordered if row.version not in folder]
    assert history.pointer == (ordered[-1].revision if ordered else None)
    for entry in history.entries:
        assert (entry.file is not None) == (entry.stem in folder)
        assert entry.file is None or entry.file.stem == entry.stem
        assert entry.row is None or entry.row.version == entry.stem


@given(stems, some_rows())
def test_up_to_a_revision_is_all_of_the_history_before_it_and_itself(
    folder: list[str], rows: list[Row]
) -> None:
    history = build_history(files(*folder), in_applied_order(rows, certain=True))
    assert history.up_to(None) == ()
    for position, entry in enumerate(history.entries):
        assert history.up_to(entry.revision) == history.entries[: position + 1]
    assert history.up_to(history.pointer) == history.applied


@given(stems, some_rows())
def test_late_files_are_the_pending_ones_that_sort_before_an_applied_file(
    folder: list[str], rows: list[Row]
) -> None:
    history = build_history(files(*folder), in_applied_order(rows, certain=True))
    applied = set(names(rows)) & set(folder)
    pending = sorted(set(folder) - applied)
    assert names(history.late) == [
        stem for stem in pending if any(stem < other for other in applied)
    ]


@given(stems, some_rows())
def test_a_hole_is_a_row_without_a_file_between_two_files(
    folder: list[str], rows: list[Row]
) -> None:
    history = build_history(files(*folder), in_applied_order(rows, certain=True))
    for entry in history.missing:
        before = any(stem < entry.stem for stem in folder)
        after = any(stem > entry.stem for stem in folder)
        assert (entry in history.holes) == (before and after)
    assert set(history.holes) <= set(history.missing)


@given(stems, some_rows(), st.sets(st.sampled_from(STEMS)))
def test_each_missing_file_is_squashed_a_hole_or_of_a_newer_release(
    folder: list[str], rows: list[Row], declared: set[str]
) -> None:
    rows = [replace(row, breaking=row.version in declared) for row in rows]
    history = build_history(files(*folder), in_applied_order(rows, certain=True))
    squashed = [e for e in history.missing if folder and e.stem < min(folder)]
    told = [*squashed, *history.holes, *history.newer]
    assert sorted(names(told)) == sorted(names(history.missing))
    assert all(entry.stem > max(folder, default="") for entry in history.newer)
    assert names(history.breaking) == [
        entry.stem
        for entry in history.applied
        if entry.stem in declared and (entry in history.holes or entry in history.newer)
    ]


def example() -> History:
    """Squashed before, a newer release after, one lost in the middle, one late, one new."""
    rows = [
        at("001_squashed", 1),
        at("010_a", 2),
        at("012_lost", 3),
        at("020_b", 4),
        at("030_x", 5),
    ]
    return build_history(files("010_a", "015_late", "020_b", "021_new"), rows)


def test_the_history_of_a_database_with_a_past_and_a_future() -> None:
    history = example()
    assert names(history.entries) == [
        *("001_squashed", "010_a", "012_lost", "020_b", "030_x"),
        *("015_late", "021_new"),
    ]
    assert history.pointer == "030_x"
    assert names(history.missing) == ["001_squashed", "012_lost", "030_x"]
    assert names(history.holes) == ["012_lost"]
    assert names(history.newer) == ["030_x"]
    assert names(history.late) == ["015_late"]


def test_a_revision_id_is_the_stem_in_alembics_alphabet() -> None:
    history = build_history(files("001_a-b.c"), [Row(version="002_d+e")])
    assert [(entry.stem, entry.revision) for entry in history.entries] == [
        ("002_d+e", "002_d_e"),
        ("001_a-b.c", "001_a_b_c"),
    ]
    assert history.pointer == "002_d_e"


def test_the_history_of_nothing_is_empty() -> None:
    history = build_history((), ())
    assert (history.entries, history.pointer, history.late, history.holes, history.missing) == (
        (),
        None,
        (),
        (),
        (),
    )
