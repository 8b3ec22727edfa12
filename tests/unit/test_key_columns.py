"""Which columns name migrations, where a number and a name stand beside each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import LedgerError
from bridge.files.plain_file import PlainFile
from bridge.ledger.history import Row
from bridge.ledger.key_columns import named
from bridge.ledger.keys import Form
from bridge.ledger.layout import Layout
from bridge.ledger.name_forms import WORDS
from bridge.ledger.state import State

if TYPE_CHECKING:
    from collections.abc import Sequence

A, B, C, D = "001_users", "002_new_orders", "003_a", "010_last"
FOLDER = (A, B, C, D)
SHARED = ("001_users", "001_orders", "002_a")


def state(
    *rows: Sequence[str | None],
    columns: Sequence[str] = ("version", "name"),
    kinds: Sequence[str] = ("integer", "text"),
    form: Form | None = None,
) -> State:
    """A ledger with these columns, and rows of their values."""
    layout = Layout(dict(zip(columns, kinds, strict=True)))
    place = columns.index(layout.key) if layout.key in columns else None
    return State(
        ledger="schema_migrations",
        version_table="alembic_version",
        exists=True,
        ours=False,
        rows=tuple(Row(str(row[place]) if place is not None else "") for row in rows),
        certain=True,
        pointers=(),
        key_column=layout.key,
        numeric=layout.numeric(layout.key),
        form=form,
        layout=layout,
        columns=", ".join(columns),
        others={name: [row[at] for row in rows] for at, name in enumerate(columns)},
    )


def understood(found: State, *files: str) -> tuple[str | None, str | None, Form | None, list[str]]:
    """The columns that were recognised, the form, and the stem of each row."""
    known = named([PlainFile("m", stem) for stem in files or FOLDER], found)
    form = known.keys.form if known.keys else None
    return known.key_column, known.words_column, form, [row.version for row in known.rows]


@pytest.mark.parametrize("numbers", [("1", "2"), ("001", "002"), ("V1", "V2"), ("v001", "v002")])
@pytest.mark.parametrize(
    ("names", "form"),
    [
        ((A, B), Form.STEM),
        ((f"{A}.py", f"{B}.py"), Form.FILE),
        ((f"db/{A}.py", f"db/{B}.py"), Form.PATH),
        ((f"db\\{A}", f"db\\{B}"), Form.PATH),
    ],
)
def test_a_whole_name_beside_a_number_decides(
    numbers: tuple[str, str], names: tuple[str, str], form: Form
) -> None:
    found = state(*zip(numbers, names, strict=True), kinds=("text", "text"))
    assert understood(found) == ("name", None, form, [A, B])


@pytest.mark.parametrize("words", list(WORDS))
@pytest.mark.parametrize("numbers", [("1", "2"), ("001", "002"), ("V1", "V2")])
def test_the_words_beside_a_number_decide_with_it(numbers: tuple[str, str], words: str) -> None:
    names = [WORDS[words](stem) for stem in (A, B)]
    found = state(*zip(numbers, names, strict=True), kinds=("text", "text"))
    assert understood(found) == ("version", "name", Form.PARTS, [A, B])
    known = named([PlainFile("m", stem) for stem in FOLDER], found)
    number = {"1": "10", "001": "010", "V1": "V10"}[numbers[0]]
    assert known.new_key(D) == f"{number} {WORDS[words](D)}"


def test_files_that_share_a_number_are_told_apart_by_what_stands_beside_it() -> None:
    whole = state(("1", "001_users.py"), ("1", "001_orders.py"))
    assert understood(whole, *SHARED) == (
        "name",
        None,
        Form.FILE,
        ["001_users", "001_orders"],
    )
    both = state(("1", "users"), ("1", "orders"))
    assert understood(both, *SHARED) == (
        "version",
        "name",
        Form.PARTS,
        ["001_users", "001_orders"],
    )


def test_without_rows_it_is_the_column_of_the_usual_name() -> None:
    assert understood(state()) == ("version", None, Form.NUMBER, [])
    with pytest.raises(LedgerError, match="001_users and 001_orders have the same number"):
        understood(state(), *SHARED)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        # A file that was renamed has another name now.
        (
            [("1", A), ("2", B), ("3", "003_old")],
            ("name", None, Form.STEM, [A, B, "003_old"]),
        ),
        (
            [("1", "users"), ("2", "new_orders"), ("3", "old")],
            ("version", "name", Form.PARTS, [A, B, "3 old"]),
        ),
        # A file that is gone has a name of which its number is a part.
        ([("1", A), ("7", "007_gone")], ("name", None, Form.STEM, [A, "007_gone"])),
        ([("1", "users"), ("7", "gone")], ("version", "name", Form.PARTS, [A, "7 gone"])),
        # Names that say something else than most of the files leave the numbers.
        ([("1", "Some"), ("2", "words")], ("version", None, Form.NUMBER, [A, B])),
        ([("1", A), ("2", "words")], ("version", None, Form.NUMBER, [A, B])),
        ([("1", A), ("2", None)], ("version", None, Form.NUMBER, [A, B])),
        ([("1", A), ("2", "")], ("version", None, Form.NUMBER, [A, B])),
        ([("7", A), ("8", B)], ("name", None, Form.STEM, [A, B])),
        ([("7", "x"), ("8", "y")], ("version", None, Form.STEM, ["7", "8"])),
    ],
)
def test_what_most_rows_hold_decides(
    rows: list[tuple[str, str | None]],
    expected: tuple[str, str | None, Form, list[str]],
) -> None:
    assert understood(state(*rows)) == expected


def test_the_form_that_was_set_is_believed() -> None:
    found = state(("1", A), ("2", B), form=Form.NUMBER)
    assert understood(found) == ("version", None, Form.NUMBER, [A, B])


def test_two_columns_that_name_the_same_files_do_not_disagree() -> None:
    columns = ("n", "label", "script_file")
    found = state(
        ("1", A, f"{A}.py"), ("2", B, f"{B}.py"), columns=columns, kinds=("integer", "text", "text")
    )
    assert understood(found) == ("label", None, Form.STEM, [A, B])
    found = state(
        ("1", B, f"{A}.py"), ("2", A, f"{B}.py"), columns=columns, kinds=("integer", "text", "text")
    )
    with pytest.raises(LedgerError, match=r"\(n as number, label as stem, script_file as file\)"):
        understood(found)


def test_a_column_of_any_name_is_recognised_where_most_rows_are_files() -> None:
    """Of numbers, all of them."""
    some = ("path",)
    rows = [(f"m/{A}.py",), (f"m/{B}.py",), ("m/009_gone.py",)]
    found = state(*rows, columns=some, kinds=["text"])
    assert understood(found) == ("path", None, Form.PATH, [A, B, "009_gone"])
    for few in ([*rows, ("x",)], [(A,), (A,)], [("1",), ("2",), ("9",)]):
        with pytest.raises(LedgerError, match="none of them names in most rows a file"):
            understood(state(*few, columns=some, kinds=["text"]))


def test_a_usual_name_goes_before_others() -> None:
    found = state(("x", A, A), ("y", B, B), columns=("a", "what", "name"), kinds=["text"] * 3)
    assert understood(found) == ("name", None, Form.STEM, [A, B])


def test_files_of_one_number_and_the_same_words_cannot_be_told_apart() -> None:
    with pytest.raises(LedgerError) as caught:
        understood(state(("1", "users")), "001_users", "01_users", "1-users")
    assert str(caught.value) == (
        "schema_migrations records numbers, not names, and 001_users and 01_users and 1-users have "
        "the same number and the same words: nobody can tell which of them is applied. Nothing was "
        "changed. Give all but one of them another number, or put whole names into "
        "schema_migrations."
    )


def test_the_lines_to_type_name_both_columns() -> None:
    found = named(
        [PlainFile("m", stem) for stem in FOLDER],
        state(("1", "users"), ("2", "New-Orders"), ("3", "a")),
    )
    assert found.condition(A) == "version = '1' AND name = 'users'"
    assert found.correction(B, "2 New-Orders") == (
        "UPDATE schema_migrations SET version = '2', name = 'new_orders' "
        "WHERE version = '2' AND name = 'New-Orders';"
    )
    assert found.recognised == (
        "schema_migrations is taken for a ledger that names migrations by the number in the column "
        "version and the words after it in the column name: '1 users' is 001_users."
    )


STEMS = st.builds(
    "{}_{}".format,
    st.integers(0, 30).map("{:03}".format),
    st.sampled_from(["a", "b", "new_users", "x-y"]),
)


@given(
    st.lists(STEMS, min_size=1, max_size=8, unique=True),
    st.sampled_from(list(WORDS)),
    st.sampled_from(["{}", "{:03}", "V{}", "v{:04}"]),
    st.data(),
)
def test_whatever_the_files_every_row_is_its_file(
    stems: list[str], words: str, number: str, data: st.DataObject
) -> None:
    """And what is written for a new one is read as that one."""
    applied = data.draw(st.lists(st.sampled_from(stems), min_size=1, unique=True), "applied")
    rows = [(number.format(int(stem[:3])), WORDS[words](stem)) for stem in applied]
    found = state(*rows, kinds=("text", "text"))
    files = [PlainFile("m", stem) for stem in stems]
    alike = [{(int(s[:3]), WORDS[words](s)) for s in stems}]
    if len(alike[0]) < len(stems):
        with pytest.raises(LedgerError):
            named(files, found)
        return
    known = named(files, found)
    assert [row.version for row in known.rows] == applied
    assert known.keys is not None
    for stem in stems:
        assert known.keys.stem(known.new_key(stem)) == stem
        assert known.key(stem).startswith(("V", "v", *"0123456789"))
