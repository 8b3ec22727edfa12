"""The command `eai`.

`app` is the whole of it. `migrate` is the group that a team mounts in a command line of its own,
and `make` makes one with a configuration:
`their_app.add_typer(bridge.cli.migrate, name="migrate")`, or in a group of Click's
`group.add_command(typer.main.get_command(bridge.cli.migrate), "migrate")`. Nothing is decided
here: options go to `bridge.operations.upgrade` as they were given.
"""

# ruff: noqa: D301 - Typer wants the character \b itself, before a paragraph not to be filled

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bridge.cli.applying import apply
from bridge.cli.check import check
from bridge.cli.compare import compare
from bridge.cli.completion import revisions
from bridge.cli.db import db
from bridge.cli.downgrade import downgrade
from bridge.cli.dump import dump
from bridge.cli.eject import eject
from bridge.cli.help import CONTEXT, Command, typed
from bridge.cli.import_ import import_
from bridge.cli.init import init
from bridge.cli.lint import lint
from bridge.cli.load import load
from bridge.cli.lock import lock
from bridge.cli.mark import mark
from bridge.cli.misplaced import OWN, refuse_misplaced
from bridge.cli.mounting import MountableGroup
from bridge.cli.new import new
from bridge.cli.options import META, Options
from bridge.cli.plan import planned_lines, write_script
from bridge.cli.provision import provision
from bridge.cli.rehearse import rehearse
from bridge.cli.repair import repair
from bridge.cli.rollout import refuse_alone, roll_out, rollout_of, taking_many
from bridge.cli.squash import squash
from bridge.cli.status import status
from bridge.cli.targets import ALL, SECTION, TARGET, TARGETS, of_list, of_targets
from bridge.cli.version import show_version
from bridge.cli.wait import wait
from bridge.reporting.output import result

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

app = typer.Typer(
    name="eai",
    cls=MountableGroup,
    no_args_is_help=True,
    context_settings=CONTEXT,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,  # its tracebacks show local variables
)
_COMMANDS: dict[str, Callable[..., None]] = {
    "status": of_targets(status, each=False),
    "new": new,
    "check": of_targets(check),
    "lint": lint,
    "rehearse": of_targets(rehearse),
    "wait": of_targets(wait),
    "lock": of_targets(lock),
    "downgrade": of_targets(downgrade),
    "mark": of_targets(mark),
    "provision": of_list(provision),
    "repair": of_targets(repair),
    "init": init,
    "import": import_,
    "squash": squash,
    "dump": dump,
    "load": load,
    "compare": compare,
    "eject": eject,
}


def _group(*, config: Path | None = None, prog: str | None = None) -> typer.Typer:
    group = typer.Typer(
        name="migrate",
        cls=type("Group", (MountableGroup,), {"config": config, "prog": prog, "own": OWN}),
        invoke_without_command=True,
        add_completion=False,
        context_settings=CONTEXT,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )
    group.callback()(taking_many(upgrade))
    for name, command in _COMMANDS.items():
        # So that -1 is a revision, as it is for `alembic downgrade`, and no option.
        settings = {"ignore_unknown_options": True} if name == "downgrade" else None
        group.command(name, cls=Command, context_settings=settings)(command)
    return group


def make(*, config: str | os.PathLike[str] | None = None, prog: str | None = None) -> typer.Typer:
    """Make the group of commands, to be mounted in a command line of a team's own.

    `config` is the alembic.ini or pyproject.toml to read, as if it were typed after `--config`;
    one that is typed wins. `prog` is what a person types for the group, such as
    `python manage.py migrate`, in the examples of its help and in messages; by default it is how
    the group is mounted.
    """
    return _group(config=Path(config) if config is not None else None, prog=prog)


@app.callback()
def eai(
    *,
    _version: Annotated[
        bool,
        typer.Option(
            "--version",
            is_eager=True,
            callback=show_version,
            help="Show the release of bridge, and of what it runs on.",
        ),
    ] = False,
) -> None:
    """Bring a PostgreSQL database up to date with plain numbered migration files."""


def upgrade(
    ctx: typer.Context,
    *,
    to: Annotated[
        str,
        typer.Option(
            metavar="REV",
            autocompletion=revisions("head"),
            help="Stop after this migration: its name or the beginning of it, or +1 for the next.",
        ),
    ] = "head",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List what would run, in order, and run nothing.")
    ] = False,
    sql: Annotated[
        bool,
        typer.Option(
            "--sql",
            help="Write what would run as a script for psql, records included, and run nothing. "
            "It begins after what the database has; at the first file if no database is named.",
        ),
    ] = False,
    database_url: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="The database. Others on this machine can see it in the list of processes, "
            "with its password: better set MIGRATION_DATABASE_URL or DATABASE_URL. Without any of "
            "these, sqlalchemy.url in alembic.ini counts.",
        ),
    ] = None,
    embedded: Annotated[
        bool,
        typer.Option(
            "--embedded",
            help="Use the embedded PostgreSQL (see eai db), whatever database is configured.",
        ),
    ] = False,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            "-c",
            metavar="FILE",
            help="The alembic.ini or pyproject.toml to read. Default: the variable "
            "ALEMBIC_CONFIG, then the one in this folder or the nearest above it.",
        ),
    ] = None,
    target: TARGET = None,
    all_targets: ALL = False,
    targets: TARGETS = None,
    section: SECTION = None,
    wait_for_lock: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            help="How long to wait while another process migrates this database. Default: the "
            "variable BRIDGE_WAIT_FOR_LOCK, then wait_for_lock in alembic.ini, then 300.",
        ),
    ] = None,
    wait_for_server: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            help="How long to wait for a server that does not answer. Default: the variable "
            "BRIDGE_WAIT_FOR_SERVER, then wait_for_server in alembic.ini, then 0.",
        ),
    ] = None,
    ddl_lock_timeout: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            help="How long a statement may wait for a lock before its migration is rolled back "
            "and tried again. Default: the variable BRIDGE_DDL_LOCK_TIMEOUT, then "
            "ddl_lock_timeout in alembic.ini, then 0: as long as it takes.",
        ),
    ] = None,
    log_format: Annotated[
        str | None,
        typer.Option(
            metavar="FORMAT",
            help="How to report what happens: text, or json for one line of JSON for each event. "
            "Default: the variable BRIDGE_LOG_FORMAT, then log_format in alembic.ini, then text.",
        ),
    ] = None,
    verbose: Annotated[
        bool,
        typer.Option("--verbose", "-v", help="Also show each SQL statement that is sent."),
    ] = False,
    show_parameters: Annotated[
        bool,
        typer.Option(
            "--show-parameters",
            help="Show the parameters of statements too: they can be customers' data. Also the "
            "variable BRIDGE_SHOW_PARAMETERS=true.",
        ),
    ] = False,
) -> None:
    """Apply the migrations that this database does not have yet.

    Each migration is committed by itself: when one fails, those before it stay applied, and
    the next run goes on with it. What happens is told on standard error, the result on
    standard output.

    \b
    Examples:
      eai migrate
      eai migrate --dry-run
      eai migrate --sql > upgrade.sql
      eai migrate --to 002 --wait-for-lock 60 --config deploy/alembic.ini
      eai migrate -n tenants --all --waves 1,10%,100% --max-failures 3

    \b
    Exit codes:
        0  done, or nothing to do
        1  a migration failed
        2  wrong usage or configuration; nothing was started
        4  a problem in the files or in the record of what is applied
       75  try again later: another process migrates, the server does not
           answer, or others keep a table locked
      130  interrupted by Ctrl-C (SIGINT)
      143  interrupted by SIGTERM
    """
    own_config: Path | None = getattr(ctx.command, "config", None)
    options = Options(
        program=typed(ctx),
        config=config or own_config,
        has_own_config=config is None and own_config is not None,
        database_url=database_url,
        embedded=embedded,
        wait_for_lock=wait_for_lock,
        wait_for_server=wait_for_server,
        ddl_lock_timeout=ddl_lock_timeout,
        log_format=log_format,
        verbose=verbose,
        show_parameters=show_parameters,
    ).with_targets(target=target, all_targets=all_targets, targets=targets, section=section)
    ctx.meta[META] = options
    if ctx.invoked_subcommand is not None:
        own = {name.removeprefix("--"): True for name in rollout_of(ctx).given}
        own |= {"to": to != "head", "dry_run": dry_run, "sql": sql}
        of_targets_too = {"target": bool(target), "all": all_targets, "targets": bool(targets)}
        refuse_misplaced(ctx, **own, **of_targets_too)
        return
    if options.many:
        roll_out(options, rollout_of(ctx), to=to, sql=sql, dry_run=dry_run)
        return
    refuse_alone(rollout_of(ctx))
    if sql:
        write_script(options, to=to, dry_run=dry_run)
        return
    if not dry_run:
        apply(options, to=to)
        return
    with options.run() as request:
        from bridge.operations.upgrade import plan

        result(*planned_lines(plan(request, to=to), to))


migrate = make()
app.add_typer(migrate, name="migrate")
app.add_typer(db, name="db")
