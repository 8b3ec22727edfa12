"""The request of a caller: which database, which configuration, which reporter.

It imports neither SQLAlchemy nor Alembic: most runs have nothing to do, and need none of them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bridge.config.settings import AT_START, Settings
from bridge.database.handed_in import usable
from bridge.reporting.reporter import LogReporter, Reporter

if TYPE_CHECKING:
    from bridge.config.target import Target
    from bridge.database.handed_in import HandedIn, Usable
    from bridge.database.interrupt import Interrupter


@dataclass(frozen=True, kw_only=True)
class Request:
    """The request of the command line, or of a caller of the library."""

    #: None for what the settings and the environment say.
    database: Usable = None
    #: Path of the alembic.ini or pyproject.toml; None to look for it.
    config: str | os.PathLike[str] | None = None
    #: The section of the ini file; None for what BRIDGE_SECTION says, else `alembic`.
    section: str | None = None
    #: The one target; None for the database as a whole.
    target: Target | None = None
    #: The list of targets that a caller gives; None for what the settings say.
    targets: Sequence[Target] | None = None
    #: Whether the embedded PostgreSQL is wanted, whatever the settings say.
    embedded: bool = False
    #: Settings that win over everything else, by their names; None in them means "not given".
    overrides: Mapping[str, object] | None = None
    #: Settings that count where nothing else is said, by their names.
    defaults: Mapping[str, object] | None = None
    reporter: Reporter = field(default_factory=LogReporter)
    #: Cancels the running statement on signals, for callers that have one.
    interrupter: Interrupter | None = None
    #: Whether its database is named, and was told, for as long as whoever did that is at work.
    opened: bool = False
    #: What a person types to go on after a failure has been mended.
    command: str = "eai migrate"

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
        section: str | None = None,
    ) -> Request:
        """Return the request of a starting application; its arguments are `bridge.upgrade`'s."""
        return cls(
            database=usable(database),
            config=config,
            section=section,
            embedded=embedded,
            overrides={"wait_for_lock": wait_for_lock, "wait_for_server": wait_for_server},
            defaults=AT_START,
            reporter=reporter or LogReporter(),
            interrupter=interrupter,
        )

    @classmethod
    def to_look(
        cls,
        database: HandedIn,
        *,
        config: str | os.PathLike[str] | None,
        section: str | None,
        embedded: bool,
        wait_for_server: float | None,
    ) -> Request:
        """Return the request of a caller who only looks; its arguments are `bridge.status`'s."""
        return cls(
            database=usable(database),
            config=config,
            section=section,
            embedded=embedded,
            overrides={"wait_for_server": wait_for_server},
        )

    def settings(self) -> Settings:
        """Load the settings from the configuration, the environment and this request."""
        settings = Settings.load(
            self.config, section=self.section, overrides=self.overrides, defaults=self.defaults
        )
        return settings if self.target is None else settings.for_target(self.target)
