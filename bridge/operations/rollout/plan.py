"""Plan a rollout: which targets, in which waves, within which limits. It runs nothing."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from bridge.database.database import Database
from bridge.database.engine import EmbeddedChoice, normalise, resolve
from bridge.database.target_list import listed_targets
from bridge.errors import UsageError
from bridge.operations.rollout.choosing import choose
from bridge.operations.rollout.schedule import Limits
from bridge.operations.rollout.tally import AfterWave
from bridge.operations.rollout.waves import DEFAULT, cut, in_order, parse_share, parse_waves
from bridge.operations.targets.read_all import read_all

if TYPE_CHECKING:
    from sqlalchemy import URL

    from bridge.config.target import Target
    from bridge.database.request import Request
    from bridge.operations.targets.target_status import TargetStatus

#: What lists the targets that are meant, each time anew.
Lister = Callable[[], Sequence["Target"]]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How a rollout goes on."""

    #: An Executor, a function that returns one, the name of either, or `dask:` and an address;
    #: None for what the settings say, else processes of this machine.
    executor: object = None
    #: Targets under way at once, and of these on one server; None for as many.
    concurrency: int = 2
    per_server: int | None = None
    waves: str = DEFAULT
    #: After so many failures, or so many per cent of the list, nothing more begins.
    max_failures: int | str = 1
    #: Seconds between two waves.
    pause: float = 0.0
    after_wave: AfterWave | None = None
    where: Sequence[str] = ()
    shard: str | None = None
    #: The file that lists the targets, which workers elsewhere read too.
    targets_file: str | None = None


@dataclass(frozen=True)
class Prepared:
    """All targets of a rollout, in waves, with the status of each."""

    targets: dict[str, Target]
    statuses: dict[str, TargetStatus]
    waves: tuple[tuple[str, ...], ...]

    @cached_property
    def behind(self) -> tuple[tuple[str, ...], ...]:
        """Those of each wave that a worker has to look at, in that order."""
        behind = {name for name, each in self.statuses.items() if not each.up_to_date}
        found: list[tuple[str, ...]] = []
        for wave in self.waves:
            # The waves before it are done, and not by this run.
            begun = bool(found) and not any(found)
            found.append(in_order(wave, behind, begun=begun, turn=time.time_ns()))
        return tuple(found)


def prepare(request: Request, plan: Plan, listed: Lister | None = None) -> Prepared:
    """List the targets, cut the waves, and read all ledgers; nothing is written or locked.

    `listed` returns the targets that are meant; None for all of the list. Raises a BridgeError if
    that cannot be done.
    """
    shares = parse_waves(plan.waves)
    targets = choose(lister_of(request, listed)(), where=plan.where, shard=plan.shard)
    names = [each.name for each in targets]
    return Prepared(
        {each.name: each for each in targets},
        {each.target: each for each in read_all(request, targets)},
        cut(names, shares),
    )


def lister_of(request: Request, listed: Lister | None) -> Lister:
    """Return what lists the targets: all of the request's list, unless a caller knows better."""
    return listed or (lambda: listed_targets(request, request.settings()))


def limits_of(plan: Plan, *, total: int) -> Limits:
    """Return the limits of a rollout to so many targets; raises UsageError for what is none."""
    share = parse_share(str(plan.max_failures))
    if share is None:
        raise UsageError(
            f"The number of failures {str(plan.max_failures)!r} cannot be read. Nothing was "
            "started. After how many does nothing more begin? Write 1, 5 or 2%."
        )
    for name, number in (("concurrency", plan.concurrency), ("per-server", plan.per_server)):
        if number is not None and number < 1:
            raise UsageError(f"--{name} is {number}; it must be at least 1. Nothing was started.")
    return Limits(
        concurrency=plan.concurrency,
        per_server=plan.per_server,
        max_failures=max(1, share.of(total)),
    )


def servers_of(request: Request, targets: dict[str, Target]) -> dict[str, str]:
    """Return the server of each target, as `host:port`; all others are on the same one."""
    here = ""
    if not request.embedded and any(each.url is None for each in targets.values()):
        named = resolve(request.settings(), database_url=_url(request.database), environ=os.environ)
        here = "" if isinstance(named, EmbeddedChoice) else _server(named.url)
    found = {}
    for name, target in targets.items():
        found[name] = here
        if target.url is not None:
            # What is wrong with one is told when its turn comes.
            with suppress(UsageError):
                found[name] = _server(normalise(target.url, source=f"the URL of the {target}"))
    return found


def _url(database: object) -> Any:
    return database.url if isinstance(database, Database) else database


def _server(url: URL) -> str:
    return f"{url.host or ''}:{url.port or 5432}"
