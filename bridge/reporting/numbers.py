"""Write numbers as a person reads them."""

from __future__ import annotations

from collections.abc import Sequence


def counted(number: int, what: str, several: str | None = None) -> str:
    """Return, for example, `1 file` or `2 files`; `several` is a plural that is not `what` + s."""
    return f"{number} {what if number == 1 else several or f'{what}s'}"


def listed(names: Sequence[str], most: int) -> str:
    """Return, for example, `a, b and 3 more`, where `most` is 2."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def so_far(seconds: float) -> str:
    """Return how long something has taken, behind a sentence; empty if that is no time yet."""
    return f" ({duration(seconds)} so far)" if seconds >= 1 else ""


def duration(seconds: float) -> str:
    """Return, for example, `0.4 s`, `35 s`, `2 min 5 s` or `3 h 12 min`."""
    if seconds < 10:  # noqa: PLR2004 - below it, tenths are of interest
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes == 0:
        return f"{rest} s"
    hours, minutes_of_hour = divmod(minutes, 60)
    return f"{hours} h {minutes_of_hour} min" if hours else f"{minutes} min {rest} s"
