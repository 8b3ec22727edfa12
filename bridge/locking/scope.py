"""What a run keeps others from: the database as a whole, or one target of it.

A run of the whole database has bridge's two keys alone. Runs of targets share these, so that they
and it exclude each other, and older releases too, which know nothing of targets; the key of its
own target each of them has alone. Whoever waits for the database as a whole says so with one key
more, which lets no further target begin: else a roll-out through many of them never left a gap.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bridge.locking.holder import (
    CONNECTION_ALIVE,
    LOCK_CLASS,
    MIGRATION_LOCK,
    UNLOCKED_BACKENDS,
    WANTED,
)

if TYPE_CHECKING:
    from bridge.config.target import Target


@dataclass(frozen=True, slots=True)
class Key:
    """One key of the lock."""

    number: int
    shared: bool = False

    def take(self, *, transaction: bool = False) -> str:
        """SQL that tries to take it, for the session or for the transaction."""
        kind = "xact_" if transaction else ""
        return f"pg_try_advisory_{kind}lock{self._mode}({LOCK_CLASS}, {self.number})"

    @property
    def release(self) -> str:
        """SQL that gives it back, where the session has it."""
        return f"pg_advisory_unlock{self._mode}({LOCK_CLASS}, {self.number})"

    @property
    def _mode(self) -> str:
        return "_shared" if self.shared else ""


#: Shown by those who wait for the database as a whole.
WISH = Key(WANTED)


@dataclass(frozen=True, slots=True)
class Scope:
    """The database as a whole, unless a target is named."""

    #: The target's name, for messages.
    target: str | None = None
    #: The second key of its lock.
    key: int | None = None
    #: Whether a file of the target's touches the database as a whole.
    widened: bool = False

    @classmethod
    def of(cls, target: Target | None) -> Scope:
        """Return the scope of a run; a target that is a database is that database as a whole."""
        if target is None or target.schema is None:
            return cls()
        # Two schemas with the same key wait for each other, which does no harm. Far from the keys
        # of the database itself.
        return cls(target.name, zlib.crc32(target.schema.encode()) & 0x3FFFFFFF | 0x40000000)

    def __str__(self) -> str:
        """Return how messages name what is locked."""
        whole = self.target is None or self.widened
        return "this database" if whole else f"the target {self.target}"

    @property
    def wide(self) -> Scope:
        """Return the database as a whole, for a target that keeps its own key beside that."""
        return replace(self, widened=True)

    @property
    def wishes(self) -> bool:
        """Whether to let no target begin while waiting for it."""
        return self.key is None or self.widened

    @property
    def keys(self) -> tuple[Key, ...]:
        """The keys in the order in which they are taken; the last one says that a run is alive."""
        if self.key is None:
            return Key(MIGRATION_LOCK), Key(CONNECTION_ALIVE)
        alive = Key(CONNECTION_ALIVE, shared=True)
        if self.widened:
            return Key(MIGRATION_LOCK), alive
        return Key(MIGRATION_LOCK, shared=True), Key(self.key), alive

    @property
    def held_by(self) -> tuple[int, ...]:
        """The keys whose holders are in the way, the likeliest first."""
        return (MIGRATION_LOCK,) if self.wishes else (self.keys[1].number, MIGRATION_LOCK, WANTED)

    def shown(self, migration: str) -> str:
        """Return what others are shown while this migration runs."""
        return f"{migration} ({self.target})" if migration and self.target else migration

    def take(self, *, transaction: bool = False) -> str:
        """SQL that tries to take all keys, and says "ours", "held" or "left"."""
        *locks, alive = self.keys
        lines = []
        if not self.wishes:
            # Given back with the statement, or the transaction.
            wish = Key(WANTED, shared=True).take(transaction=True)
            lines.append(f"WHEN NOT {wish} THEN 'held'")
        taken: list[str] = []
        for key in locks:
            lines.append(
                f"WHEN NOT {key.take(transaction=transaction)} THEN {_after(taken, 'held')}"
            )
            if not transaction:
                taken.insert(0, key.release)
        free = f"NOT EXISTS ({UNLOCKED_BACKENDS})"
        lines.append(f"WHEN {free} AND {alive.take(transaction=transaction)} THEN 'ours'")
        return f"CASE {' '.join(lines)} ELSE {_after(taken, 'left')} END"


#: The scope of a run without a target.
WHOLE = Scope()


def _after(releases: list[str], answer: str) -> str:
    """SQL that gives the answer once what was taken is given back."""
    return f"CASE WHEN {' AND '.join(releases)} THEN '{answer}' END" if releases else f"'{answer}'"
