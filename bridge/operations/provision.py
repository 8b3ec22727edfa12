"""`eai migrate provision`: make the schema or the database of a new tenant, and all that is in it.

What `upgrade` refuses, a schema that is not there, may be a slip of the keyboard; here it is what
somebody wants. Everything else is an upgrade.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from psycopg2 import Error as DriverError

from bridge.config.target import Target
from bridge.database.connect_errors import is_without_database
from bridge.database.connected import connected
from bridge.database.creating import create_database
from bridge.database.database import Database
from bridge.database.driver_errors import first_line
from bridge.database.engine import connect, make_engine, normalise
from bridge.database.quoting import quote
from bridge.database.request import Request
from bridge.database.target_list import listed_targets, named
from bridge.errors import UsageError
from bridge.operations.by_program import by_program, typed_for
from bridge.operations.upgrade import Report, run_upgrade
from bridge.reporting import events
from bridge.reporting.commands import quoted
from bridge.reporting.wording import AsTyped

if TYPE_CHECKING:
    from bridge.config.settings import Settings
    from bridge.database.handed_in import HandedIn
    from bridge.reporting.reporter import Reporter

#: The database that each server has, from which another one is made.
_MAINTENANCE = "postgres"


def provision(
    target: str | Target,
    database: HandedIn = None,
    *,
    config: str | os.PathLike[str] | None = None,
    section: str | None = None,
    wait_for_lock: float | None = None,
    wait_for_server: float | None = None,
    embedded: bool = False,
    reporter: Reporter | None = None,
) -> Report:
    """Make a new tenant: its schema, or its database, and all that the migrations make in it.

    `target` is a `bridge.Target`, or a name: that of one in the section's list, else of a schema in
    the configured database. The rest is as for `upgrade`. The schema is made, the migrations are
    applied and recorded under one lock, so that two who provision one tenant at once do it once.
    Whatever is there already stays, and what was not finished is: it may be repeated.

    Raises what `upgrade` raises; UsageError for a database that cannot be made, LedgerError for a
    schema that this role may not make. The schema is committed together with the tables of the
    records, so that a folder that is refused leaves none; a database that was made stays.
    """
    request = Request.at_start(
        database,
        config=config,
        section=section,
        embedded=embedded,
        wait_for_lock=wait_for_lock,
        wait_for_server=wait_for_server,
        reporter=reporter,
    )
    with by_program(request) as here:
        return run_provision(here, target)


def run_provision(request: Request, target: str | Target) -> Report:
    """Do as `provision` does, for a Request."""
    settings = request.settings()
    found, is_listed = _found(request, settings, target)
    with typed_for(target=found) as as_typed:
        here = replace(
            request,
            target=found,
            reporter=AsTyped(request.reporter, as_typed),
            command=f"eai migrate provision {quoted(found.name)}",
        )
        if found.url is not None:
            _make_database(here, found, found.url)
        report = run_upgrade(here, provisions=True)
    if not is_listed and found not in listed_targets(request, settings):
        request.reporter.tell(
            events.Warned(
                f"The list of targets in [{settings.section}] does not have the {found} yet. No "
                "--all reaches it before it does."
            )
        )
    return report


def _found(request: Request, settings: Settings, target: str | Target) -> tuple[Target, bool]:
    """Return the target, and False if there is a list of targets that lacks its name."""
    if isinstance(target, Target):
        return target, True
    if request.targets is None and not settings.has_targets:
        return Target(target), True
    targets = listed_targets(request, settings)
    if (listed := named(targets, target)) is not None:
        return listed, True
    if any(each.url is not None for each in targets):
        # It would become a schema of the configured database.
        raise UsageError(
            f"There is no target {target!r} in the list of targets, and some of those have URLs. "
            "Nothing was made. Put it into the list with its own, and type the same command again."
        )
    return Target(target), False


def _make_database(request: Request, target: Target, url: str) -> None:
    """Make the database of a target, unless it is there.

    Raises UsageError if this role may not, and what a connection raises.
    """
    settings = request.settings()
    try:
        with connected(request, settings):
            return
    except UsageError as error:
        if not is_without_database(error):
            raise
        missing = error
    source = f"the URL of the {target}"
    asked = normalise(url, source=source)
    name = str(asked.database)
    server = Database(asked.set(database=_MAINTENANCE), source)
    engine = make_engine(server.url)
    try:
        with connect(engine, server, wait=settings.wait_for_server) as connection:
            driver: Any = connection.connection.dbapi_connection
            driver.autocommit = True
            is_new = create_database(driver, name)
    except (UsageError, DriverError) as error:
        raise UsageError(
            f"The {target} has no database {quote(name)}, and it cannot be made: "
            f"{first_line(error).rstrip('.')}. Nothing was made. Its role must be allowed to "
            f"create databases (ALTER ROLE … CREATEDB) and to connect to {_MAINTENANCE}; or make "
            f"the database by hand, and type the same command again."
        ) from missing
    finally:
        engine.dispose()
    if is_new:
        request.reporter.tell(events.Note(f"The database {name} is new."))
