"""The settings of a run, from alembic.ini, BRIDGE_* and the command line.

Both ways in (a configuration found on disk, or the Config that Alembic hands over) follow
the same rules. It opens no database, executes no file, and imports no Alembic.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from bridge.config import values
from bridge.config.contradictions import refuse_contradictions
from bridge.config.parsers import IN_A_FILE, PARSERS, SETTABLE
from bridge.config.places import TARGET_ARGUMENTS, Places, folder_of, tidy
from bridge.config.sources import Options, find_config, named_section
from bridge.errors import UsageError
from bridge.files.conventions import Argument, Conventions, Order
from bridge.files.mode import Mode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from alembic.config import Config

    from bridge.config.target import Target

#: What counts for a service that starts where nothing else is said: its server may be starting
#: too, and a lock that one statement waits for makes every reader behind it wait.
AT_START: Mapping[str, object] = {"wait_for_server": 60.0, "ddl_lock_timeout": 2.0}

OutOfOrder = Literal["run", "refuse"]
Drift = Literal["warn", "refuse"]
Startup = Literal["upgrade", "check", "off"]
Pooler = Literal["auto", "yes", "no"]
LogFormat = Literal["text", "json"]
LedgerKeyForm = Literal["stem", "file", "number", "path"]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings for the migrations of one project; every value is checked.

    The page of the settings is made from the comments: a sentence that begins with "Here" is for
    readers of this class, and times are in seconds.
    """

    #: The one folder of migrations, relative to the file; or in a package, ``package:migrations``.
    #: Here its absolute path. Default: ``migrations`` beside the configuration.
    folder: str
    #: Absolute path of the alembic.ini or pyproject.toml; None for a Config without a file.
    config_file: str | None = None
    #: The section of the ini file. Default: "alembic".
    section: str = "alembic"
    #: Whether the environment is bridge's own, and not an ``env.py`` of the team's.
    own_environment: bool = False
    #: How a file runs that does not say ``transaction = …`` itself. Default: "default".
    transaction: Mode = Mode.DEFAULT
    #: What a function takes where its annotation does not say it. Default: "session".
    argument: Argument = Argument.SESSION
    #: What the function of a migration is called. Default: "upgrade".
    upgrade_function: str = "upgrade"
    #: What the other one is called, if it has one. Default: "downgrade".
    downgrade_function: str = "downgrade"
    #: The order of pending files: as their names sort, or by number (``V9`` before ``V10``). Where
    #: it is not set, nothing is recorded and the two orders differ, a run is refused. Here None for
    #: "name" then.
    order: Order | None = None
    #: What happens to a pending file that comes before an applied one: ``run`` applies it, with a
    #: warning; ``refuse`` stops and names it. Default: "run".
    out_of_order: OutOfOrder = "run"
    #: What happens where a file was changed after it was applied: ``warn`` names such files
    #: whenever something is pending; ``refuse`` stops each command that writes, and each start
    #: compares the files. Default: "warn".
    drift: Drift = "warn"
    #: The ledger: one row for each applied migration. Where it is set, no table of another name is
    #: looked for. Default: "schema_migrations".
    ledger_table: str = "schema_migrations"
    #: Whether anything says so: then no table of another name is looked for.
    ledger_is_named: bool = False
    #: The ledger's column for the names of migrations; by default ``version``, or what the table's
    #: columns and rows say. Here None for that.
    ledger_key: str | None = None
    #: What that column holds: ``004_new_feature``, ``004_new_feature.py``, ``004`` or ``4``, or
    #: ``migrations/004_new_feature.py``; by default what the rows say. Here None for that.
    ledger_key_form: LedgerKeyForm | None = None
    #: Alembic's table with its one pointer. Default: "alembic_version".
    version_table: str = "alembic_version"
    #: The schema of both tables; by default the first of the search_path. Here None for that.
    version_table_schema: str | None = None
    #: What lists the targets, as ``module:attribute``: a list, or a function that returns one, of
    #: names, of pairs of a name and a URL, or of ``bridge.Target``. A section that has it is for
    #: many targets, and each command needs one (``--target``), or all (``--all``).
    targets: str | None = None
    #: The same as a query in the configured database: one column, the schema; or two, a name and a
    #: URL.
    targets_query: str | None = None
    #: The search_path of a target that is a schema. It begins with ``{target}``, which stands for
    #: that schema; the records are in the same one.
    targets_search_path: str = "{target}, public"
    #: What runs many targets: an Executor, or a function that returns one, as
    #: ``module:attribute``, or the scheduler of a dask cluster, as ``dask:tcp://host:8786``; by
    #: default processes of this machine. Here None for these.
    executor: str | None = None
    #: The one target of this run; None for the database as a whole.
    target: Target | None = None
    #: The models that ``alembic check`` and ``--autogenerate`` compare with:
    #: ``app.models:Base.metadata``, or a function that returns it. Here None for no comparison.
    target_metadata: str | None = None
    #: The template of new migrations, relative to the file; by default bridge's own. Here its
    #: absolute path.
    template: str | None = None
    #: A file of variables, such as ``.env``, relative to the file. It need not be there. Here its
    #: absolute path.
    env_file: str | None = None
    #: What it says, but for variables of the process, which win; it may hold a password.
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    #: The file with the schema that the migrations make, relative to the file. Here its absolute
    #: path.
    schema_file: str | None = None
    #: Whether a run that applies something writes that file without a terminal too: the variable
    #: BRIDGE_SCHEMA_FILE says "write" in place of a path. Default: False.
    writes_schema_file: bool = False
    #: A server on which commands may create a scratch database; by default the embedded PostgreSQL.
    #: Here it may hold a password.
    scratch_url: str | None = field(default=None, repr=False)
    #: Whether the Session of a migration flushes before each query. Default: False.
    session_autoflush: bool = False
    #: Whether the embedded PostgreSQL is used where no URL is given. Default: False.
    embedded: bool = False
    #: The database, if no variable names one. Here as it is written; it may hold a password.
    sqlalchemy_url: str | None = field(default=None, repr=False)
    #: How long to wait while another process, or another thread of this one, migrates. Default:
    #: 300.
    wait_for_lock: float = 300.0
    #: Whether a pooler such as PgBouncer shares the session of a run: ``auto`` compares the backend
    #: that answers with the one that the driver was told of; ``yes`` and ``no`` say so. Default:
    #: "auto".
    pooler: Pooler = "auto"
    #: How long to wait for a server that does not answer. What no waiting cures (exit status 2) is
    #: not waited for. Default: 0.
    wait_for_server: float = 0.0
    #: How long a statement of a migration may wait for a lock before the migration is rolled back
    #: and tried again; 0 for as long as it takes. Default: 0.
    ddl_lock_timeout: float = 0.0
    #: How often it is tried, after pauses of 1 to 30 seconds. Default: 10.
    ddl_lock_tries: int = 10
    #: What an application does when it starts. Default: "upgrade".
    startup: Startup = "upgrade"
    #: How ``eai migrate`` and its sub-commands tell what happens. Default: "text".
    log_format: LogFormat = "text"
    #: The rules of squawk that ``eai migrate lint`` does not look for, with commas; or ``none``.
    #: Here as names. Default: those that want each file to set its timeouts, which is the matter of
    #: whoever runs it (``ddl_lock_timeout``).
    lint_exclude: tuple[str, ...] = ("require-lock-timeout", "require-statement-timeout")
    #: Whether a failure shows the parameters of its statement, and the row in the server's message.
    #: They can be customers' data. Default: False.
    show_parameters: bool = False
    #: Folders from which migrations can import, usually ``%(here)s``. Here absolute. Default: none.
    prepend_sys_path: tuple[str, ...] = ()

    @property
    def conventions(self) -> Conventions:
        """What the folder's files have in common."""
        return Conventions(
            upgrade=self.upgrade_function,
            downgrade=self.downgrade_function,
            argument=self.argument,
            order=self.order or Order.NAME,
        )

    @property
    def has_targets(self) -> bool:
        """Whether this section is for many targets, and not for the database as a whole."""
        return self.targets is not None or self.targets_query is not None

    def for_target(self, target: Target | None) -> Settings:
        """Return the settings for one target, whose records are in its schema.

        Raises UsageError where another schema is set for the records.
        """
        if target is None or target.schema is None:
            return replace(self, target=target)
        if self.version_table_schema not in {None, target.schema}:
            raise UsageError(
                f"version_table_schema is {self.version_table_schema}, and the {target} has its "
                f"records in its own schema, {target.schema}. Nothing was started. Remove that "
                "setting from the section that has targets."
            )
        return replace(self, target=target, version_table_schema=target.schema)

    @classmethod
    def load(
        cls,
        config: str | os.PathLike[str] | None = None,
        *,
        section: str | None = None,
        overrides: Mapping[str, object] | None = None,
        defaults: Mapping[str, object] | None = None,
        environ: Mapping[str, str] = os.environ,
    ) -> Settings:
        """Find the configuration and read it.

        ``overrides`` go by the names of the fields; None and "" in them mean "not given".
        ``defaults``, by the same names, count where nothing else is said.
        ``section`` is that of the ini file; None for what BRIDGE_SECTION says, else "alembic".
        Raises UsageError if nothing is found or a value is wrong.
        """
        files = find_config(config, environ=environ)
        options = Options.read(files, section=named_section(section, environ=environ))
        return _settings(
            options, overrides=overrides or {}, defaults=defaults, x={}, environ=environ
        )

    @classmethod
    def from_alembic(
        cls,
        config: Config,
        *,
        overrides: Mapping[str, object] | None = None,
        defaults: Mapping[str, object] | None = None,
        environ: Mapping[str, str] = os.environ,
    ) -> Settings:
        """Read the same options, and ``-x name=value``, from an Alembic Config.

        Raises UsageError if a value is wrong.
        """
        from bridge.config.x_arguments import read_arguments, x_arguments  # only Alembic has them

        options = Options.of_alembic(config)
        x = read_arguments(x_arguments(config), {*SETTABLE, *TARGET_ARGUMENTS})
        return _settings(
            options, overrides=overrides or {}, defaults=defaults, x=x, environ=environ
        )


#: What this variable says in place of a path where the file is to be kept without a terminal too.
_SCHEMA_FILE, WRITE = "BRIDGE_SCHEMA_FILE", "write"


def _settings(
    options: Options,
    *,
    overrides: Mapping[str, object],
    defaults: Mapping[str, object] | None,
    x: Mapping[str, str],
    environ: Mapping[str, str],
) -> Settings:
    """Decide every setting: overrides, then -x, BRIDGE_*, the configuration, the default."""
    unknown = overrides.keys() - SETTABLE
    if unknown:
        raise TypeError(f"not settings of bridge: {', '.join(sorted(unknown))}")
    places = Places(overrides, x, environ, options)
    if (file := places.find("env_file", "env_file")) is not None:
        from bridge.config.env_file import read_variables  # few projects have one

        path = values.path(file)
        places = replace(places, env_file=path, variables=read_variables(path, but=environ))
    variables = places.variables
    places.check_spelling(SETTABLE, IN_A_FILE)
    writes_schema_file = {**variables, **environ}.get(_SCHEMA_FILE, "").strip() == WRITE
    if writes_schema_file:  # it names no file then
        places = places.without(_SCHEMA_FILE)

    given: dict[str, Any] = dict(defaults or {})
    for name, parse in PARSERS.items():
        found = places.find(name, name)
        if found is not None:
            given[name] = parse(found)
    url = tidy(options.get("sqlalchemy.url"))
    config_file = options.config_file
    base = config_file.parent if config_file else places.here
    sys_path = options.paths("prepend_sys_path")
    settings = Settings(
        **given,
        ledger_is_named="ledger_table" in given,
        writes_schema_file=writes_schema_file,
        variables=variables,
        own_environment=places.own_environment,
        folder=folder_of(places.find("folder", "version_locations"), base=base, sys_path=sys_path),
        config_file=str(config_file) if config_file else None,
        section=options.section,
        sqlalchemy_url=values.text(url) if url else None,
        prepend_sys_path=sys_path,
    )
    refuse_contradictions(settings)
    return settings
