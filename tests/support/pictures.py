"""Pictures of a terminal for README and pages, of real runs: `scripts/pictures` writes them.

Each command runs on a pseudo-terminal in a small project, with a server of its own. What the
terminal then shows goes through Rich into an SVG, once light and once dark. One value stands for
each duration and time, for the port and for the folder, which differ from run to run; a test
compares all of it.
"""

from __future__ import annotations

import io
import re
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text
from sqlalchemy import create_engine

from support.pages import PAGES
from support.project import Project
from support.scratch import scratch_server
from support.terminal import run_on_terminal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Engine

HERE: Final = PAGES / "pictures"
#: The width of the terminal, in characters.
COLUMNS: Final = 80

ACCOUNTS: Final = """\
description = "Add accounts"


def upgrade(db):
    from sqlalchemy import text

    db.execute(text("CREATE TABLE accounts (id BIGINT PRIMARY KEY, email TEXT NOT NULL)"))
    db.commit()
"""
#: The eight lines that README and the front page show.
WIDGETS: Final = """\
description = "Add widgets"


def upgrade(db):
    from sqlalchemy import text

    db.execute(text("CREATE TABLE widgets (id BIGINT PRIMARY KEY)"))
    db.commit()
"""
#: It fails: the row that it adds has no colour.
COLOURS: Final = """\
description = "Give widgets a colour"


def upgrade(db):
    from sqlalchemy import text

    db.execute(text("INSERT INTO widgets (id) VALUES (1)"))
    db.execute(text("ALTER TABLE widgets ADD COLUMN colour TEXT NOT NULL"))
    db.commit()
"""

#: What differs from run to run, and what stands for it.
_STANDS_FOR = ((r"\b\d+\.\d\d s\b", "0.01 s"), (r"(?<=127\.0\.0\.1:)\d{5}\b", "54320"))
#: The same in the ledger, for `status`.
_RECORDED = """
    UPDATE schema_migrations SET execution_ms = 9, applied_at = '2026-03-01 09:30:05+00'
"""
#: As long as the name of a temporary folder in /tmp.
_FOLDER = "/home/ada/server"


@dataclass(frozen=True)
class Theme:
    """The colours of one form of a picture."""

    background: tuple[int, int, int]
    foreground: tuple[int, int, int]
    #: Black, red, green, yellow, blue, magenta, cyan, white.
    colours: tuple[tuple[int, int, int], ...]

    def rich(self) -> TerminalTheme:
        return TerminalTheme(self.background, self.foreground, list(self.colours), None)


THEMES: Final = {
    "light": Theme(
        (250, 250, 250),
        (36, 41, 47),
        (
            *((36, 41, 47), (179, 29, 40), (17, 99, 41), (125, 78, 0)),
            *((5, 80, 174), (102, 57, 186), (0, 98, 114), (110, 119, 129)),
        ),
    ),
    "dark": Theme(
        (30, 33, 41),
        (222, 226, 232),
        (
            *((110, 118, 129), (255, 123, 114), (86, 211, 100), (227, 179, 65)),
            *((121, 192, 255), (210, 168, 255), (86, 212, 221), (222, 226, 232)),
        ),
    ),
}

#: As Rich's own, without the fonts that it fetches and without an image of a window.
_FORMAT: Final = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" \
xmlns="http://www.w3.org/2000/svg" role="img">
    <style>
    .{unique_id}-matrix {{
        font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace;
        font-size: {char_height}px;
        line-height: {line_height}px;
        font-variant-east-asian: full-width;
    }}
    {styles}
    </style>
    <defs>
    <clipPath id="{unique_id}-clip-terminal">
      <rect x="0" y="0" width="{terminal_width}" height="{height}" />
    </clipPath>
    {lines}
    </defs>
    {chrome}
    <g transform="translate({terminal_x}, {terminal_y})" \
clip-path="url(#{unique_id}-clip-terminal)">
    {backgrounds}
    <g class="{unique_id}-matrix">
    {matrix}
    </g>
    </g>
</svg>
"""


def pictures() -> dict[str, str]:
    """Every picture by the name of its file."""
    found = {}
    for name, session in _sessions().items():
        for form, theme in THEMES.items():
            found[f"{name}-{form}.svg"] = _svg(session, theme, f"{name}-{form}")
    return found


def _sessions() -> dict[str, str]:
    """What stands on the terminal after each session, with the codes of its colours."""
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    try:
        with scratch_server() as server:
            server.start()
            engine = create_engine(server.url(), isolation_level="AUTOCOMMIT")
            with engine.connect() as connection:
                connection.exec_driver_sql("CREATE DATABASE shop")
            engine.dispose()
            project = Project.create(folder, server.url(database="shop"))
            engine = create_engine(server.url(database="shop"), isolation_level="AUTOCOMMIT")
            found = dict(_typed(project, engine))
            engine.dispose()
            return found
    finally:
        shutil.rmtree(folder)


def _typed(project: Project, engine: Engine) -> Iterator[tuple[str, str]]:
    project.write("001_add_accounts", ACCOUNTS)
    _type(project, "migrate")
    project.write("002_add_widgets", WIDGETS)
    migrated = _type(project, "migrate")
    with engine.connect() as connection:
        connection.exec_driver_sql(_RECORDED)
    yield "migrate", migrated + _type(project, "migrate", "status")
    project.write("003_give_widgets_a_colour", COLOURS)
    yield "failed", _type(project, "migrate")


def _type(project: Project, *arguments: str) -> str:
    """The command as it is typed, and what stands on the terminal when it has ended."""
    env = {"COLUMNS": str(COLUMNS), "COLORTERM": None}
    _, written = run_on_terminal(project, *arguments, env=env)
    shown = _screen(written).replace(str(project.path), _FOLDER)
    for pattern, instead in _STANDS_FOR:
        shown = re.sub(pattern, instead, shown)
    return f"\x1b[2m$\x1b[0m \x1b[1meai {' '.join(arguments)}\x1b[0m\n{shown}\n"


def _screen(written: str) -> str:
    """The lines that are left on the screen: what was written over is gone."""
    lines = []
    for line in written.replace("\r\n", "\n").rstrip("\n").split("\n"):
        # A line in progress begins anew after a return, or is cleared.
        left = re.split(r"\r|\x1b\[2K", line)[-1]
        lines.append(re.sub(r"\x1b\[[0-9;?]*[A-Za-ln-z]", "", left))
    return "\n".join(lines)


def _svg(session: str, theme: Theme, unique_id: str) -> str:
    console = Console(
        record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, color_system="standard"
    )
    for line in session.rstrip("\n").split("\n"):
        console.print(Text.from_ansi(line), overflow="fold")
    return console.export_svg(
        title="", theme=theme.rich(), code_format=_FORMAT, unique_id=unique_id
    )


if __name__ == "__main__":
    HERE.mkdir(exist_ok=True)
    for name, svg in pictures().items():
        (HERE / name).write_text(svg, encoding="utf-8")
        sys.stdout.write(f"docs/pages/pictures/{name}\n")
