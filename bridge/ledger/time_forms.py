"""How a runner writes times into a column of text, or of numbers. Data in, data out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

#: ISO 8601 as people write it: the day, a sign, the time, fractions of a second, the zone.
_ISO: Final = re.compile(r"\d{4}-\d\d-\d\d([T ])\d\d:\d\d:\d\d(\.\d{1,6}|)(Z|\+00(?::?00)?|)")

#: Parts of a second since 1970, by how many of them a second has, and the digits that they have
#: from 2001 to 2286.
_DIGITS: Final = {10: 1, 13: 10**3, 16: 10**6, 19: 10**9}


def iso_form(value: str) -> str | None:
    """The SQL of a time now, written as this one is; None if it is not written in ISO 8601.

    Without a zone it is the time of the session, as of a runner that knows of none.
    """
    found = _ISO.fullmatch(value)
    if found is None:
        return None
    sign, fraction, zone = found.groups()
    now = "clock_timestamp() AT TIME ZONE 'UTC'" if zone else "clock_timestamp()"
    # Some leave zeros at the end out.
    digits = {0: "", 4: ".MS"}.get(len(fraction), ".US")
    ending = f'"{zone}"' if zone else ""
    return f"to_char({now}, 'YYYY-MM-DD\"{sign}\"HH24:MI:SS{digits}{ending}')"


def one_iso_form(values: Sequence[str]) -> str | None:
    """The same, if all of these are written in one form."""
    forms = {iso_form(value) for value in values}
    return forms.pop() if len(forms) == 1 else None


def epoch_form(values: Sequence[str]) -> str | None:
    """The SQL of a time now as a number, counted as these are; None if nobody can tell how."""
    parts = _parts(values)
    if parts is None:
        return None
    seconds = "extract(epoch FROM clock_timestamp())"
    now = seconds if parts == 1 else f"{seconds} * {parts}"
    return now if any("." in value for value in values) else f"CAST(floor({now}) AS bigint)"


def read_times(values: Sequence[str | None]) -> list[datetime] | None:
    """The times that are written here; None if they are not all of one kind.

    So that they can be put in order: written by one clock, or each with its zone.
    """
    told = [value for value in values if value]
    if len(told) < len(values):
        return None
    if parts := _parts(told):
        return [datetime.fromtimestamp(float(value) / parts, UTC) for value in told]
    try:
        found = [datetime.fromisoformat(value) for value in told]
    except ValueError:
        return None
    zoned = all(time.tzinfo is not None for time in found)
    return found if zoned or one_iso_form(told) is not None else None


def _parts(values: Sequence[str]) -> int | None:
    """Return how many of what these numbers count a second has."""
    digits = {len(value.partition(".")[0]) if _is_number(value) else 0 for value in values}
    return _DIGITS.get(digits.pop()) if len(digits) == 1 else None


def _is_number(value: str) -> bool:
    return value.isascii() and value.replace(".", "", 1).isdigit()
