"""Keep what became of each target, and tell of it: each target exactly once."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from bridge.errors import BridgeError
from bridge.operations.rollout.results import Outcome, Rollout, TargetResult, gist, unnamed
from bridge.reporting import events
from bridge.reporting.rollout_events import (
    TargetFailed,
    TargetFinished,
    TargetRunning,
    TargetStarted,
)
from bridge.waiting import sleep

if TYPE_CHECKING:
    from bridge.config.target import Target
    from bridge.reporting.reporter import Reporter

#: What is called with each result.
OnResult = Callable[[TargetResult], object]
#: What is called between two waves, with the number of the one that is over; it returns why to
#: stop, or nothing to go on.
AfterWave = Callable[[int], str | None]


class Tally:
    """Hears what the engine does; tells the reporter and whoever wants the results."""

    def __init__(
        self,
        waves: Sequence[Sequence[str]],
        behind: Sequence[Sequence[str]],
        *,
        reporter: Reporter,
        on_result: OnResult | None,
        after_wave: AfterWave | None,
        pause: float,
        list_again: Callable[[], Sequence[Target]] | None,
    ) -> None:
        self._waves = waves
        self._behind = behind
        self._reporter = reporter
        self._on_result = on_result
        self._after_wave = after_wave
        self._pause = pause
        self._list_again = list_again
        self._began = time.monotonic()
        self._results: dict[str, TargetResult] = {}
        #: The first target with each message.
        self._first: dict[str, str] = {}
        #: The targets of each warning.
        self._warned: dict[tuple[str | None, str], list[str]] = {}
        self._ended = 0
        self.stopped = ""

    @property
    def seconds(self) -> float:
        """How long it has taken so far."""
        return time.monotonic() - self._began

    def begins(self, name: str, wave: int) -> None:
        """Tell of a target that was given to a worker."""
        self._reporter.tell(TargetStarted(target=name, wave=wave))

    def takes_long(self, name: str, wave: int, seconds: float) -> None:
        """Tell of a target that is under way for long."""
        self._reporter.tell(TargetRunning(target=name, wave=wave, seconds=seconds))

    def ended(self, result: TargetResult, answer: dict[str, Any]) -> None:
        """Tell of a target that is over, and keep what became of it."""
        self._ended += 1
        for each in answer.get("warnings", ()):
            key = (each["id"], unnamed(each["message"], result.target))
            self._warned.setdefault(key, []).append(result.target)
        self._keep(result)
        self._reporter.tell(self._event(result))

    def is_gone(self, name: str) -> bool:
        """List the targets again, and say whether this one is not among them any more."""
        if self._list_again is None:
            return False
        with suppress(BridgeError):
            return all(each.name != name for each in self._list_again())
        return False

    def wave_is_over(self, wave: int) -> bool:
        """Pause, and ask whether the next wave may begin."""
        if not any(self._behind[wave:]):
            return True
        if self._after_wave is not None and (why := self._after_wave(wave)) is not None:
            self.stopped = why
            return False
        if self._behind[wave - 1] and self._pause:
            sleep(self._pause)
        self.tell_wave(wave + 1)
        return True

    def tell_wave(self, wave: int) -> None:
        """Tell that a wave begins."""
        from bridge.reporting.rollout_events import WaveStarted

        if behind := self._behind[wave - 1]:
            self._reporter.tell(
                WaveStarted(
                    wave=wave,
                    waves=len(self._waves),
                    behind=len(behind),
                    targets=len(self._waves[wave - 1]),
                )
            )

    def up_to_date(self) -> None:
        """Keep that those which are not behind are up to date."""
        behind = {name for wave in self._behind for name in wave}
        self._rest(Outcome.UP_TO_DATE, lambda name: name not in behind)

    def rollout(self, still_behind: Sequence[str] = ()) -> Rollout:
        """Return what became of all; those that nobody has told of did not begin."""
        self._rest(Outcome.NOT_STARTED, lambda _: True)
        in_order = tuple(self._results[name] for wave in self._waves for name in wave)
        return Rollout(in_order, tuple(still_behind), self.stopped)

    def tell_warnings(self) -> None:
        """Tell each warning once, with the targets that it is about."""
        from bridge.reporting.numbers import listed

        for (identity, message), names in self._warned.items():
            about = f" ({len(names)} targets: {listed(names, 3)})" if names[1:] else ""
            told = message.replace("\0", names[0])
            self._reporter.tell(events.Warned(f"{names[0]}: {told}{about}", id=identity))

    def _rest(self, outcome: Outcome, are: Callable[[str], bool]) -> None:
        for number, wave in enumerate(self._waves, 1):
            for name in wave:
                if name not in self._results and are(name):
                    self._keep(TargetResult(target=name, wave=number, outcome=outcome))

    def _keep(self, result: TargetResult) -> None:
        self._results[result.target] = result
        if self._on_result is not None:
            self._on_result(result)

    def _event(self, result: TargetResult) -> TargetFinished | TargetFailed:
        about: dict[str, Any] = {
            "target": result.target,
            "wave": result.wave,
            "seconds": result.seconds,
            "applied": result.applied,
            "number": self._ended,
            "of": sum(map(len, self._behind)),
            "rate": self._ended / max(self.seconds, 0.001),
        }
        if result.outcome is Outcome.DONE:
            return TargetFinished(**about)
        interrupted = result.outcome is Outcome.INTERRUPTED
        first = self._first.setdefault(gist(result.message, result.target), result.target)
        return TargetFailed(
            **about,
            exit_code=result.exit_code,
            message=result.message,
            interrupted=interrupted,
            same_as=None if first == result.target else first,
        )
