"""The status of one target of many, as far as a list of them shows it. Data in, data out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from bridge.operations.status import MigrationState, Status

if TYPE_CHECKING:
    from bridge.config.target import Target


class TargetState(StrEnum):
    """The state of a target. Where several are true it is the one that stands first here."""

    #: The server does not answer, or not any more; nothing is known.
    UNREACHABLE = "unreachable"
    #: Another session has locked its records, as a DROP SCHEMA does; nothing is known.
    LOCKED = "locked"
    #: Its schema is not there.
    MISSING = "missing"
    #: An upgrade would be refused.
    REFUSED = "refused"
    #: Nothing is applied, and migrations are pending.
    NEW = "new"
    #: Migrations are pending.
    PENDING = "pending"
    #: A migration was applied that comes after the last file: by a newer release.
    AHEAD = "ahead"
    #: Nothing is pending, and a file is not what was applied.
    CHANGED = "changed"
    #: Nothing is pending.
    UP_TO_DATE = "up-to-date"


#: The findings that say it.
_NEWER, _CHANGED = "newer", "changed"


@dataclass(frozen=True, slots=True)
class TargetStatus:
    """The status of one target when it was asked."""

    #: The target's name.
    target: str
    state: TargetState
    #: The migration that was applied last, by its stem; None where none is, or none is known.
    at: str | None = None
    #: What an upgrade would run, in that order; empty where that is not known.
    pending: tuple[str, ...] = ()
    #: What a person should know: why it is refused, missing, locked or unreachable.
    message: str = ""

    @property
    def up_to_date(self) -> bool:
        """Whether an upgrade would have nothing to do."""
        return self.state in _DONE

    @classmethod
    def of(cls, target: Target, status: Status) -> TargetStatus:
        """Return what a whole Status says, in short."""
        known = [each for each in status.migrations if each.state not in _NOT_APPLIED]
        at = known[-1].version if known else None
        told = {each.id: str(each) for each in status.findings}
        state, message = _judged(status, told, nothing=not known)
        return cls(target.name, state, at, status.pending, message)

    def to_json(self) -> dict[str, Any]:
        """The documented form, made of what JSON knows; its keys stay as they are."""
        return {
            "target": self.target,
            "state": str(self.state),
            "at": self.at,
            "pending": list(self.pending),
            "message": self.message,
        }


#: States in which a target is as the files are.
_DONE = frozenset({TargetState.UP_TO_DATE, TargetState.AHEAD, TargetState.CHANGED})
_NOT_APPLIED = frozenset({MigrationState.PENDING, MigrationState.LATE})


def _judged(status: Status, told: dict[str, str], *, nothing: bool) -> tuple[TargetState, str]:
    if status.problems:
        return TargetState.REFUSED, "\n".join(status.problems)
    if status.pending:
        return TargetState.NEW if nothing else TargetState.PENDING, ""
    if _NEWER in told:
        return TargetState.AHEAD, told[_NEWER]
    if _CHANGED in told:
        return TargetState.CHANGED, told[_CHANGED]
    return TargetState.UP_TO_DATE, ""
