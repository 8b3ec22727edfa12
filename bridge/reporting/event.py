"""What all events are, and those of a rollout."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import ClassVar


class Event:
    """Something that happens in a run. There may be more kinds in a later release."""

    __slots__ = ()


class RolloutEvent(Event):
    """An event of a rollout to many targets, which knows how it is told."""

    __slots__ = ()

    #: What it is called in the log as JSON, and its level.
    name: ClassVar[str]
    level: ClassVar[str]

    @property
    def sentence(self) -> str:
        """What a person reads."""
        raise NotImplementedError

    def fields(self) -> dict[str, object]:
        """What the log as JSON has of it."""
        raise NotImplementedError
