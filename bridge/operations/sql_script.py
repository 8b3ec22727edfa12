"""`eai migrate --sql`: write the pending migrations of one database as a script.

`alembic upgrade --sql` knows no database and begins at base; this one looks first. It writes
nothing into the database.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TextIO

from bridge.alembic.commands import write_script
from bridge.alembic.invocation import Invocation
from bridge.alembic.offline.found import Found
from bridge.config.settings import Settings
from bridge.database.address import URL_VARIABLES
from bridge.database.connected import opened
from bridge.database.request import Request
from bridge.files.folder import scan
from bridge.ledger.preflight import Command, preflight
from bridge.ledger.read import read_state
from bridge.ledger.tables import Ledger
from bridge.operations.read_only import looking
from bridge.reporting import events


def write_sql(request: Request, *, to: str = "head", out: TextIO) -> None:
    """Write what `run_upgrade` would do now as a script for psql.

    It begins after what the database has applied; at base if no database is named anywhere.
    `to` is a revision as ``alembic upgrade`` takes it. Raises a BridgeError, and then nothing is
    written to `out`, if a file reads what a statement answers, or as `run_upgrade` before it
    changes anything.
    """
    found = _look(request)
    start = (found.agreement.history.pointer if found else None) or "base"
    write_script(Invocation(request=request, found=found), f"{start}:{to}", out)


def _look(request: Request) -> Found | None:
    """Read what the database has applied; None if no database is named."""
    settings = request.settings()
    if not _is_named(request, settings):
        return None
    files = scan(settings.folder, settings.conventions).files
    with opened(request, settings) as here, looking(here, settings) as connection:
        state = read_state(connection, Ledger.of(settings), files)
    # The script runs on a connection of its own, and not on this one, which only reads.
    state = replace(state, session=replace(state.session, read_only=False))
    if state.recognised:
        request.reporter.tell(events.Note(state.recognised))
    found = preflight(Command.LOOK, files, state, settings)
    found.refuse()
    return Found(state, found, state.layout)


def _is_named(request: Request, settings: Settings) -> bool:
    """Return whether anything names a database, even one that cannot be used."""
    given = request.database
    if given is not None and not isinstance(given, str):
        return True
    variables = {**settings.variables, **os.environ}
    urls = (given, *(variables.get(name) for name in URL_VARIABLES), settings.sqlalchemy_url)
    named = [str(each).strip() for each in urls if each]
    # `alembic init` writes a URL that is nobody's, with this driver.
    of_somebody = any(url and not url.startswith("driver:") for url in named)
    return request.embedded or settings.embedded or of_somebody
