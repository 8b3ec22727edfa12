"""Decide which target begins next, and when none does: waves, the window, the budget.

It starts nothing and waits for nothing, so that every engine obeys the same rules. The window is
bridge's own: an executor only promises to run what was submitted, some day.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

#: A target at whose run so many workers died is not tried again.
DEATHS = 2


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How much may go on at once, and how much may fail."""

    #: Targets that may be under way at once.
    concurrency: int
    #: Of these, on one server; None for as many as that.
    per_server: int | None = None
    #: After so many failures nothing more begins.
    max_failures: int = 1


class _Waiting:
    """Names that wait, in their order.

    Those of each server in a queue of their own: else all that are on a server which has enough
    would be looked at each time, to find one that is not.
    """

    def __init__(self, names: Iterable[str], server_of: Callable[[str], str]) -> None:
        self._server_of = server_of
        self._queues: dict[str, deque[tuple[int, str]]] = {}
        #: The places of the first one and behind the last one.
        self._first = self._behind = 0
        for name in names:
            self.append(name)

    def __bool__(self) -> bool:
        return bool(self._queues)

    def __iter__(self) -> Iterator[str]:
        in_order = sorted(each for queue in self._queues.values() for each in queue)
        return (name for _, name in in_order)

    def append(self, name: str) -> None:
        """Let it be the last one."""
        self._queue_of(name).append((self._behind, name))
        self._behind += 1

    def prepend(self, name: str) -> None:
        """Let it be the first one."""
        self._first -= 1
        self._queue_of(name).appendleft((self._first, name))

    def take(self, may_begin: Callable[[str], bool]) -> str | None:
        """Take the first one out whose server may have one more; None if there is none."""
        fits = [(queue[0], server) for server, queue in self._queues.items() if may_begin(server)]
        if not fits:
            return None
        (_, name), server = min(fits)
        self._queues[server].popleft()
        if not self._queues[server]:
            del self._queues[server]
        return name

    def _queue_of(self, name: str) -> deque[tuple[int, str]]:
        return self._queues.setdefault(self._server_of(name), deque())


@dataclass
class Schedule:
    """What is still to run, what is under way, and what became of the rest.

    Each name stands in one of `waiting`, `running`, `done` and `failed`, and in one only.
    """

    waves: Sequence[Sequence[str]]
    limits: Limits
    #: The server of each target, where more than one is known.
    servers: Mapping[str, str] = field(default_factory=dict)
    #: The wave under way, counted from 0.
    wave: int = 0
    running: set[str] = field(default_factory=set)
    done: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    #: Whether nothing more may begin.
    stopped: bool = False

    def __post_init__(self) -> None:
        self._queue = self._queue_of_wave() if self.waves else _Waiting((), self._server_of)
        self._deaths: Counter[str] = Counter()

    @property
    def waiting(self) -> tuple[str, ...]:
        """Those that have not begun, in their order."""
        later = (name for wave in self.waves[self.wave + 1 :] for name in wave)
        return (*self._queue, *later)

    @property
    def budget_is_used_up(self) -> bool:
        """Whether as many have failed as may."""
        return len(self.failed) >= self.limits.max_failures

    @property
    def wave_is_over(self) -> bool:
        """Whether nothing of the wave is under way, and nothing more of it will begin."""
        return not self.running and (not self._queue or self.stopped or self.budget_is_used_up)

    @property
    def is_over(self) -> bool:
        """Whether nothing is under way, and nothing more will begin."""
        ends = self.stopped or self.budget_is_used_up or self.wave + 1 >= len(self.waves)
        return self.wave_is_over and ends

    def next_wave(self) -> None:
        """Go on to the next wave, when this one is over."""
        assert self.wave_is_over  # noqa: S101 - no two waves are under way at once
        self.wave += 1
        self._queue = self._queue_of_wave()

    def begin(self) -> str | None:
        """Return the target that begins now; None if none may before another has ended."""
        if self.stopped or self.budget_is_used_up or len(self.running) >= self.limits.concurrency:
            return None
        there = Counter(map(self._server_of, self.running))

        def may_begin(server: str) -> bool:
            most = self.limits.per_server
            return most is None or there[server] < most

        name = self._queue.take(may_begin)
        if name is not None:
            self.running.add(name)
        return name

    def end(self, name: str, *, failed: bool) -> None:
        """Note how the run of a target ended."""
        self.running.remove(name)
        (self.failed if failed else self.done).append(name)

    def died(self, name: str) -> bool:
        """Give a target out again at whose run a worker died; return whether it has failed."""
        self.running.remove(name)
        self._deaths[name] += 1
        if self._deaths[name] < DEATHS:
            self._queue.append(name)
            return False
        self.failed.append(name)
        return True

    def give_back(self, name: str) -> None:
        """Take back one that was given out and has not begun."""
        self.running.remove(name)
        self._queue.prepend(name)

    def stop(self) -> None:
        """Let nothing more begin; what is under way goes on."""
        self.stopped = True

    def _queue_of_wave(self) -> _Waiting:
        return _Waiting(self.waves[self.wave], self._server_of)

    def _server_of(self, name: str) -> str:
        """Return its server; the same for all where that does not matter."""
        return "" if self.limits.per_server is None else self.servers.get(name, "")
