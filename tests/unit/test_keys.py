"""How a ledger names migrations: recognised from its rows, or told, and written the same way."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.files.plain_file import PlainFile
from bridge.ledger.keys import Form, Keys

A, B, C = "001_a", "002_b.x", "010_c"
ALL = (A, B, C)
FILES = tuple(PlainFile("app/migrations", stem) for stem in ALL)


def recognised(*keys: str, numeric: bool = False) -> Keys:
    return Keys.recognise(keys, FILES, numeric=numeric)


#: The names of A and B, and what C would be called beside them.
TABLE: dict[str, tuple[Form, tuple[str, str], str]] = {
    "stem": (Form.STEM, (A, B), C),
    "file": (Form.FILE, ("001_a.py", "002_b.x.py"), "010_c.py"),
    "number": (Form.NUMBER, ("1", "2"), "10"),
    "padded number": (Form.NUMBER, ("001", "002"), "010"),
    "wider number": (Form.NUMBER, ("0001", "0002"), "0010"),
    "number with a letter": (Form.NUMBER, ("V1", "V2"), "V10"),
    "padded number with a letter": (Form.NUMBER, ("v001", "v002"), "v010"),
    "path": (Form.PATH, ("migrations/001_a.py", "migrations/002_b.x.py"), "migrations/010_c.py"),
    "path without suffix": (Form.PATH, ("m/001_a", "m/002_b.x"), "m/010_c"),
    "long path": (
        Form.PATH,
        ("/srv/x y/m/001_a.py", "/srv/x y/m/002_b.x.py"),
        "/srv/x y/m/010_c.py",
    ),
    "here": (Form.PATH, ("./001_a.py", "./002_b.x.py"), "./010_c.py"),
    "backslashes": (Form.PATH, ("C:\\m\\001_a.py", "C:\\m\\002_b.x.py"), "C:\\m\\010_c.py"),
    "either": (Form.PATH, ("a/b\\001_a", "a/b\\002_b.x"), "a/b\\010_c"),
}


@pytest.mark.parametrize("name", list(TABLE))
def test_a_form_is_recognised_and_a_new_row_has_it_too(name: str) -> None:
    form, names, new = TABLE[name]
    keys = recognised(*names)
    assert keys.form is form
    assert [keys.stem(each) for each in (*names, new)] == [A, B, C]
    assert keys.key(C) == new
    assert all(map(keys.fits, (*names, new)))
    assert Keys.matching(names, FILES, numeric=False) == keys


@pytest.mark.parametrize("name", list(TABLE))
def test_a_form_told_is_the_one_that_would_be_recognised(name: str) -> None:
    form, names, new = TABLE[name]
    keys = Keys.in_form(form, names, FILES)
    assert [keys.stem(each) for each in (*names, new)] == [A, B, C]
    assert keys.key(C) == new


@pytest.mark.parametrize(
    ("form", "numeric", "new"),
    [
        (Form.STEM, False, C),
        (Form.FILE, False, "010_c.py"),
        (Form.PATH, False, "migrations/010_c.py"),
        (Form.NUMBER, False, "010"),
        (Form.NUMBER, True, "10"),
    ],
)
def test_a_form_told_without_rows_is_that_of_the_files(form: Form, numeric: bool, new: str) -> None:
    keys = Keys.in_form(form, (), FILES, numeric=numeric)
    assert keys.key(C) == new
    assert keys.stem(new) == C


def test_a_path_told_without_rows_or_files_is_in_the_usual_folder() -> None:
    assert Keys.in_form(Form.PATH, (), ()).key(A) == "migrations/001_a.py"
    assert Keys.in_form(Form.PATH, (), (PlainFile("", A),)).key(A) == "migrations/001_a.py"
    assert Keys.in_form(Form.PATH, (), (PlainFile("app/db/", A),)).key(A) == "db/001_a.py"


@pytest.mark.parametrize(
    ("form", "names", "wrong"),
    [
        (Form.FILE, ("001_a.py", "002_b.x"), "002_b.x"),
        (Form.FILE, (".py",), ".py"),
        (Form.PATH, ("m/001_a.py", "002_b.x.py"), "002_b.x.py"),
        (Form.PATH, ("m/001_a.py", "n/002_b.x.py", "m/010_c.py"), "n/002_b.x.py"),
        (Form.PATH, (A,), A),
        (Form.NUMBER, ("1", "002_b.x"), "002_b.x"),
        (Form.NUMBER, ("1", "\u0661"), "\u0661"),
        (Form.NUMBER, ("-1",), "-1"),
        (Form.NUMBER, ("1.0",), "1.0"),
        (Form.NUMBER, ("V1", "V2", "10"), "10"),
        (Form.NUMBER, ("1", "2", "v10"), "v10"),
    ],
)
def test_a_row_of_another_form_than_the_one_told_is_named(
    form: Form, names: tuple[str, ...], wrong: str
) -> None:
    with pytest.raises(ValueError) as caught:
        Keys.in_form(form, names, FILES)
    assert str(caught.value) == wrong


@pytest.mark.parametrize("form", [Form.STEM, Form.FILE, Form.PATH])
def test_a_column_of_numbers_has_no_other_form(form: Form) -> None:
    with pytest.raises(ValueError, match=r"^1$"):
        Keys.in_form(form, ("1",), FILES, numeric=True)


@pytest.mark.parametrize(
    ("names", "form", "in_form"),
    [
        # The form of most rows.
        ((A, B, "010_c.py"), Form.STEM, 2),
        ((A, "002_b.x.py", "010_c.py"), Form.FILE, 2),
        (("m/001_a.py", "m/002_b.x.py", C), Form.PATH, 2),
        (("m/001_a.py", B, C), Form.STEM, 2),
        (("m/001_a.py", "m/002_b.x.py", "n/010_c.py"), Form.PATH, 2),
        (("m/001_a.py", "m/sub/002_b.x.py", "m/sub/010_c.py"), Form.PATH, 2),
        (("1", "2", C), Form.NUMBER, 2),
        (("1", B, C), Form.STEM, 2),
        (("1", "002_b.x.py", "010_c.py"), Form.FILE, 2),
        (("V1", "2", "V10"), Form.NUMBER, 2),
        # The plainer one where as many have either.
        ((A, "002_b.x.py"), Form.STEM, 1),
        (("m/001_a.py", "002_b.x.py"), Form.FILE, 1),
        (("m/001_a", "2"), Form.PATH, 1),
        (("1", B), Form.STEM, 1),
        # Rows that are no files say nothing.
        (("x", "y", "z.py", "001_a.py"), Form.FILE, 1),
        (("77", "78", A), Form.STEM, 1),
        (("m/x", "m/y", "001_a"), Form.STEM, 1),
        (("m/x.py", "m/y.py", "m/001_a.py"), Form.PATH, 1),
        (("old/x.py", "old/y.py", "m/001_a.py"), Form.PATH, 1),
    ],
)
def test_where_rows_are_mixed_the_form_of_most_files_is_meant(
    names: tuple[str, ...], form: Form, in_form: int
) -> None:
    keys = recognised(*names)
    assert keys.form is form
    assert sum(keys.names_one(name, ALL) for name in names) == in_form
    # In a column of any name, where they are most of all rows, and no numbers.
    enough = 2 * in_form > len(names) and form is not Form.NUMBER
    assert Keys.matching(names, FILES, numeric=False) == (keys if enough else None)


@pytest.mark.parametrize(
    ("names", "form"),
    [
        ((), Form.STEM),
        (("x.py", "y.py"), Form.FILE),
        (("x", "y"), Form.STEM),
        (("77", "78"), Form.STEM),
        (("m/x.py",), Form.FILE),
    ],
)
def test_where_no_row_is_a_file_the_rows_tell_little(names: tuple[str, ...], form: Form) -> None:
    assert recognised(*names).form is form


def test_a_column_of_numbers_holds_numbers_or_nothing_that_is_known() -> None:
    assert recognised("1", "77", numeric=True).form is Form.NUMBER
    assert recognised("77", "78", numeric=True).form is Form.STEM
    assert recognised(numeric=True).form is Form.NUMBER


def test_numbers_that_files_share_are_named() -> None:
    files = tuple(PlainFile("m", stem) for stem in ("001_a", "01_b", "002_c", "3_d", "003_e"))
    assert Keys.recognise(("2",), files).shared() == [["001_a", "01_b"], ["3_d", "003_e"]]
    # Beside a name they are no form.
    assert Keys.recognise(("1", "2", "3_d"), files).form is Form.STEM
    assert Keys.recognise((A,), files).shared() == []


def test_two_rows_of_one_name_are_no_column_of_names() -> None:
    assert Keys.matching((A, A), FILES, numeric=False) is None
    assert Keys.matching((), FILES, numeric=False) is None


@given(st.text(min_size=1), st.sampled_from([name for name in TABLE if "number" not in name]))
def test_the_key_of_any_name_is_that_name_again(stem: str, name: str) -> None:
    keys = recognised(*TABLE[name][1])
    assert keys.fits(keys.key(stem))
    assert keys.stem(keys.key(stem)) == stem


PARTS = Keys.of_parts(["V1 a", "V2 gone"], FILES)


def test_a_number_and_words_are_one_key() -> None:
    assert PARTS.form is Form.PARTS
    assert [PARTS.key(stem) for stem in (A, C)] == ["V1 a", "V10 c"]
    assert PARTS.parts(C) == ("V10", "c")
    assert [PARTS.stem(key) for key in ("V1 a", "V01 a", "V10 c")] == [A, A, C]
    assert [PARTS.stem(key) for key in ("V2 gone", "1 a", "V1", "V1 ", "x a")] == [
        *("V2 gone", "1 a", "V1", "V1 ", "x a")
    ]
    assert [PARTS.fits(key) for key in ("V77 x y", "1 a", "V1", "V1 ", "")] == [
        *(True, False, False, False, False)
    ]


def test_what_a_key_means_is_told_of_numbers_by_the_files_and_of_names_by_itself() -> None:
    files = tuple(PlainFile("m", stem) for stem in ("001_a", "01_b", "000_z"))
    numbers = Keys.recognise(("1",), files)
    assert numbers.meant_by("1") == ["001_a", "01_b"]
    assert numbers.meant_by("0") == ["000_z"]
    assert [*numbers.meant_by("2"), *numbers.meant_by("x")] == []
    assert Keys(Form.FILE, after=".py").meant_by("any.py") == ("any",)
    assert Keys(Form.FILE, after=".py").meant_by("any") == ()
    assert Keys().meant_by("any") == ("any",)
