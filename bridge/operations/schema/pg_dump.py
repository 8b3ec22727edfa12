"""Ask pg_dump for the schema of a database."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from psycopg2.extensions import make_dsn

from bridge.database.address import connect_defaults
from bridge.database.embedded.programs import client_program
from bridge.database.quoting import always_quote
from bridge.database.sending import send
from bridge.database.url import connection_parameters
from bridge.errors import TryAgain, UsageError
from bridge.operations.schema.entries import Entry, normalised, parse
from bridge.reporting.numbers import duration

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from bridge.database.database import Database

#: Neither who owns an object nor on which disk it is belongs to a schema.
_OPTIONS: Final = (
    *("--schema-only", "--no-owner", "--no-tablespaces", "--no-subscriptions"),
    *("--no-security-labels", "--encoding=UTF8", "--no-password"),
)
#: What the texts of a dump depend on, and the language of its errors.
_ENVIRONMENT: Final = {"PGTZ": "UTC", "LC_ALL": "C", "PG_COLOR": "never"}
#: What a server says where --lock-wait-timeout is over, which pg_dump takes for its statements.
_WAITED: Final = "due to statement timeout"


@dataclass(frozen=True, slots=True)
class Server:
    """The server of a database, and the role on it."""

    #: As 150018 for PostgreSQL 15.18.
    version: int
    role: str

    @property
    def major(self) -> int:
        """The 15 of PostgreSQL 15.18."""
        return self.version // 10000

    @classmethod
    def of(cls, connection: Connection) -> Server:
        """Ask a connection; it may be in a transaction."""
        question = "SELECT current_setting('server_version_num')::int, current_user::text"
        return cls(*send(connection, question).one())


def dump_schema(
    database: Database,
    server: Server,
    *,
    without_tables: Sequence[str] = (),
    without_schemas: Sequence[str] = (),
    wait: float,
) -> tuple[Entry, ...]:
    """Read the schema of a database, in the form that two machines share; writes nothing.

    Tables (and sequences) of these names are left out in all schemas. `wait` is how long to wait
    for tables that others keep locked, in seconds. Raises UsageError if pg_dump is not there, is
    too old or may not read something, TryAgain if the wait was too long.
    """
    program = client_program("pg_dump", server.major)
    parameters = connection_parameters(database.url)
    given: dict[str, Any] = {
        **parameters,
        **connect_defaults(parameters, application_name="bridge pg_dump"),
    }
    password = given.pop("password", None)
    if "sslpassword" in given:
        raise UsageError(
            "The database URL has a sslpassword, which pg_dump can only be given where everybody "
            "on this machine could read it. Use a key without one."
        )
    command = [
        str(program),
        *_OPTIONS,
        f"--lock-wait-timeout={max(int(wait * 1000), 1)}",
        *(f"--exclude-table=*.{always_quote(name)}" for name in without_tables),
        *(f"--exclude-schema={always_quote(name)}" for name in without_schemas),
        f"--dbname={make_dsn(**given)}",
    ]
    done = _run(command, password)
    if done.returncode:
        raise _explained(done.stderr, database, wait)
    return normalised(parse(done.stdout), role=server.role)


def _run(command: Sequence[str], password: Any) -> subprocess.CompletedProcess[str]:
    # Not among the arguments, which every user of the machine can read.
    secret = {"PGPASSWORD": str(password)} if password else {}
    return subprocess.run(
        command,
        check=False,
        capture_output=True,
        encoding="utf-8",
        errors="surrogateescape",
        stdin=subprocess.DEVNULL,
        env={**os.environ, **_ENVIRONMENT, **secret},
    )


def _explained(said: str, database: Database, wait: float) -> UsageError | TryAgain:
    reason = " ".join(said.replace("pg_dump: error:", "").split()).rstrip(".")
    where = database.describe()
    if _WAITED in said:
        return TryAgain(
            f"The schema of {where} could not be read within {duration(wait)}: somebody keeps a "
            f"table locked ({reason}). Nothing was changed. Try again."
        )
    return UsageError(
        f"pg_dump could not read the schema of {where}: {reason}. Nothing was changed. It needs "
        "the right to read every table: name a role that has it."
    )
