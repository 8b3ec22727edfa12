"""What a caller wants, and what it is told afterwards: the values that use cases share.

It imports neither SQLAlchemy nor Alembic: most runs have nothing to do, and need none of them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bridge.config.settings import AT_START, Settings
from bridge.config.sources import find_config
from bridge.database.handed_in import usable
from bridge.reporting.reporter import LogReporter, Reporter

if TYPE_CHECKING:
    from alembic.config import Config

    from bridge.database.handed_in import HandedIn, Usable
    from bridge.database.interrupt import Interrupter


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

    @classmethod
    def at_start(
        cls,
        database: HandedIn,
        *,
        config: str | os.PathLike[str] | None,
        embedded: bool,
        wait_for_lock: float | None,
        wait_for_server: float | None,
        reporter: Reporter | None,
        interrupter: Interrupter | None = None,
    ) -> Request:
        """What an application asks for that starts; the arguments are those of `bridge.upgrade`."""
        return cls(
            database=usable(database),
            config=config,
            embedded=embedded,
            overrides={"wait_for_lock": wait_for_lock, "wait_for_server": wait_for_server},
            defaults=AT_START,
            reporter=reporter,
            interrupter=interrupter,
        )

    def settings(self) -> Settings:
        """What the configuration, the environment and this request say together."""
        return Settings.load(self.config, overrides=self.overrides, defaults=self.defaults)

    def alembic_config(self) -> Config:
        """The project's configuration, as Alembic reads it, with this request attached."""
        from alembic.config import Config
        from sqlalchemy import URL

        from bridge.database.engine import Database

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
