"""Configure Alembic's context: the team's own options, and those that bridge decides."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

from alembic.config import Config
from alembic.runtime.migration import MigrationContext

from bridge.alembic.autogenerate.comparison import compare_defaults
from bridge.alembic.left_out import without_records
from bridge.alembic.run import CommandRun
from bridge.alembic.version_table import widened_version_table
from bridge.config.resources import load_metadata
from bridge.database.driver import plain
from bridge.errors import MigrationError, UsageError

#: Options of ``context.configure`` that may stand in alembic.ini as true or false.
_AUTOGENERATE_SWITCHES = ("compare_type", "compare_server_default", "include_schemas")

#: What the records depend on, and so is not for an env.py to decide; and where it is decided.
_DECIDED_ELSEWHERE = {
    "connection": 'put the Engine or Connection into context.config.attributes["connection"]',
    "transaction_per_migration": "each migration is always committed by itself, with its record",
    "transactional_ddl": "each migration is always committed by itself, with its record",
    "version_table": "set version_table in alembic.ini, where every command finds it",
}


def configure(run: CommandRun, context: Any, options: Mapping[str, Any]) -> MigrationContext:
    """Configure Alembic's context for this run; `options` are what an env.py gave.

    Raises UsageError if they say what is not an env.py's to say, or nothing to compare with.
    """
    _refuse_decided(options)
    settings = run.settings
    given = {**_autogenerate_switches(context.config), **options}
    metadata = given.pop("target_metadata", None)
    if metadata is None:
        # Where programs hand in what an env.py would import.
        metadata = context.config.attributes.get("target_metadata")
    if metadata is None and settings.target_metadata:
        metadata = load_metadata(settings.target_metadata, sys_path=settings.prepend_sys_path)
    callbacks = given.pop("on_version_apply", None) or ()
    if callable(callbacks):
        callbacks = (callbacks,)
    given["include_object"] = without_records(settings, run.connection, given.get("include_object"))
    context.configure(
        connection=run.connection,
        target_metadata=metadata,
        transaction_per_migration=True,
        version_table=settings.version_table,
        version_table_schema=settings.version_table_schema,
        # The team's own first: ours ends the transaction.
        on_version_apply=(*callbacks, run.step_taken),
        **given,
    )
    ctx: MigrationContext = context.get_context()
    widened_version_table(ctx)
    ctx.autocommit_block = partial(_autocommit_block, run)  # type: ignore[method-assign, assignment]
    if metadata is None:
        _refuse_comparing_with_nothing(ctx)
    compare_defaults(ctx)
    if is_comparing(ctx):
        from bridge.alembic.autogenerate.writer import write_sql

        write_sql(ctx, run.script.compared, run.reporter.tell)
    return ctx


def is_comparing(ctx: MigrationContext) -> bool:
    """Return whether a command is under way that writes a new file, or compares with the models.

    No other needs the modules of `bridge.alembic.autogenerate`, which take long to load.
    """
    return ctx.opts.get("revision_context") is not None


def _refuse_decided(options: Mapping[str, Any]) -> None:
    for name, instead in _DECIDED_ELSEWHERE.items():
        if name in options:
            raise UsageError(
                f"run_environment() was given {name}, which an env.py cannot set: {instead}. "
                "Nothing was done."
            )


def _refuse_comparing_with_nothing(ctx: MigrationContext) -> None:
    """Say where the models are named; Alembic's own words name a file inside this package."""
    asked = ctx.opts.get("revision_context")
    if asked is not None and asked.command_args.get("autogenerate"):
        raise UsageError(
            "There are no models to compare the database with. Name them in alembic.ini: "
            "target_metadata = app.models:Base.metadata"
        )


def _autogenerate_switches(config: Config) -> dict[str, bool]:
    return {
        name: config.get_alembic_boolean_option(name)
        for name in _AUTOGENERATE_SWITCHES
        if config.get_alembic_option(name) is not None
    }


def _autocommit_block(run: CommandRun) -> AbstractContextManager[None]:
    """Stand for Alembic's: in a file that runs outside of transactions there is nothing to do."""
    # Past its guard, which takes a question for the end of what was owed.
    if plain(run.connection.connection.dbapi_connection).autocommit:
        return nullcontext()
    raise MigrationError(
        "op.get_context().autocommit_block() cannot be used in a plain file: bridge commits "
        'its work and its record together. Put transaction = "autocommit" at the top of the file '
        "instead. The whole file then runs outside a transaction."
    )
