"""The migrations under test: find them, and run them in a database made for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bridge.config.settings import Settings
from bridge.database.request import Request
from bridge.files.folder import scan
from bridge.ledger.history import build_history
from bridge.operations.downgrade import run_downgrade
from bridge.operations.upgrade import run_upgrade

if TYPE_CHECKING:
    from sqlalchemy import URL

    from bridge.files.plain_file import PlainFile

#: What the project may refuse in a database that lives on; these begin with nothing.
_ALLOWED = {"out_of_order": "run", "drift": "warn"}


@dataclass(frozen=True, slots=True)
class Project:
    """A project whose migrations are tested."""

    #: Path of the alembic.ini or pyproject.toml; None to look for it.
    config: str | None

    def settings(self) -> Settings:
        """What the configuration and the environment say; raises UsageError."""
        return Settings.load(self.config)

    def files(self) -> tuple[PlainFile, ...]:
        """The migrations that a new database runs, in their order; raises FilesError."""
        settings = self.settings()
        files = scan(settings.folder, settings.conventions).files
        return tuple(entry.file for entry in build_history(files, ()).pending if entry.file)

    def request(self, url: URL, *, folder: str | None = None) -> Request:
        """What to migrate; `folder` in place of the project's own."""
        return Request(database=url, config=self.config, overrides={**_ALLOWED, "folder": folder})

    def upgrade(self, url: URL, *, to: str = "head", folder: str | None = None) -> None:
        """Apply migrations; raises a BridgeError."""
        run_upgrade(self.request(url, folder=folder), to=to)

    def downgrade(self, url: URL, *, to: str) -> None:
        """Revert migrations; raises a BridgeError."""
        run_downgrade(self.request(url), to=to)
