"""Do something once for each database that targets are in, a few databases at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import Context, copy_context
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from bridge.database.connected import opened
from bridge.database.database import Database
from bridge.database.engine import normalise
from bridge.database.own_connection import beside

if TYPE_CHECKING:
    from bridge.config.settings import Settings
    from bridge.config.target import Target
    from bridge.database.request import Request

Result = TypeVar("Result")
#: By their places in the whole list.
Places = Mapping[int, "Target"]

#: How many databases are asked at a time.
_AT_ONCE = 4
#: How many targets are asked over one connection. A backend keeps what it has read of the catalog
#: for as long as it lives: of a ledger some 20 kB.
OVER_ONE_CONNECTION = 1000


def whole(settings: Settings) -> Settings:
    """Return the settings for a database as a whole, in which targets are."""
    return replace(settings, targets=None, targets_query=None, target=None)


@contextmanager
def their_database(request: Request, targets: Sequence[Target]) -> Iterator[Request]:
    """Yield the request for the database of those without a URL, named and told, if there are any.

    Raises UsageError if it cannot be named.
    """
    asked = replace(request, target=None, targets=None)
    if all(each.url is not None for each in targets):
        yield asked
        return
    with opened(asked, whole(request.settings())) as here:
        yield here


def per_database(
    request: Request,
    targets: Sequence[Target],
    do: Callable[[Request, Places], Result],
    *,
    goes_on: Callable[[Result], bool] = lambda _: True,
) -> Iterator[Result]:
    """Call `do` for each database, with the targets in it, and yield what it returns.

    Targets with one URL are in one database, those without in that of the request, which is named
    and told here: raises UsageError if it cannot be. Where there are many in one, `do` is called
    for a part of them at a time, over a connection of its own each, until `goes_on` says of what
    it has returned that the next part is not worth a try.
    """
    groups: dict[str | None, dict[int, Target]] = {}
    for place, target in enumerate(targets):
        groups.setdefault(target.url, {})[place] = target
    with their_database(request, targets) as here:
        reads = [partial(_in_parts, here, group, do, goes_on) for group in groups.values()]
        for results in _at_once(reads):
            yield from results


def _in_parts(
    request: Request,
    targets: Places,
    do: Callable[[Request, Places], Result],
    goes_on: Callable[[Result], bool],
) -> Sequence[Result]:
    if len(targets) <= OVER_ONE_CONNECTION:
        return [do(request, targets)]
    results: list[Result] = []
    places = list(targets)
    for start in range(0, len(places), OVER_ONE_CONNECTION):
        part = {place: targets[place] for place in places[start : start + OVER_ONE_CONNECTION]}
        with _outside_of_a_pool(request) as own:
            results.append(do(own, part))
        if not goes_on(results[-1]):
            break
    return results


@contextmanager
def _outside_of_a_pool(request: Request) -> Iterator[Request]:
    """Yield the request with an Engine whose connections end with the block, if it has an Engine.

    That of a pool would stay, with all that its backend has kept.
    """
    from sqlalchemy import Engine

    if not isinstance(request.database, Engine):
        yield request
        return
    with beside(request.database) as engine:
        yield replace(request, database=engine)


def database_of(request: Request, targets: Places) -> Request:
    """Return the request for the database that these are in. Raises UsageError for a bad URL."""
    first = next(iter(targets.values()))
    if first.url is None:
        return request
    source = f"the URL of the {first}"
    database = Database(normalise(first.url, source=source), source)
    return replace(request, database=database, embedded=False, opened=True)


def _at_once(reads: Sequence[Callable[[], Result]]) -> Iterator[Result]:
    """Do all of them, a few at a time; one alone in this thread."""
    if len(reads) < 2:  # noqa: PLR2004 - one, or none
        yield from (read() for read in reads)
        return
    pool = ThreadPoolExecutor(min(_AT_ONCE, len(reads)), thread_name_prefix="bridge-read")
    # Each in the caller's context, in which a signal can end its waits.
    contexts = [copy_context() for _ in reads]
    try:
        yield from pool.map(_in_context, contexts, reads)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _in_context(context: Context, read: Callable[[], Result]) -> Result:
    return context.run(read)
