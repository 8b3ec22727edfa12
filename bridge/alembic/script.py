"""One migration as Alembic's revision: its file is never imported, only run."""

from __future__ import annotations

import re
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol, cast

from alembic.runtime.migration import RevisionStep
from alembic.script import Script

from bridge.alembic.errors import IrreversibleError
from bridge.errors import LedgerError, TryAgain, UsageError
from bridge.ledger.history import Entry
from bridge.ledger.messages.squashes import replaces
from bridge.reporting.escaping import escaped
from bridge.reporting.events import Direction

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from bridge.files.plain_file import PlainFile


class Runs(Protocol):
    """What a revision needs of its script directory."""

    #: Runs a file; None outside of bridge's environment.
    execute: Callable[[PlainFile, Direction], None] | None

    def outside(self, file: PlainFile, direction: Direction) -> bool:
        """Do what a program wants that calls a revision's functions itself; False for nothing."""

    def errors_for_alembic(self) -> AbstractContextManager[None]:
        """Turn bridge's errors into what Alembic's caller expects, inside this block."""


#: What is shown in place of a path.
FILE_MISSING = "(file missing)"


class PlainScript(Script):
    """A plain file, or a row whose file is gone, as Alembic sees it."""

    def __init__(self, directory: Runs, entry: Entry, down: str | None) -> None:
        # Nothing is imported here.
        module = PlainModule(directory, entry, down)
        super().__init__(module, entry.revision, entry.file.path if entry.file else FILE_MISSING)
        # As Alembic's map would say; a script may run without being in one.
        self._resolved_dependencies = self._normalized_resolved_dependencies = ()
        self.entry = entry

    @property
    def doc(self) -> str:
        """The description, as listings show it."""
        return escaped(cast("PlainModule", self.module).description)

    @property
    def log_entry(self) -> str:
        """What ``alembic show`` and the verbose listings show."""
        return escaped(super().log_entry)

    @property
    def longdoc(self) -> str:
        """The docstring, as ``alembic show`` shows it."""
        return cast("PlainModule", self.module).__doc__ or ""


class PlainModule(ModuleType):
    """A stand-in for the imported file, which Alembic expects; it runs the file when asked.

    It has the names that a file of Alembic's has, for the tools that read them.
    """

    branch_labels = depends_on = None

    def __init__(self, directory: Runs, entry: Entry, down: str | None) -> None:
        # As Alembic names the module of a file.
        super().__init__(re.sub(r"\W", "_", f"{entry.stem}.py"))
        self.__file__ = entry.file.path if entry.file else None
        self.revision = entry.revision
        self.down_revision = down
        self._directory = directory
        self._entry = entry

    @property
    def __doc__(self) -> str:  # type: ignore[override]
        if self._entry.file is None:
            return self.description
        with self._directory.errors_for_alembic():
            return self._entry.file.header.longdoc

    @property
    def description(self) -> str:
        """What the file's ``description`` says."""
        if self._entry.file is None:
            row = self._entry.row
            return f"{(row.description if row else None) or self._entry.stem} {FILE_MISSING}"
        with self._directory.errors_for_alembic():
            return self._entry.file.description

    def upgrade(self, **_arguments: Any) -> None:
        """Run the file's ``upgrade(db)``."""
        self._run(Direction.UPGRADE)

    def downgrade(self, **_arguments: Any) -> None:
        """Run the file's ``downgrade(db)``."""
        self._run(Direction.DOWNGRADE)

    def _run(self, direction: Direction) -> None:
        with self._directory.errors_for_alembic():
            if self._entry.file is None:
                raise LedgerError(_cannot_revert_missing(self._entry))
            if self._directory.execute is not None:
                self._directory.execute(self._entry.file, direction)
            elif not self._directory.outside(self._entry.file, direction):
                raise outside_environment()


def outside_environment() -> UsageError:
    """Return the error for a program that runs or stamps without an env.py."""
    return UsageError(
        "Migrations run, and are stamped, through bridge's environment only. With an env.py of "
        "your own, call bridge.run_environment(context) in it."
    )


def entry_of(step: RevisionStep) -> Entry:
    """Return the migration that a step of Alembic's runs."""
    return cast("PlainScript", step.revision).entry


def refuse_others(entries: Sequence[Entry], agreed: Sequence[str] | None) -> None:
    """Refuse to revert anything but what a person has agreed to."""
    if agreed is not None and [entry.stem for entry in entries] != list(agreed):
        raise TryAgain(
            "Another process has changed what is applied to this database. This downgrade would "
            f"now revert {', '.join(e.stem for e in entries) or 'nothing'} and not "
            f"{', '.join(agreed)}. Nothing was reverted. Run the same command again."
        )


def refuse_irreversible(entry: Entry, *, command: str = "alembic downgrade") -> None:
    """Raise if the migration cannot be reverted: IrreversibleError, or LedgerError for no file.

    `command` is what to type before the name of a revision, to go less far.
    """
    if entry.file is None:
        raise LedgerError(_cannot_revert_missing(entry, command))
    if entry.replaces:
        raise IrreversibleError(
            f"{entry.file.path} {replaces(entry)}, which cannot be taken back one by one. Nothing "
            "was run. You can go back as far as this migration, and no further: "
            f"{command} {entry.revision}"
        )
    header = entry.file.header
    if header.has_downgrade:
        return
    if header.downgrade_fault is not None:
        raise IrreversibleError(
            f"{header.downgrade_fault} Nothing was run. You can go back as far as this migration, "
            f"and no further: {command} {entry.revision}"
        )
    from bridge.files.functions import head_of

    head = head_of("downgrade", entry.file.conventions)
    raise IrreversibleError(
        f"{entry.file.path} has no {head}, so it cannot be reverted. Nothing was run. "
        f"Write one, or go back no further than to this migration: {command} {entry.revision}"
    )


def _cannot_revert_missing(entry: Entry, command: str = "alembic downgrade") -> str:
    return (
        f"{entry.stem} was applied to this database, but its file is gone, so it cannot be "
        "reverted. Nothing was run. Put the file back into the folder, or go back no further than "
        f"to this migration: {command} {entry.revision}"
    )
