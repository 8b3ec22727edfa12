"""Run targets on a cluster of dask.distributed, whose workers can be told to stop.

The scheduler gives a target to another worker where one has died. Nothing but names goes through
it; an Event of dask's, which each worker watches while it runs a target, is how they are told.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future
from contextlib import suppress
from typing import Any

from bridge.errors import MigrationError, TryAgain, UsageError
from bridge.operations.rollout.executors import OnExecutor

#: Before the address of a scheduler.
SCHEME = "dask:"
#: Seconds in which it must answer.
_ANSWERS_WITHIN = 30
#: Seconds between two looks at whether the run of a target is over.
_LOOK_EVERY = 1.0


class OnDask(OnExecutor):
    """The executor of a client of dask's."""

    def __init__(
        self,
        executor: Executor,
        submitted: Callable[[str], Mapping[str, Any]],
        client: Any = None,
    ) -> None:
        super().__init__(executor, submitted)
        self._client = client
        #: Of this rollout alone.
        self._event = f"bridge-stop-{secrets.token_hex(8)}"

    def _submit(self, name: str, arguments: Mapping[str, Any]) -> Future[dict[str, Any]]:
        return self._executor.submit(run_until_told, self._event, name, **arguments)

    def stop(self) -> None:
        """Tell the workers to roll back, and to begin nothing.

        Nothing is cancelled: what dask calls so leaves a task that runs alone, and tells nobody
        how it ends.
        """
        from distributed import Client, Event

        with suppress(Exception):  # a scheduler that has gone has no workers that listen
            Event(self._event, client=self._client or Client.current()).set()


def run_until_told(event: str, name: str, **arguments: Any) -> dict[str, Any]:
    """Do as `run_target` does, in a worker of dask's, until that Event is set."""
    from distributed import Event

    from bridge.operations.aio import Stopper, stop_statements
    from bridge.operations.rollout.worker import interrupted_by, run_target
    from bridge.waiting import stoppable

    told, over, interrupter = Event(event), threading.Event(), Stopper()

    def watch() -> None:
        while not over.is_set():
            with suppress(Exception):  # the migration does not depend on the scheduler
                if told.wait(_LOOK_EVERY) and not over.is_set():
                    interrupter.stop.wish()
                    stop_statements(interrupter, over)
                    return
            over.wait(_LOOK_EVERY / 10)

    if told.is_set():
        return {"target": name, "exit_code": 143, "message": "It was told not to begin."}
    watcher = threading.Thread(target=watch, name="bridge-told", daemon=True)
    watcher.start()
    try:
        with stoppable(interrupter.stop), interrupted_by(interrupter):
            answer = run_target(name, **arguments)
    finally:
        over.set()
    if interrupter.stopping and answer["exit_code"] == MigrationError.exit_code:
        # To the file it was a statement that somebody has cancelled.
        message = f"It was told to stop, and its statement was cancelled. {answer['message']}"
        answer |= {"exit_code": 143, "message": message}
    return answer


def connect(address: str) -> Any:
    """Return a client of the scheduler at `dask:tcp://host:8786`.

    Raises UsageError if dask is not installed or the address is none, TryAgain if the scheduler
    does not answer.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise UsageError(
            "The executor is a dask cluster, but dask.distributed is not installed. Nothing was "
            "started. Type: pip install 'eai-bridge[dask]'"
        ) from error
    where = address.removeprefix(SCHEME)
    try:
        return Client(where, timeout=_ANSWERS_WITHIN, set_as_default=False)
    except ValueError as error:
        raise UsageError(
            f"The executor {address!r} cannot be read. Nothing was started. Name the scheduler of "
            "a dask cluster as dask:tcp://host:8786."
        ) from error
    except OSError as error:
        raise TryAgain(
            f"The dask scheduler at {where} does not answer. Nothing was started. Look whether it "
            "runs there, then type the same command again. Without a cluster, name no executor "
            "(--executor, BRIDGE_EXECUTOR, executor in alembic.ini): then processes of this "
            "machine do it."
        ) from error


def disconnect(client: Any) -> None:
    """Close it; a scheduler that has gone meanwhile is no reason to fail."""
    with suppress(Exception):
        client.close()
