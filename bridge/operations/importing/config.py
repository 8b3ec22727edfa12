"""Write the configuration with which the imported files run before they are where they belong."""

from __future__ import annotations

import configparser
import os
from pathlib import Path
from typing import TYPE_CHECKING

from bridge import ENVIRONMENT
from bridge.config.sources import Options

if TYPE_CHECKING:
    from bridge.config.sources import ConfigFiles

#: What is another one then, or is of no use to whoever only runs migrations.
_REPLACED = ("script_location", "version_locations", "path_separator", "prepend_sys_path")
#: What could lead to a database of the application's.
_URL = "sqlalchemy.url"


def write_config(place: Path, folder: Path, files: ConfigFiles | None) -> Path:
    """Write an alembic.ini into `place`, as the project's but for the folder; return its path.

    What migrations read from it stays, but for the URL.
    """
    ini = configparser.RawConfigParser()
    sys_path: tuple[str, ...] = ()
    if files is not None:
        options = Options.read(files, section="alembic")
        sys_path = options.paths("prepend_sys_path")
        if files.ini is not None:
            here = files.ini.parent.as_posix().replace("%", "%%")
            with files.ini.open(encoding="locale") as file:
                ini.read_string(file.read().replace("%(here)s", here))
    if not ini.has_section("alembic"):
        ini.add_section("alembic")
    for name in (*_REPLACED, _URL):
        ini.remove_option("alembic", name)
    lines = {
        "script_location": ENVIRONMENT,
        "version_locations": str(folder),
        "path_separator": "os",
        "prepend_sys_path": os.pathsep.join(sys_path),
    }
    for name, value in lines.items():
        ini.set("alembic", name, value.replace("%", "%%"))
    path = place / "alembic.ini"
    with path.open("w", encoding="locale", newline="\n") as file:
        ini.write(file)
    return path
