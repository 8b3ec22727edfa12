"""Say which lines make a configuration one of Alembic's alone, and write one for a trial."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bridge.config.parsers import SETTABLE
from bridge.config.sources import Options, find_config
from bridge.operations.init import from_here

if TYPE_CHECKING:
    from bridge.config.settings import Settings


@dataclass(frozen=True, slots=True)
class Lines:
    """The lines to change in a configuration."""

    #: The file that has them.
    path: str
    #: To be written, in place of what it says for the same options.
    write: tuple[str, ...]
    #: Options that are to be taken out: Alembic does not know them, or means something else.
    remove: tuple[str, ...]


def lines_for(settings: Settings, folder: Path, config: str | os.PathLike[str] | None) -> Lines:
    """Return the lines to change, so that Alembic finds the project in `folder`."""
    files = find_config(config, environ=os.environ)
    options = Options.read(files, section="alembic")
    path = Path(settings.config_file or files.ini or files.toml or "alembic.ini")
    importable = [from_here(path, Path(each)) for each in settings.prepend_sys_path]
    location = from_here(path, folder)
    entries = [*importable, location]
    if path.suffix == ".toml":
        listed = ", ".join(f'"{each}"' for each in entries)
        write = [f'script_location = "{location}"', f"prepend_sys_path = [{listed}]"]
    else:
        write = [
            f"script_location = {location}",
            "path_separator = os",
            f"prepend_sys_path = {os.pathsep.join(entries)}",
        ]
    ours = {*SETTABLE, "version_locations", "plain_files"}
    names = sorted({name for name, _ in options.names() if name in ours})
    return Lines(str(path), tuple(write), tuple(names))


def trial_ini(folder: Path, sys_path: Sequence[str]) -> str:
    """Return an `alembic.ini` for a project that lies in this folder.

    Alembic also reads the pyproject.toml of the working directory, which may be for bridge yet: an
    option that stands here counts.
    """

    def escaped(path: object) -> str:
        return str(path).replace("%", "%%")

    entries = os.pathsep.join(map(escaped, (*sys_path, folder)))
    return (
        f"[alembic]\nscript_location = {escaped(folder)}\npath_separator = os\n"
        f"prepend_sys_path = {entries}\n"
        f"version_locations = {escaped(folder / 'versions')}\nplain_files = false\n"
    )
