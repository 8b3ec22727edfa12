"""A project with files that log their runs, and what its database has in the books."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pytest
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

import bridge
from bridge.alembic.invocation import KEY, Invocation
from bridge.database.request import Request
from bridge.errors import BridgeError
from support.old_runner import run_old_runner
from support.recording import Recording

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Engine

    from support.project import Project

LOGGED = """\
from sqlalchemy import text

description = "About {stem}"


def upgrade(db):
    db.execute(text("CREATE TABLE IF NOT EXISTS ran (id serial, what text)"))
    db.execute(text("INSERT INTO ran (what) VALUES ('{stem}')"))
    db.commit()


def downgrade(db):
    db.execute(text("INSERT INTO ran (what) VALUES ('-{stem}')"))
    db.commit()
"""


@dataclass
class Books:
    """One database of one project, and the commands on it, in this process."""

    project: Project
    reporter: Recording = field(default_factory=Recording)
    ledger_table: str = "schema_migrations"
    version_table: str = "alembic_version"

    @cached_property
    def engine(self) -> Engine:
        assert self.project.url is not None
        return create_engine(self.project.url, poolclass=NullPool)

    def files(self, *stems: str) -> None:
        """Write files that log when they run, and `-` before that when they are reverted."""
        for stem in stems:
            self.project.write(stem, LOGGED.format(stem=stem))

    # Commands

    def upgrade(self, to: str = "head") -> list[str]:
        report = bridge.upgrade(
            self.engine, config=self.project.path / "alembic.ini", to=to, reporter=self.reporter
        )
        return [applied.stem for applied in report.applied]

    def stamp(self, revision: str | list[str], *, purge: bool = False) -> None:
        self._alembic(command.stamp, revision, purge=purge)

    def downgrade(self, revision: str) -> None:
        self._alembic(command.downgrade, revision)

    def old_runner(self) -> list[str]:
        assert self.project.url is not None
        return run_old_runner(self.project.url, self.project.migrations)

    def refused(self, run: Callable[..., object], *args: Any, **kwargs: Any) -> str:
        """The message of a refusal, which must leave the books as they were."""
        before = self.everything()
        with pytest.raises(BridgeError) as caught:
            run(*args, **kwargs)
        assert self.everything() == before
        return str(caught.value)

    def _alembic(self, run: Callable[..., None], *args: Any, **kwargs: Any) -> None:
        config = Config(self.project.path / "alembic.ini")
        config.attributes["connection"] = self.engine
        config.attributes[KEY] = Invocation(request=Request(reporter=self.reporter))
        try:
            run(config, *args, **kwargs)
        except CommandError as error:
            if isinstance(error.__cause__, BridgeError):
                raise error.__cause__ from None
            raise

    # What is in the database

    def sql(self, *statements: str) -> list[tuple[Any, ...]]:
        """Run statements, and give what the last one returns."""
        rows: list[tuple[Any, ...]] = []
        with self.engine.begin() as connection:
            for statement in statements:
                result = connection.execute(text(statement))
                rows = [tuple(row) for row in result] if result.returns_rows else []
        return rows

    def table(self, name: str, wanted: str = "*", order: str = "1") -> list[tuple[Any, ...]] | None:
        """The rows of a table, None if there is no such table."""
        if self.sql(f"SELECT to_regclass('{name}')") == [(None,)]:
            return None
        return self.sql(f"SELECT {wanted} FROM {name} ORDER BY {order}")

    @property
    def ran(self) -> list[str]:
        """What ran so far, in that order."""
        return [what for (what,) in self.table("ran", "what", "id") or ()]

    @property
    def applied(self) -> list[str]:
        """What is recorded, in the order of its times."""
        rows = self.table(self.ledger_table, "version", "applied_at, version") or ()
        return [version for (version,) in rows]

    @property
    def pointers(self) -> list[str]:
        return [pointer for (pointer,) in self.table(self.version_table) or ()]

    def everything(self) -> tuple[object, ...]:
        """Both tables to the last byte, and which tables there are."""
        return (
            self.table(self.ledger_table, f"xmin, {self.ledger_table}.*", "version"),
            self.table(self.version_table, "xmin, *", "version_num"),
            self.sql(
                "SELECT attrelid::regclass::text, attname, atttypmod FROM pg_attribute "
                "JOIN pg_class ON pg_class.oid = attrelid WHERE relkind IN ('r', 'S') "
                "AND relnamespace NOT IN ('pg_catalog'::regnamespace, "
                "'information_schema'::regnamespace, 'pg_toast'::regnamespace) ORDER BY 1, 2"
            ),
        )
