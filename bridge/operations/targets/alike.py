"""Know targets that are alike: what one of them was told is true of the others. Data in, data out.

Where many are behind, they are so in the same way: the same rows in the same order, tables of the
same form, the same rights. The whole procedure then need not be asked of each.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from bridge.operations.targets.target_status import TargetState, TargetStatus

if TYPE_CHECKING:
    from collections.abc import Hashable

    from bridge.config.target import Target

#: States that say nothing of a single target; what is refused names its tables and its rows.
_SHARED = frozenset({TargetState.NEW, TargetState.PENDING, TargetState.AHEAD, TargetState.CHANGED})


class Alike:
    """Targets of one database, by all that their status depends on."""

    def __init__(self) -> None:
        self._noted: dict[str, Hashable] = {}
        self._known: dict[Hashable, TargetStatus] = {}

    def note(self, target: Target, told: Hashable) -> None:
        """Note all that the status of this target depends on, beside files and settings."""
        self._noted[target.name] = told

    def known(self, target: Target) -> TargetStatus | None:
        """Return its status, if one that is alike has been asked.

        What was noted of it is forgotten then: it may be all the rows of a ledger.
        """
        told = self._noted.get(target.name)
        found = self._known.get(told) if told is not None else None
        if found is None:
            return None
        del self._noted[target.name]
        return replace(found, target=target.name)

    def learn(self, target: Target, found: TargetStatus) -> None:
        """Learn what was found of a target by the whole procedure."""
        told = self._noted.pop(target.name, None)
        own = (target.name, target.schema or target.name)
        if told is not None and found.state in _SHARED and not _names(found.message, own):
            self._known.setdefault(told, found)


def _names(message: str, names: tuple[str, ...]) -> bool:
    return any(name in message for name in names)
