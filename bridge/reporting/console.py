"""Show a run to a person: a line for each event, on standard error.

The results of a command go to standard output and are not written here.
"""

from __future__ import annotations

import re
import textwrap
import time

from bridge.reporting import events
from bridge.reporting.escaping import in_one_line
from bridge.reporting.events import Direction
from bridge.reporting.numbers import duration, so_far
from bridge.reporting.output import result
from bridge.reporting.reporter import Reporter
from bridge.reporting.screen import Screen
from bridge.reporting.style import Line, Style, Styled

#: Sets of parameters of one statement that are shown; there can be thousands.
_PARAMETER_SETS = 10
#: How much of a statement is shown while it runs, in characters.
_SHOWN_OF_STATEMENT = 300
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
        self._waiting_since: float | None = None
        self._waits_for = ""
        #: The place of each migration among those of this run.
        self._places: dict[str, int] = {}
        #: What is told of the migration that runs when it has ended, while its line moves.
        self._about = ""

    def close(self) -> None:
        """End the moving line; what is written after this is the end of the run."""
        self.screen.close()

    def tell(self, event: events.Event) -> None:
        """Write the lines of one event."""
        match event:
            case events.DatabaseChosen():
                self._say(_capitalized(event.message))
            case events.WaitingForServer():
                self._wait_for_server(event)
            case events.WaitingForLock():
                self._wait(event.message, "waiting", every=self.screen.tell_every)
            case events.Note():
                self._say(event.message)
            case events.Working():
                self._work(event.message)
            case events.Warned():
                self._insist((Styled("Warning:", Style.YELLOW), f" {event.message}"))
            case events.Planned():
                self._places = event.places
            case events.MigrationStarted():
                self._start(event)
            case events.Statement():
                self._show(event)
            case events.MigrationBlocked():
                self.screen.say(event.message)  # and nothing else: it may come from another thread
            case events.MigrationFinished():
                done = "done" if event.direction is Direction.UPGRADE else "reverted"
                self._say(self._ended(event, Styled(done, Style.GREEN), "in"))
            case events.MigrationFailed():
                failed = "stopped" if event.interrupted else "failed"
                self._insist(self._ended(event, Styled(failed, Style.RED), "after"))
            case events.RolloutEvent():
                self._tell_of_many(event)
            case events.Result():
                self.screen.rest()
                result(event.message)

    def _tell_of_many(self, event: events.RolloutEvent) -> None:
        match event:
            case events.TargetStarted():
                return  # its end is a line, and so is what takes long
            case events.TargetFailed():
                self._insist(event.sentence)
            case _:
                self._say(event.sentence)

    def _say(self, line: Line) -> None:
        self.screen.rest()
        if not self._quiet:
            self.screen.say(line)

    def _insist(self, line: Line) -> None:
        self.screen.rest()
        self.screen.say(line)

    def _start(self, event: events.MigrationStarted) -> None:
        self._waiting_since = None
        stem = in_one_line(event.migration)
        doing = "" if event.direction is Direction.UPGRADE else "reverting: "
        description = " ".join(event.description.split())
        about = f"  {doing}{description}".rstrip()
        # Where a line moves, one is enough: that of its end. Else a killed run had said nothing.
        self._about = about if self.screen.live and not self._verbose else ""
        if not self._about:
            self._say(("  ", Styled(stem, Style.BOLD), about))
        if not self._quiet:
            self.screen.watch(
                f"{self._place(stem)}{stem}",
                lambda seconds: f"  {stem}  still running ({duration(seconds)})",
            )

    def _place(self, stem: str) -> str:
        """Return, say, `[12/60] ` at a terminal, where there are several."""
        of = len(self._places)
        if not (self.screen.live and of > 1 and stem in self._places):
            return ""
        return f"[{self._places[stem]:>{len(str(of))}}/{of}] "

    def _ended(
        self, event: events.MigrationFinished | events.MigrationFailed, how: Styled, after: str
    ) -> Line:
        stem = in_one_line(event.migration)
        place, took = self._place(event.migration), f" {after} {_took(event.seconds)}"
        if not self._about:
            return (f"  {place}{stem}  ", how, took)
        about, self._about = self._about, ""
        return (f"  {place}", Styled(stem, Style.BOLD), f"{about}  ", how, took)

    def _work(self, sentence: str) -> None:
        if not self._quiet:
            label = in_one_line(sentence)
            self.screen.watch(label, lambda seconds: f"{label}  ({duration(seconds)})")

    def _show(self, event: events.Statement) -> None:
        if self.screen.live:
            self.screen.doing(" ".join(event.sql[:_SHOWN_OF_STATEMENT].split()))
        if not self._verbose:
            return
        text = textwrap.indent(textwrap.dedent(event.sql).strip(), "    ")
        lines = [line.rstrip() for line in text.splitlines() if line.strip()]
        if event.parameters and self._show_parameters:
            lines.append(f"    parameters: {_shown(event.parameters)}")
        self.screen.say(*((Styled(line, Style.DIM),) for line in lines))

    def _wait_for_server(self, event: events.WaitingForServer) -> None:
        what = _capitalized(event.message).rstrip(".")
        # It comes every few seconds, and for a minute or so: each time is told.
        self._wait(
            f"{what}. Trying again{so_far(event.seconds)}.", "waiting for the server", every=0
        )

    def _wait(self, sentence: str, label: str, *, every: float) -> None:
        """Write at once, and then from time to time; `every` is in seconds."""
        now = time.monotonic()
        # Before these stands what it waits for, behind them for whom and for how long.
        reason = re.split(r":| \(", sentence, maxsplit=1)[0]
        if self._waiting_since is None or reason != self._waits_for:
            self.screen.say(sentence)
            self.screen.watch(label)
        elif now - self._waiting_since >= every:
            self.screen.say(sentence)
        else:
            return
        self._waiting_since, self._waits_for = now, reason


def _capitalized(sentence: str) -> str:
    return f"{sentence[:1].upper()}{sentence[1:]}"


def _took(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds < _TENTHS_MATTER else duration(seconds)


def _shown(parameters: object) -> str:
    if isinstance(parameters, (list, tuple)) and len(parameters) > _PARAMETER_SETS:
        more = len(parameters) - _PARAMETER_SETS
        return f"{list(parameters[:_PARAMETER_SETS])!r} and {more} more"
    return repr(parameters)
