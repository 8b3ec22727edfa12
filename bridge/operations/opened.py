"""The database of one request, open for all that a command does with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine

from bridge.database.opening import opened

if TYPE_CHECKING:
    from bridge.database.engine import Database
    from bridge.operations.request import Request


@contextmanager
def opened_once(request: Request) -> Iterator[Database | None]:
    """Name the database of a request, and keep it open for all that is done with it inside.

    None for an Engine or a Connection that was handed in.
    """
    if isinstance(request.database, (Engine, Connection)):
        yield None
        return
    settings = request.settings()
    with opened(settings, url=request.database, embedded=request.embedded) as database:
        if request.reporter is not None:
            request.reporter.database(database.describe())
        request.attributes["bridge.database"] = database
        yield database
