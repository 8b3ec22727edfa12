"""A run as a person follows it: a line for each thing that happens, on standard error.

The results of a command go to standard output and are not written here.
"""

from __future__ import annotations

import re
import sys
import textwrap
import time
from collections.abc import Sequence

from bridge.errors import Interrupted
from bridge.reporting.output import result
from bridge.reporting.reporter import Direction, Reporter, duration
from bridge.reporting.screen import Screen, Style

#: Sets of parameters of one statement that are shown; there can be thousands.
_PARAMETER_SETS = 10
_TENTHS_MATTER = 10  # seconds


class ConsoleReporter(Reporter):
    """Writes lines; `quiet` only those about trouble, `verbose` each SQL statement too."""

    def __init__(
        self,
        *,
        quiet: bool = False,
        verbose: bool = False,
        show_parameters: bool = False,
        screen: Screen | None = None,
    ) -> None:
        self.screen = screen or Screen()
        self._quiet = quiet
        self._verbose = verbose
        self._show_parameters = show_parameters
        self._told_to_wait_at: float | None = None
        self._waits_for = ""

    def close(self) -> None:
        """End the moving line; what is said after this is the end of the run."""
        self.screen.rest()

    def database(self, description: str) -> None:
        self._say(f"{description[:1].upper()}{description[1:]}")

    def unreachable(self, sentence: str, waited: float) -> None:
        so_far = f" ({duration(waited)} so far)" if waited >= 1 else ""
        what = f"{sentence[:1].upper()}{sentence[1:]}".rstrip(".")
        # It comes every few seconds, and for a minute or so: each time is told.
        self._wait(f"{what}. Trying again{so_far}.", "waiting for the server", every=0)

    def waiting(self, sentence: str) -> None:
        self._wait(sentence, "waiting", every=self.screen.tell_every)

    def blocked(self, sentence: str) -> None:
        self.screen.say(sentence)  # and nothing else: it may come from another thread

    def note(self, sentence: str) -> None:
        self._say(sentence)

    def warning(self, sentence: str, *, finding: str | None = None) -> None:  # noqa: ARG002
        self.screen.rest()
        self.screen.say(f"{self.screen.styled('Warning:', Style.YELLOW)} {sentence}")

    def started(self, stem: str, description: str, direction: Direction) -> None:
        self._told_to_wait_at = None
        name = self.screen.styled(stem, Style.BOLD)
        doing = "" if direction is Direction.UPGRADE else "reverting: "
        self._say(f"  {name}  {doing}{' '.join(description.split())}".rstrip())
        if not self._quiet:
            self.screen.watch(
                stem, lambda seconds: f"  {stem}  still running ({duration(seconds)})"
            )

    def statement(self, statement: str, parameters: object) -> None:
        if not self._verbose:
            return
        text = textwrap.indent(textwrap.dedent(statement).strip(), "    ")
        lines = [line.rstrip() for line in text.splitlines() if line.strip()]
        if parameters and self._show_parameters:
            lines.append(f"    parameters: {_shown(parameters)}")
        self.screen.say(*(self.screen.styled(line, Style.DIM) for line in lines))

    def finished(self, stem: str, direction: Direction, seconds: float) -> None:
        done = "done" if direction is Direction.UPGRADE else "reverted"
        self._say(f"  {stem}  {self.screen.styled(done, Style.GREEN)} in {_took(seconds)}")

    def failed(self, stem: str, direction: Direction, seconds: float) -> None:  # noqa: ARG002
        failed = "stopped" if isinstance(sys.exception(), Interrupted) else "failed"
        self.screen.rest()
        self.screen.say(f"  {stem}  {self.screen.styled(failed, Style.RED)} after {_took(seconds)}")

    def result(self, lines: Sequence[str]) -> None:
        self.screen.rest()
        result(*lines)

    def _say(self, line: str) -> None:
        self.screen.rest()
        if not self._quiet:
            self.screen.say(line)

    def _wait(self, sentence: str, label: str, *, every: float) -> None:
        """Tell at once, and then from time to time; `every` is in seconds."""
        now = time.monotonic()
        # Before these stands what it waits for, behind them for whom and for how long.
        reason = re.split(r":| \(", sentence, maxsplit=1)[0]
        if self._told_to_wait_at is None or reason != self._waits_for:
            self.screen.say(sentence)
            self.screen.watch(label)
        elif now - self._told_to_wait_at >= every:
            self.screen.say(sentence)
        else:
            return
        self._told_to_wait_at, self._waits_for = now, reason


def _took(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds < _TENTHS_MATTER else duration(seconds)


def _shown(parameters: object) -> str:
    if isinstance(parameters, (list, tuple)) and len(parameters) > _PARAMETER_SETS:
        more = len(parameters) - _PARAMETER_SETS
        return f"{list(parameters[:_PARAMETER_SETS])!r} and {more} more"
    return repr(parameters)
