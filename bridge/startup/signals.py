"""Stop on SIGTERM and Ctrl-C while an event loop waits for a migration.

A server's own handler only takes a note and goes on waiting for its application to start. Here
the waiting task is cancelled as well, whose end rolls back. The handler that was there is
called first, so that the server knows what it has to know. Nothing here rolls back by itself.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from typing import TYPE_CHECKING, Any

from bridge.errors import Interrupted

if TYPE_CHECKING:
    from types import FrameType, TracebackType

#: Not SIGHUP: servers reload on it, and their workers go on.
SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StoppedBySignals:
    """A signal also cancels the task that runs the block, which then ends with Interrupted.

    It does so whatever the block makes of the cancellation. A signal that the process ignores
    stays ignored. Outside of the main thread, where Python has no handlers, nothing happens.
    """

    def __init__(self) -> None:
        self._signum: int | None = None
        self._previous: dict[int, Any] = {}
        self._task: asyncio.Task[Any] | None = None
        self._ended = False

    def __enter__(self) -> None:
        """Put the handlers in front of those that are there."""
        if threading.current_thread() is not threading.main_thread():
            return
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        for signum in SIGNALS:
            # None is a handler that was not set from Python and could not be put back.
            if signal.getsignal(signum) not in (signal.SIG_IGN, None):
                self._previous[signum] = signal.signal(signum, self._handle)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Put back what was there."""
        self._ended = True
        for signum, handler in self._previous.items():
            # A server may have put its own there meanwhile.
            if signal.getsignal(signum) == self._handle:
                signal.signal(signum, handler)
        if self._signum is None:
            return
        if self._task is not None and isinstance(error, asyncio.CancelledError):
            self._task.uncancel()
        # What was interrupted was told when it was rolled back.
        raise Interrupted(self._signum) from None

    def _handle(self, signum: int, frame: FrameType | None) -> None:
        if self._signum is None and not self._ended:
            self._signum = signum
            self._loop.call_soon_threadsafe(self._cancel)
        previous = self._previous[signum]
        if callable(previous):
            previous(signum, frame)
        elif self._ended:
            # Somebody else's block, entered inside of this one, has put this handler back.
            signal.signal(signum, previous)
            signal.raise_signal(signum)

    def _cancel(self) -> None:
        # The block may have come to its end before the loop came to this.
        if self._task is not None and not self._ended:
            self._task.cancel()
