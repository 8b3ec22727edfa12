"""The database a run is about, with its server running for as long as it takes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import URL

from bridge.config.settings import Settings
from bridge.database.engine import Database, resolve


@contextmanager
def opened(
    settings: Settings,
    *,
    url: str | URL | Database | None = None,
    embedded: bool = False,
    asked_with: str = "--database-url",
) -> Iterator[Database]:
    """The database that the arguments, the environment or the settings name.

    Connects to nothing; an embedded server is started if it is the one, and runs for as long
    as the block. Raises UsageError if there is none or it cannot be used.
    """
    if isinstance(url, Database) and not embedded:
        yield url
        return
    chosen = resolve(
        settings,
        database_url=url.url if isinstance(url, Database) else url,
        embedded=embedded,
        asked_with=asked_with,
        environ=os.environ,
    )
    if isinstance(chosen, Database):
        yield chosen
        return
    from bridge.database.embedded.server import EmbeddedServer, database_for

    name = database_for(settings.config_file)
    with EmbeddedServer.default() as server:
        server.ensure_database(name)
        yield Database(server.url(name), f"the embedded PostgreSQL in {server.data_dir}")
