"""One database: its URL, and who named it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bridge.database.address import described
from bridge.database.url import connection_parameters

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import URL


@dataclass(frozen=True)
class Database:
    """One database, and where its URL came from."""

    #: The URL for psycopg2. It may hold a password, so it is left out of the repr.
    url: URL = field(repr=False)
    #: Who named it: ``DATABASE_URL``, ``--database-url``, ``sqlalchemy.url in /srv/alembic.ini``.
    source: str
    #: Whether it was made for this command alone, which drops it: nothing in it stays.
    is_scratch: bool = False

    def describe(self, *, environ: Mapping[str, str] = os.environ) -> str:
        """Say host, port, database, role and source in one line, without any secret.

        ``environ`` gives the PG* variables, which libpq uses for what the URL leaves out.
        """
        return described(connection_parameters(self.url), self.source, environ=environ)
