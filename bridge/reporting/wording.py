"""Let what is told and raised name commands as whoever reads it types them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bridge.errors import BridgeError, Interrupted
from bridge.reporting.reporter import Reporter

if TYPE_CHECKING:
    from bridge.reporting.events import Event

#: Of the messages that name none of these, nothing is to be changed.
_PROGRAMS = ("eai migrate", "alembic")


class AsTyped(Reporter):
    """Lets the sentences of events name commands as they are typed."""

    def __init__(self, inner: Reporter, as_typed: Callable[[str], str]) -> None:
        self._inner = inner
        self._as_typed = as_typed

    def tell(self, event: Event) -> None:
        """Pass it on, in these words."""
        message = getattr(event, "message", None)
        if isinstance(message, str) and any(name in message for name in _PROGRAMS):
            changed: Any = event
            event = replace(changed, message=self._as_typed(message))
        self._inner.tell(event)


@contextmanager
def raised_as_typed(as_typed: Callable[[str], str]) -> Iterator[None]:
    """Let the sentences of bridge's errors name commands as they are typed, their notes too."""
    try:
        yield
    except BridgeError as error:
        error.args = (as_typed(str(error)), *error.args[1:])
        raise
    except Interrupted as error:
        error.__notes__ = [as_typed(note) for note in getattr(error, "__notes__", ())]
        raise
