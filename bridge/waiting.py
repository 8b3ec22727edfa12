"""Wait for a time, for a lock, for the driver, or until a try succeeds; another thread can end it.

Whoever waits for a thread of ours may give up, and that thread may be asleep between two tries.
It runs `stoppable`; everything in it that waits does so with `sleep`, `acquire` or `call`. In a
thread that nobody can stop these do what their namesakes do. The main thread is stopped by signals:
their handlers raise wherever Python waits, and if that is lost the next wait raises it again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar, copy_context
from typing import Generic, TypeVar

Result = TypeVar("Result")

#: Seconds between two looks of a thread that waits for a lock of this process.
LOOK_EVERY = 0.1
#: Seconds between two tries: the shortest and the longest pause.
SHORTEST_PAUSE, LONGEST_PAUSE = 0.2, 2.0
#: Seconds between two times that somebody is told of the wait.
TELL_EVERY = 5.0
#: Seconds after the wish to stop in which what was called may end by itself: a statement that it
#: waits for is cancelled meanwhile, and then its connection is cut.
ENDS_WITHIN = 1.5


class Stopped(BaseException):
    """Whoever waited for this thread does so no longer.

    Not an Exception, so that `except Exception` in a migration does not swallow it.
    """


class Stop:
    """The wish that a thread should end."""

    def __init__(self) -> None:
        self._wished = threading.Event()
        self._error: BaseException = Stopped()

    def wish(self, error: BaseException | None = None) -> None:
        """Have the thread raise this error, else Stopped, where it next checks or waits."""
        self._error = error or self._error
        self._wished.set()

    @property
    def wished(self) -> bool:
        """Whether the thread should end."""
        return self._wished.is_set()

    def check(self) -> None:
        """Raise what is wished, if anything is."""
        if self.wished:
            raise self._error

    def sleep(self, seconds: float) -> None:
        """Do nothing for so long; raises what is wished as soon as it is."""
        if self._wished.wait(seconds):
            raise self._error


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


def call(function: Callable[[], Result], *, undo: Callable[[Result], object]) -> Result:
    """Return what the function returns, or raise what it raises: one that waits in the driver.

    There nothing can end the wait. So where something can end the caller's, the function runs in
    another thread, which a caller that is stopped leaves behind: what it still returns is undone.
    """
    stop = _stop.get()
    return function() if stop is None else _Call(function, undo).result(stop)


class _Call(Generic[Result]):
    """A call in a thread of its own, with the caller's context variables."""

    def __init__(self, function: Callable[[], Result], undo: Callable[[Result], object]) -> None:
        self._function = function
        self._undo = undo
        self._returned: list[Result] = []
        self._error: BaseException | None = None
        self._left = False
        self._changing = threading.Lock()
        self._ended = threading.Event()

    def result(self, stop: Stop) -> Result:
        run = copy_context().run
        # A daemon: at the end of a process nobody waits for a server that does not answer.
        thread = OwnThread(run, self._run, name="bridge-call")
        try:
            thread.start()
            while not self._ended.wait(LOOK_EVERY):
                if stop.wished:
                    self._ended.wait(ENDS_WITHIN)
                    stop.check()
        except BaseException:
            self._leave()
            raise
        if self._error is not None:
            raise self._error
        return self._returned.pop()

    def _run(self) -> None:
        _stop.set(None)  # of this thread's own context: nobody else waits for what it calls
        try:
            returned = self._function()
        except BaseException as error:  # noqa: BLE001 - the caller's
            self._error = error
        else:
            with self._changing:
                self._returned.append(returned)
                left = self._left
            if left:
                self._take_back()
        self._ended.set()

    def _leave(self) -> None:
        with self._changing:
            self._left = True
        self._take_back()

    def _take_back(self) -> None:
        # Nobody is left to whom an error could be told.
        with suppress(Exception):
            while self._returned:
                self._undo(self._returned.pop())


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
