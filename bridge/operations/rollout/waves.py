"""Cut a list of targets into waves, one of which begins when the one before it is done.

Waves are cut from the whole list and not from what is left of it: else a target that failed would
move to the front, and stop everything there, each time that the list is run again.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from bridge.errors import UsageError

#: The first target alone is a canary, and runs what must not be raced: an extension, a role.
DEFAULT = "1,100%"

_PART = re.compile(r"(\d+)(%?)")
_ALL = 100


@dataclass(frozen=True)
class Share:
    """So many of a list, or so many per cent of it."""

    number: int
    per_cent: bool = False

    def of(self, total: int) -> int:
        """Return how many of so many that is; a part of one counts as one."""
        return math.ceil(self.number * total / 100) if self.per_cent else self.number


def parse_share(text: str) -> Share | None:
    """Read `5` or `5%`; None for what is neither, and for none at all."""
    match = _PART.fullmatch(text.strip())
    if match is None or int(match[1]) == 0 or (match[2] and int(match[1]) > _ALL):
        return None
    return Share(int(match[1]), per_cent=bool(match[2]))


def parse_waves(text: str) -> tuple[Share, ...]:
    """Read how far each wave reaches: `1,10%,100%`. Raises UsageError unless the last has all."""
    shares = [parse_share(part) for part in text.split(",")]
    found = tuple(share for share in shares if share is not None)
    if len(found) != len(shares) or found[-1] != Share(_ALL, per_cent=True):
        raise UsageError(
            f"The waves {text!r} cannot be read. Nothing was started. Say how far into the list "
            "each one reaches, in targets or per cent, with 100% at the end: 1,10%,100%"
        )
    return found


def cut(targets: Sequence[str], shares: Sequence[Share]) -> tuple[tuple[str, ...], ...]:
    """Return the waves of a whole list, in its order; one that would have no target is left out."""
    waves: list[tuple[str, ...]] = []
    began = 0
    for share in shares:
        end = max(began, min(share.of(len(targets)), len(targets)))
        if end > began:
            waves.append(tuple(targets[began:end]))
        began = end
    return tuple(waves)


def in_order(
    wave: Sequence[str], behind: Collection[str], *, begun: bool, turn: int
) -> tuple[str, ...]:
    """Return those of a wave that are behind, in the order in which they begin.

    That of the list, but one that failed in a run before this one must not be the first for ever.
    No record of runs is needed for that: those before one that is up to date were passed by, and go
    to the end; and where a run may have come to this wave (`begun`, or something of it is up to
    date), the first is another one each time. `turn` is any number, another one in each run.
    """
    behind = set(behind)
    done = [place for place, name in enumerate(wave) if name not in behind]
    last = done[-1] if done else -1
    before = [name for name in wave[: max(last, 0)] if name in behind]
    after = [name for name in wave[last + 1 :] if name in behind]
    first = turn % len(after) if after and (done or begun) else 0
    return (*after[first:], *after[:first], *before)
