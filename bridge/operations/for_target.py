"""Make a request one for a single target; most requests are for none, and load nothing for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bridge.config.target import Target
    from bridge.database.request import Request


def for_target(request: Request, target: str | Target | None) -> Request:
    """Return the request for this target, which may be named; None leaves it as it is.

    Raises UsageError if there is no such target, or the list of them cannot be had.
    """
    if target is None:
        return request
    from bridge.database.target_list import with_target

    return with_target(request, target)
