"""The environment of Alembic's commands in this project; written by `eai migrate eject`.

The database is the one of `alembic -x database_url=URL`, else of MIGRATION_DATABASE_URL, of
DATABASE_URL, of sqlalchemy.url in alembic.ini. A program may put an Engine or a Connection into
`config.attributes["connection"]`.
"""

from __future__ import annotations

import os
from logging.config import fileConfig
from typing import Any

from alembic import context
from alembic.ddl.postgresql import PostgresqlImpl
from sqlalchemy import Connection, String, Table, create_engine, make_url
from sqlalchemy.pool import NullPool

config = context.config
#: The models that `alembic check` and `alembic revision --autogenerate` compare with.
target_metadata: Any = config.attributes.get("target_metadata")
#: Alembic's own table, and its schema; None for the first one of the search_path.
VERSION_TABLE = "alembic_version"
VERSION_TABLE_SCHEMA: str | None = None
#: What recorded the migrations before Alembic did. Nothing writes it any more.
FORMER_LEDGER = "schema_migrations"
#: More options of `context.configure`.
OPTIONS: dict[str, Any] = {}


class LongIds(PostgresqlImpl):
    """PostgreSQL, with room in the version table for ids as long as the names of files."""

    __dialect__ = "postgresql"

    def version_table_impl(self, **options: Any) -> Table:
        """As Alembic's, with a wider column."""
        table = super().version_table_impl(**options)
        table.c.version_num.type = String(255)
        return table


def include_object(
    _object: Any, name: str | None, kind: str, _reflected: bool, _compare_to: Any
) -> bool:
    """Leave the former ledger out of comparisons with the models, which do not have it."""
    return not (kind == "table" and name == FORMER_LEDGER)


def end_transaction(ctx: Any, **_step: Any) -> None:
    """Commit a migration together with Alembic's pointer.

    A plain file may have ended the transaction that Alembic has begun, and then Alembic itself
    does not end the one that the pointer is in.
    """
    if not ctx.opts["callers_transaction"]:
        ctx.connection.commit()


def configure(**options: Any) -> None:
    """Configure Alembic's context, and run."""
    context.configure(
        target_metadata=target_metadata,
        transaction_per_migration=True,
        version_table=VERSION_TABLE,
        version_table_schema=VERSION_TABLE_SCHEMA,
        include_object=include_object,
        **OPTIONS,
        **options,
    )
    with context.begin_transaction():
        context.run_migrations()


def run_on(connection: Connection) -> None:
    """Run the command on this connection."""
    configure(
        connection=connection,
        on_version_apply=end_transaction,
        callers_transaction=connection.in_transaction(),
    )


def database_url() -> Any:
    """Return the URL of the database, for psycopg2 whichever driver it names."""
    places = (
        context.get_x_argument(as_dictionary=True).get("database_url"),
        os.environ.get("MIGRATION_DATABASE_URL"),
        os.environ.get("DATABASE_URL"),
        config.get_main_option("sqlalchemy.url"),
    )
    found = next(filter(None, places), None)
    if found is None:
        raise SystemExit("No database is named: set DATABASE_URL, or sqlalchemy.url in alembic.ini")
    return make_url(found).set(drivername="postgresql+psycopg2")


if config.config_file_name and config.file_config.has_section("loggers"):
    fileConfig(config.config_file_name, disable_existing_loggers=False)

if context.is_offline_mode():
    configure(dialect_name="postgresql", dialect_opts={"paramstyle": "named"}, literal_binds=True)
elif isinstance(given := config.attributes.get("connection"), Connection):
    run_on(given)
else:
    engine = given or create_engine(database_url(), poolclass=NullPool)
    with engine.connect() as own_connection:
        run_on(own_connection)
