"""The real thing beside the model of `support.model`: commands in this process, and what is seen.

Commands run on an Engine, or on a Connection in a transaction that the caller rolls back.
"""

from __future__ import annotations

import io
import re
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, create_engine, text

import bridge
from bridge.alembic.invocation import KEY, Invocation
from bridge.database.request import Request
from bridge.errors import BridgeError
from bridge.files.plain_file import text_checksum
from bridge.ledger.history import NO_FILE
from bridge.operations.mark import run_mark
from bridge.operations.repair import run_repair
from support.findings import found_in
from support.model import Recorded, Text, World
from support.old_runner import run_old_runner
from support.project import DEFAULT_INI, Project
from support.recording import Recording

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from sqlalchemy import URL

#: Each refusal of the model, by words that only its message has.
SIGNS = {
    "The folder holds no migration at all": "no files",
    "most likely a file was renamed, and ran under both names": "twins",
    "the names differ only in": "names differ",
    "has the very text that was applied": "renamed",
    "that migration under another name": "maybe renamed",
    "looks like another application's ledger": "foreign ledger",
    "looks like the version table of another Alembic environment": "foreign pointer",
    "something was applied to this database, and nothing says what": "unknown pointer",
    "which tells which migrations ran, does not exist": "lost ledger",
    "nobody can tell whether its rows were lost or removed on purpose": "lost rows",
    "its file is gone, so it cannot be reverted": "missing file",
    "This stamp would remove from": "forgets missing",
    "nobody can tell which is which": "ambiguous",
}

#: What ran is of a type of its own, lest it be taken for a ledger of another name.
RESET = """
    DROP SCHEMA public CASCADE;
    CREATE SCHEMA public;
    CREATE DOMAIN told AS text;
    CREATE TABLE ran (id integer GENERATED ALWAYS AS IDENTITY, what told NOT NULL)
"""
LOOK = """
    SELECT to_regclass('schema_migrations') IS NOT NULL AS ledger,
           to_regclass('alembic_version') IS NOT NULL AS version_table,
           ARRAY(SELECT what::text FROM ran ORDER BY id) AS ran,
           coalesce(obj_description(to_regclass('schema_migrations'), 'pg_class'), '') AS comment
"""


@dataclass(frozen=True)
class Seen:
    """What is in a database: the rows with their checksums, in the order of their times."""

    rows: list[tuple[str, str | None]] | None
    ours: bool
    pointers: list[str] | None
    ran: list[str]
    adopted: bool = False

    @classmethod
    def expected(cls, world: World, ran: list[str]) -> Seen:
        """What has to be in the database of this world."""
        rows: list[tuple[str, str | None]] | None = None
        if world.rows is not None:
            rows = [(row.stem, _checksum(row)) for row in world.rows]
        return cls(rows, world.ours and rows is not None, world.pointers, ran, world.adopted)

    @property
    def applied(self) -> set[str]:
        return {stem for stem, _ in self.rows or ()}


@dataclass
class Real:
    """A project and its database, reset for each sequence of steps."""

    project: Project
    engine: Engine
    on_disk: dict[str, Text] = field(default_factory=dict)

    @classmethod
    def create(cls, path: Path, url: URL) -> Real:
        real = cls(Project.create(path, url), create_engine(url, pool_size=3))
        names = "ledger_table = other_migrations\nversion_table = other_version\n"
        (path / "other.ini").write_text(DEFAULT_INI + names)
        return real

    def reset(self) -> None:
        self.put({})
        with self.engine.begin() as connection:
            connection.execute(text(RESET))

    def put(self, files: dict[str, Text]) -> None:
        """Make the folder hold exactly these files."""
        for stem in self.on_disk.keys() - files.keys():
            self.project.remove(stem)
        for stem, content in files.items():
            if self.on_disk.get(stem) != content:
                self.project.write(stem, content.source)
        self.on_disk = dict(files)

    def look(self, on: Engine | Connection) -> Seen:
        if isinstance(on, Engine):
            with on.connect() as connection:
                return self.look(connection)
        found = on.execute(text(LOOK)).one()
        rows = pointers = None
        names: set[str] = set()
        if found.ledger:
            result = on.execute(text("SELECT * FROM schema_migrations ORDER BY applied_at, 1"))
            names = set(result.keys())
            rows = [(row["version"], row.get("checksum")) for row in result.mappings()]
        if found.version_table:
            result = on.execute(text("SELECT version_num FROM alembic_version ORDER BY 1"))
            pointers = list(result.scalars())
        adopted = "bridge: adopted" in found.comment
        return Seen(rows, "checksum" in names, pointers, list(found.ran), adopted)

    # Commands

    def upgrade(
        self,
        on: Engine | Connection,
        to: str = "head",
        *,
        reporter: Recording | None = None,
        ini: str = "alembic.ini",
    ) -> list[str]:
        report = bridge.upgrade(on, config=self.project.path / ini, to=to, reporter=reporter)
        return [applied.stem for applied in report.applied]

    def downgrade(self, on: Engine | Connection, to: str | None) -> None:
        self._alembic(command.downgrade, on, to or "base")

    def stamp(self, on: Engine | Connection, to: str | None, *, purge: bool = False) -> None:
        self._alembic(command.stamp, on, to or "base", purge=purge)

    def current(self, on: Engine | Connection) -> list[str]:
        """The revision that `alembic current` names, and what it says of it."""
        return self._alembic(command.current, on).split()

    def old_runner(self) -> None:
        assert self.project.url is not None
        with redirect_stdout(io.StringIO()):
            run_old_runner(self.project.url, self.project.migrations)

    def repair(
        self, on: Engine | Connection, only: Sequence[str] = (), *, adopt: bool = False
    ) -> None:
        assert run_repair(self._request(on), lambda _changes: True, names=only, adopt=adopt)

    def mark(self, on: Engine | Connection, stem: str, *, applied: bool) -> None:
        done = run_mark(self._request(on), stem, applied=applied, agree=lambda _marking: True)
        assert done is not None

    def sql(self, on: Engine | Connection, statement: str) -> None:
        if isinstance(on, Engine):
            with on.begin() as connection:
                connection.execute(text(statement))
        else:
            on.execute(text(statement))

    def _request(self, on: Engine | Connection) -> Request:
        return Request(database=on, config=self.project.path / "alembic.ini")

    def _alembic(
        self, run: Callable[..., None], on: Engine | Connection, *args: Any, **kwargs: Any
    ) -> str:
        printed = io.StringIO()
        config = Config(self.project.path / "alembic.ini", stdout=printed)
        config.attributes["connection"] = on
        config.attributes[KEY] = Invocation(request=Request(reporter=Recording()))
        try:
            run(config, *args, **kwargs)
        except CommandError as error:
            if isinstance(error.__cause__, BridgeError):
                raise error.__cause__ from None
            raise
        return printed.getvalue()


def kinds_of(message: str) -> set[str]:
    """Which refusals a message tells of, one a line."""
    found = set()
    for line in found_in(message).splitlines():
        kinds = [kind for sign, kind in SIGNS.items() if sign in line]
        assert len(kinds) == 1, line
        found.update(kinds)
    return found


def ways_on(message: str) -> list[str]:
    """The commands and statements that a message says to type, and what to do to the files."""
    return re.findall(
        r"alembic stamp (?:--purge )?\w+|(?:UPDATE|DELETE FROM) .*?;"
        r"|eai migrate mark \S+ --pending|eai migrate repair(?: --adopt|(?: \d[\w-]*)*)"
        r"|name the file \S+\.py again|give the files their old names again"
        r"|correct version_locations",
        message,
    )


def _checksum(row: Recorded) -> str | None:
    if row.text is None:
        return NO_FILE if row.apart else None
    return text_checksum(row.text.source)
