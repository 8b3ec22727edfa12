"""Python files whose names do not begin with a number: which of them are told, and how."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import FilesError, PlainFileError
from bridge.files.folder import listed, scan
from bridge.files.plain_file import PlainFile
from bridge.files.shapes import is_v_numbered, v_parts
from bridge.files.stems import ordinary_stems
from bridge.files.unnumbered import Unnumbered, look_at

if TYPE_CHECKING:
    from pathlib import Path

OURS = "def upgrade(db): pass\n"
UP = "def up(conn): pass\n"
HELPER = "def add_column(db): pass\n"
NOTHING = ""

WHAT_ONE_IS = (
    "so nothing would ever run. A migration is a file like 001_add_widgets.py: its name begins "
    "with a number, and it has a `description` and a function `upgrade(db)`."
)
THE_ONLY_ONE = f"this is the only Python file of the folder, and it is no migration, {WHAT_ONE_IS}"
WRITE = "write `def upgrade(db):` in place of `def up(conn):`"
OR_HELPER = "; if it is not a migration, begin its name with `_`"
NO_NUMBER = "but its name does not begin with a number, so it would never run."


def none_of(count: int) -> str:
    return f"none of the {count} Python files of this folder is a migration, {WHAT_ONE_IS}"


def look(tmp_path: Path, files: dict[str, str], *, beginning: bool = False) -> Unnumbered:
    for stem, text in files.items():
        (tmp_path / f"{stem}.py").write_text(text)
    folder = str(tmp_path)
    numbered, others, _ = listed(folder)
    found = look_at(folder, others, numbered, beginning=beginning)
    # A run refuses just what is a fault, and a start with nothing to do never answers for it.
    if found.faults:
        assert ordinary_stems(folder) is None
        with pytest.raises(FilesError) as caught:
            scan(folder, beginning=beginning)
        assert str(caught.value) == "\n".join(map(str, found.faults))
    else:
        assert scan(folder, beginning=beginning).files == numbered
    return found


def faults(tmp_path: Path, files: dict[str, str]) -> list[tuple[str, str]]:
    return [(each.kind, each.stem) for each in look(tmp_path, files).faults]


def doubts(tmp_path: Path, files: dict[str, str]) -> list[str]:
    found = look(tmp_path, files)
    assert not found.faults
    return [each.stem for each in found.doubts]


# A folder without a migration


@pytest.mark.parametrize(
    ("files", "first"),
    [
        ({"v_001_a": UP, "v_002_b": UP}, "v_001_a"),
        ({"V_1__a": UP, "V_2__b": UP}, "V_1__a"),
        ({"v_001_a": OURS, "v_002_b": OURS}, "v_001_a"),
        ({"v_001_a": "conn.execute('SELECT 1')\n", "v_002_b": NOTHING}, "v_001_a"),
        ({"env": NOTHING, "v_001_a": UP}, "v_001_a"),
        ({"runner": "def run(): pass\n", "v_001_a": UP}, "v_001_a"),
        ({"add_a": UP, "add_b": UP}, "add_a"),
        ({"add_a": "def migrate(db): pass\n", "helpers": HELPER}, "add_a"),
        ({"add_a": "async def forwards(db): pass\n"}, "add_a"),
        ({"env": NOTHING}, "env"),
        ({"conftest": NOTHING, "helpers": HELPER}, "conftest"),
        ({"helpers": HELPER, "_private": OURS}, "helpers"),
    ],
)
def test_a_folder_of_python_files_without_a_migration_is_told_by_one_of_them(
    tmp_path: Path, files: dict[str, str], first: str
) -> None:
    assert faults(tmp_path, files) == [("no-migration", first)]


@pytest.mark.parametrize(
    "names", [(), ("_private.py",), ("__init__.py", ".hidden.py"), ("README.md", "001_a.sql")]
)
def test_a_folder_without_a_python_file_of_its_own_is_a_new_project(
    tmp_path: Path, names: tuple[str, ...]
) -> None:
    for name in names:
        (tmp_path / name).write_text(UP)
    assert scan(str(tmp_path)).files == ()


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        (
            {"v_001_users": UP, "v_002_orders": UP, "v_003_more": UP},
            (
                f"{none_of(3)} Name it: "
                f"mv v_001_users.py 001_users.py, and {WRITE}, and so on with the others."
            ),
        ),
        (
            {"v_001_users": OURS},
            (f"{THE_ONLY_ONE} Name it: mv v_001_users.py 001_users.py."),
        ),
        (
            {"V_7__users": "async def upgrade(conn, *, fast=True): pass\n", "env": NOTHING},
            (
                f"{none_of(2)} Name it: mv "
                "V_7__users.py 007_users.py, and write `def upgrade(db):` in place of `async def "
                "upgrade(conn, *, fast=True):`."
            ),
        ),
        (
            {"v_1": NOTHING},
            (
                f"{THE_ONLY_ONE} Name it: mv v_1.py 001.py, and write a function `upgrade(db)` in "
                "it."
            ),
        ),
        (
            {"users": "def run(cur): pass\n"},
            (
                f"{THE_ONLY_ONE} "
                "Name it: mv users.py 001_users.py, and write `def upgrade(db):` in place of `def "
                f"run(cur):`{OR_HELPER}."
            ),
        ),
        (
            {"helpers": HELPER, "tools": HELPER},
            (
                f"{none_of(2)} To write the first one, type: eai migrate new MESSAGE; or begin the "
                "name of each helper module with `_`, or correct `version_locations` in "
                "alembic.ini, which names this folder."
            ),
        ),
    ],
)
def test_the_words_about_such_a_folder(
    tmp_path: Path, files: dict[str, str], sentence: str
) -> None:
    (fault,) = look(tmp_path, files).faults
    assert str(fault) == f"{tmp_path}/{next(iter(files))}.py: {sentence}"


@pytest.mark.parametrize(
    ("files", "may"),
    [
        ({"helpers": HELPER}, True),
        ({"runner": "def migrate(): pass\n"}, True),
        ({"v_001_a": UP}, False),
        ({"add_a": UP}, False),
        ({"add_a": OURS}, False),
    ],
)
def test_a_first_migration_may_be_written_beside_helper_modules_only(
    tmp_path: Path, files: dict[str, str], may: bool
) -> None:
    found = look(tmp_path, files, beginning=True)
    assert (found.faults == []) == may


# Beside migrations


@pytest.mark.parametrize(
    ("stem", "text", "told"),
    [
        ("v_002_b", UP, True),
        ("V_2__b", UP, True),
        ("v_2", "async def upgrade(db): pass\n", True),
        ("v_002_b", OURS, True),
        ("v_002_b", "def apply(cursor): pass\n", True),
        ("v_002_b", "description = 'Add b'\n", True),
        ("v_002_b", "if x:\n    def up(conn): pass\n", True),
        ("add_b", OURS, True),
        ("v_002_b", HELPER, False),
        ("version_2", "def run(db): pass\n", False),
        ("add_b", UP, False),
        ("run", "def run(): pass\n", False),
        ("helpers", HELPER, False),
        ("helpers", "class A:\n    def up(self): pass\n", False),
        ("helpers", "from other import up, upgrade\n", False),
    ],
)
def test_beside_migrations_what_certainly_is_one_keeps_the_run_from_beginning(
    tmp_path: Path, stem: str, text: str, told: bool
) -> None:
    expected = [("no-number", stem)] if told else []
    assert faults(tmp_path, {"001_a": OURS, stem: text}) == expected


@pytest.mark.parametrize(
    ("stem", "text", "told"),
    [
        ("v_2_compat", HELPER, True),
        ("add_b", UP, True),
        ("add_b", "def forwards(db): pass\n", True),
        ("add_b", "description = 'Add b'\ndef run(db): pass\n", True),
        ("add_b", "def run(db): pass\n", False),
        ("helpers", HELPER, False),
        ("texts", "description = 'x'\n", False),
        ("helpers", "up = 3\n", False),
    ],
)
def test_beside_migrations_what_may_be_one_is_a_doubt(
    tmp_path: Path, stem: str, text: str, told: bool
) -> None:
    assert doubts(tmp_path, {"001_a": OURS, stem: text}) == ([stem] if told else [])


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        (
            {"v_002_b": UP},
            (
                f"this file defines `up`, {NO_NUMBER} "
                f"Name it: mv v_002_b.py 002_b.py, and {WRITE}{OR_HELPER}."
            ),
        ),
        (
            {"v_002_b": "description = 'x'\n"},
            (
                f"this file has a `description`, {NO_NUMBER} "
                "Name it: mv v_002_b.py 002_b.py, and write a function `upgrade(db)` in "
                f"it{OR_HELPER}."
            ),
        ),
        (
            {"v_2_compat": NOTHING},
            (
                "the number of this file is not at the beginning of its name, so it never runs. "
                "Name it: mv v_2_compat.py 002_compat.py, and write a function `upgrade(db)` in "
                f"it{OR_HELPER}."
            ),
        ),
    ],
)
def test_the_words_about_one_file(tmp_path: Path, files: dict[str, str], sentence: str) -> None:
    found = look(tmp_path, {"001_a": OURS, **files})
    (fault,) = (*found.faults, *found.doubts)
    assert str(fault) == f"{tmp_path}/{next(iter(files))}.py: {sentence}"


@pytest.mark.parametrize(
    ("numbered", "stem", "proposed"),
    [
        ("001_a", "v_002_b", "002_b"),
        ("001_a", "v_2_b", "002_b"),
        ("001_a", "V_0002__b", "002_b"),
        ("001_a", "v_1_b", "001_b"),
        ("001_a", "v-3-b", "003-b"),
        ("001_a", "v_2.1_b", "002.1_b"),
        ("001_a", "v_1_a", "002_a"),
        ("001_a", "v_000_start", "000_start"),
        ("500_a", "v_1000_b", "501_b"),
        ("20240101_a", "v_20240102_b", "20240102_b"),
    ],
)
def test_a_number_with_a_v_is_kept_where_it_can_be(
    tmp_path: Path, numbered: str, stem: str, proposed: str
) -> None:
    (fault,) = look(tmp_path, {numbered: OURS, stem: UP}).faults
    assert f"Name it: mv {stem}.py {proposed}.py, and" in str(fault)


def test_numbers_of_a_folder_get_the_width_of_the_greatest(tmp_path: Path) -> None:
    (fault,) = look(tmp_path, {"v_1_a": UP, "v_2024_b": UP}).faults
    assert "Name it: mv v_1_a.py 0001_a.py, and" in str(fault)


def test_where_no_name_is_free_that_is_told(tmp_path: Path) -> None:
    (fault,) = look(tmp_path, {"999_a": OURS, "v_1000_b": UP}).faults
    assert "There is no next number: " in str(fault)


@given(st.from_regex(r"[vV][-_.]?[0-9]{1,6}[-_.a-z0-9]{0,6}", fullmatch=True))
def test_a_number_with_a_v_before_it_is_recognised(stem: str) -> None:
    parts = v_parts(stem)
    assert is_v_numbered(stem)
    assert parts is not None
    assert parts[0].isdigit()
    assert not parts[1][:1].isdigit()


@pytest.mark.parametrize("stem", ["version_1", "va1", "v", "x1", "vv1", "values_1", "v__1", "1v"])
def test_other_names_have_no_such_number(stem: str) -> None:
    assert not is_v_numbered(stem)
    assert v_parts(stem) is None


# Numbered files of another shape


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "def up(conn): pass",
            (
                "but `up` in line 1. If all files of this folder call it so, put "
                "`upgrade_function = up` into alembic.ini; eai migrate init finds that out. Else "
                "write `def upgrade(db):` in place of `def up(conn):` (or"
            ),
        ),
        ("x = 1\nasync def run(): pass", "but `run` in line 2. Write `def upgrade(db):` in place "),
        ("def run(db): pass\ndef up(db): pass", "but `up` in line 2. If all files "),
        ("def helper(db): pass", "Add `def upgrade(db):` to it, or, "),
    ],
)
def test_a_numbered_file_says_what_to_write_in_place_of_another_name(
    tmp_path: Path, text: str, sentence: str
) -> None:
    (tmp_path / "001_a.py").write_text(text)
    with pytest.raises(PlainFileError) as caught:
        _ = PlainFile(str(tmp_path), "001_a").header
    assert "this migration defines no `upgrade`" in caught.value.sentence
    assert sentence in caught.value.sentence
    assert caught.value.line is None
    assert caught.value.sentence.endswith(
        "begin its name with `_`" + (")." if "but" in sentence else ".")
    )


def test_no_file_is_executed(tmp_path: Path) -> None:
    marker = tmp_path / "executed"
    look(tmp_path, {"v_001_a": f"open({os.fspath(marker)!r}, 'w')\n{UP}"})
    assert not marker.exists()
