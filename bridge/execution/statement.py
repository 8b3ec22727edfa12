"""The last statement of a connection, for those who look whether it still waits."""

from __future__ import annotations

import threading
import time
import weakref
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bridge.database.connection_state import is_active

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(slots=True, eq=False)
class Statement:
    """A statement that is about to be sent."""

    text: str
    #: The backend that runs it; None if that is not known.
    pid: int | None
    #: Returns the driver's connection as long as it has an owner: with the last one it ends, and
    #: with it what it has not committed.
    sent_on: Callable[[], Any]
    thread: int = field(default_factory=threading.get_ident)
    #: A reading of the monotonic clock, in seconds.
    since: float = field(default_factory=time.monotonic)

    def age(self) -> float:
        """How long ago it was sent, in seconds."""
        return time.monotonic() - self.since

    def runs(self) -> bool:
        """Return whether it has no answer yet."""
        return (dbapi := self.sent_on()) is not None and is_active(dbapi)


def reference(dbapi: Any) -> Callable[[], Any]:
    """Return what gives the driver's connection, and does not keep it."""
    try:
        return weakref.ref(dbapi)
    except TypeError:  # a class of somebody's own need not allow that
        return lambda: dbapi
