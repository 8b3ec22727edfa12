from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import BridgeError, FilesError, FolderMissing, PlainFileError, UsageError
from bridge.files.folder import scan
from bridge.files.name_faults import name_faults
from bridge.files.numbering import new_stem, next_number, order_disagreements, slugify
from bridge.files.plain_file import PlainFile
from bridge.files.stems import ordinary_stems
from support.no_files import NO_FILES

if TYPE_CHECKING:
    from collections.abc import Iterator


UPGRADE = "def upgrade(db):\n    pass\n"


def fill(folder: Path, *names: str, text: str = UPGRADE) -> str:
    for name in names:
        (folder / name).write_text(text)
    return str(folder)


def files(*stems: str) -> tuple[PlainFile, ...]:
    return tuple(PlainFile("migrations", stem) for stem in sorted(stems))


def stems(folder: str) -> list[str]:
    return [file.stem for file in scan(folder).files]


def complaint(folder: str) -> str:
    with pytest.raises(FilesError) as caught:
        scan(folder)
    return str(caught.value)


# Which files are migrations


contents = st.lists(
    st.builds("{}{}{}".format, st.sampled_from(["001_", "1", "0", "x", "_", ".", "٣", "É", ""]),
    st.text("ab_Zß.-\n ", max_size=3), st.sampled_from([".py", ".py", ".py", ".pyc", ".txt", ""])),
    max_size=5,
).map(lambda names: sorted({name for name in names if name.strip(".")}))  # fmt: skip


@given(contents, st.sampled_from(["file", *NO_FILES]))
def test_the_quick_listing_says_what_the_whole_one_says_or_nothing(
    names: list[str], kind: str
) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        fill(folder, *names, text="x = 1\n")
        odd = folder / "002_odd.py"
        if kind == "file":
            odd.write_text(UPGRADE)
        else:
            NO_FILES[kind][0](odd)
        if (quickly := ordinary_stems(place)) is not None:
            assert quickly == stems(place)


def test_ordinary_names_are_listed_quickly_whatever_else_lies_there(tmp_path: Path) -> None:
    folder = fill(tmp_path, "010_c.py", "001_a_b.py", "001_a.py", "__init__.py", "notes.txt")
    (tmp_path / "__pycache__").mkdir()
    assert ordinary_stems(folder) == stems(folder) == ["001_a", "001_a_b", "010_c"]


@pytest.mark.parametrize("name", ["helpers.py", "001_A.py", "001_é.py"])
def test_names_that_need_a_closer_look_are_left_to_that(tmp_path: Path, name: str) -> None:
    assert ordinary_stems(fill(tmp_path, "002_b.py", name)) is None


def test_a_folder_without_migrations_or_without_a_folder_is_left_to_that_too(
    tmp_path: Path,
) -> None:
    assert ordinary_stems(str(tmp_path)) is None
    assert ordinary_stems(str(tmp_path / "nowhere")) is None


def test_the_files_of_a_folder_in_alphabetical_order(tmp_path: Path) -> None:
    folder = fill(tmp_path, "010_c.py", "002_b.py", "1000_d.py", "001_a.py")
    found = scan(folder)
    assert found.path == folder
    assert found.files == tuple(
        PlainFile(folder, stem) for stem in ("001_a", "002_b", "010_c", "1000_d")
    )


def test_files_may_share_a_number(tmp_path: Path) -> None:
    folder = fill(tmp_path, "031_b.py", "031_a.py", "031.py", "032_c.py")
    assert stems(folder) == ["031", "031_a", "031_b", "032_c"]


def test_what_is_not_a_migration_is_left_alone(tmp_path: Path) -> None:
    folder = fill(tmp_path, "__init__.py", "_001_a.py", ".002_b.py", "003_c.sql", "004_d.pyc", "py")
    fill(tmp_path, "005_e.py.bak", "006_f", "007_g.PY", "README.md", ".py")
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "_folder.py").mkdir()
    os.mkfifo(tmp_path / "008_pipe")
    assert stems(folder) == []


@pytest.mark.parametrize("kind", NO_FILES)
@pytest.mark.parametrize("name", ["004_x.py", "v004_x.py", "helper.py"])
def test_what_is_called_like_a_module_and_is_no_file_is_an_error(
    tmp_path: Path, name: str, kind: str
) -> None:
    make, told = NO_FILES[kind]
    folder = fill(tmp_path, "001_a.py")
    make(tmp_path / name)
    assert ordinary_stems(folder) is None
    assert complaint(folder).startswith(f"{tmp_path}/{name}: {told}")


@pytest.mark.parametrize("kind", NO_FILES)
def test_what_takes_the_place_of_a_file_after_the_scan_is_an_error_too(
    tmp_path: Path, kind: str
) -> None:
    make, told = NO_FILES[kind]
    (found,) = scan(fill(tmp_path, "004_x.py")).files
    (tmp_path / "004_x.py").unlink()
    make(tmp_path / "004_x.py")
    for read in (found.source, found.checksum, lambda: found.has("0"), found.hold):
        with pytest.raises(PlainFileError) as caught:
            read()
        assert str(caught.value).startswith(f"{tmp_path}/004_x.py: {told}")


def test_the_advice_about_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "004_x.py")
    assert complaint(str(tmp_path)) == (
        f"{tmp_path}/004_x.py: this is a named pipe, not a file, so it cannot be run. Remove it, "
        "or give it a name that does not end in .py."
    )


def test_an_empty_folder_is_a_folder(tmp_path: Path) -> None:
    assert scan(str(tmp_path)).files == ()


def test_a_scan_opens_no_numbered_file(tmp_path: Path) -> None:
    fill(tmp_path, "003_broken.py", text="this is not Python")
    (found,) = scan(str(tmp_path)).files
    with pytest.raises(FilesError):
        _ = found.header


def test_a_link_to_a_file_is_a_migration(tmp_path: Path) -> None:
    fill(tmp_path, "shared.txt")
    (tmp_path / "001_a.py").symlink_to(tmp_path / "shared.txt")
    assert stems(str(tmp_path)) == ["001_a"]


names = st.text("abXY019_-. \u00e9", max_size=6)


@given(st.sets(names, max_size=8))
def test_a_scan_finds_every_numbered_file_in_sorted_order(endings: set[str]) -> None:
    expected = sorted(f"{i % 3}{i:02}{ending}" for i, ending in enumerate(sorted(endings)))
    with tempfile.TemporaryDirectory() as folder:
        for stem in reversed(expected):
            Path(folder, f"{stem}.py").touch()
        assert stems(folder) == expected


# Folders that cannot be scanned


def test_a_missing_folder_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(FolderMissing) as caught:
        scan(str(tmp_path / "migrations"))
    assert str(caught.value) == (
        f"The folder of migrations {tmp_path}/migrations does not exist. `version_locations` in "
        "alembic.ini names it: create the folder, or correct the setting."
    )
    assert caught.value.exit_code == 4


def test_a_file_in_place_of_the_folder(tmp_path: Path) -> None:
    fill(tmp_path, "migrations")
    assert complaint(f"{tmp_path}/migrations") == (
        f"{tmp_path}/migrations is a file, not a folder of migrations. Correct "
        "`version_locations` in alembic.ini, which names it."
    )


@contextmanager
def without_roots_rights() -> Iterator[None]:
    """Root may list every folder, so that root has to become somebody else for a while."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_folder_that_cannot_be_listed(tmp_path: Path) -> None:
    folder = tmp_path / "migrations"
    folder.mkdir(mode=0o000)
    with without_roots_rights():
        message = complaint(str(folder))
    assert message == (
        f"The folder of migrations {folder} cannot be read: Permission denied. Give the user that "
        "runs migrations the right to list it, or correct `version_locations` in alembic.ini, "
        "which names it."
    )


# Files without a number


def test_a_file_without_a_number_that_defines_upgrade_is_an_error(tmp_path: Path) -> None:
    folder = fill(tmp_path, "003_a.py", "004_b.py", "add_widgets.py")
    assert complaint(folder) == (
        f"{folder}/add_widgets.py: this file defines `upgrade`, but its name does not begin with "
        "a number, so it would never run. Name it: mv add_widgets.py 005_add_widgets.py; if "
        "it is not a migration, begin its name with `_`."
    )


def test_the_proposed_names_of_several_files_do_not_collide(tmp_path: Path) -> None:
    message = complaint(fill(tmp_path, "b.py", "a.py", "it's new.py"))
    assert "mv a.py 001_a.py;" in message
    assert "mv b.py 002_b.py;" in message
    assert """mv 'it'"'"'s new.py' '003_it'"'"'s new.py';""" in message
    assert len(message.splitlines()) == 3


def test_a_file_with_foreign_digits_has_no_number(tmp_path: Path) -> None:
    """Alembic and people sort by the digits 0 to 9."""
    assert "does not begin with a number" in complaint(fill(tmp_path, "\u0663_a.py"))


def test_a_helper_module_is_left_alone(tmp_path: Path) -> None:
    folder = fill(tmp_path, "001_a.py")
    fill(tmp_path, "helpers.py", "env.py", text="def add_column(db): pass\n")
    fill(tmp_path, "run.py", text="from bridge import upgrade\nupgrade()\n")
    fill(tmp_path, "empty.py", text="")
    assert stems(folder) == ["001_a"]


def test_a_file_without_a_number_is_not_executed(tmp_path: Path) -> None:
    marker = tmp_path / "executed"
    folder = fill(tmp_path, "001_a.py")
    fill(tmp_path, "helpers.py", text=f"open({str(marker)!r}, 'w')\nraise SystemExit\n")
    assert stems(folder) == ["001_a"]
    assert not marker.exists()


def test_a_file_without_a_number_that_is_not_python_is_an_error(tmp_path: Path) -> None:
    message = complaint(fill(tmp_path, "add_widgets.py", text="def upgrade(db:\n"))
    assert message.startswith(f"{tmp_path}/add_widgets.py:1: this is not valid Python ")


def test_a_file_without_a_number_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "add_widgets.py").symlink_to(tmp_path / "nowhere")
    message = complaint(str(tmp_path))
    assert message.startswith(f"{tmp_path}/add_widgets.py: this file cannot be read: No such file")


def test_a_file_without_a_number_where_there_is_no_next_one(tmp_path: Path) -> None:
    message = complaint(fill(tmp_path, "999_last.py", "add_widgets.py"))
    assert message == (
        f"{tmp_path}/add_widgets.py: this file defines `upgrade`, but its name does not begin with "
        "a number, so it would never run. There is no next number: migrations run in alphabetical "
        "order, and 1000 sorts before 999_last.py. Name the file yourself so that it sorts last, "
        "for example 999_last_then_add_widgets.py: two files may share a number."
    )


# Names that cannot be told apart or recorded


@pytest.mark.parametrize(
    ("one", "other", "revision"),
    [
        ("004-a", "004_a", "004_a"),
        ("004.a", "004_a", "004_a"),
        ("004_\u00e9", "004_\u00fc", "004__"),
        ("004_\u00df", "004_\u00fc", "004__"),
    ],
)
def test_two_files_with_one_revision_id_are_an_error_that_names_both(
    tmp_path: Path, one: str, other: str, revision: str
) -> None:
    assert complaint(fill(tmp_path, f"{one}.py", f"{other}.py")) == (
        f"{tmp_path}: {one}.py and {other}.py cannot be told apart: both have the revision id "
        f"{revision}. Remove one, or give the one that has not been applied anywhere another name."
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("004_ADD", "004_add"),
        ("004-ADD", "004_add"),
        ("004_e\u0301", "004_\u00e9"),
        ("004_\u00c9", "004_\u00e9"),
        ("004_E\u0301", "004_\u00e9"),
        ("004_SS", "004_\u00df"),
    ],
)
def test_two_names_that_differ_only_in_spelling_are_an_error_that_names_both(
    tmp_path: Path, one: str, other: str
) -> None:
    message = complaint(fill(tmp_path, f"{one}.py", f"{other}.py"))
    assert f"{one}.py and {other}.py cannot be told apart: " in message


def test_spelling_is_told_from_the_revision_id() -> None:
    (problem,) = name_faults("migrations", files("004_ADD", "004_add"))
    assert str(problem) == (
        "migrations: 004_ADD.py and 004_add.py cannot be told apart: their names differ only in "
        "spelling. Remove one, or give the one that has not been applied anywhere another name."
    )


def test_all_problems_of_a_folder_are_told_at_once(tmp_path: Path) -> None:
    folder = fill(tmp_path, "004-a.py", "004_a.py", "005-b.py", "005_b.py", "add_widgets.py")
    message = complaint(folder)
    assert "004-a.py and 004_a.py" in message
    assert "005-b.py and 005_b.py" in message
    assert "mv add_widgets.py 006_add_widgets.py" in message
    assert len(message.splitlines()) == 3


def test_a_name_longer_than_the_ledgers_column_is_an_error() -> None:
    longest = "001_" + "a" * 251
    assert name_faults("migrations", files(longest)) == []
    (problem,) = name_faults("migrations", files(longest + "b"))
    assert str(problem) == (
        f"migrations/{longest}b.py: this name has 256 characters before .py, and the ledger holds "
        "255. Give the file a shorter name."
    )


def test_a_name_that_is_not_text_is_an_error(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/004_\xff.py")).touch()
    assert complaint(str(tmp_path)) == (
        f"{tmp_path}: the name '004_\\udcff.py' is not valid UTF-8, so it cannot be recorded. Give "
        "the file another name."
    )


# The next number


@pytest.mark.parametrize(
    ("existing", "number"),
    [
        ([], "001"),
        (["001_a"], "002"),
        (["001_a", "007_b"], "008"),
        (["031_a", "031_b"], "032"),
        (["099_a"], "100"),
        (["0009_a"], "0010"),
        (["001_a", "0002_b"], "003"),
        (["1_a", "2_b"], "3"),
        (["50_a", "59_b", "5_c"], "60"),
        (["20240131120000_a"], "20240131120001"),
        (["001_a", "20240131_b"], "20240132"),
        (["004"], "005"),
        (["004-a"], "005"),
    ],
)
def test_the_next_number(existing: list[str], number: str) -> None:
    assert next_number(files(*existing)) == number


@pytest.mark.parametrize(
    ("existing", "following", "last"),
    [
        (["001_a", "999_x"], 1000, "999_x"),
        (["999_x", "1000_y"], 1001, "999_x"),
        (["8_a", "9_b"], 10, "9_b"),
        (["100_a", "2_b", "3_c"], 101, "3_c"),
    ],
)
def test_there_is_no_next_number_where_it_would_not_sort_last(
    existing: list[str], following: int, last: str
) -> None:
    with pytest.raises(FilesError) as caught:
        next_number(files(*existing))
    assert str(caught.value) == (
        f"There is no next number: migrations run in alphabetical order, and {following} sorts "
        f"before {last}.py. Name the file yourself so that it sorts last, for example "
        f"{last}_then_add_widgets.py: two files may share a number."
    )


numbered = st.builds(
    "{:0{}}{}".format,
    st.integers(0, 1200),
    st.integers(1, 4),
    st.text("aZ_-0\u00e9~", max_size=4),
)


@given(st.sets(numbered, max_size=8), st.text(max_size=8))
def test_a_new_name_always_sorts_last_and_its_number_is_the_greatest(
    existing: set[str], message: str
) -> None:
    known = files(*existing)
    try:
        stem = new_stem(known, message)
    except FilesError:
        stem = f"{max(existing)}_then_add_widgets"  # what the message proposes
    else:
        assert all(int(file.number) < int(PlainFile("", stem).number) for file in known)
    assert all(other < stem for other in existing)


@given(st.integers(1, 60))
def test_a_folder_of_new_names_counts_up(count: int) -> None:
    known: tuple[PlainFile, ...] = ()
    for _ in range(count):
        known = (*known, PlainFile("migrations", new_stem(known, "same message")))
    assert [file.number for file in known] == [f"{n:03}" for n in range(1, count + 1)]
    assert order_disagreements(known) == []


# The name of a new file


@pytest.mark.parametrize(
    ("message", "slug"),
    [
        ("Add  new-feature!", "add_new_feature"),
        ("Caf\u00e9 \u00dcber na\u00efve", "cafe_uber_naive"),
        ("e\u0301tage", "etage"),
        ("__init__", "init"),
        ("2FA", "2fa"),
        ("../../etc/passwd", "etc_passwd"),
        ("a\nb\0c", "a_b_c"),
        ("", "migration"),
        (" - ", "migration"),
        ("\u79fb\u884c", "migration"),
    ],
)
def test_a_message_becomes_a_part_of_a_file_name(message: str, slug: str) -> None:
    assert slugify(message) == slug


@given(st.text())
def test_a_slug_is_a_plain_word_and_stays_what_it_is(message: str) -> None:
    slug = slugify(message)
    assert slug
    assert set(slug) <= set("abcdefghijklmnopqrstuvwxyz0123456789_")
    assert slugify(slug) == slug


def test_a_new_name_is_the_next_number_and_the_slug() -> None:
    assert new_stem((), "Add widgets") == "001_add_widgets"
    assert new_stem(files("001_a"), "Add widgets") == "002_add_widgets"


def test_a_long_message_still_makes_a_possible_file_name(tmp_path: Path) -> None:
    stem = new_stem((), "word " * 100)
    assert 240 < len(stem) <= 252
    assert not stem.endswith("_")
    assert stems(fill(tmp_path, f"{stem}.py")) == [stem]


def test_a_number_may_be_given() -> None:
    assert new_stem(files("001_a", "012_b"), "Add widgets", "010") == "010_add_widgets"
    assert new_stem((), "Add widgets", "20240131") == "20240131_add_widgets"


@pytest.mark.parametrize("number", ["", "1a", "-1", "1.5", " 1", "\u0663", "9" * 65, "010\n"])
def test_a_number_given_must_be_one(number: str) -> None:
    with pytest.raises(UsageError) as caught:
        new_stem(files("001_a"), "x", number)
    assert str(caught.value) == (
        f"{number!r} is not a number for a migration. Write digits only, as 010."
    )
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("number", ["010", "10", "0010"])
def test_a_number_given_must_be_free(number: str) -> None:
    with pytest.raises(UsageError) as caught:
        new_stem(files("001_a", "010_b"), "x", number)
    assert str(caught.value) == (
        f"The number {number} is taken by 010_b.py. Choose another, or leave the number out to get "
        "the next free one."
    )


@pytest.mark.parametrize(("number", "other"), [("1", "002_b"), ("7", "010_c"), ("0011", "002_b")])
def test_a_number_given_must_be_in_place(number: str, other: str) -> None:
    with pytest.raises(UsageError) as caught:
        new_stem(files("002_b", "010_c"), "x", number)
    assert str(caught.value) == (
        f"A file numbered {number} would be out of place: migrations run in alphabetical order, "
        f"in which {number} and {other}.py are the other way round than by number. Write the "
        "number with 3 digits, or leave it out to get the next free one."
    )


@given(st.sets(numbered, max_size=6), st.integers(0, 1200), st.integers(1, 4))
def test_a_new_name_never_adds_a_disagreement(existing: set[str], number: int, width: int) -> None:
    known = files(*existing)
    try:
        stem = new_stem(known, "x", f"{number:0{width}}")
    except BridgeError:
        return
    added = PlainFile("migrations", stem)
    assert not any(stem in pair for pair in order_disagreements((*known, added)))


# Where the two orders disagree


@pytest.mark.parametrize(
    ("existing", "pairs"),
    [
        ([], []),
        (["001_a", "002_b", "002_c", "010_d"], []),
        (["999_x", "1000_y"], [("1000_y", "999_x")]),
        (["9_a", "10_b", "11_c"], [("11_c", "9_a")]),
        (["2_a", "10_b", "3_c", "1_d"], [("10_b", "1_d")]),
        (["20_a", "3_b", "40_c", "5_d"], [("20_a", "3_b"), ("40_c", "5_d")]),
        (["01_a", "1_b"], []),
    ],
)
def test_where_alphabetical_and_numeric_order_disagree(
    existing: list[str], pairs: list[tuple[str, str]]
) -> None:
    assert order_disagreements(files(*existing)) == pairs


@given(st.lists(numbered, max_size=8, unique=True))
def test_no_disagreement_means_one_order(existing: list[str]) -> None:
    numbers = [int(file.number) for file in files(*existing)]
    unordered = [PlainFile("migrations", stem) for stem in existing]
    assert (order_disagreements(unordered) == []) == (numbers == sorted(numbers))
