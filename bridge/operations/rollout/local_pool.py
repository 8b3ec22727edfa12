"""Run targets in worker processes of this machine, each of which loads bridge and Alembic once.

What a worker has to know, addresses among it, goes through the pipe with which Python starts a
process. A worker listens to nobody's Ctrl-C but is told by SIGTERM: its statement is cancelled, its
migration rolled back. One whose parent is gone ends in the same way, by itself.
"""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing.context import SpawnContext
from typing import TYPE_CHECKING, Any

from bridge.database.request import Request
from bridge.errors import Interrupted
from bridge.reporting.commands import Typed
from bridge.reporting.reporter import Reporter

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

    from bridge.config.target import Target

#: Seconds that a worker has to roll back, once it was told to end.
ENDS_WITHIN = 8.0


@dataclass(frozen=True, kw_only=True)
class Given:
    """What a worker is given when it starts; each of its targets comes when its turn does."""

    #: Without what belongs to its process: a reporter, an interrupter.
    request: dict[str, Any]
    #: "text" or "json".
    log_format: str


class LocalPool:
    """Workers, as many as targets may be under way; one that dies is replaced.

    Each is an executor of its own. In one executor all workers share a queue, and one that is
    killed while it waits there leaves the lock of the queue shut: Python then ends the others,
    with what they have under way.
    """

    def __init__(self, request: Request, targets: Mapping[str, Target], *, size: int) -> None:
        settings = request.settings()
        given = {
            name: getattr(request, name)
            for name in ("database", "config", "section", "embedded", "overrides")
        }
        self._given = Given(request=given, log_format=settings.log_format)
        self._targets = targets
        self._context = _Spawning()
        self._slots = [_Slot(self._made) for _ in range(size)]

    def submit(self, name: str) -> Future[dict[str, Any]]:
        """Give a target to a worker that has none."""
        slot = next(each for each in self._slots if each.is_free)
        return slot.submit(self._targets[name])

    def stop(self) -> None:
        """Tell the workers to roll back and to begin nothing more."""
        for process in self._context.started:
            with contextlib.suppress(OSError, ValueError, AttributeError):
                process.terminate()

    def close(self, *, within: float | None = None) -> None:
        """End the workers, which have nothing to do; after so many seconds by force."""
        for slot in self._slots:
            slot.close()
        until = None if within is None else time.monotonic() + within
        for process in self._context.started:
            if process.pid is None:  # it could not be started
                continue
            process.join(None if until is None else max(0.0, until - time.monotonic()))
            if process.is_alive():
                process.kill()

    def _made(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(
            1, mp_context=self._context, initializer=_prepare, initargs=(self._given,)
        )


class _Slot:
    """The place of one worker, which is started when it is needed."""

    def __init__(self, made: Callable[[], ProcessPoolExecutor]) -> None:
        self._made = made
        self._executor: ProcessPoolExecutor | None = None
        self._future: Future[dict[str, Any]] | None = None

    @property
    def is_free(self) -> bool:
        return self._future is None or self._future.done()

    def submit(self, target: Target) -> Future[dict[str, Any]]:
        if self._executor is None:
            self._executor = self._made()
        try:
            self._future = self._executor.submit(_run, target)
        except BrokenExecutor:  # it died at its last target, or while it had none
            self._executor = self._made()
            self._future = self._executor.submit(_run, target)
        return self._future

    def close(self) -> None:
        """Let the worker end, and do not wait for that."""
        if self._executor is not None:
            self._executor.shutdown(wait=False, cancel_futures=True)


class _Spawning(SpawnContext):
    """Starts processes, and keeps those that it has started."""

    def __init__(self) -> None:
        super().__init__()
        self.started: list[BaseProcess] = []

    def Process(self, *args: Any, **options: Any) -> Any:  # type: ignore[override]  # noqa: N802
        self.started[:] = [each for each in self.started if each.is_alive() or each.pid is None]
        self.started.append(SpawnContext.Process(*args, **options))
        return self.started[-1]


# In the worker.


@dataclass
class _Worker:
    """What this process was given, and the target that it runs."""

    given: Given
    running: str | None = None


_worker: _Worker | None = None


def _prepare(given: Given) -> None:
    global _worker
    _worker = _Worker(given)
    # Ctrl-C is sent to all processes of a terminal; the parent decides what it means.
    for name in ("SIGINT", "SIGHUP"):
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    threading.Thread(
        target=_end_with_parent, args=(_worker,), name="bridge-parent", daemon=True
    ).start()
    _show_logging(_worker)


def _end_with_parent(worker: _Worker) -> None:
    """End this process when its parent is gone: nobody would ever give it anything more."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    parent.join()
    until = time.monotonic() + ENDS_WITHIN
    if worker.running is not None:
        os.kill(os.getpid(), signal.SIGTERM)
    while worker.running is not None and time.monotonic() < until:
        time.sleep(0.05)
    os._exit(1)


def _run(target: Target) -> dict[str, Any]:
    from bridge.database.interrupt import interruptible
    from bridge.operations.rollout.worker import run_of

    worker = _worker
    assert worker is not None  # noqa: S101 - `_prepare` was here before
    name = target.name
    result: dict[str, Any] = {}
    worker.running = name
    try:
        with interruptible() as interrupter:
            given = Request(**worker.given.request)
            request = replace(given, reporter=Reporter(), interrupter=interrupter)
            as_typed = Typed(section=given.section, target=name)
            result = run_of(request, name, lambda asked: replace(asked, target=target), as_typed)
    except Interrupted as error:
        if not result:
            result = {"target": name, "exit_code": error.exit_code, "message": str(error)}
    finally:
        worker.running = None
    return result


class _Formatter(logging.Formatter):
    """Writes a line as the command line does, behind the name of the target."""

    def __init__(self, worker: _Worker) -> None:
        super().__init__("%(levelname)s %(name)s: %(message)s")
        self._worker = worker

    def format(self, record: logging.LogRecord) -> str:
        return f"{self._worker.running}: {super().format(record)}"


def _show_logging(worker: _Worker) -> None:
    """Show what migrations log as the command line does, with the name of the target."""
    root = logging.getLogger()
    if root.handlers:
        return
    if worker.given.log_format == "json":
        from bridge.reporting.json import JsonReporter

        reporter = JsonReporter(about=lambda: {"target": worker.running})
        handler = _for_good.enter_context(reporter.logging_as_events())
    else:
        handler = logging.StreamHandler()
        handler.setFormatter(_Formatter(worker))
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    for name in ("alembic", "sqlalchemy"):
        logging.getLogger(name).setLevel(logging.WARNING)


#: What ends with the process.
_for_good = contextlib.ExitStack()
