"""Set the search_path of a target, with which its schema is where files make their tables.

The schema of its records is set in the same place, where the settings are read: never one without
the other. A connection of bridge's own is opened with it, so that it survives RESET and DISCARD; in
one that was handed in it is set, and put back at the end.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from bridge.database.quoting import always_quote

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection

    from bridge.config.settings import Settings

_EXCHANGE = """
WITH before AS MATERIALIZED (SELECT current_setting('search_path') AS path)
SELECT path, set_config('search_path', %s, false) FROM before
"""


def search_path_of(settings: Settings) -> str | None:
    """Return the search_path of the target, as SQL; None to leave it as it is."""
    target = settings.target
    if target is None or target.schema is None:
        return None
    return settings.targets_search_path.replace("{target}", always_quote(target.schema))


def startup_options(path: str, before: str | None = None) -> str:
    """Return libpq's `options` that set it, after those that the URL has already.

    Without any in the URL, PGOPTIONS counts, which a parameter would hide.
    """
    if before is None:
        before = os.environ.get("PGOPTIONS", "")
    escaped = re.sub(r"([\s\\])", r"\\\1", path)
    return f"{before} -csearch_path={escaped}".strip()


def with_search_path(url: URL, path: str | None) -> URL:
    """Return the URL of connections that begin with this search_path."""
    if path is None:
        return url
    before = url.query.get("options")
    if isinstance(before, tuple):
        before = before[-1]
    return url.update_query_dict({"options": startup_options(path, before)})


@contextmanager
def searching(connection: Connection, path: str | None) -> Iterator[None]:
    """Set it for the block in a connection that was handed in, whether in a transaction or not."""
    if path is None:
        yield
        return
    from psycopg2 import Error as DriverError

    before = _exchanged(connection, path)
    try:
        yield
    finally:
        if not (connection.closed or connection.invalidated):
            with suppress(DriverError):  # a failed transaction takes it back by itself
                _exchanged(connection, before)


def _exchanged(connection: Connection, path: str) -> str:
    """Set it below SQLAlchemy, which would begin a transaction for it; return what it was."""
    from bridge.database.connection_state import in_autocommit, is_idle
    from bridge.database.driver import plain

    driver: Any = plain(connection.connection.dbapi_connection)
    if is_idle(driver):
        with in_autocommit(driver):
            return _set(driver, path)
    return _set(driver, path)


def set_at_connect(path: str) -> Any:
    """Return a listener for a pool's "connect" that sets it in each connection of bridge's own."""
    from bridge.database.connection_state import in_autocommit
    from bridge.database.driver import DriverConnection, plain

    def set_it(driver: Any, _record: object) -> None:
        if isinstance(driver, DriverConnection):  # any other is somebody else's
            with in_autocommit(plain(driver)):
                _set(plain(driver), path)

    return set_it


def _set(driver: Any, path: str) -> str:
    from psycopg2.extensions import cursor as plain_cursor

    with driver.cursor(cursor_factory=plain_cursor) as cursor:
        cursor.execute(_EXCHANGE, (path,))
        return str(cursor.fetchone()[0])
