"""The use case: bring a database up to date, or say what that would take.

What the command line and a starting service share. It runs Alembic's own commands on the
configuration of the project, so that everything goes through the same environment as the
``alembic`` command.
"""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, cast

from bridge.errors import BridgeError, LockNotObtained, UsageError
from bridge.operations.quick_check import answering
from bridge.operations.request import Applied, Planned, Report, Request
from bridge.reporting.reporter import Direction, LogReporter, PassingReporter, Reporter, duration
from bridge.waiting import acquire

# SQLAlchemy and Alembic are imported by the functions that need them: most runs have nothing to do.
if TYPE_CHECKING:
    from bridge.alembic.script_directory import PlainScript, PlainScriptDirectory
    from bridge.database.handed_in import HandedIn

# Alembic's environment is a module-level proxy: two threads in it would take each other's.
_one_at_a_time = threading.RLock()


def upgrade(
    database: HandedIn = None,
    *,
    config: str | os.PathLike[str] | None = None,
    to: str = "head",
    wait_for_lock: float | None = None,
    wait_for_server: float | None = None,
    embedded: bool = False,
    reporter: Reporter | None = None,
) -> Report:
    """Apply the pending migrations, each in a transaction of its own, and return what was done.

    `to` is a revision as ``alembic upgrade`` takes it. The waits are in seconds; None for what the
    settings say, else 300 for another process or thread that migrates and 60 for the server. With a
    Connection that is in a transaction, everything happens in that transaction, and the caller
    commits. Safe to call from several threads: one at a time.

    Raises a BridgeError: before anything was changed, or MigrationError, after which the failed
    migration is rolled back as far as it can be and those before it stay applied.
    """
    return run_upgrade(
        Request.at_start(
            database,
            config=config,
            embedded=embedded,
            wait_for_lock=wait_for_lock,
            wait_for_server=wait_for_server,
            reporter=reporter,
        ),
        to=to,
    )


def run_upgrade(request: Request, *, to: str = "head") -> Report:
    """As `upgrade`, for a Request."""
    tally = _Tally(request.reporter or LogReporter())
    request.reporter = tally
    with ExitStack() as stack:
        target = answering(request, stack) if to in {"head", "heads"} else None
        if target is not None and target.is_up_to_date():
            return Report(())
        ahead = target and target.ahead()  # which goes on while Alembic is loaded
        with alembic_here(lambda: request.settings().wait_for_lock):
            from alembic import command

            config = request.alembic_config()
            config.attributes["bridge.database"] = target and target.database
            config.attributes["bridge.ahead"] = ahead
            command.upgrade(config, to)
    return Report(tuple(tally.applied))


def plan(request: Request, *, to: str = "head") -> tuple[Planned, ...]:
    """What `run_upgrade` would run now, in that order; writes nothing."""
    from alembic.runtime.environment import EnvironmentContext
    from alembic.script import ScriptDirectory

    planned: list[Planned] = []
    with alembic_here():
        config = request.alembic_config()
        script = cast("PlainScriptDirectory", ScriptDirectory.from_config(config))

        def look(heads: Any, _context: Any) -> list[Any]:
            late = {entry.stem for entry in script.history.late}
            for step in script._upgrade_revs(to, heads):  # noqa: SLF001
                stem = cast("PlainScript", step.revision).entry.stem
                planned.append(Planned(stem, step.revision.doc, stem in late))
            return []

        with EnvironmentContext(config, script, fn=look, dont_mutate=True):
            script.run_env()
    return tuple(planned)


@contextmanager
def alembic_here(wait: Callable[[], float] = lambda: math.inf) -> Iterator[None]:
    """Alembic for one thread at a time, and bridge's own errors out of it.

    `wait` is asked for how many seconds to wait for another thread, if there is one. Raises
    LockNotObtained after them.
    """
    from alembic.util import CommandError

    if not acquire(_one_at_a_time, 0) and not acquire(_one_at_a_time, limit := wait()):
        raise LockNotObtained(
            "Another thread of this process migrates, this database or another one, and has not "
            f"ended within {duration(limit)}. Nothing was started. Try again when it has."
        )
    try:
        yield
    except CommandError as error:
        if isinstance(error.__cause__, BridgeError):
            # Not "from None", which would erase what caused it in its turn.
            raise error.__cause__  # noqa: B904
        raise UsageError(f"{error}. Nothing was run.") from error
    finally:
        _one_at_a_time.release()


class _Tally(PassingReporter):
    """Counts what was applied."""

    def __init__(self, inner: Reporter) -> None:
        super().__init__(inner)
        self.applied: list[Applied] = []

    def finished(self, stem: str, direction: Direction, seconds: float) -> None:
        if direction is Direction.UPGRADE:
            self.applied.append(Applied(stem, seconds))
        super().finished(stem, direction, seconds)
