"""Give targets to workers as the schedule says, and note what became of each.

The only place that waits for workers. It knows neither which processes they are nor who listens.
"""

from __future__ import annotations

import time
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Future, wait
from typing import TYPE_CHECKING, Any, Protocol

from bridge.errors import MigrationError, UsageError
from bridge.operations.rollout.results import Outcome, TargetResult

if TYPE_CHECKING:
    from bridge.operations.rollout.schedule import Schedule

#: Seconds between two looks at what takes long.
_LOOK_EVERY = 1.0
#: What takes longer is named, and then again each time that so many seconds are over.
LONG = 60.0
#: Seconds that what is under way has to roll back, once it was told to stop.
STOPS_WITHIN = 10.0
#: Exit statuses of a run that a signal has ended: 128 and its number.
_SIGNALS = range(129, 160)

_LOST = (
    "The worker that ran it was lost twice, so it was not tried a third time: it was killed, ran "
    "out of memory, or could not start. What was not committed is rolled back."
)


_STOPPED: dict[str, Any] = {
    "exit_code": 143,
    "message": "It was told to stop, and how it ended was not seen. What was not committed is "
    "rolled back.",
}


class Workers(Protocol):
    """What runs targets: a pool of bridge's own, or any executor."""

    def submit(self, name: str) -> Future[dict[str, Any]]:
        """Give it a target; raises BrokenExecutor if it takes none any more."""

    def stop(self) -> None:
        """Tell it to stop what is under way, and not to wait for that."""

    def close(self, *, within: float | None = None) -> None:
        """End it; by force after so many seconds."""


class Listener(Protocol):
    """Hears what happens, and is asked what the engine does not know."""

    def begins(self, name: str, wave: int) -> None:
        """Hear that a target was given to a worker. Waves count from 1."""

    def ended(self, result: TargetResult, answer: dict[str, Any]) -> None:
        """Hear what became of it, with all that the worker said."""

    def is_gone(self, name: str) -> bool:
        """Return whether a target whose run was refused is not in the list any more."""

    def takes_long(self, name: str, wave: int, seconds: float) -> None:
        """Hear that a target is still under way."""

    def wave_is_over(self, wave: int) -> bool:
        """Hear that a wave is over and another one follows; return whether to go on."""


class Engine:
    """One rollout under way."""

    def __init__(self, schedule: Schedule, workers: Workers, listener: Listener) -> None:
        self._schedule = schedule
        self._workers = workers
        self._listener = listener
        self._futures: dict[Future[dict[str, Any]], str] = {}
        self._began: dict[str, float] = {}
        #: When what takes long is named next, by the monotonic clock.
        self._named: dict[str, float] = {}

    def run(self) -> None:
        """Run all waves, until the last is over or the budget used up.

        If anything is raised here, a signal's Interrupted above all, what is under way is told to
        stop, and waited for.
        """
        ended = False
        try:
            while not self._schedule.is_over:
                if self._schedule.wave_is_over:
                    self._go_on()
                elif not self._begin():
                    self._await(_LOOK_EVERY)
            ended = True
        finally:
            if not ended:
                self._stop()
            self._workers.close(within=None if ended else STOPS_WITHIN)

    @property
    def _wave(self) -> int:
        return self._schedule.wave + 1

    def _go_on(self) -> None:
        if self._listener.wave_is_over(self._wave):
            self._schedule.next_wave()
        else:
            self._schedule.stop()

    def _begin(self) -> bool:
        """Begin the next target; return whether there was one."""
        name = self._schedule.begin()
        if name is None:
            return False
        now = time.monotonic()
        self._began.setdefault(name, now)
        self._named[name] = now + LONG
        try:
            future = self._workers.submit(name)
        except BrokenExecutor:
            self._lost(name)
            return True
        self._futures[future] = name
        self._listener.begins(name, self._wave)
        return True

    def _await(self, seconds: float) -> None:
        done, _ = wait(self._futures, timeout=seconds, return_when=FIRST_COMPLETED)
        for future in done:
            name = self._futures.pop(future)
            error = _error_of(future)
            if isinstance(error, BrokenExecutor):
                self._lost(name)
            else:
                self._end(name, future.result() if error is None else _given_up(error))
        for name in self._schedule.running:
            now = time.monotonic()
            if now >= self._named[name]:
                self._named[name] = now + LONG
                self._listener.takes_long(name, self._wave, now - self._began[name])

    def _lost(self, name: str) -> None:
        """Let it be tried again, unless it was before."""
        if self._schedule.died(name):
            self._tell(name, _failure(_LOST), Outcome.FAILED)

    def _end(self, name: str, answer: dict[str, Any]) -> None:
        outcome = _outcome_of(answer["exit_code"])
        if answer["exit_code"] == UsageError.exit_code and self._listener.is_gone(name):
            outcome = Outcome.GONE
        self._schedule.end(name, failed=outcome is Outcome.FAILED)
        self._tell(name, answer, outcome)

    def _tell(self, name: str, answer: dict[str, Any], outcome: Outcome) -> None:
        result = TargetResult(
            target=name,
            wave=self._wave,
            outcome=outcome,
            exit_code=answer["exit_code"],
            message=answer["message"],
            applied=tuple(each["migration"] for each in answer.get("applied", ())),
            seconds=time.monotonic() - self._began[name],
        )
        self._listener.ended(result, answer)

    def _stop(self) -> None:
        """Stop what is under way, and note how it ended."""
        self._schedule.stop()
        self._workers.stop()
        done, _ = wait(self._futures, timeout=STOPS_WITHIN)
        for future in done:
            name = self._futures.pop(future)
            error = _error_of(future)
            if isinstance(error, CancelledError):
                self._schedule.give_back(name)
            else:
                self._end(name, future.result() if error is None else _STOPPED)
        # The signal may have come between the end of a run and the note of it.
        for name in list(self._schedule.running):
            self._end(name, _STOPPED)


def _error_of(future: Future[Any]) -> BaseException | None:
    try:
        return future.exception(timeout=0)
    except CancelledError as error:
        return error


def _given_up(error: BaseException) -> dict[str, Any]:
    # Its text may hold what was submitted, or what a worker knew.
    how = type(error).__name__
    return _failure(f"The executor gave it up: {how}. What was not committed is rolled back.")


def _failure(message: str) -> dict[str, Any]:
    return {"exit_code": MigrationError.exit_code, "message": message}


def _outcome_of(exit_code: int) -> Outcome:
    if exit_code == 0:
        return Outcome.DONE
    return Outcome.INTERRUPTED if exit_code in _SIGNALS else Outcome.FAILED
