"""Run env.py's work on a live database: connect, lock, configure Alembic, run.

A command that only looks reads the ledger and answers from it. A command that writes goes
through `bridge.alembic.write`. Here both are told apart, and Alembic's context is set up for
either.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial
from typing import Any

from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from psycopg2 import Error as DriverError
from sqlalchemy.exc import DBAPIError, OperationalError

from bridge.alembic.announce import announce
from bridge.alembic.configure import configure, is_comparing
from bridge.alembic.connection import command_connection
from bridge.alembic.env_py import with_schema
from bridge.alembic.errors import errors_for_alembic, under_command_line
from bridge.alembic.invocation import Invocation
from bridge.alembic.logs import reporter_for
from bridge.alembic.run import CommandRun
from bridge.alembic.script_directory import PlainScriptDirectory
from bridge.alembic.write import write
from bridge.config.parsers import SETTABLE
from bridge.config.x_arguments import unknown_arguments, x_arguments
from bridge.database.driver_errors import first_line
from bridge.database.interrupt import Interrupter, interruptible
from bridge.database.sqlstate import sqlstate
from bridge.errors import BridgeError, LedgerError, TryAgain, UsageError
from bridge.ledger.preflight import Command, preflight
from bridge.reporting import events
from bridge.reporting.reporter import Reporter


def run_environment(context: EnvironmentContext | Any, **options: Any) -> None:
    """Run the Alembic command that is under way; what an ``env.py`` calls.

    `context` is ``alembic.context``. `options` are those of ``context.configure``, for a team
    that needs its own ``include_object``, ``render_item`` or the like; ``version_table_schema`` is
    the schema of both tables, for one that has a schema for each tenant. Raises Alembic's
    CommandError, caused by a BridgeError; under the ``alembic`` command, SystemExit.
    """
    with errors_for_alembic(context.config):
        script = context.script
        if not isinstance(script, PlainScriptDirectory):
            raise UsageError(
                "This Alembic environment is not set up for plain files. Put plain_files = true "
                "into alembic.ini, beside script_location."
            )
        script.unserved = False
        script.settings = with_schema(script.settings, options.pop("version_table_schema", None))
        reporter = reporter_for(context.config)
        own = script.settings.own_environment
        for each in unknown_arguments(x_arguments(context.config), SETTABLE, own_environment=own):
            reporter.tell(events.Warned(each))
        if context.is_offline_mode():
            from bridge.alembic.offline.environment import run_offline

            run_offline(context, options, reporter)
            return
        _run_online(script, context, options, reporter)


def _run_online(
    script: PlainScriptDirectory, context: Any, options: dict[str, Any], reporter: Reporter
) -> None:
    config = context.config
    typed = under_command_line(config)
    invocation = Invocation.of(config, before=script.invocation)
    with _signals(invocation.request.interrupter, typed=typed) as interrupter:
        request = replace(invocation.request, reporter=reporter, interrupter=interrupter)
        invocation = replace(invocation, request=request)
        asked_with = "-x database_url=URL" if typed else "--database-url"
        with command_connection(invocation, script.settings, asked_with=asked_with) as connection:
            run = CommandRun.of(script, connection, request)
            run.provisions = invocation.provisions
            if interrupter is not None:
                run.check_signals = interrupter.check
            _run(run, invocation, context, options)


def _signals(
    given: Interrupter | None, *, typed: bool
) -> AbstractContextManager[Interrupter | None]:
    """Cancel statements on signals under a command line; a service has handlers of its own."""
    return interruptible() if given is None and typed else nullcontext(given)


def _run(run: CommandRun, invocation: Invocation, context: Any, options: dict[str, Any]) -> None:
    try:
        if invocation.instead is not None:
            invocation.instead(run)
            return
        if not run.external:
            # Being in a transaction when its context is made, Alembic leaves transactions to us.
            run.connection.begin()
        ctx = configure(run, context, options)
        if ctx.opts.get("destination_rev") is None:
            _look(run, ctx, context.run_migrations, rehearses=invocation.rehearses)
        else:
            write(run, ctx)
    except (DBAPIError, DriverError) as error:
        raise _refused_by_database(error) from error
    finally:
        if not run.external and run.connection.in_transaction():
            # A connection that was handed in is given back as it came.
            run.connection.rollback()


def _look(
    run: CommandRun,
    ctx: MigrationContext,
    run_migrations: Callable[[], None],
    *,
    rehearses: bool,
) -> None:
    """Answer from the ledger, also for a database that has not been adopted yet."""
    state = run.read()
    found = preflight(Command.LOOK, run.script.files, state, run.settings)
    found.refuse()
    comparing: AbstractContextManager[None] = nullcontext()
    if is_comparing(ctx):
        from bridge.alembic.autogenerate.writer import refuse_if_behind, unsorted

        refuse_if_behind(ctx, found.history)
        comparing = unsorted()
    run.script.follow(found.history)
    # Who asks what would run is told what the run would refuse.
    run.script.announce = partial(
        announce, run, state, agreed=found.agreement, looking=not rehearses
    )
    pointer = found.history.pointer
    ctx.opts["dont_mutate"] = True
    ctx.get_current_heads = lambda: (pointer,) if pointer else ()  # type: ignore[method-assign]
    with comparing:
        run_migrations()
    if not run.external:
        run.connection.commit()  # `ensure_version` has created the version table


def _refused_by_database(error: DBAPIError | DriverError) -> BridgeError:
    """Return the error for a failed statement that is not a migration's own.

    One that was sent below SQLAlchemy has the driver's error.
    """
    statement = " ".join((getattr(error, "statement", None) or "").split())
    where = f"\n  statement: {statement}" if statement else ""
    if _is_cut(error):
        return TryAgain(
            f"The connection to the database was lost: {first_line(error)}{where}\n"
            "What was committed before stays, and is recorded. Run the same command again."
        )
    return LedgerError(
        f"A statement of bridge's own, not of a migration, failed: {first_line(error)}{where}\n"
        "What was committed before stays, and is recorded; the rest was rolled back."
    )


def _is_cut(error: DBAPIError | DriverError) -> bool:
    """Return whether the connection was cut, or, cut before, could not be made anew."""
    if isinstance(error, DriverError):
        # Without a SQLSTATE nobody has answered; the others are those of a server that ends.
        return (sqlstate(error) or "57P")[:3] == "57P"
    if error.connection_invalidated:
        return True
    answered = error.statement is not None or sqlstate(error) is not None
    return isinstance(error, OperationalError) and not answered
