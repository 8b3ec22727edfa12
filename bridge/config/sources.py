"""Find the configuration, alembic.ini or pyproject.toml, and read one option of it.

It finds the files and reads single options as Alembic does (the ini file wins, ``%(here)s``
is the folder of the file). It does not know what an option means, and imports no Alembic.
"""

from __future__ import annotations

import configparser
import os
import re
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bridge.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from alembic.config import Config

#: The smallest configuration that works, shown where one says nothing of migrations.
MINIMAL_INI = """\
    [alembic]
    script_location = bridge:environment
    version_locations = %(here)s/migrations"""

#: What is looked for in the folder where a command is typed, and above.
_FOUND_BY_NAME = ("alembic.ini", "pyproject.toml")

#: The section of a project that has one.
ALEMBIC = "alembic"

#: How Alembic's ``path_separator`` spells the character between two paths.
_SEPARATORS = {"space": " ", "newline": "\n", "os": os.pathsep, ":": ":", ";": ";"}


@dataclass(frozen=True)
class ConfigFiles:
    """The files of one configuration; at least one of them is there."""

    #: Absolute path of the ini file.
    ini: Path | None
    #: Absolute path of the pyproject.toml.
    toml: Path | None


@dataclass(frozen=True)
class Found:
    """A value as it was written, and where."""

    #: A string; from TOML also a boolean, a number or a list of strings.
    value: object
    #: The phrase a message names it by: ``transaction in /srv/app/alembic.ini``.
    where: str
    #: The folder that a relative path is relative to.
    base: Path


def find_config(
    config: str | os.PathLike[str] | None, *, environ: Mapping[str, str]
) -> ConfigFiles:
    """Find the configuration: the argument, ALEMBIC_CONFIG, the nearest folder that has one.

    Raises UsageError if a named file does not exist, or nothing was found.
    """
    if config:
        return _named(Path(config), "-c")
    if environ.get("ALEMBIC_CONFIG"):
        return _named(Path(environ["ALEMBIC_CONFIG"]), "ALEMBIC_CONFIG")
    here = Path.cwd()
    for folder in (here, *here.parents):
        ini, toml = (folder / name for name in _FOUND_BY_NAME)
        files = ConfigFiles(
            ini if _is_file(ini) else None,
            toml if _is_file(toml) and _toml_table(toml) is not None else None,
        )
        if files.ini or files.toml:
            return files
    raise UsageError(
        f"No configuration: neither {here} nor a folder above it has an alembic.ini, or a"
        f" pyproject.toml with a [tool.alembic] table. Name one with -c or ALEMBIC_CONFIG. Or to"
        f" set this project up, type: eai migrate init"
    )


def to_name(config: str | os.PathLike[str] | None) -> str | None:
    """Return the configuration as a command names it; None for one that needs no name.

    Whoever types it stands in the folder of the project, where the usual ones are found.
    """
    return None if config is None or Path(config).name in _FOUND_BY_NAME else os.fspath(config)


def named_section(section: str | None, *, environ: Mapping[str, str]) -> str:
    """Return the section of the ini file: the argument, BRIDGE_SECTION, or ``alembic``."""
    return section or environ.get("BRIDGE_SECTION", "").strip() or ALEMBIC


def _named(path: Path, how: str) -> ConfigFiles:
    path = absolute(path, Path.cwd())
    if not _is_file(path):
        raise UsageError(
            f"The configuration {path} (from {how}) is not a file that can be read."
            f" Name an alembic.ini, or a pyproject.toml with a [tool.alembic] table."
        )
    if path.name == "pyproject.toml":
        ini = path.with_name("alembic.ini")
        return ConfigFiles(ini if _is_file(ini) else None, path)
    toml = path.with_name("pyproject.toml")
    return ConfigFiles(path, toml if _is_file(toml) and _toml_table(toml) is not None else None)


def absolute(path: str | Path, base: Path) -> Path:
    """Make a path absolute and tidy without following symbolic links."""
    return Path(os.path.normpath(base / path))


def _is_file(path: Path) -> bool:
    # A parent that may not be looked into counts as one without a configuration.
    try:
        return path.is_file()
    except OSError:
        return False


def _toml_table(path: Path) -> dict[str, Any] | None:
    """Read [tool.alembic]; None if the file has no such table."""
    import tomllib  # most projects have an alembic.ini and never come here

    try:
        data = path.read_bytes()
        # Most pyproject.toml are somebody else's; a broken one is no reason to stop here.
        if b"alembic" not in data:
            return None
        tool = tomllib.loads(data.decode()).get("tool", {})
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"The configuration {path} cannot be read: {error}.") from error
    table = tool.get("alembic") if isinstance(tool, dict) else None
    if table is not None and not isinstance(table, dict):
        raise UsageError(f"In {path}, tool.alembic is not a table: write [tool.alembic].")
    return table


@dataclass(frozen=True)
class Options:
    """The options of one configuration, wherever they are written."""

    ini: configparser.ConfigParser
    section: str
    #: The ini file; None for a configuration made in the program.
    ini_path: Path | None
    toml: Mapping[str, Any]
    toml_path: Path | None
    #: What ``%(name)s`` stands for in TOML strings; ``here`` is added.
    toml_args: Mapping[str, Any]

    @classmethod
    def read(cls, files: ConfigFiles, *, section: str) -> Options:
        """Read the files; raises UsageError if one cannot be read or has no such section."""
        ini = configparser.ConfigParser(
            # A % in the path itself must not be taken for a reference.
            {"here": files.ini.parent.as_posix().replace("%", "%%")} if files.ini else None
        )
        if files.ini:
            with readable(files.ini), files.ini.open(encoding="locale") as file:
                ini.read_file(file)
        table = _toml_table(files.toml) if files.toml else None
        if section != ALEMBIC and not ini.has_section(section):
            # pyproject.toml has one table, and what it says would be taken for another section.
            raise UsageError(
                f"The configuration {files.ini or files.toml} has no [{section}] section, which "
                "-n, BRIDGE_SECTION or section= names. Nothing was started."
            )
        if not ini.has_section(section) and table is None:
            wanted = "[tool.alembic] table" if not files.ini else f"[{section}] section"
            raise UsageError(
                f"The configuration {files.ini or files.toml} has no {wanted}. The smallest"
                f" alembic.ini is:\n\n{MINIMAL_INI}"
            )
        return cls(ini, section, files.ini, table or {}, files.toml, {})

    @classmethod
    def of_alembic(cls, config: Config) -> Options:
        """Take the options from an Alembic Config, those set in the program included."""
        ini_path = _existing(config.config_file_name)
        toml_path = _existing(config.toml_file_name)
        with readable(ini_path or Path("the Alembic configuration")):
            ini = config.file_config
        table = _toml_table(toml_path) if toml_path else None
        return cls(
            ini, config.config_ini_section, ini_path, table or {}, toml_path, config.toml_args
        )

    @property
    def config_file(self) -> Path | None:
        """The file a person would edit: the ini file, else the pyproject.toml."""
        if self.ini_path and self.ini.has_section(self.section):
            return self.ini_path
        return self.toml_path if self.toml else self.ini_path

    def names(self) -> Iterator[tuple[str, str]]:
        """Return every option that is written down, with the phrase that names its file."""
        if self.ini.has_section(self.section):
            # What stands in [DEFAULT] is there for other sections too.
            own = set(self.ini[self.section]) - set(self.ini.defaults())
            yield from ((name, self._in(self.ini_path)) for name in sorted(own))
        yield from ((name, self._in(self.toml_path)) for name in self.toml)

    def get(self, name: str) -> Found | None:
        """Read one option as written; raises UsageError if a % in it stands for nothing."""
        if self.ini.has_option(self.section, name):
            try:
                value = self.ini.get(self.section, name)
            except configparser.InterpolationError:
                # The parser's own message quotes the value, which may hold a password.
                raise _stray_percent(name, self._in(self.ini_path)) from None
            return self._found(name, value, self.ini_path)
        raw = self.toml.get(name)
        if raw is None and "." in name:  # sqlalchemy.url = "…" is a table in TOML
            table, _, key = name.partition(".")
            inner = self.toml.get(table)
            raw = inner.get(key) if isinstance(inner, dict) else None
        return None if raw is None else self._found(name, self._expand(name, raw), self.toml_path)

    def paths(self, name: str) -> tuple[str, ...]:
        """Read a list of paths, made absolute, divided by Alembic's ``path_separator``."""
        found = self.get(name)
        if found is None:
            return ()
        parts = found.value if isinstance(found.value, list) else self._split(found)
        return tuple(str(absolute(str(part).strip(), found.base)) for part in parts if part)

    def _split(self, found: Found) -> list[str]:
        text = str(found.value).strip()
        separator = self.get("path_separator")
        if separator is None:  # Alembic's rule for an alembic.ini of old
            return re.split(r", *|(?: +)|\n+|:", text)
        if separator.value not in _SEPARATORS:
            raise UsageError(
                f"{separator.where} is {separator.value!r}; it must be one of"
                f" {', '.join(_SEPARATORS)}."
            )
        return text.split(_SEPARATORS[str(separator.value)])

    def _expand(self, name: str, raw: object) -> object:
        if isinstance(raw, list):
            return [self._expand(name, part) for part in raw]
        if not isinstance(raw, str):
            return raw
        here = self.toml_path.parent.as_posix() if self.toml_path else ""
        known = {"%%": "%"} | {f"%({k})s": str(v) for k, v in self.toml_args.items()}
        known["%(here)s"] = here
        # Alembic uses the % operator, which takes the %40s of "p%40ss" for a format.
        parts = re.split(r"(%%|%\(\w+\)s)", raw)
        if any("%" in part for part in parts if part not in known):
            raise _stray_percent(name, self._in(self.toml_path))
        return "".join(known.get(part, part) for part in parts)

    def _found(self, name: str, value: object, path: Path | None) -> Found:
        return Found(value, f"{name} in {self._in(path)}", path.parent if path else Path.cwd())

    def _in(self, path: Path | None) -> str:
        return str(path) if path else "the Alembic configuration"


def _existing(name: str | None) -> Path | None:
    path = absolute(name, Path.cwd()) if name else None
    return path if path and _is_file(path) else None


def _stray_percent(name: str, where: str) -> UsageError:
    return UsageError(
        f"{name} in {where} holds a % that stands for nothing: write %% for a plain %,"
        f" or %(here)s for the folder of that file."
    )


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn an error of an ini file into a UsageError that quotes no line of it."""
    try:
        yield
    except OSError as error:
        raise UsageError(
            f"The configuration {path} cannot be read: {error.strerror or error}."
        ) from error
    except (configparser.Error, ValueError) as error:
        # The parser's own messages quote whole lines, and a line may hold a password.
        raise UsageError(f"The configuration {path} cannot be read: {_ini_fault(error)}.") from None


def _ini_fault(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"it is not {error.encoding} text"
    lines: list[tuple[int, str]] = getattr(error, "errors", [])
    number = getattr(error, "lineno", None) or (lines[0][0] if lines else None)
    at = f"line {number}: " if number else ""
    match error:
        case configparser.DuplicateOptionError():
            return f"{at}{error.option} is given twice"
        case configparser.DuplicateSectionError():
            return f"{at}the section [{error.section}] begins twice"
        case configparser.MissingSectionHeaderError():
            return f"{at}the first line must be a section such as [alembic]"
        case _:
            return f"{at}a line is neither `name = value` nor a [section]"
