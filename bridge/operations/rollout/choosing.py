"""Choose targets from their list by their labels, or one shard of several."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from bridge.errors import UsageError

if TYPE_CHECKING:
    from bridge.config.target import Target

_SHARD = re.compile(r"(\d+)/(\d+)")


@dataclass(frozen=True)
class Shard:
    """One of several parts of a list."""

    #: Counted from 0.
    index: int
    of: int

    def __contains__(self, name: object) -> bool:
        """Say whether a target is in it.

        By its name and not by its place: others may come and go while the shards run.
        """
        digest = sha256(str(name).encode("utf-8", "surrogatepass")).digest()
        return int.from_bytes(digest[:8]) % self.of == self.index


def parse_shard(text: str) -> Shard:
    """Read `0/16`, the first of sixteen; raises UsageError for what is no shard."""
    match = _SHARD.fullmatch(text.strip())
    if match is None or int(match[1]) >= int(match[2]):
        raise UsageError(
            f"The shard {text!r} cannot be read. Nothing was started. Write its number, counted "
            "from 0, and how many there are: the first of sixteen is 0/16, the last 15/16."
        )
    return Shard(int(match[1]), int(match[2]))


def parse_where(conditions: Sequence[str]) -> dict[str, set[str]]:
    """Read `region=eu`: for each label the values that will do; raises UsageError."""
    found: dict[str, set[str]] = {}
    for condition in conditions:
        label, equals, value = condition.partition("=")
        if not (label and equals):
            raise UsageError(
                f"The condition {condition!r} cannot be read. Nothing was started. Write a label "
                "and its value: --where region=eu"
            )
        found.setdefault(label, set()).add(value)
    return found


def choose(
    targets: Sequence[Target], *, where: Sequence[str] = (), shard: str | None = None
) -> tuple[Target, ...]:
    """Return those that are meant, in the order of the list.

    Of each label in `where`, such as `region=eu`, one value must fit. Raises UsageError if none
    does: that is a slip. A shard may be empty.
    """
    conditions = parse_where(where)
    part = None if shard is None else parse_shard(shard)
    labelled = [each for each in targets if _has(each, conditions)]
    if conditions and not labelled:
        raise UsageError(
            f"No target fits --where {' --where '.join(where)}. Nothing was started. Labels are "
            'those of bridge.Target(…, labels={"region": "eu"}), or of a line of JSON.'
        )
    return tuple(each for each in labelled if part is None or each.name in part)


def _has(target: Target, conditions: dict[str, set[str]]) -> bool:
    return all(target.labels.get(label) in values for label, values in conditions.items())
