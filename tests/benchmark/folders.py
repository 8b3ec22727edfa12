"""The same N migrations for every peer, each written as its tool wants them.

Nothing is shared between two peers, not even a folder: what one of them leaves there, such as
compiled files, must not help or hinder another.
"""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config


@dataclass(frozen=True)
class Migration:
    """One of the N; they are numbered from 1."""

    number: int
    #: How many statements it has: 3, or 1 that has the same effect.
    length: int = 3

    @property
    def table(self) -> str:
        return f"t{self.number:04}"

    @property
    def stem(self) -> str:
        return f"{self.number:04}_create_{self.table}"

    @property
    def revision(self) -> str:
        """An id as Alembic makes them up, the same in every run; none before the first."""
        return sha256(self.stem.encode()).hexdigest()[:12]

    @property
    def statements(self) -> tuple[str, ...]:
        """A table that is one file on disk, without index and without place for long values.

        Else most of what is measured would be how fast the file system makes files, and the peers
        would differ less than they do.
        """
        if self.length == 1:
            return (f"CREATE TABLE {self.table} AS SELECT 1 id, 2 size, {self.number} note",)
        return (
            f"CREATE TABLE {self.table} (id integer NOT NULL, size integer)",
            f"ALTER TABLE {self.table} ADD COLUMN note integer",
            f"INSERT INTO {self.table} (id, size, note) VALUES (1, 2, {self.number})",
        )


def migrations(count: int, length: int = 3) -> list[Migration]:
    """The first so many of them."""
    return [Migration(number, length) for number in range(1, count + 1)]


@dataclass(frozen=True)
class Project:
    """What a peer works on: a folder of `count` migrations, and the configuration beside it."""

    path: Path
    count: int
    #: How many statements each migration has.
    length: int = 3

    @property
    def migrations(self) -> list[Migration]:
        return migrations(self.count, self.length)

    @property
    def ini(self) -> Path:
        return self.path / "alembic.ini"

    @property
    def folder(self) -> Path:
        return self.path / "migrations"


PLAIN: Final = '''\
"""Create the table {table}."""

description = "Create the table {table}"


def upgrade(db):
    """Apply this migration."""
    from sqlalchemy import text

{statements}
    db.commit()
'''


def _lines(migration: Migration, line: str) -> str:
    """A line of Python for each of its statements."""
    return "\n".join(f"    {line.format(each)}" for each in migration.statements)


#: As in the README.
PLAIN_INI: Final = """\
[alembic]
script_location = bridge:environment
version_locations = %(here)s/migrations
path_separator = os
"""


def write_plain(project: Project) -> None:
    """For bridge, the old runner and the floor."""
    project.folder.mkdir(parents=True)
    project.ini.write_text(PLAIN_INI)
    for each in project.migrations:
        statements = _lines(each, 'db.execute(text("{}"))')
        text = PLAIN.format(statements=statements, table=each.table)
        (project.folder / f"{each.stem}.py").write_text(text)


ALEMBIC: Final = '''\
"""Create the table {table}

Revision ID: {revision}
Revises: {revises}
Create Date: 2026-01-01 00:00:00.000000

"""
from typing import Sequence, Union

from alembic import op
import sqlalchemy as sa


# revision identifiers, used by Alembic.
revision: str = {revision!r}
down_revision: Union[str, Sequence[str], None] = {down_revision!r}
branch_labels: Union[str, Sequence[str], None] = None
depends_on: Union[str, Sequence[str], None] = None


def upgrade() -> None:
    """Upgrade schema."""
{statements}


def downgrade() -> None:
    """Downgrade schema."""
    pass
'''

_CONFIGURED: Final = "connection=connection, target_metadata=target_metadata"


def write_alembic(project: Project) -> None:
    """What `alembic init` writes, with a transaction for each migration."""
    project.path.mkdir(parents=True)
    with contextlib.redirect_stdout(io.StringIO()) as told:
        command.init(Config(project.ini, stdout=told), str(project.folder))
    env = project.folder / "env.py"
    source = env.read_text()
    if source.count(_CONFIGURED) != 1:
        raise RuntimeError("This Alembic's env.py is not the one that the benchmark knows.")
    env.write_text(source.replace(_CONFIGURED, f"{_CONFIGURED}, transaction_per_migration=True"))
    previous = None
    for each in project.migrations:
        text = ALEMBIC.format(
            statements=_lines(each, 'op.execute("{}")'),
            table=each.table,
            revision=each.revision,
            revises=previous or "",
            down_revision=previous,
        )
        file = f"{each.revision}_create_{each.table}.py"
        (project.folder / "versions" / file).write_text(text)
        previous = each.revision


def set_url(project: Project, url: str) -> None:
    """Let the `alembic` command find this database, in Alembic's own way: by its configuration."""
    text = project.ini.read_text()
    line = f"sqlalchemy.url = {url.replace('%', '%%')}"
    project.ini.write_text(re.sub(r"(?m)^sqlalchemy\.url = .*$", lambda _: line, text))


YOYO: Final = '''\
"""
Create the table {table}
"""

from yoyo import step

__depends__ = {{{depends}}}

steps = [
{statements}
]
'''


def write_yoyo(project: Project) -> None:
    """As `yoyo new` does: each depends on the one before."""
    project.folder.mkdir(parents=True)
    depends = ""
    for each in project.migrations:
        statements = _lines(each, 'step("{}"),')
        text = YOYO.format(statements=statements, table=each.table, depends=depends)
        (project.folder / f"{each.stem}.py").write_text(text)
        depends = repr(each.stem)


#: How to write a project, by the name of its layout.
WRITERS: Final[dict[str, Callable[[Project], None]]] = {
    "plain": write_plain,
    "alembic": write_alembic,
    "yoyo": write_yoyo,
}
