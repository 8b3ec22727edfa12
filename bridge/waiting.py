"""Wait for a time, for a lock, or until a try succeeds; another thread can end it.

Whoever waits for a thread of ours may give up, and that thread may be asleep between two tries.
It runs `stoppable`; everything in it that waits does so with `sleep` or `acquire`. In a thread
that nobody can stop both do what their namesakes do.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

#: Seconds between two looks of a thread that waits for a lock of this process.
LOOK_EVERY = 0.1
#: Seconds between two tries: the shortest and the longest pause.
SHORTEST_PAUSE, LONGEST_PAUSE = 0.2, 2.0
#: Seconds between two times that somebody is told of the wait.
TELL_EVERY = 5.0


class Stopped(BaseException):
    """Whoever waited for this thread does so no longer.

    Not an Exception, so that `except Exception` in a migration does not swallow it.
    """


class Stop:
    """The wish that a thread should end."""

    def __init__(self) -> None:
        self._wished = threading.Event()

    def wish(self) -> None:
        """Have the thread raise Stopped where it next checks or waits."""
        self._wished.set()

    def check(self) -> None:
        """Raise Stopped if that is wished."""
        if self._wished.is_set():
            raise Stopped

    def sleep(self, seconds: float) -> None:
        """Do nothing for so long; raises Stopped as soon as that is wished."""
        if self._wished.wait(seconds):
            raise Stopped


_stop: ContextVar[Stop | None] = ContextVar("bridge_stop", default=None)


@contextmanager
def stoppable(stop: Stop) -> Iterator[None]:
    """Let `stop` end what waits inside of this block."""
    token = _stop.set(stop)
    try:
        yield
    finally:
        _stop.reset(token)


class OwnThread(threading.Thread):
    """A thread of bridge's own, which is no migration's although a migration may be its cause.

    A daemon: at the end of a process nobody waits for it.
    """

    def __init__(self, target: Callable[..., object], *arguments: object, name: str) -> None:
        super().__init__(target=target, args=arguments, name=name, daemon=True)


def sleep(seconds: float) -> None:
    """Do nothing for so long; raises Stopped if somebody wants this thread to end."""
    stop = _stop.get()
    if stop is None:
        time.sleep(seconds)
    else:
        stop.sleep(seconds)


def acquire(lock: threading.RLock, seconds: float) -> bool:
    """Take a lock within so long, and say whether it was had; raises Stopped as `sleep` does."""
    stop = _stop.get()
    if stop is None:
        return lock.acquire(timeout=min(seconds, threading.TIMEOUT_MAX))
    until = time.monotonic() + seconds
    while not lock.acquire(timeout=max(0.0, min(LOOK_EVERY, until - time.monotonic()))):
        stop.check()
        if time.monotonic() >= until:
            return False
    return True


def poll(attempt: Callable[[], bool], *, wait: float, tell: Callable[[float], None]) -> bool:
    """Try until it succeeds or `wait` seconds are over; say which."""
    import random  # a start with nothing to do waits for nobody

    started = time.monotonic()
    tell_at = 0.0
    pause = SHORTEST_PAUSE
    while not attempt():
        waited = time.monotonic() - started
        if waited >= wait:
            return False
        if waited >= tell_at:
            tell(waited)
            tell_at = waited + TELL_EVERY
        # Jittered, so that replicas which started together do not ask together.
        pause = min(LONGEST_PAUSE, random.uniform(SHORTEST_PAUSE, 3 * pause))  # noqa: S311
        sleep(min(pause, wait - waited))
    return True
