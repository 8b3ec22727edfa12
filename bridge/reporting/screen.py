"""Write to standard error: lines that stay and, on a terminal, one that moves.

The moving line is drawn by a thread of its own. Whatever else is printed meanwhile, by a
migration say, goes through here too, so that the line makes way for it and comes back below.
What is told here never makes a run fail: a reader that went away is no reason to stop.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import sys
import threading
import time
from functools import partial
from typing import IO, TYPE_CHECKING, Any

from bridge.reporting.escaping import escaped, in_one_line
from bridge.reporting.style import Line, Style, painted
from bridge.reporting.written import Look

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

#: Seconds between two lines that say that something is still going on, where nothing can move.
TELL_EVERY = 30.0
#: Seconds before the moving line appears: what is quick should not flicker.
_CALM = 0.3
_REDRAW_EVERY = 0.1
_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_PLAIN_FRAMES = "|/-\\"


class _Shown:
    """What goes on; times are of the monotonic clock, in seconds."""

    def __init__(
        self, label: str, tell: Callable[[float], str] | None, began: float, due: float
    ) -> None:
        self.label = label
        self.tell = tell
        self.began = began
        #: When it is shown next.
        self.due = due
        #: How often it was drawn.
        self.turn = 0
        #: What is done now, and since when.
        self.doing = ""
        self.since = began


class Screen:
    """One stream, standard error unless another is given.

    `tell_every` is in seconds. `live` draws the moving line and `coloured` uses colours; None
    finds out from the stream and from NO_COLOR and TERM.
    """

    def __init__(
        self,
        stream: IO[str] | None = None,
        *,
        tell_every: float = TELL_EVERY,
        live: bool | None = None,
        coloured: bool | None = None,
    ) -> None:
        # None where the process was started without a standard error.
        self._stream: IO[str] | None = sys.stderr if stream is None else stream
        found = Look.of(self._stream)
        self.tell_every = tell_every
        self.live = found.live if live is None else live
        self._look = Look(self.live, found.coloured if coloured is None else coloured)
        self._lock = threading.RLock()
        self._pid = os.getpid()
        self._drawn = False
        self._unfinished = False  # somebody's line without its end is on the screen
        self._shown: _Shown | None = None
        self._thread: threading.Thread | None = None
        self._closed = threading.Event()
        self._put_back: list[Callable[[], object]] = []

    def styled(self, text: str, style: Style) -> str:
        """Return the text, escaped, in that style; without it where there are no colours."""
        return painted(escaped(text), style if self._look.coloured else None)

    def say(self, *lines: Line) -> None:
        """Write lines that stay, escaped, after everything that was printed before them."""
        with contextlib.suppress(OSError, ValueError, AttributeError):
            sys.stdout.flush()
        with self._lock:
            self._erase()
            if self._unfinished:
                self._write("\n")
                self._unfinished = False
            self._write("".join(f"{self._look.written(line)}\n" for line in lines))

    def watch(self, label: str, tell: Callable[[float], str] | None = None) -> None:
        """Show that something goes on, until `rest` or the next `watch`.

        On a terminal the line with this label moves. Elsewhere a line is written from time to
        time: `tell` makes it, from the seconds so far.
        """
        self.rest()
        if not self.live and tell is None:
            return
        if self.live:
            self._redirect()
        now = time.monotonic()
        with self._lock:
            self._shown = _Shown(label, tell, now, now + self._first)
            # One thread for all that is shown after each other: to start one takes long beside a
            # quick migration. A fork has none.
            if self._thread is None or not self._thread.is_alive():
                self._closed = threading.Event()
                self._thread = threading.Thread(
                    target=self._go_on, args=(self._closed,), name="bridge-screen", daemon=True
                )
                atexit.register(self.rest)
                self._thread.start()

    def doing(self, what: str) -> None:
        """Say at the moving line what is done now, and since when, behind the label."""
        with self._lock:
            if self._shown is not None:
                self._shown.doing, self._shown.since = what, time.monotonic()

    def rest(self) -> None:
        """Remove the moving line, and stop showing that something goes on."""
        if self._shown is None:
            return
        with self._lock:
            self._shown = None
            self._erase()
        while self._put_back:
            self._put_back.pop()()

    def close(self) -> None:
        """Rest, and let the thread that draws end at once."""
        self.rest()
        atexit.unregister(self.rest)
        self._closed.set()
        self._thread = None

    def pass_on(self, stream: IO[str], text: str) -> int:
        """Write what somebody else prints, with the moving line out of its way."""
        if os.getpid() != self._pid:  # a fork has no thread that draws, but maybe its lock
            return stream.write(text)
        with self._lock:
            self._erase()
            if text and stream.isatty():
                self._unfinished = not text.endswith("\n")
            return stream.write(text)

    def _go_on(self, closed: threading.Event) -> None:
        """Show what is to be shown whenever it is due, until there is nothing.

        Nobody wakes this for what comes next: that is due after what is shown now.
        """
        pause = self._first
        while not closed.wait(pause):
            with self._lock:
                shown, now = self._shown, time.monotonic()
                if shown is None:
                    self._thread = None
                    return
                if shown.due <= now:
                    self._show(shown, now)
                    shown.due = now + (_REDRAW_EVERY if self.live else self.tell_every)
                pause = shown.due - now

    @property
    def _first(self) -> float:
        """Seconds until something is shown for the first time."""
        return _CALM if self.live else self.tell_every

    def _show(self, shown: _Shown, now: float) -> None:
        if self.live:
            shown.turn += 1
            # Not into a question, a progress bar or the like that a migration has begun.
            if not (self._unfinished or _is_debugged()):
                self._draw(shown.label, shown.doing, int(now - shown.since), shown.turn)
        elif shown.tell is not None:
            self.say(shown.tell(now - shown.began))

    def _draw(self, label: str, doing: str, seconds: int, turn: int) -> None:
        encoding = str(getattr(self._stream, "encoding", "")).lower()
        frames = _FRAMES if encoding.startswith("utf") else _PLAIN_FRAMES
        begin, end = f"  {frames[turn % len(frames)]} {in_one_line(label)}", f"  {seconds} s"
        # A long statement must not push the seconds out.
        room = max(0, self._look.width - len(begin) - len(end))
        middle = in_one_line(f"  {doing}")[:room] if doing else ""
        line = f"{begin}{middle}{end}"[: self._look.width]
        # The cursor goes back to the start, so that what a program of the migration's own
        # prints, past us, begins there.
        self._write(f"\r\x1b[2K{self.styled(line, Style.DIM)}\r")
        self._drawn = True

    def _erase(self) -> None:
        if self._drawn:
            self._write("\r\x1b[2K")
            self._drawn = False

    def _write(self, text: str) -> None:
        # ValueError is a closed file.
        with contextlib.suppress(OSError, ValueError):
            if self._stream is not None and text:
                self._stream.write(text)
                self._stream.flush()

    def _redirect(self) -> None:
        """Have everything that this process prints go through `pass_on`, until `rest`."""
        for name in ("stdout", "stderr"):
            stream = getattr(sys, name)
            if stream is None:
                continue
            passing = _Passing(stream, self)
            setattr(sys, name, passing)
            self._put_back.append(partial(_put_back, sys, name, passing, stream))
            for handler in logging.getLogger().handlers:
                if isinstance(handler, logging.StreamHandler) and handler.stream is stream:
                    handler.stream = passing
                    self._put_back.append(partial(_put_back, handler, "stream", passing, stream))


class _Passing:
    """Stands for sys.stdout or sys.stderr while the moving line is on the screen."""

    def __init__(self, stream: IO[str], screen: Screen) -> None:
        self._stream = stream
        self._screen = screen

    def write(self, text: str) -> int:
        """Write it once the moving line is gone; it comes back below."""
        return self._screen.pass_on(self._stream, text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write several pieces of text, as `write` does."""
        self.write("".join(lines))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _put_back(holder: object, name: str, passing: object, stream: object) -> None:
    # What a migration has put there itself is left alone.
    if getattr(holder, name) is passing:
        setattr(holder, name, stream)


def _is_debugged() -> bool:
    """Return whether a `breakpoint()` waits for a person, whose prompt does not go through us."""
    frame = sys._current_frames().get(threading.main_thread().ident or 0)  # noqa: SLF001
    return frame is not None and frame.f_globals.get("__name__") in {"cmd", "pdb"}
