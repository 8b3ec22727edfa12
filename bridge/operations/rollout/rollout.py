"""`eai migrate --all`: bring all targets up to date, in waves, on workers.

The ledgers are the only state: what is behind is read before, and again at the end. Nothing else
remembers a rollout, so that one that was cut off is gone on with by the same command.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from bridge.database.handed_in import usable
from bridge.database.request import Request
from bridge.database.target_list import as_target
from bridge.errors import BridgeError, Interrupted
from bridge.operations.by_program import by_program
from bridge.operations.rollout.choosing import choose
from bridge.operations.rollout.engine import Engine, Workers
from bridge.operations.rollout.executors import OnExecutor, arguments_of, load_executor
from bridge.operations.rollout.plan import (
    Lister,
    Plan,
    Prepared,
    limits_of,
    lister_of,
    prepare,
    servers_of,
)
from bridge.operations.rollout.results import Rollout
from bridge.operations.rollout.schedule import Schedule
from bridge.operations.rollout.tally import AfterWave, OnResult, Tally
from bridge.operations.rollout.waves import DEFAULT
from bridge.operations.targets.read_all import read_all
from bridge.reporting import events
from bridge.reporting.reporter import LogReporter, Reporter
from bridge.reporting.rollout_events import RolloutFinished

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from bridge.config.target import Target


def upgrade_all(
    targets: Sequence[str | Target] | None = None,
    *,
    database: str | None = None,
    config: str | os.PathLike[str] | None = None,
    section: str | None = None,
    executor: Executor | Callable[[], Executor] | str | None = None,
    concurrency: int = 2,
    per_server: int | None = None,
    waves: str = DEFAULT,
    max_failures: int | str = 1,
    pause: float = 0.0,
    after_wave: AfterWave | None = None,
    where: Sequence[str] = (),
    shard: str | None = None,
    wait_for_lock: float | None = None,
    wait_for_server: float | None = None,
    ddl_lock_timeout: float | None = None,
    embedded: bool = False,
    reporter: Reporter | None = None,
    on_result: OnResult | None = None,
) -> Rollout:
    """Apply what is pending for all targets, in waves, and return what became of each.

    `targets` are names or `bridge.Target`s; None for the section's list. `executor` is a
    `concurrent.futures.Executor`, a function that returns one, `module:attribute`, or `dask:` and
    the address of a scheduler; None for what the settings say, else processes of this machine,
    whose program must not start anything outside of `if __name__ == "__main__":`. At most
    `concurrency` targets are under way, of these at most `per_server` on one server. `waves` says
    how far into the list each wave reaches; `pause` is in seconds; `after_wave` is called between
    two waves, and stops the rollout with the sentence that it returns. After `max_failures`,
    a number or `"5%"` of the list, nothing more begins. `on_result` is called once for each target.

    Does not raise for a target that fails: `Rollout.exit_code` tells. Raises a BridgeError if
    nothing was started: no list, a folder that cannot be read, no database.
    """
    request = Request(
        database=usable(database),
        config=config,
        section=section,
        targets=None if targets is None else [as_target(each, "targets=") for each in targets],
        embedded=embedded,
        overrides={
            "wait_for_lock": wait_for_lock,
            "wait_for_server": wait_for_server,
            "ddl_lock_timeout": ddl_lock_timeout,
        },
        reporter=reporter or LogReporter(),
    )
    plan = Plan(
        executor=executor,
        concurrency=concurrency,
        per_server=per_server,
        waves=waves,
        max_failures=max_failures,
        pause=pause,
        after_wave=after_wave,
        where=where,
        shard=shard,
    )
    with by_program(request) as here:
        return run_rollout(here, plan, on_result=on_result)


def run_rollout(
    request: Request,
    plan: Plan,
    *,
    listed: Lister | None = None,
    on_result: OnResult | None = None,
) -> Rollout:
    """Do as `upgrade_all` does, for a Request.

    What is raised while targets are under way, as Interrupted is, has a note that says where the
    rollout stands.
    """
    lister = lister_of(request, listed)
    with ExitStack() as stack:
        prepared = prepare(request, plan, lister)
        limits = limits_of(plan, total=len(prepared.targets))
        behind = prepared.behind
        tally = Tally(
            prepared.waves,
            behind,
            reporter=request.reporter,
            on_result=on_result,
            after_wave=plan.after_wave,
            pause=plan.pause,
            list_again=None if request.targets is not None else lister,
        )
        tally.up_to_date()
        if any(behind):
            size = min(limits.concurrency, sum(map(len, behind)))
            workers = _workers(request, plan, prepared.targets, size=size, stack=stack)
            servers = {} if plan.per_server is None else servers_of(request, prepared.targets)
            schedule = Schedule(behind, limits, servers)
            _run(Engine(schedule, workers, tally), tally, request.reporter)
        still = _still_behind(request, plan, prepared, lister)
        tally.tell_warnings()
        rollout = tally.rollout(still)
        _tell_end(request.reporter, tally, rollout)
        return rollout


def _run(engine: Engine, tally: Tally, reporter: Reporter) -> None:
    tally.tell_wave(1)
    try:
        engine.run()
    except BaseException as error:
        rollout = tally.rollout()
        if isinstance(error, Interrupted):
            tally.tell_warnings()
            _tell_end(reporter, tally, rollout)
            counts = [f"{number} {outcome}" for outcome, number in rollout.counts.items() if number]
            error.add_note(
                f"Targets: {', '.join(counts)}. The same command goes on with those that are "
                "behind."
            )
        raise


def _tell_end(reporter: Reporter, tally: Tally, rollout: Rollout) -> None:
    reporter.tell(
        RolloutFinished(counts=rollout.counts, behind=rollout.behind, seconds=tally.seconds)
    )


def _workers(
    request: Request, plan: Plan, targets: dict[str, Target], *, size: int, stack: ExitStack
) -> Workers:
    """Return what runs the targets: what was asked for, else processes of this machine."""
    settings = request.settings()
    executor = plan.executor if plan.executor is not None else settings.executor
    if executor is None:
        from bridge.operations.rollout.local_pool import LocalPool

        return LocalPool(request, targets, size=size)
    is_listed = request.targets is None or plan.targets_file is not None
    arguments = arguments_of(
        request, targets.values(), targets_file=plan.targets_file, is_listed=is_listed
    )
    from bridge.operations.rollout import on_dask

    if isinstance(executor, str) and executor.startswith(on_dask.SCHEME):
        client = on_dask.connect(executor)
        stack.callback(on_dask.disconnect, client)
        return on_dask.OnDask(client.get_executor(pure=False), arguments, client)
    made = load_executor(executor, settings, stack)
    kind = on_dask.OnDask if type(made).__module__.startswith("distributed.") else OnExecutor
    return kind(made, arguments)


def _still_behind(
    request: Request, plan: Plan, prepared: Prepared, lister: Lister
) -> tuple[str, ...]:
    """Return the targets that are behind, of those that are in the list now."""
    try:
        targets = choose(lister(), where=plan.where, shard=plan.shard)
    except BridgeError as error:
        request.reporter.tell(
            events.Warned(f"The targets could not be listed again, for the last look: {error}")
        )
        targets = tuple(prepared.targets.values())
    # Which database it is was told.
    statuses = read_all(replace(request, reporter=Reporter()), targets)
    return tuple(each.target for each in statuses if not each.up_to_date)
