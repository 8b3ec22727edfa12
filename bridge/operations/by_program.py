"""A request of a program: for which target, and how commands are typed for it at a terminal."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from bridge.config.sources import to_name
from bridge.reporting.wording import AsTyped, raised_as_typed

if TYPE_CHECKING:
    from bridge.config.target import Target
    from bridge.database.request import Request


@contextmanager
def by_program(request: Request, target: str | Target | None = None) -> Iterator[Request]:
    """Give the request for this target, which may be named; None leaves it as it is.

    What is told and raised within names commands as they are typed for the same configuration,
    section and target. Raises UsageError if there is no such target, or the list of them cannot be
    had.
    """
    with typed_for(
        config=request.config, section=request.section, target=target, embedded=request.embedded
    ) as as_typed:
        worded = replace(request, reporter=AsTyped(request.reporter, as_typed))
        if target is None:
            yield worded
            return
        # Most requests are for none, and load nothing for it.
        from bridge.database.target_list import with_target

        yield with_target(worded, target)


@contextmanager
def typed_for(
    *,
    config: str | os.PathLike[str] | None = None,
    section: str | None = None,
    target: str | Target | None = None,
    embedded: bool = False,
) -> Iterator[Callable[[str], str]]:
    """Give what makes a sentence name commands as they are typed for this; errors within do so."""

    def as_typed(message: str) -> str:
        from bridge.reporting.commands import Typed  # most runs say nothing to type

        return Typed(
            config=to_name(config),
            section=section,
            embedded=embedded,
            target=target if target is None or isinstance(target, str) else target.name,
        )(message)

    with raised_as_typed(as_typed):
        yield as_typed
