"""Read the ledgers of many targets: those of one database over one connection, many at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from bridge.operations.targets.databases import per_database, whole
from bridge.operations.targets.reading import Folder, Found, Reading
from bridge.operations.targets.target_status import TargetState

if TYPE_CHECKING:
    from bridge.config.target import Target
    from bridge.database.request import Request
    from bridge.operations.targets.databases import Places
    from bridge.operations.targets.target_status import TargetStatus


def read_all(request: Request, targets: Sequence[Target]) -> tuple[TargetStatus, ...]:
    """Return the status of each target, in the order given; nothing is written or locked.

    The request says which database the targets without a URL are in. Raises FilesError if the
    folder cannot be read, and UsageError if that database is not named, or takes nobody in.
    Whatever is wrong with one target, or with its server, is in its status.
    """
    settings = whole(request.settings())
    # Before anything is connected to: what is wrong with the folder needs no database.
    folder = Folder.of(settings)

    def read(here: Request, places: Places) -> Found:
        return Reading(here, settings, folder, places).read()

    found: Found = {}
    for each in per_database(request, targets, read, goes_on=_was_reached):
        found |= each
    # Those of a database which were not asked any more, because nobody answers there.
    lost = {
        targets[place].url: status
        for place, status in found.items()
        if status.state is TargetState.UNREACHABLE
    }
    return tuple(
        found[place] if place in found else replace(lost[target.url], target=target.name)
        for place, target in enumerate(targets)
    )


def _was_reached(found: Found) -> bool:
    return any(each.state is not TargetState.UNREACHABLE for each in found.values())
