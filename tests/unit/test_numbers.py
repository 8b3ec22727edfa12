"""Numbers as a person reads them."""

from __future__ import annotations

import pytest

from bridge.reporting.numbers import counted, duration, listed


@pytest.mark.parametrize(
    ("number", "words", "expected"),
    [
        (0, ("file",), "0 files"),
        (1, ("file",), "1 file"),
        (2, ("file",), "2 files"),
        (1, ("try", "tries"), "1 try"),
        (3, ("try", "tries"), "3 tries"),
    ],
)
def test_what_is_counted_is_one_or_several(
    number: int, words: tuple[str, ...], expected: str
) -> None:
    assert counted(number, *words) == expected


@pytest.mark.parametrize(
    ("most", "expected"), [(1, "a and 2 more"), (2, "a, b and 1 more"), (3, "a, b, c")]
)
def test_of_many_names_the_first_are_listed(most: int, expected: str) -> None:
    assert listed(["a", "b", "c"], most) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0.44, "0.4 s"),
        (5, "5 s"),
        (35.4, "35 s"),
        (125, "2 min 5 s"),
        (11_520, "3 h 12 min"),
    ],
)
def test_a_duration_is_told_as_exactly_as_matters(seconds: float, expected: str) -> None:
    assert duration(seconds) == expected
