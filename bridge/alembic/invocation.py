"""Carry what bridge asks of an Alembic command in that command's configuration."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from alembic.config import Config
from sqlalchemy import Connection, Engine

from bridge.alembic.errors import under_command_line
from bridge.config.places import TARGET_ARGUMENTS
from bridge.config.settings import Settings
from bridge.config.sources import Options, find_config, named_section
from bridge.config.x_arguments import x_arguments
from bridge.database.address import URL_VARIABLES
from bridge.database.database import Database
from bridge.database.handed_in import Lender, usable
from bridge.database.request import Request
from bridge.database.target_list import find_target
from bridge.database.url import normalise
from bridge.errors import UsageError

if TYPE_CHECKING:
    from bridge.alembic.offline.found import Found
    from bridge.config.target import Target

#: Where it stands in ``config.attributes``.
KEY = "bridge"


@dataclass(frozen=True, kw_only=True)
class Invocation:
    """A request, and how Alembic's command is to serve it."""

    request: Request = field(default_factory=Request)
    #: A connection of the driver's that is open already.
    ahead: Any = None
    #: Whether bridge's own code writes a new file, which may be the folder's first.
    writes_file: bool = False
    #: What is done in the environment, in place of Alembic's command; is given the CommandRun.
    instead: Callable[[Any], None] | None = None
    #: The stems of the files that count; None for all of the folder.
    only: Collection[str] | None = None
    #: Whether the target is a new one, whose schema is made if it is not there.
    provisions: bool = False
    #: Whether files run although nothing of them is to stay.
    rehearses: bool = False
    #: What the database of a script has applied.
    found: Found | None = None
    #: The stems that a person has agreed to revert, in that order.
    agreed: Sequence[str] | None = None
    #: What a person has typed to revert.
    downgrade_command: str = "alembic downgrade"

    @classmethod
    def of(cls, config: Config, *, before: Invocation) -> Invocation:
        """Return the invocation in this configuration, once env.py has run; `before` is from then.

        ``config.attributes["connection"]`` may be an Engine or a Connection, as Alembic's own
        cookbook has it, or whatever else `bridge.upgrade` takes; it goes before all else. A URL
        that a program has set before is an argument as well. One that an env.py has set stands in
        place of that in the file: many copy DATABASE_URL there, and not all commands run env.py.
        Raises UsageError for what no migration can run on.
        """
        invocation = cls.in_(config) or _typed(config)
        given = usable(config.attributes.get("connection"))
        if given is None and (url := _url_of(config)) is not None:
            given = url
        if given is None and invocation.request.database is None:
            given = before.request.database or _set_by_env_py(config)
        if given is None:
            return invocation
        return replace(
            invocation,
            request=replace(invocation.request, database=given, embedded=False, opened=False),
        )

    @classmethod
    def by_program(cls, config: Config) -> Invocation:
        """Return the invocation of others who call Alembic, before env.py has run.

        No variable of the environment goes before a URL that they have set: else a test that names
        its database would migrate the one of whoever runs it.
        """
        return cls(request=Request(database=_as_set(config, "the program")))

    @classmethod
    def in_(cls, config: Config) -> Invocation | None:
        """Return what bridge's own code has put there; None where others call Alembic."""
        found = config.attributes.get(KEY)
        return found if isinstance(found, cls) else None

    def config(self) -> Config:
        """Return the project's configuration, as Alembic reads it, with this attached."""
        request = self.request
        files = find_config(request.config, environ=os.environ)
        section = named_section(request.section, environ=os.environ)
        config = Config(files.ini, toml_file=files.toml, ini_section=section)
        config.attributes[KEY] = self
        if isinstance(request.database, Engine | Connection | Lender):
            config.attributes["connection"] = request.database
        return config


def target_of(config: Config, settings: Settings, request: Request) -> Target | None:
    """Return the target of a command: that of the request, else of ``alembic -x target=NAME``.

    ``-x tenant=NAME``, as Alembic's cookbook has it, means the same where no env.py of the team's
    may mean something by it. Raises UsageError if there is no such target.
    """
    if request.target is not None:
        return request.target
    names = TARGET_ARGUMENTS if settings.own_environment else TARGET_ARGUMENTS[:1]
    named = [
        value
        for name, _, value in (argument.partition("=") for argument in x_arguments(config))
        if name in names
    ]
    if not named:
        return None
    if len(set(named)) > 1:
        raise UsageError(
            f"-x names several targets: {', '.join(named)}. Nothing was started. Name one; "
            "`eai migrate` takes several."
        )
    asked = replace(
        request, config=settings.config_file, section=settings.section, database=_url_of(config)
    )
    return find_target(asked, named[0])


def _typed(config: Config) -> Invocation:
    """Return what to type to go on after a failure of an ``alembic`` command."""
    if not under_command_line(config):
        return Invocation()
    function, *_ = config.cmd_opts.cmd if config.cmd_opts else (None,)
    command = "alembic upgrade head"
    if getattr(function, "__name__", None) == "downgrade":
        command = f"alembic downgrade {getattr(config.cmd_opts, 'revision', '-1')}"
    return Invocation(request=Request(command=command))


def _url_of(config: Config) -> str | None:
    """Return the URL of ``alembic -x database_url=URL``."""
    for argument in x_arguments(config):
        name, _, value = argument.partition("=")
        if name == "database_url":
            if not value:
                raise UsageError("-x database_url needs a value: write -x database_url=URL.")
            return value
    return None


def _set_by_env_py(config: Config) -> Database | None:
    variables = {**Settings.from_alembic(config).variables, **os.environ}
    if any(variables.get(variable, "").strip() for variable in URL_VARIABLES):
        return None
    return _as_set(config, "env.py")


def _as_set(config: Config, who: str) -> Database | None:
    name = "sqlalchemy.url"
    found = Options.of_alembic(config).get(name)
    if found is None or not found.value:
        return None
    as_written = Config(
        config.config_file_name,
        toml_file=config.toml_file_name,
        ini_section=config.config_ini_section,
        config_args=config.config_args,
    )
    written = Options.of_alembic(as_written).get(name)
    if written is not None and written.value == found.value:
        return None
    source = f"{name}, as {who} has set it"
    return Database(normalise(str(found.value), source=source), source)
