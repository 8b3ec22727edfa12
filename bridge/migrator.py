"""The use case: bring a database up to date, or say what that would take.

What the command line and a starting service share. It runs Alembic's own commands on the
configuration of the project, so that everything goes through the same environment as the
``alembic`` command.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import URL, Connection, Engine

from bridge.config_files import find_config
from bridge.database import Database, connect, make_engine
from bridge.errors import BridgeError, UsageError
from bridge.fastpath import is_up_to_date
from bridge.handed_in import usable
from bridge.opening import opened
from bridge.pausing import acquired
from bridge.reporting import Direction, LogReporter, PassingReporter, Reporter
from bridge.settings import AT_START, Settings
from bridge.site import ledger_of

# Alembic is imported by the functions that need it: most runs have nothing to do.
if TYPE_CHECKING:
    from alembic.config import Config

    from bridge.handed_in import HandedIn, Usable
    from bridge.revisions import PlainScript, PlainScriptDirectory
    from bridge.signals import Interrupter

# Alembic's environment is a module-level proxy: two threads in it would take each other's.
_one_at_a_time = threading.RLock()


@dataclass(frozen=True, slots=True)
class Applied:
    """A migration that a run has applied."""

    stem: str
    #: How long it took.
    seconds: float


@dataclass(frozen=True, slots=True)
class Report:
    """What a run has done."""

    applied: tuple[Applied, ...]


@dataclass(frozen=True, slots=True)
class Planned:
    """A migration that would run."""

    stem: str
    description: str
    #: Whether its name sorts before one that was applied already.
    late: bool


@dataclass(kw_only=True)
class Request:
    """Where and how to migrate; what the command line and the library's callers can say."""

    #: None for what the settings and the environment say.
    database: Usable = None
    #: Path of the alembic.ini or pyproject.toml; None to look for it.
    config: str | os.PathLike[str] | None = None
    #: Whether the embedded PostgreSQL is wanted, whatever the settings say.
    embedded: bool = False
    #: Settings that win over everything else, by their names; None in them means "not given".
    overrides: Mapping[str, object] | None = None
    #: Settings that count where nothing else is said, by their names.
    defaults: Mapping[str, object] | None = None
    reporter: Reporter | None = None
    #: Cancels the running statement on signals, for callers that have one.
    interrupter: Interrupter | None = None
    #: What else Alembic's configuration is to carry along, by its names there.
    attributes: dict[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what no database can be made of."""
        self.database = usable(self.database)

    def settings(self) -> Settings:
        """What the configuration, the environment and this request say together."""
        return Settings.load(self.config, overrides=self.overrides, defaults=self.defaults)

    def alembic_config(self) -> Config:
        """The project's configuration, as Alembic reads it, with this request attached."""
        from alembic.config import Config

        files = find_config(self.config, environ=os.environ)
        config = Config(files.ini, toml_file=files.toml)
        config.attributes.update(
            {
                "bridge.reporter": self.reporter or LogReporter(),
                "bridge.interrupter": self.interrupter,
                "bridge.overrides": self.overrides,
                "bridge.defaults": self.defaults,
                "bridge.embedded": self.embedded,
            }
        )
        if isinstance(self.database, (str, URL, Database)):
            url = self.database
            config.attributes["bridge.database_url"] = (
                url.render_as_string(hide_password=False) if isinstance(url, URL) else url
            )
        elif self.database is not None:
            config.attributes["connection"] = self.database
        config.attributes.update(self.attributes)
        return config


def upgrade(
    database: HandedIn = None,
    *,
    config: str | os.PathLike[str] | None = None,
    to: str = "head",
    wait_for_lock: float | None = None,
    wait_for_server: float | None = None,
    embedded: bool = False,
    reporter: Reporter | None = None,
) -> Report:
    """Apply the pending migrations, each in a transaction of its own, and return what was done.

    `to` is a revision as ``alembic upgrade`` takes it. The waits are in seconds; None for what the
    settings say, else 300 for another process that migrates and 60 for the server. With a
    Connection that is in a transaction, everything happens in that transaction, and the caller
    commits. Safe to call from several threads: one at a time.

    Raises a BridgeError: before anything was changed, or MigrationError, after which the failed
    migration is rolled back as far as it can be and those before it stay applied.
    """
    return run_upgrade(
        Request(
            database=usable(database),
            config=config,
            embedded=embedded,
            overrides={"wait_for_lock": wait_for_lock, "wait_for_server": wait_for_server},
            defaults=AT_START,
            reporter=reporter,
        ),
        to=to,
    )


def run_upgrade(request: Request, *, to: str = "head") -> Report:
    """As `upgrade`, for a Request."""
    tally = _Tally(request.reporter or LogReporter())
    request.reporter = tally
    with ExitStack() as stack:
        target = _target(request, to, stack)
        if target is not None and target.is_up_to_date(tally):
            return Report(())
        with alembic_here():
            from alembic import command

            config = request.alembic_config()
            config.attributes["bridge.database"] = target and target.database
            command.upgrade(config, to)
    return Report(tuple(tally.applied))


def plan(request: Request, *, to: str = "head") -> tuple[Planned, ...]:
    """What `run_upgrade` would run now, in that order; writes nothing."""
    from alembic.runtime.environment import EnvironmentContext
    from alembic.script import ScriptDirectory

    planned: list[Planned] = []
    with alembic_here():
        config = request.alembic_config()
        script = cast("PlainScriptDirectory", ScriptDirectory.from_config(config))

        def look(heads: Any, _context: Any) -> list[Any]:
            for step in script._upgrade_revs(to, heads):  # noqa: SLF001
                entry = cast("PlainScript", step.revision).entry
                late = entry in script.line.late
                planned.append(Planned(entry.stem, step.revision.doc, late))
            return []

        with EnvironmentContext(config, script, fn=look, dont_mutate=True):
            script.run_env()
    return tuple(planned)


@dataclass(frozen=True, slots=True)
class _Target:
    """The database of a run that may turn out to have nothing to do."""

    settings: Settings
    database: Database
    engine: Engine
    interrupter: Interrupter | None

    def is_up_to_date(self, reporter: Reporter) -> bool:
        wait = self.settings.wait_for_server
        with (
            connect(
                self.engine, self.database, wait=wait, on_wait=reporter.unreachable
            ) as connection,
            self.interrupter.watch(connection) if self.interrupter else nullcontext(),
        ):
            return is_up_to_date(
                connection,
                ledger_of(self.settings),
                self.settings.folder,
                unchanged=self.settings.drift == "refuse",
            )


def _target(request: Request, to: str, stack: ExitStack) -> _Target | None:
    """Open the database until `stack` is closed; None where only the whole procedure can tell."""
    if to not in {"head", "heads"} or isinstance(request.database, Connection):
        return None
    settings = request.settings()
    if not settings.own_environment:
        return None  # only its env.py knows which tables it uses
    if isinstance(request.database, Engine):
        engine = request.database
        handed_in = Database(engine.url, "the Engine that was handed in")
        return _Target(settings, handed_in, engine, request.interrupter)
    opening = opened(settings, url=request.database, embedded=request.embedded)
    database = stack.enter_context(opening)
    if request.reporter is not None:
        request.reporter.database(database.describe())
    engine = make_engine(database.url)
    stack.callback(engine.dispose)
    return _Target(settings, database, engine, request.interrupter)


@contextmanager
def alembic_here() -> Iterator[None]:
    """Alembic for one thread at a time, and bridge's own errors out of it."""
    from alembic.util import CommandError

    with acquired(_one_at_a_time):
        try:
            yield
        except CommandError as error:
            if isinstance(error.__cause__, BridgeError):
                # Not "from None", which would erase what caused it in its turn.
                raise error.__cause__  # noqa: B904
            raise UsageError(f"{error}. Nothing was run.") from error


class _Tally(PassingReporter):
    """Counts what was applied."""

    def __init__(self, inner: Reporter) -> None:
        super().__init__(inner)
        self.applied: list[Applied] = []

    def finished(self, stem: str, direction: Direction, seconds: float) -> None:
        if direction is Direction.UPGRADE:
            self.applied.append(Applied(stem, seconds))
        super().finished(stem, direction, seconds)
