"""Bring one target up to date, named by what an executor or a queue can carry: JSON in, JSON out.

A URL is neither an argument nor a result: brokers, job tables and dashboards show both. Whoever
runs this finds the target by its name, in the configuration that lies there.
"""

from __future__ import annotations

import time
import traceback
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bridge.config.sources import to_name
from bridge.config.target import Target
from bridge.database.request import Request
from bridge.errors import BridgeError, Interrupted
from bridge.reporting import events
from bridge.reporting.commands import Typed
from bridge.reporting.events import Direction
from bridge.reporting.reporter import Reporter
from bridge.waiting import Stopped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from bridge.database.interrupt import Interrupter

#: Seconds for which a list of targets is not asked for again; a name that is not in it asks anew.
_KEPT = 60.0


def run_target(
    name: str,
    *,
    schema: str | None = None,
    config: str | None = None,
    section: str | None = None,
    targets_file: str | None = None,
    wait_for_lock: float | None = None,
    wait_for_server: float | None = None,
    ddl_lock_timeout: float | None = None,
    show_parameters: bool = False,
) -> dict[str, Any]:
    """Apply what is pending for one target, and return what became of it, made of what JSON knows.

    The name is one of the section's list, or of `targets_file`; `schema` says in their place which
    schema of the configured database it is. The waits are in seconds; None for what the settings
    say, as for the command line.

    The keys are `target`, `exit_code` (as the command would end: 0, 1, 2, 4, or 75 for another
    try), `message` (the error, or ""), `applied` (each `migration` and its `seconds`), `warnings`
    (each `id`, which may be None, and `message`) and `seconds`. Raises no error of bridge's.
    """
    settings = {
        "wait_for_lock": wait_for_lock,
        "wait_for_server": wait_for_server,
        "ddl_lock_timeout": ddl_lock_timeout,
        "show_parameters": show_parameters or None,
    }
    request = Request(
        config=config,
        section=section,
        overrides=settings,
        interrupter=_interrupter.get(),
    )

    def find(asked: Request) -> Request:
        return _found(asked, name, schema=schema, file=targets_file)

    as_typed = Typed(
        config=to_name(config), section=section, targets_file=targets_file, target=name
    )
    return run_of(request, name, find, as_typed)


@contextmanager
def interrupted_by(interrupter: Interrupter) -> Iterator[None]:
    """Let this end what `run_target` runs inside of the block."""
    token = _interrupter.set(interrupter)
    try:
        yield
    finally:
        _interrupter.reset(token)


_interrupter: ContextVar[Interrupter | None] = ContextVar("bridge_interrupter", default=None)


def run_of(
    request: Request,
    name: str,
    find: Callable[[Request], Request],
    as_typed: Callable[[str], str],
) -> dict[str, Any]:
    """Do as `run_target` does; `find` makes the request one for the target.

    `as_typed` makes a message name commands as they are typed for it.
    """
    from bridge.operations.upgrade import run_upgrade

    began, heard = time.monotonic(), _Heard(request.reporter)
    code, message = 0, ""
    extra: dict[str, Any] = {}
    try:
        run_upgrade(find(replace(request, reporter=heard)))
    except (BridgeError, Interrupted) as error:
        code, message = error.exit_code, as_typed(_sentence(error))
    except Stopped as error:
        code, message = 143, as_typed(_sentence(error))
    except Exception as error:  # noqa: BLE001 - a bug, of an env.py maybe, is that of one target
        # Only where it was: the text of an error of the database can hold parameters.
        code, message = 1, f"Unexpected {type(error).__name__}."
        extra["traceback"] = "".join(traceback.format_tb(error.__traceback__)).rstrip("\n")
    return {
        "target": name,
        "exit_code": code,
        "message": message,
        "applied": heard.applied,
        "warnings": heard.warnings,
        "seconds": round(time.monotonic() - began, 3),
        **extra,
    }


def _sentence(error: BaseException) -> str:
    return " ".join([str(error), *getattr(error, "__notes__", ())]).strip()


class _Heard(Reporter):
    """Keeps what a result says of the run, and passes everything on."""

    def __init__(self, inner: Reporter) -> None:
        self._inner = inner
        self.applied: list[dict[str, Any]] = []
        self.warnings: list[dict[str, Any]] = []

    def tell(self, event: events.Event) -> None:
        match event:
            case events.MigrationFinished(direction=Direction.UPGRADE):
                took = round(event.seconds, 3)
                self.applied.append({"migration": event.migration, "seconds": took})
            case events.Warned():
                self.warnings.append({"id": event.id, "message": event.message})
        self._inner.tell(event)


def _found(request: Request, name: str, *, schema: str | None, file: str | None) -> Request:
    """Return the request for the target of this name; raises UsageError if there is none."""
    if schema is not None:
        return replace(request, target=Target(name, schema=schema))
    from bridge.database.target_list import find_target

    if file is None and not request.settings().has_targets:
        return replace(request, target=find_target(request, name))
    key = (request.config, request.section, file)
    known, since = _kept.get(key, ({}, 0.0))
    if name not in known or time.monotonic() - since > _KEPT:
        known = {each.name: each for each in _listed(request, file)}
        _kept[key] = (known, time.monotonic())
    if name not in known:
        find_target(replace(request, targets=tuple(known.values())), name)  # it says so
    return replace(request, target=known[name])


#: The list of each configuration, and when it was asked for, by the monotonic clock: a query for
#: each of a thousand targets would read a million rows.
_kept: dict[Any, tuple[dict[str, Target], float]] = {}


def _listed(request: Request, file: str | None) -> Sequence[Target]:
    from bridge.database.target_list import listed_targets, read_targets_file

    return listed_targets(request, request.settings()) if file is None else read_targets_file(file)
