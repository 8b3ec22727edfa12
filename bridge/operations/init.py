"""`eai migrate init`: set a project up with a configuration and a folder of migrations.

What is there already is never changed: where a file would have to be, it is said which lines
belong into it. A database is only read.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from bridge import ENVIRONMENT, SWITCHED_ON
from bridge.config.sources import ConfigFiles, Options, absolute, find_config
from bridge.errors import UsageError
from bridge.files.discovery import holds_plain_files, is_alembics, plain_folders

if TYPE_CHECKING:
    from collections.abc import Mapping

_INI: Final = """\
# What `alembic`, `eai migrate` and a starting application read. Relative paths and %(here)s are
# relative to this file. A line that is commented out shows the default.

[alembic]
# Plain NNN_description.py files instead of revisions with revision/down_revision.
script_location = bridge:environment
version_locations = {folder}
path_separator = os
# Folders from which migrations can import.
prepend_sys_path = %(here)s
{settings}
# The database: MIGRATION_DATABASE_URL, then DATABASE_URL, then this (a % is written %%).
# Better without a password here: this file is committed.
# sqlalchemy.url = postgresql://user@host/database

# A file that turns up with a lower number than one applied already: run (with a warning) or refuse.
# out_of_order = run

# A file that was changed after it was applied: warn (when something is pending) or refuse.
# drift = warn

# The models that `alembic check` and --autogenerate compare with (no default).
# target_metadata = app.models:Base.metadata
"""

_INI_LINES: Final = """\
[alembic]
script_location = bridge:environment
version_locations = {folder}
path_separator = os"""

_TOML_LINES: Final = """\
[tool.alembic]
script_location = "bridge:environment"
version_locations = ["{folder}"]"""

_GUIDE: Final = "README.md"

#: What may be found out about a folder and its ledger, and what it means.
_WHY: Final = {
    "upgrade_function": "What the function is called that applies a migration.",
    "downgrade_function": "What the function is called that takes one back.",
    "argument": "What they take, where an annotation does not say it: session, connection, "
    "engine,\n# dbapi (the driver's connection) or cursor.",
    "order": "The order of files: as their names sort, or as their numbers count.",
    "session_autoflush": "Whether the Session flushes before each query.",
    "version_table_schema": "The schema of the ledger and of Alembic's version table.",
    "ledger_table": "The table that records the applied migrations.",
    "ledger_key": "Its column for their names,",
    "ledger_key_form": "and what that holds: stem, file, path or number.",
}


@dataclass(frozen=True, slots=True)
class Setup:
    """The parts of a project: those it has, and those it will get."""

    #: The file that says, or would have to say, where the migrations are.
    config: Path
    #: Whether it is to be written.
    new_config: bool
    #: Whether it is there, and is not for bridge.
    foreign_config: bool
    folder: Path
    #: Whether the folder is to be made.
    new_folder: bool
    #: Whether it is to get the guide to writing migrations.
    new_guide: bool
    #: What the configuration says already, of what may be found out.
    known: Mapping[str, str] = field(default_factory=dict)

    def lines(self, settings: Mapping[str, str]) -> list[str]:
        """Return what belongs into a configuration that is there; nothing if it says all of it."""
        is_toml = self.config.suffix == ".toml"
        lacking = {name: value for name, value in settings.items() if name not in self.known}
        lines = [
            f'{name} = "{value}"' if is_toml else f"{name} = {value}"
            for name, value in lacking.items()
        ]
        if not self.foreign_config:
            return lines
        head = _TOML_LINES if is_toml else _INI_LINES
        return [*head.replace("{folder}", from_here(self.config, self.folder)).splitlines(), *lines]


def plan_setup(
    root: Path,
    *,
    config: Path | None = None,
    folder: Path | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Setup:
    """Decide what the project in `root` needs; writes nothing.

    `config` and `folder` are what a person has named. Raises UsageError if it is not clear which
    folder is meant.
    """
    files = _configuration(root, config, environ)
    options = _options(files)
    place = (files and (files.ini or files.toml)) or absolute(config or "alembic.ini", root)
    ours = options is not None and _is_ours(options)
    # In a file that is not for bridge the same option names something else.
    configured = options.paths("version_locations") if options is not None and ours else ()
    chosen = _folder(root, folder, configured)
    return Setup(
        config=place,
        new_config=files is None,
        foreign_config=files is not None and not ours,
        known=_known(options) if options is not None and ours else {},
        folder=chosen,
        new_folder=not chosen.exists(),
        new_guide=_lacks_guide(chosen),
    )


def set_up(setup: Setup, settings: Mapping[str, str] = MappingProxyType({})) -> None:
    """Write what is missing; a file that has turned up meanwhile is left alone.

    `settings` are what was found out about the files, for a configuration that is new. Raises
    UsageError if the project cannot be written to.
    """
    try:
        setup.folder.mkdir(parents=True, exist_ok=True)
        if setup.new_guide:
            _write(setup.folder / _GUIDE, guide())
        if setup.new_config:
            _write(setup.config, _ini(setup, settings))
    except OSError as error:
        raise _unwritable(error) from error


def settle(setup: Setup, before: Mapping[str, str], settings: Mapping[str, str]) -> None:
    """Write more settings into the configuration that `set_up` has just written with `before`.

    One that somebody has changed meanwhile is left alone. Raises UsageError if it cannot be
    written.
    """
    if not setup.new_config or before == settings:
        return
    try:
        if setup.config.read_text(encoding="utf-8") == _ini(setup, before):
            setup.config.write_text(_ini(setup, settings), encoding="utf-8", newline="\n")
    except OSError as error:
        raise _unwritable(error) from error


def _ini(setup: Setup, settings: Mapping[str, str]) -> str:
    found = "".join(f"\n# {_WHY[name]}\n{name} = {settings[name]}\n" for name in settings)
    folder = from_here(setup.config, setup.folder)
    return _INI.replace("{settings}", found.replace("%", "%%")).replace("{folder}", folder)


def _unwritable(error: OSError) -> UsageError:
    return UsageError(
        f"{error.filename} cannot be written: {error.strerror}. What was written before it "
        "stays. Correct that, then type the same command again."
    )


def guide() -> str:
    """Return the guide to writing migrations, for a folder that has none."""
    return (resources.files("bridge") / "environment" / "guide.md").read_text(encoding="utf-8")


def _write(path: Path, text: str) -> None:
    # x: never over a file that is there.
    with path.open("x", encoding="utf-8", newline="\n") as file:
        file.write(text)


def _configuration(
    root: Path, config: Path | None, environ: Mapping[str, str]
) -> ConfigFiles | None:
    """Find the configuration; one of a folder above counts if it is for bridge."""
    if config is not None and not absolute(config, root).exists():
        return None
    try:
        files = find_config(config, environ=environ)
    except UsageError:
        if config is None and not environ.get("ALEMBIC_CONFIG"):
            return None
        raise
    place = files.ini or files.toml
    named = config is not None or environ.get("ALEMBIC_CONFIG")
    if named or (place is not None and place.parent == root):
        return files
    options = _options(files)
    return files if options is not None and _is_ours(options) else None


def _options(files: ConfigFiles | None) -> Options | None:
    """Read their options; None if they have no section of Alembic's."""
    if files is None:
        return None
    try:
        return Options.read(files, section="alembic")
    except UsageError as error:
        if "has no" in str(error):
            return None
        raise


def _is_ours(options: Options) -> bool:
    location, plain = options.get("script_location"), options.get("plain_files")
    if location is not None and str(location.value).strip() == ENVIRONMENT:
        return True
    return plain is not None and str(plain.value).strip().lower() in SWITCHED_ON


def _known(options: Options) -> dict[str, str]:
    found = {name: options.get(name) for name in _WHY}
    return {name: str(each.value) for name, each in found.items() if each is not None}


def _folder(root: Path, named: Path | None, configured: tuple[str, ...]) -> Path:
    if named is not None:
        chosen = absolute(named, root)
        if chosen.exists() and not chosen.is_dir():
            raise UsageError(f"--folder {named} is a file, not a folder of migrations.")
        if configured and configured[0] != str(chosen):
            raise UsageError(
                f"--folder {named} is not the folder that is configured: {configured[0]}. Leave "
                "--folder out, or change version_locations in the configuration."
            )
        return chosen
    if configured:
        return Path(configured[0])
    found = plain_folders(root)
    if len(found) == 1:
        return found[0]
    if found:
        names = "\n".join(f"  --folder {os.path.relpath(each, root)}" for each in found)
        raise UsageError(
            f"There are {len(found)} folders of plain files here. Nothing was written. Say which "
            f"one is meant:\n{names}"
        )
    usual = root / "migrations"
    if usual.exists() and not holds_plain_files(usual) and is_alembics(usual):
        raise UsageError(
            f"{usual} is an environment of Alembic's own, and no folder of plain files was found. "
            "Nothing was written. Name another folder for plain files, such as: --folder "
            "plain_migrations"
        )
    return usual


def _lacks_guide(folder: Path) -> bool:
    try:
        return not any(each.name.lower().startswith("readme") for each in folder.iterdir())
    except OSError:
        return True


def from_here(config: Path, folder: Path) -> str:
    """Return the folder as the configuration names it, wherever that is read."""
    relative = Path(os.path.relpath(folder, config.parent)).as_posix().replace("%", "%%")
    return "%(here)s" if relative == "." else f"%(here)s/{relative}"
