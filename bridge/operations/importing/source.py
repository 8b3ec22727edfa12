"""Find the Alembic project that is to be imported, and write the files that it becomes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bridge import ENVIRONMENT, SWITCHED_ON
from bridge.config.sources import ConfigFiles, Options, absolute, find_config
from bridge.errors import UsageError
from bridge.files.discovery import is_alembics

if TYPE_CHECKING:
    from bridge.operations.importing.plan import Import


@dataclass(frozen=True, slots=True)
class Source:
    """An Alembic project, by its configuration, the folder of its env.py, or both."""

    files: ConfigFiles | None
    folder: Path | None
    #: Where the plain files are to be.
    target: Path

    @property
    def config(self) -> Path:
        """The configuration that a person edits then."""
        if self.files is None:
            return self.target.parent / "alembic.ini"
        options = Options.read(self.files, section="alembic")
        in_toml = not options.ini.has_option("alembic", "script_location")
        if in_toml and self.files.toml and "script_location" in options.toml:
            return self.files.toml
        return options.config_file or self.target.parent / "alembic.ini"


def find_source(
    root: Path,
    *,
    config: Path | None,
    source: Path | None,
    folder: Path | None,
    environ: Mapping[str, str] = os.environ,
) -> Source:
    """Find the project, and say where its plain files are to be.

    `config`, `source` and `folder` are what a person has named. Raises UsageError if there is none,
    or it is set up for plain files already.
    """
    where = None if source is None else absolute(source, root)
    if where is None or not where.is_dir():
        files: ConfigFiles | None = find_config(where or config, environ=environ)
        environment = None
    else:
        files, environment = _of_folder(where, config, environ)
    _refuse_ours(files)
    place = (files.ini or files.toml) if files else None
    usual = (place.parent if place and place.parent != environment else root) / "migrations"
    target = absolute(folder, root) if folder is not None else usual
    if folder is None and is_alembics(target):
        raise UsageError(
            f"{target} is the environment of the Alembic project. Nothing was written. Name "
            "another folder for the plain files, such as: --folder plain_migrations"
        )
    if target.exists() and not target.is_dir():
        raise UsageError(f"{target} is a file, not a folder of migrations. Nothing was written.")
    return Source(files, environment, target)


def _of_folder(
    folder: Path, config: Path | None, environ: Mapping[str, str]
) -> tuple[ConfigFiles | None, Path | None]:
    """Return the configuration in a folder, or the one that was named beside it."""
    if config is not None:
        return find_config(config, environ=environ), folder
    if (folder / "alembic.ini").is_file():
        environment = folder if is_alembics(folder) else None
        return find_config(folder / "alembic.ini", environ=environ), environment
    if not is_alembics(folder):
        raise UsageError(
            f"{folder} has neither an alembic.ini nor an env.py. Nothing was written. Name the "
            "alembic.ini, or the folder of env.py: --from PATH"
        )
    return None, folder


def _refuse_ours(files: ConfigFiles | None) -> None:
    if files is None:
        return
    options = Options.read(files, section="alembic")
    location, plain = options.get("script_location"), options.get("plain_files")
    ours = location is not None and str(location.value).strip() == ENVIRONMENT
    if ours or (plain is not None and str(plain.value).strip().lower() in SWITCHED_ON):
        raise UsageError(
            f"{files.ini or files.toml} is set up for plain files already: there is no Alembic "
            "history in it to import. Nothing was written. Name the project's own alembic.ini, or "
            "the folder of its env.py: --from PATH"
        )


def write_files(wanted: Import, folder: Path | None = None) -> None:
    """Write all files, or none, into their folder or another; never over one that is there.

    Raises UsageError if it cannot.
    """
    folder = folder or wanted.folder
    written: list[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for each in wanted.files:
            path = folder / f"{each.stem}.py"
            with path.open("x", encoding="utf-8", newline="\n") as file:
                written.append(path)
                file.write(each.plain.text)
        for source in wanted.beside:
            path = folder / source.name
            if not path.exists():
                written.append(path)
                (shutil.copytree if source.is_dir() else shutil.copyfile)(source, path)
    except OSError as error:
        for path in written:
            with suppress(OSError):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        raise UsageError(
            f"{error.filename or folder} cannot be written: {error.strerror or error}. Nothing is "
            "left of this import. Correct that, or name another folder: --folder PATH"
        ) from error
