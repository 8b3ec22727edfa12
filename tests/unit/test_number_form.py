"""How a ledger writes numbers, and reads them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.files.stems import number_of
from bridge.ledger.number_form import NumberForm, value_of

STEMS = ("001_a", "002_b", "010_c")


@pytest.mark.parametrize(
    ("numbers", "form", "new"),
    [
        ([], NumberForm(), "10"),
        (["1", "2"], NumberForm(), "10"),
        (["001", "2"], NumberForm("", None), "010"),
        (["001", "002"], NumberForm("", None), "010"),
        (["0001", "0002"], NumberForm("", 4), "0010"),
        (["00000000000002"], NumberForm("", 14), "00000000000010"),
        (["01", "2"], NumberForm("", None), "010"),
        (["V1", "V2"], NumberForm("V"), "V10"),
        (["v001", "v002"], NumberForm("v", None), "v010"),
        (["v01", "v02"], NumberForm("v", 2), "v10"),
        (["1", "V2", "V10"], NumberForm("V"), "V10"),
        (["77", "88"], NumberForm(), "10"),
        (["077", "088"], NumberForm("", None), "010"),
    ],
)
def test_a_new_number_is_written_as_most_are(
    numbers: list[str], form: NumberForm, new: str
) -> None:
    assert NumberForm.recognise(numbers, STEMS) == form
    assert form.of("010_c") == new
    assert form.fits(new)


@pytest.mark.parametrize("stem", ["v004_x", "V4__x", "004_x", "4-x", "v0004"])
def test_the_letter_of_a_file_is_none_of_its_number(stem: str) -> None:
    assert NumberForm().of(stem) == "4"
    assert NumberForm("V").of(stem) == "V4"
    assert NumberForm("", 3).of(stem) == "004"
    assert int(number_of(stem)) == 4


@pytest.mark.parametrize("key", ["", "x", "1.0", "V1.0", "VV1", "V", "-1", "1 ", "1_a", "\u0661"])
def test_what_is_no_number_is_none(key: str) -> None:
    assert value_of(key) is None
    assert not NumberForm().fits(key)


@given(
    st.sampled_from(["", "v", "V"]),
    st.one_of(st.none(), st.integers(0, 20)),
    st.lists(st.integers(0, 10**6), min_size=1, unique=True),
)
def test_every_number_is_read_as_it_was_written(
    letter: str, width: int | None, numbers: list[int]
) -> None:
    form = NumberForm(letter, width)
    stems = [f"{number:05}_x" for number in numbers]
    written = [form.of(stem) for stem in stems]
    assert [value_of(key) for key in written] == numbers
    assert all(map(form.fits, written))
    found = NumberForm.recognise(written, stems)
    assert [found.of(stem) for stem in stems] == written or width not in {0, None}
