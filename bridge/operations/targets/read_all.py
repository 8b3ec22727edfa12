"""Read the ledgers of many targets: those of one database over one connection, many at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from contextvars import Context, copy_context
from dataclasses import replace
from typing import TYPE_CHECKING

from bridge.database.connected import opened
from bridge.operations.targets.reading import Folder, Found, Reading

if TYPE_CHECKING:
    from bridge.config.target import Target
    from bridge.database.request import Request
    from bridge.operations.targets.target_status import TargetStatus

#: How many databases are read at a time.
_AT_ONCE = 4


def read_all(request: Request, targets: Sequence[Target]) -> tuple[TargetStatus, ...]:
    """Return the status of each target, in the order given; nothing is written or locked.

    The request says which database the targets without a URL are in. Raises FilesError if the
    folder cannot be read, and UsageError if that database is not named, or takes nobody in.
    Whatever is wrong with one target, or with its server, is in its status.
    """
    settings = request.settings()
    whole = replace(settings, targets=None, targets_query=None, target=None)
    # Before anything is connected to: what is wrong with the folder needs no database.
    folder = Folder.of(whole)
    groups: dict[str | None, dict[int, Target]] = {}
    for place, target in enumerate(targets):
        groups.setdefault(target.url, {})[place] = target
    asked = replace(request, target=None, targets=None)
    found: Found = {}
    with opened(asked, whole) if None in groups else nullcontext(asked) as here:
        reads = [Reading(here, whole, folder, url, group).read for url, group in groups.items()]
        for read in _at_once(reads):
            found |= read
    return tuple(found[place] for place in range(len(targets)))


def _at_once(reads: Sequence[Callable[[], Found]]) -> Iterator[Found]:
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


def _in_context(context: Context, read: Callable[[], Found]) -> Found:
    return context.run(read)
