"""What was measured, and the arithmetic on it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from statistics import median, quantiles
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence


class Key(NamedTuple):
    """Which of the figures."""

    #: A key of `table.SCENARIOS`.
    scenario: str
    #: How many migrations there are; 0 where that means nothing.
    size: int
    peer: str


@dataclass
class Results:
    """The samples of all figures, in seconds; those of one round have the same place."""

    samples: dict[Key, list[float]] = field(default_factory=lambda: defaultdict(list))

    def add(self, key: Key, seconds: float) -> None:
        self.samples[key].append(seconds)

    def median(self, key: Key) -> float | None:
        """None if it was not measured."""
        return median(self.samples[key]) if key in self.samples else None

    def quotient(self, above: Sequence[Key], below: Sequence[Key]) -> float | None:
        """The product of some medians by that of others; None if one was not measured."""
        quotient = 1.0
        for keys, power in ((above, 1), (below, -1)):
            for key in keys:
                if (figure := self.median(key)) is None:
                    return None
                quotient *= figure**power
        return quotient

    def by_round(self, one: Key, other: Key) -> float | None:
        """The median of what the two are to each other in each round; None if one is missing.

        For differences that are smaller than what the machine's speed changes from one round to
        another: two runs after each other meet nearly the same machine.
        """
        if one not in self.samples or other not in self.samples:
            return None
        pairs = zip(self.samples[one], self.samples[other], strict=True)
        return median(mine / others for mine, others in pairs)

    @classmethod
    def from_json(cls, measurements: Sequence[dict[str, Any]]) -> Results:
        """What `as_json` gave."""
        found = cls()
        for each in measurements:
            key = Key(each["scenario"], each["size"], each["peer"])
            found.samples[key] = [ms / 1000 for ms in each["samples_ms"]]
        return found

    def over(self, earlier: Results) -> Results:
        """These, and of the earlier ones what was not measured again."""
        return Results(defaultdict(list, {**earlier.samples, **self.samples}))

    def as_json(self) -> list[dict[str, Any]]:
        """Medians, quartiles and samples in milliseconds, and the ratio to the floor."""
        return [self._one_as_json(key) for key in self.samples]

    def _one_as_json(self, key: Key) -> dict[str, Any]:
        samples = self.samples[key]
        quartiles = quantiles(samples, method="inclusive") if len(samples) > 1 else samples * 3
        ratio = self.quotient([key], [key._replace(peer="floor")])
        return {
            **key._asdict(),
            "median_ms": _ms(median(samples)),
            "quartiles_ms": [_ms(quartiles[0]), _ms(quartiles[2])],
            "ratio_to_floor": ratio and round(ratio, 4),
            "samples_ms": [_ms(each) for each in samples],
        }


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 4)
