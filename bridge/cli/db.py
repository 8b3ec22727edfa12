"""`eai db`: the embedded PostgreSQL from a shell."""

# ruff: noqa: D301 - Typer wants the character \b itself, before a paragraph not to be filled

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bridge.cli.exit import confirmed, ending
from bridge.cli.help import CONTEXT
from bridge.cli.mounting import MountableGroup
from bridge.errors import UsageError
from bridge.reporting.output import result
from bridge.reporting.screen import Screen

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy.engine import URL

db = typer.Typer(
    name="db",
    cls=MountableGroup,
    no_args_is_help=True,
    add_completion=False,
    context_settings=CONTEXT,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


@db.callback()
def group() -> None:
    """The embedded PostgreSQL: a server that needs no installation, for trying things out.

    It is what eai migrate --embedded migrates. All its data is in one folder of yours; the
    variable BRIDGE_EMBEDDED_DATA names another.

    \b
    Example:
      eai db psql -c "SELECT version FROM schema_migrations"
    """


@db.command("url")
def url_() -> None:
    """Print the URL of this project's database, and start the server if it does not run.

    The server is left running, so that other programs can use it, until eai db stop.

    \b
    Example:
      export DATABASE_URL="$(eai db url)"
    """
    screen = Screen()
    with ending(screen):
        from bridge.database.embedded.server import EmbeddedServer
        from bridge.database.url import rendered

        with EmbeddedServer.default() as server:
            # Whoever asks for the URL is about to use it, after this process has ended.
            server.keep()
            name = _database()
            server.ensure_database(name)
            url = server.url(name).set(drivername="postgresql")
        result(rendered(url))


@db.command(
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
def psql(
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="ARGS", help="Passed on to psql.")
    ] = None,
) -> None:
    """Open psql on this project's database; the server runs for as long.

    Ends with psql's own exit code.

    \b
    Examples:
      eai db psql
      eai db psql -c "SELECT version FROM schema_migrations"
    """
    with ending(Screen()):
        from bridge.database.embedded.server import EmbeddedServer

        with EmbeddedServer.default() as server:
            name = _database()
            server.ensure_database(name)
            code = _run(server.program("psql"), arguments or [], server.url(name))
    raise SystemExit(code)


@db.command()
def stop() -> None:
    """Stop the server; its data stays.

    Refused, with exit code 75, while another eai command uses it.

    \b
    Example:
      eai db stop
    """
    with ending(Screen()):
        from bridge.database.embedded.server import EmbeddedServer

        server = EmbeddedServer.default()
        running = server.running()
        server.stop()
        done = "Stopped the embedded PostgreSQL" if running else "No embedded PostgreSQL runs"
        result(f"{done} in {server.data_dir}.")


@db.command()
def destroy(
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Stop the server and remove all its databases, after asking.

    Ends with exit code 1 if the answer is no.

    \b
    Examples:
      eai db destroy
      eai db destroy --yes
    """
    with ending(Screen()):
        from bridge.database.embedded.server import EmbeddedServer

        server = EmbeddedServer.default()
        if not server.data_dir.exists():
            result(f"There is no embedded PostgreSQL in {server.data_dir}: nothing to remove.")
            return
        if not (yes or _confirmed(server.data_dir)):
            sys.stderr.write("Nothing was removed.\n")
            raise SystemExit(1)
        server.destroy()
        result(f"Removed the embedded PostgreSQL in {server.data_dir}.")


def _database() -> str:
    """Return the database of the project in the working directory."""
    from bridge.config.sources import find_config
    from bridge.database.embedded.server import database_for

    try:
        files = find_config(None, environ=os.environ)
    except UsageError:  # in no project
        return database_for(None)
    return database_for(str(files.ini or files.toml))


def _confirmed(data_dir: Path) -> bool:
    what = f"the embedded PostgreSQL in {data_dir} with all its databases"
    return confirmed(
        f"Remove {what}?",
        refusal=f"This would remove {what}, but there is no terminal to ask on. Nothing was "
        "removed. To do it without the question, add --yes.",
    )


def _run(program: Path, arguments: list[str], url: URL) -> int:
    """Run a client program on a database, as if it had been typed; returns its exit code."""
    # As variables and not as arguments, so that `arguments` may name another database.
    env = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    env |= {
        "PGHOST": str(url.query["host"]),
        "PGPORT": str(url.port),
        "PGUSER": str(url.username),
        "PGDATABASE": str(url.database),
    }
    before: dict[signal.Signals, Any] = {}
    process: subprocess.Popen[bytes] | None = None

    def pass_on(signum: int, _frame: object) -> None:
        # Ctrl-C reaches psql by itself, and there it ends a statement, not the session.
        if process is not None and signum != signal.SIGINT:
            process.send_signal(signum)

    # Handlers, and not SIG_IGN, which psql would inherit.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        before[number] = signal.signal(number, pass_on)
    try:
        process = subprocess.Popen([program, *arguments], env=env)
        code = process.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return code if code >= 0 else 128 - code
