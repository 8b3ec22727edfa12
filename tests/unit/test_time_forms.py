"""Times in columns of text and of numbers, as they are read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.ledger.time_forms import epoch_form, one_iso_form, read_times

AT = datetime(2024, 1, 2, 3, 4, 5, 678000, UTC)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2024-01-02T03:04:05.678Z", AT),
        ("2024-01-02 03:04:05.678+00", AT),
        ("2024-01-02T05:04:05.678+02:00", AT),
        ("2024-01-02 03:04:05.678", AT.replace(tzinfo=None)),
        ("1704164645678", AT),
        ("1704164645678000", AT),
        ("1704164645678000000", AT),
        ("1704164645", AT.replace(microsecond=0)),
        ("1704164645.678", AT),
    ],
)
def test_a_time_is_read(value: str, expected: datetime) -> None:
    found = read_times([value])
    assert found is not None
    assert abs(found[0] - expected) < timedelta(milliseconds=1)


@pytest.mark.parametrize(
    "values",
    [
        ["yesterday"],
        ["17"],
        ["2024-01-02 03:04:05", None],
        ["2024-01-02 03:04:05", ""],
        ["1704164645", "1704164645678"],
        ["2024-01-02 03:04:05", "2024-01-02T03:04:05Z"],
        # Nobody can tell whose clocks these were.
        ["2024-01-02 03:04:05", "2024-01-02T03:04:05"],
    ],
)
def test_what_is_not_all_of_one_kind_is_not_read(values: list[str | None]) -> None:
    assert read_times(values) is None


DAYS = st.integers(10**9, 7 * 10**9).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))


@given(st.lists(DAYS, min_size=1))
def test_times_are_read_as_they_were_written(times: list[datetime]) -> None:
    naive = [time.replace(tzinfo=None) for time in times]
    assert read_times([time.isoformat() for time in times]) == times
    assert read_times([time.isoformat(" ") for time in naive]) == naive
    assert read_times([str(int(time.timestamp() * 1000)) for time in times]) == times
    assert read_times([f"{time.timestamp():.6f}" for time in times]) == times


def test_one_form_is_that_of_all() -> None:
    same = ["2024-01-02T03:04:05Z", "2025-01-02T03:04:05Z"]
    assert one_iso_form(same) is not None
    assert one_iso_form([*same, "2024-01-02 03:04:05Z"]) is None
    assert one_iso_form([]) is None
    assert one_iso_form(["x"]) is None
    assert epoch_form([]) is None
