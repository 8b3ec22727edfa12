"""Cancel the running statement on SIGTERM, Ctrl-C and a closed terminal.

Python runs its signal handlers between two bytecodes of the main thread, so while the driver waits
for the server none runs: a statement of an hour would have to end first. Here a thread of its own
is woken by the signal and cancels the statement, and then the handler raises Interrupted in the
main thread, on whose way out the transaction is rolled back. Nothing here rolls back by itself.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from bridge.database.cancel import Watched
from bridge.errors import Interrupted
from bridge.waiting import Stop, stoppable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

#: SIGHUP, which Windows does not have, says that the terminal is closed.
SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)
#: Seconds that the handler has to run by itself, as it does unless the driver waits for the server.
HEARD_WITHIN = 0.02
#: Seconds between two cancel requests: the first may arrive before its statement does.
CANCEL_EVERY = 0.1
#: Seconds that the way out may take before a statement sent there is cancelled as well.
UNWIND = 0.6
#: Seconds from the signal to the end of a connection on which no cancel request had an effect.
CUT_AFTER = 1.0
#: Seconds after Interrupted in which more signals are the same one: people press Ctrl-C twice.
SAME_SIGNAL = 2.0
#: Seconds that the handler waits for a cancel request on its way to the server.
CANCEL_UNDER_WAY = 0.2


class Interrupter:
    """What a signal stops: the statements of the connections that it watches."""

    def __init__(self) -> None:
        #: The first signal that came, also if a migration has swallowed Interrupted.
        self.signum: int | None = None
        self._watched: dict[int, Watched] = {}

    def watch(self, connection: Any) -> contextlib.ExitStack:
        """Let signals cancel what this connection runs, from now on.

        A SQLAlchemy Connection is followed when it connects anew; a psycopg2 connection will do
        as well. Leaving the returned context, or closing it, ends that; so does the end of the
        connection, or of the `interruptible` block.
        """
        for key, each in list(self._watched.items()):
            if each.closed:
                self._watched.pop(key, None)
        watched = Watched(connection)
        self._watched[id(watched)] = watched
        end = contextlib.ExitStack()
        end.callback(self._watched.pop, id(watched), None)
        return end

    @property
    def stopping(self) -> bool:
        """Whether the work is to end."""
        return self.signum is not None

    def check(self) -> None:
        """Raise Interrupted if a signal has come: for a place after code that may swallow it."""
        if self.signum is not None:
            raise Interrupted(self.signum)

    def cancel(self) -> None:
        """Ask the server to cancel what the watched connections run; idle ones are unharmed."""
        for watched in list(self._watched.values()):
            if not watched.closed:
                watched.cancel()

    def busy(self) -> list[Watched]:
        """Return the watched connections that wait for the server to finish a statement."""
        return [watched for watched in list(self._watched.values()) if watched.busy()]

    def cut(self) -> None:
        """End the connections that are still busy; the server then rolls back by itself."""
        for watched in self.busy():
            watched.cut()


@contextlib.contextmanager
def interruptible() -> Iterator[Interrupter]:
    """Turn SIGINT, SIGTERM and SIGHUP into Interrupted for the block, and end its statements.

    Whatever the block makes of the exception, it ends with Interrupted once a signal has come.
    A signal that the process ignores (`nohup`, a background job) stays ignored. Handlers are put
    back at the end. Outside of the main thread, where Python has no handlers, nothing happens.
    """
    interrupter = Interrupter()
    if threading.current_thread() is not threading.main_thread():
        yield interrupter
        return
    guard = _Guard(interrupter)
    try:
        guard.install()
        with stoppable(guard.stop):
            yield interrupter
    except Interrupted:
        raise
    except BaseException as exc:
        if interrupter.signum is not None:
            raise Interrupted(interrupter.signum) from exc
        raise
    finally:
        guard.restore()
    interrupter.check()


class _Guard:
    """The handlers of one `interruptible` block and the thread that works beside them."""

    def __init__(self, interrupter: Interrupter) -> None:
        self._interrupter = interrupter
        self.stop = Stop()
        self._previous: dict[int, Any] = {}
        self._previous_fd: int | None = None
        self._reader, self._writer = socket.socketpair()
        self._writer.setblocking(False)
        self._thread = threading.Thread(target=self._listen, name="bridge-signals", daemon=True)
        self._request = CancelRequest(interrupter.cancel)
        self._raised_at = 0.0
        self._raised = threading.Event()
        self._left = threading.Event()

    def install(self) -> None:
        _guards.append(self)
        self._thread.start()
        self._previous_fd = self.listen()
        for signum in SIGNALS:
            # None is a handler that was not set from Python and could not be put back.
            if signal.getsignal(signum) not in (signal.SIG_IGN, None):
                self._previous[signum] = signal.signal(signum, self._handle)

    def listen(self) -> int:
        """Have each signal written to our socket; return the socket that it had before."""
        return signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)

    def restore(self) -> None:
        self._left.set()  # from here on a signal is noted, and raised after everything is back
        for signum, handler in self._previous.items():
            signal.signal(signum, handler)
        if self._previous_fd is not None:
            signal.set_wakeup_fd(self._previous_fd)
        self._writer.close()
        if self._thread.is_alive():
            self._thread.join(timeout=1)
        self._reader.close()
        _guards.remove(self)

    def forget(self) -> None:
        """Give up everything in a forked child, and leave the parent's connections alone."""
        for signum, handler in self._previous.items():
            signal.signal(signum, handler)
        signal.set_wakeup_fd(-1)
        self._previous, self._previous_fd = {}, None

    def _handle(self, signum: int, frame: FrameType | None) -> None:
        """Raise Interrupted in the main thread; the thread beside it may be cancelling already."""
        again = self._interrupter.signum is not None
        if again and time.monotonic() - self._raised_at < SAME_SIGNAL:
            return
        self._raised_at = time.monotonic()
        self._interrupter.signum = self._interrupter.signum or signum
        # A request that is still under way could hit the ROLLBACK that comes next.
        self._request.stop(CANCEL_UNDER_WAY)
        self._raised.set()
        error = Interrupted(self._interrupter.signum)
        # C code may lose what is raised here, as psycopg2 does while it is being imported.
        self.stop.wish(error)
        if not self._left.is_set():
            _raise(error, frame)

    def _listen(self) -> None:
        while received := self._reader.recv(4096):
            self._pass_on(received)
            if any(signum in self._previous for signum in received) and not self._left.is_set():
                self._stop_statements()

    def _stop_statements(self) -> None:
        """Cancel until the handler could run, then keep the way out short."""
        began = time.monotonic()
        pause = HEARD_WITHIN
        while not self._raised.wait(pause) and not self._left.is_set():
            self._request.send()
            pause = CANCEL_EVERY
            if time.monotonic() - began > CUT_AFTER:
                self._interrupter.cut()
        while not self._left.wait(CANCEL_EVERY):
            if time.monotonic() - began > UNWIND and self._interrupter.busy():
                self._request.send(again=True)
                if time.monotonic() - began > CUT_AFTER:
                    self._interrupter.cut()

    def _pass_on(self, received: bytes) -> None:
        """Give the signals that are not ours to whoever listened before, such as asyncio."""
        others = bytes(signum for signum in received if signum not in self._previous)
        if others and self._previous_fd not in (None, -1):
            with contextlib.suppress(OSError):
                os.write(self._previous_fd, others)


def _raise(error: Interrupted, frame: FrameType | None) -> None:
    """Raise the error here, or as soon as C code has returned that is decoding a text.

    psycopg2 decodes the message of a COMMIT that was cut, prints what is raised in the decoder, and
    to print a SystemExit is to end the process, without a rollback and without a word.
    """
    caller = frame.f_back if frame is not None else None
    if frame is None or caller is None or not _is_decoder(frame):
        raise error

    def raise_there(_frame: FrameType, _event: str, _argument: object) -> None:
        raise error  # which ends the tracing, too

    caller.f_trace = raise_there
    # Frames are traced only while something is told of new ones.
    sys.settrace(lambda _frame, _event, _argument: None)


def _is_decoder(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__")).startswith("encodings.")


class CancelRequest:
    """A sender of cancel requests: one at a time, in a thread, for the network may be dead."""

    def __init__(self, cancel: Callable[[], None]) -> None:
        self._cancel = cancel
        self._lock = threading.Lock()
        self._stopped = False
        self._idle = threading.Event()
        self._idle.set()

    def send(self, *, again: bool = False) -> None:
        """Begin one, unless one is still under way, or no more are wanted."""
        with self._lock:
            self._stopped = self._stopped and not again
            if self._idle.is_set() and not self._stopped:
                self._idle.clear()
                threading.Thread(target=self._run, name="bridge-cancel", daemon=True).start()

    def stop(self, seconds: float) -> None:
        """Begin no more, and wait for the one under way, for so many seconds at most."""
        with self._lock:
            self._stopped = True
        self._idle.wait(seconds)

    def _run(self) -> None:
        try:
            self._cancel()
        finally:
            self._idle.set()


#: The blocks that are entered now, the innermost last.
_guards: list[_Guard] = []


def _before_fork() -> None:
    if _guards and threading.current_thread() is threading.main_thread():
        signal.set_wakeup_fd(-1)


def _after_fork_in_parent() -> None:
    if _guards and threading.current_thread() is threading.main_thread():
        _guards[-1].listen()


def _after_fork_in_child() -> None:
    for guard in reversed(_guards):
        guard.forget()


# A child shares the socket pair: a signal to it, from multiprocessing's `terminate` say, would
# be taken for one to its parent.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=_after_fork_in_parent,
        after_in_child=_after_fork_in_child,
    )
