"""Trying again and again, as replicas do that wait for one another."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from bridge.pausing import sleep

#: Seconds between two tries: the shortest and the longest pause.
SHORTEST_PAUSE, LONGEST_PAUSE = 0.2, 2.0
#: Seconds between two times that somebody is told of the wait.
TELL_EVERY = 5.0


def poll(attempt: Callable[[], bool], *, wait: float, tell: Callable[[float], None]) -> bool:
    """Try until it succeeds or `wait` seconds are over; say which."""
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
