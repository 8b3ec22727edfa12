"""The places in which a setting may stand, and which of them wins."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bridge import ENVIRONMENT
from bridge.config import values
from bridge.config.decoded import decoded
from bridge.config.resources import package_folder
from bridge.config.sources import Found, Options, absolute

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

#: The names under which ``-x`` names a target.
TARGET_ARGUMENTS: Final = ("target", "tenant")

#: What names a file, which may be made of any bytes.
_PATHS: Final = frozenset({"folder", "template", "schema_file", "env_file"})


@dataclass(frozen=True)
class Places:
    """Arguments, ``-x name=value``, BRIDGE_* and the configuration file, in the order of rank."""

    overrides: Mapping[str, object]
    x: Mapping[str, str]
    environ: Mapping[str, str]
    options: Options
    #: The folder that a relative path is relative to, but for those in the file.
    here: Path = field(default_factory=Path.cwd)
    #: The file that the setting env_file names, and what it says where ``environ`` says nothing.
    env_file: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def own_environment(self) -> bool:
        """Whether bridge's own env.py is the one to run, and not the team's."""
        location = tidy(self.options.get("script_location"))
        return location is not None and location.value == ENVIRONMENT

    def find(self, name: str, option: str) -> Found | None:
        """Return what is said of a setting, which is `option` in the file; None for nothing.

        Raises UsageError for bytes that are no text.
        """
        cli, variable = f"--{name.replace('_', '-')}", f"BRIDGE_{name.upper()}"
        written = self.options.get(option)  # whatever wins, a fault in the file is told
        beside_file = Path(self.env_file or "").parent
        candidates = (
            (self.overrides.get(name), f"{name} ({cli})", self.here),
            (self.x.get(name), f"-x {name}", self.here),
            (self.environ.get(variable), variable, self.here),
            (self.variables.get(variable), f"{variable} in {self.env_file}", beside_file),
        )
        for value, where, base in candidates:
            found = None if value is None else tidy(Found(value, where, base))
            if found is not None:
                if isinstance(found.value, str) and name not in _PATHS:
                    decoded(found.value, where)
                return found
        return tidy(written)

    def check_spelling(self, settable: Collection[str], options: Collection[str]) -> None:
        """Raise UsageError for a name that is nearly one of these; `options` may be in the file."""
        for name, where in self.options.names():
            values.check_name(name, options, where=f"{name} in {where}")
        if self.own_environment or tidy(self.options.get("script_location")) is None:
            for name in self.x:
                values.check_name(name, {*settable, *TARGET_ARGUMENTS}, where=f"-x {name}")
        variables = {f"BRIDGE_{name.upper()}" for name in settable}
        places = {name: f"{name} in {self.env_file}" for name in self.variables}
        for variable in (*self.environ, *self.variables):
            if variable.startswith("BRIDGE_"):
                values.check_name(variable, variables, where=places.get(variable, variable))

    def without(self, variable: str) -> Places:
        """Return the same places, but for this variable."""
        environ, variables = (
            {name: value for name, value in each.items() if name != variable}
            for each in (self.environ, self.variables)
        )
        return replace(self, environ=environ, variables=variables)


def tidy(found: Found | None) -> Found | None:
    """Drop empty values: an empty option or variable counts as unset."""
    if found is None:
        return None
    value = found.value.strip() if isinstance(found.value, str) else found.value
    return None if value in (None, "") else Found(value, found.where, found.base)


def folder_of(found: Found | None, *, base: Path, sys_path: tuple[str, ...]) -> str:
    """Return the path of the folder of migrations; raises UsageError if several are named."""
    if found is None:
        return str(absolute("migrations", base))
    parts = found.value if isinstance(found.value, list) else re.split(r"\n+", values.text(found))
    if len(parts) == 1 and isinstance(parts[0], str):
        places = parts[0].split(os.pathsep)
        if len(places) > 1 and all(Path(place).is_absolute() for place in places if place):
            parts = [place for place in places if place]
    if len(parts) != 1:
        raise values.wrong(found, "plain files form one history, in one folder: name one")
    folder = values.text(Found(parts[0], found.where, found.base)).strip()
    resource = package_folder(folder, where=found.where, sys_path=sys_path)
    return str(absolute(resource or folder, found.base))
