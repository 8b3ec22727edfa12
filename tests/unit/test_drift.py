"""Which files are not what was applied any more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from bridge.errors import PlainFileError
from bridge.files.plain_file import PlainFile
from bridge.ledger.checksum_forms import ChecksumForm
from bridge.ledger.drift import (
    changed,
    has_checksum,
    has_text_of,
    maybe_renamed,
    renamed,
    respelled,
)
from bridge.ledger.history import NO_FILE, Row, build_history

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bridge.ledger.drift import Renamed
    from bridge.ledger.history import Entry, History

A, B, C = "001_a", "002_b", "003_c"
ONE, TWO, THREE = ("1" * 64, "2" * 64, "3" * 64)


def history(rows: dict[str, str | None], *files: str) -> History:
    """Rows with their checksums, and files."""
    return build_history(
        [PlainFile("migrations", stem) for stem in files],
        [Row(version=stem, checksum=checksum) for stem, checksum in rows.items()],
    )


def disk(**texts: str) -> Callable[[PlainFile], str]:
    """The checksums of these files, by their stems without the number; no others may be read."""
    return lambda file: texts[file.stem[4:]]


def has(**texts: str) -> Callable[[PlainFile, str], bool]:
    """As `disk`, for who knows what it should be."""
    checksum = disk(**texts)
    return lambda file, then: checksum(file) == then


def stems(entries: tuple[Entry, ...]) -> list[str]:
    return [entry.stem for entry in entries]


def pairs(found: tuple[Renamed, ...]) -> list[tuple[str, list[str]]]:
    return [(each.old.stem, stems(each.new)) for each in found]


def test_a_file_with_another_text_is_changed_and_the_pending_are_not_read() -> None:
    found = changed(history({A: ONE, B: TWO}, A, B, C), has(a=ONE, b=THREE))
    assert stems(found) == [B]


@pytest.mark.parametrize("recorded", [None, "", "d41d8cd98f00b204e9800998ecf8427e", "X" * 64])
def test_without_a_checksum_of_bridges_nothing_is_compared_or_read(recorded: str | None) -> None:
    adopted = history({A: recorded, B: recorded}, A, C)
    assert changed(adopted, has()) == ()
    assert renamed(adopted, disk()) == ()


def test_a_file_that_is_gone_is_not_changed() -> None:
    assert changed(history({A: ONE}, B), has()) == ()


def test_a_file_that_cannot_be_read_is_changed_and_is_no_renamed_one() -> None:
    def unreadable(file: PlainFile, *_then: str) -> Any:
        raise PlainFileError(file.path, None, "this file cannot be read")

    assert stems(changed(history({A: ONE}, A), unreadable)) == [A]
    assert renamed(history({A: ONE}, B), unreadable) == ()


def test_a_pending_file_with_the_text_of_one_that_is_gone_is_a_renamed_one() -> None:
    found = renamed(history({A: ONE, B: TWO}, A, "004_b", C), disk(b=TWO, c=THREE))
    assert pairs(found) == [(B, ["004_b"])]


def test_several_files_of_one_text_are_all_named() -> None:
    found = renamed(history({A: ONE, B: ONE}, "003_x", "004_y"), disk(x=ONE, y=ONE))
    assert pairs(found) == [(A, ["003_x", "004_y"]), (B, ["003_x", "004_y"])]


def test_no_pending_file_is_read_where_nothing_is_recorded_that_it_could_be() -> None:
    assert renamed(history({}, A, B, C), disk()) == ()
    assert renamed(history({A: None}, A, B, C), disk()) == ()


def test_a_pending_file_with_the_text_of_one_that_has_another_now_is_a_renamed_one() -> None:
    """In a folder that was numbered anew each name is taken by another text."""
    numbered = history({A: ONE, B: TWO}, A, B, C)
    found = renamed(numbered, disk(c=TWO), has(a=ONE, b=THREE))
    assert pairs(found) == [(B, [C])]
    assert renamed(numbered, disk(c=TWO), has(a=ONE, b=TWO)) == ()


@pytest.mark.parametrize(
    ("gone", "pending", "same"),
    [
        ("002_seed", "002_seed_plans", "number"),
        ("002_seed", "2_other", "number"),
        ("002_seed", "007_seed", "words after its number"),
        ("002_add-plans", "007_Add_Plans", "words after its number"),
        ("seed", "007_seed", "words after its number"),
        ("002_seed", "007_other", None),
        ("002", "007", None),
    ],
)
def test_of_a_row_without_a_checksum_a_part_of_the_name_tells_who_may_be_it(
    gone: str, pending: str, same: str | None
) -> None:
    adopted = history({A: None, gone: None}, A, pending)
    assert [(e.old.stem, stems(e.new), e.same) for e in maybe_renamed(adopted)] == (
        [(gone, [pending], same)] if same else []
    )
    # With a checksum the text tells, and so does a person who has said that it is another one.
    for known in (ONE, NO_FILE):
        assert maybe_renamed(history({A: None, gone: known}, A, pending)) == ()


def test_an_applied_file_of_the_same_text_is_no_renamed_one() -> None:
    assert renamed(history({A: ONE, B: ONE}, A, C), disk(c=THREE)) == ()


def test_a_name_that_differs_in_spelling_is_the_same_migration_whatever_its_text() -> None:
    assert pairs(respelled(history({A: None, "002-B": ONE}, A, B, C))) == [("002-B", [B])]
    assert respelled(history({A: None, "002_bb": ONE}, A, B)) == ()


# Another team's checksums

MD5 = ChecksumForm("bytes", "md5", "hex")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for stem in (A, B, C):
        (tmp_path / f"{stem}.py").write_bytes(stem.encode())
    return tmp_path


def taught(folder: Path, rows: dict[str, bytes], *files: str) -> History:
    """Rows with the MD5 of what was applied, and files that are there."""
    return build_history(
        [PlainFile(str(folder), stem) for stem in files],
        [Row(version=stem, checksum=MD5.of(data), form=MD5) for stem, data in rows.items()],
    )


def test_another_teams_checksum_tells_which_file_was_changed(folder: Path) -> None:
    found = taught(folder, {A: A.encode(), B: b"before"}, A, B, C)
    assert stems(changed(found)) == [B]
    assert has_text_of(found.applied[0].row, PlainFile(str(folder), A))
    assert not has_text_of(found.applied[1].row, PlainFile(str(folder), B))
    assert all(has_checksum(entry.row) for entry in found.applied)
    assert all(entry.row and entry.row.lacks_checksum for entry in found.applied)


def test_another_teams_checksum_tells_which_file_was_renamed(folder: Path) -> None:
    found = taught(folder, {"002_old": B.encode(), A: A.encode()}, A, B, C)
    assert pairs(renamed(found)) == [("002_old", [B])]
    assert maybe_renamed(found) == ()


def test_a_file_that_is_gone_has_no_text_of_any_row(folder: Path) -> None:
    found = taught(folder, {A: A.encode()}, A)
    (folder / f"{A}.py").unlink()
    assert stems(changed(found)) == [A]
    with pytest.raises(PlainFileError):
        has_text_of(found.applied[0].row, PlainFile(str(folder), A))
    assert not has_text_of(None, PlainFile(str(folder), A))
    assert not has_text_of(Row(A), PlainFile(str(folder), A))
