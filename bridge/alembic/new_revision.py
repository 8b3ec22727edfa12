"""Write a plain file for Alembic's new revision, and refuse what cannot be asked of one."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from alembic.script import write_hooks
from alembic.util import status

from bridge.errors import UsageError
from bridge.files.folder import scan
from bridge.files.new_file import (
    Generated,
    refuse_branches,
    refuse_merge,
    render,
    template_arguments,
    write_new,
)
from bridge.files.numbering import new_stem
from bridge.files.plain_file import PlainFile

if TYPE_CHECKING:
    from alembic.config import Config, MessagingOptions

    from bridge.config.settings import Settings

#: What `alembic revision` invents where no --rev-id is given (`alembic.util.rev_id`).
_INVENTED_ID = re.compile(r"[0-9a-f]{12}")


class Writes(Protocol):
    """What a new file needs of the script directory."""

    config: Config
    settings: Settings
    hooks: list[Any]
    messaging_opts: MessagingOptions

    @property
    def quiet(self) -> bool:
        """Return whether somebody else says what was written."""

    def get_current_head(self) -> str | None:
        """Return the newest revision."""


@dataclass(frozen=True, kw_only=True)
class NewRevision:
    """What a command of Alembic's, or a program, wants of the new revision."""

    revid: str
    message: str | None
    merges: bool
    head: Any
    splice: bool | None
    labels: Any
    #: Where it is to be written, if that was said.
    folder: str | None
    depends_on: Any


def write_revision(
    directory: Writes, asked: NewRevision, generated: Generated | None
) -> tuple[tuple[PlainFile, ...], PlainFile]:
    """Write the next file; returns all that are in the folder then, and the new one.

    Raises UsageError for what only a graph with branches, or a second folder, could do.
    """
    if asked.merges:
        refuse_merge()
    # Read before the file is there, or it would become its own parent.
    newest = directory.get_current_head()
    refuse_branches(
        asked.head, newest, splice=asked.splice, labels=asked.labels, depends_on=asked.depends_on
    )
    folder = directory.settings.folder
    _refuse_other_folder(folder, asked.folder)
    # Others may have written files since, and so may this very process.
    conventions = directory.settings.conventions
    files = scan(folder, conventions, beginning=True).files
    stem = new_stem(files, asked.message or "", _number_given(directory, asked.revid))
    file = PlainFile(folder, stem, conventions)
    previous = newest if isinstance(newest, str) else None
    arguments = template_arguments(
        asked.message, generated, stem=stem, previous=previous, conventions=conventions
    )
    _write(directory, file, arguments)
    return tuple(sorted((*files, file), key=lambda one: one.place)), file


def _number_given(directory: Writes, revid: str) -> str | None:
    options = directory.config.cmd_opts
    if options is not None and hasattr(options, "rev_id"):
        number: str | None = options.rev_id
        return number
    return None if _INVENTED_ID.fullmatch(revid) else revid


def _refuse_other_folder(folder: str, asked: str | None) -> None:
    if asked is not None and os.path.abspath(asked) != folder:  # noqa: PTH100 - not resolved
        raise UsageError(
            f"--version-path cannot be another folder than {folder}: all plain files are in one "
            "folder, which version_locations names. Nothing was written."
        )


def _write(directory: Writes, file: PlainFile, arguments: dict[str, Any]) -> None:
    template = directory.settings.template
    source = render(template, file, {**arguments, "config": directory.config})
    if directory.quiet:
        write_new(file.path, source)
    else:
        with status(f"Generating {file.path}", **directory.messaging_opts):
            write_new(file.path, source)
    if directory.hooks:
        write_hooks._run_hooks(Path(file.path), directory.hooks)  # noqa: SLF001
