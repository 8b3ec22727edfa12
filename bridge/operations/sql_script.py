"""`eai migrate --sql`: the pending migrations of one database, as a script.

`alembic upgrade --sql` knows no database and begins at base; this one looks first. It writes
nothing into the database.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TextIO, cast

from bridge.alembic.connection import asked_for, connected
from bridge.alembic.logs import reporter_for
from bridge.alembic.run import CommandRun
from bridge.database.address import URL_VARIABLES
from bridge.ledger.preflight import Command, preflight
from bridge.operations.request import Request
from bridge.operations.upgrade import alembic_here

if TYPE_CHECKING:
    from alembic.config import Config

    from bridge.alembic.offline.bookkeeping import Found
    from bridge.alembic.script_directory import PlainScriptDirectory
    from bridge.config.settings import Settings


def write_sql(request: Request, *, to: str = "head", out: TextIO) -> None:
    """Write what `run_upgrade` would do now as a script for psql.

    It begins after what the database has applied; at base if no database is named anywhere.
    `to` is a revision as ``alembic upgrade`` takes it. Raises a BridgeError, and then nothing is
    written to `out`, if a file reads what a statement answers, or as `run_upgrade` before it
    changes anything.
    """
    from alembic import command
    from alembic.script import ScriptDirectory

    from bridge.alembic.offline.environment import FOUND

    with alembic_here():
        config = request.alembic_config()
        config.output_buffer = out
        script = cast("PlainScriptDirectory", ScriptDirectory.from_config(config))
        found = _look(config, script)
        config.attributes[FOUND] = found
        start = (found.agreement.history.pointer if found else None) or "base"
        command.upgrade(config, f"{start}:{to}", sql=True)


def _look(config: Config, script: PlainScriptDirectory) -> Found | None:
    """What the database has applied; None if none is named."""
    from bridge.alembic.offline.bookkeeping import Found

    settings = script.settings
    if config.attributes.get("connection") is None and not _is_named(config, settings):
        return None
    reporter = reporter_for(config)
    with connected(config, settings, reporter) as connection:
        run = CommandRun.of(script, connection, reporter)
        try:
            state = run.read()
            found = preflight(Command.LOOK, script.files, state, settings)
            found.refuse()
        finally:
            if not run.external:
                connection.rollback()
    return Found(state, found, state.layout)


def _is_named(config: Config, settings: Settings) -> bool:
    """Whether anything says which database is meant; one that cannot be used is named as well."""
    url, embedded = asked_for(config)
    urls = (url, *(os.environ.get(name) for name in URL_VARIABLES), settings.sqlalchemy_url)
    given = [str(each).strip() for each in urls if each]
    # `alembic init` writes a URL that is nobody's, with this driver.
    return embedded or settings.embedded or any(u and not u.startswith("driver:") for u in given)
