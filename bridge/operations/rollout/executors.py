"""Run targets on an executor of the project's own, which only promises to run what is submitted.

Nothing that is submitted holds an address: its workers find each target by its name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Executor, Future
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from bridge.config.resources import is_object_name, load_object
from bridge.errors import UsageError
from bridge.operations.rollout.worker import run_target

if TYPE_CHECKING:
    from bridge.config.settings import Settings
    from bridge.config.target import Target
    from bridge.database.request import Request

#: Settings that a caller may give for this run, and that workers are told.
_TOLD = ("wait_for_lock", "wait_for_server", "ddl_lock_timeout", "show_parameters")


class OnExecutor:
    """An executor that somebody else has made."""

    def __init__(self, executor: Executor, submitted: Callable[[str], Mapping[str, Any]]) -> None:
        self._executor = executor
        self._submitted = submitted
        self._futures: set[Future[dict[str, Any]]] = set()

    def submit(self, name: str) -> Future[dict[str, Any]]:
        """Give a target to the executor; raises what that raises."""
        future = self._submit(name, self._submitted(name))
        self._futures.add(future)
        future.add_done_callback(self._futures.discard)
        return future

    def _submit(self, name: str, arguments: Mapping[str, Any]) -> Future[dict[str, Any]]:
        return self._executor.submit(run_target, name, **arguments)

    def stop(self) -> None:
        """Take back what no worker has begun yet."""
        for future in list(self._futures):
            future.cancel()

    def close(self, *, within: float | None = None) -> None:
        """Do nothing: whoever has made it ends it."""


def arguments_of(
    request: Request,
    targets: Iterable[Target],
    *,
    targets_file: str | None,
    is_listed: bool,
) -> Callable[[str], Mapping[str, Any]]:
    """Return what the workers are told beside the name of a target.

    `is_listed` says that their own configuration, or that file, lists the targets. Raises
    UsageError if they would need what must not travel: an address.
    """
    if request.database is not None or request.embedded:
        raise UsageError(
            "The database was named for this run only, and an address is never sent to the workers "
            "of an executor. Nothing was started. Set MIGRATION_DATABASE_URL or DATABASE_URL where "
            "they run, or sqlalchemy.url in the configuration."
        )
    schemas: dict[str, str | None] = {}
    if not is_listed:
        for each in targets:
            if each.url is not None:
                raise UsageError(
                    f"The target {each.name} has a URL, which is never sent to the workers of an "
                    "executor. Nothing was started. Name the list where they find it too: targets "
                    "or targets_query in the configuration, or --targets FILE."
                )
            schemas[each.name] = each.schema
    overrides = request.overrides or {}
    given: dict[str, Any] = {name: overrides.get(name) for name in _TOLD}
    given |= {
        "config": None if request.config is None else str(request.config),
        "section": request.section,
        "targets_file": targets_file if is_listed else None,
    }
    told = {name: value for name, value in given.items() if value is not None}

    def arguments(name: str) -> Mapping[str, Any]:
        return {**told, "schema": schemas[name]} if name in schemas else told

    return arguments


def load_executor(given: object, settings: Settings, stack: ExitStack) -> Executor:
    """Return the executor: given, or named as `module:attribute`.

    One that a function of the project's makes is ended with `stack`. Raises UsageError if it is
    none.
    """
    found: object = given
    where = "The executor"
    if isinstance(given, str):
        if not is_object_name(given):
            raise UsageError(
                f"The executor {given!r} cannot be read. Nothing was started. Name one as "
                "app.cluster:executor (an Executor, or a function that returns one), or the "
                "scheduler of a dask cluster as dask:tcp://host:8786."
            )
        found = load_object(given, setting="executor", sys_path=settings.prepend_sys_path)
        where = f"executor = {given}"
    if not isinstance(found, Executor) and callable(found):
        found = found()
        if isinstance(found, Executor):
            stack.callback(found.shutdown, wait=False)
    if not isinstance(found, Executor):
        raise UsageError(
            f"{where} is a {type(found).__name__}; it must be a concurrent.futures.Executor, or a "
            "function that returns one. Nothing was started."
        )
    return found
