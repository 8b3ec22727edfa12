"""The same files under the old runner and under bridge, each on a database of its own."""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import dedent, indent
from typing import TYPE_CHECKING

from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

import bridge
from support.dump import dump_schema
from support.old_runner import run_old_runner
from support.project import Project

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sqlalchemy import URL

#: The tables in which the two keep their books.
BOOKS = ("schema_migrations", "alembic_version")

#: What most files need; they write into `t` what a test wants to know.
PRELUDE = """\
from sqlalchemy import create_engine, inspect, select, text
from sqlalchemy.pool import NullPool
def run(db, statement, **values):
    return db.execute(text(statement), values)
def other_engine(db):
    return create_engine(db.get_bind().engine.url, poolclass=NullPool)
"""

FIRST = "CREATE TABLE t (n integer PRIMARY KEY, note text)"


@dataclass(frozen=True)
class Outcome:
    """What a run left in its database."""

    #: The stems that are recorded, in the order of their names.
    recorded: list[str]
    #: The rows of each table, sorted, each as the server writes it.
    rows: dict[str, list[str]]
    schema: str
    #: What the run raised; the same kind of error has another class under bridge.
    error: BaseException | None

    @property
    def left(self) -> tuple[list[str], dict[str, list[str]], str, bool]:
        """What has to be the same."""
        return self.recorded, self.rows, self.schema, self.error is None


def migration(body: str) -> str:
    """A whole file; a `body` that defines no function becomes the one of `upgrade`."""
    body = dedent(body).strip("\n") + "\n"
    if "def upgrade" in body:
        return PRELUDE + body
    return PRELUDE + "def upgrade(db):\n" + indent(body, "    ")


@dataclass
class Both:
    """`both(body, ...)` runs files under both and gives the two outcomes."""

    folder: Path
    create_database: Callable[[], URL]

    def __call__(self, *bodies: str, before: str = FIRST) -> tuple[Outcome, Outcome]:
        """`before` is SQL that both databases get first."""
        project = Project.create(self.folder / "project")
        for number, body in enumerate(bodies, start=1):
            project.write(f"{number:03}_file", migration(body))
        old = self._outcome(before, lambda url: run_old_runner(url, project.migrations))
        # The old runner waited for a lock for as long as it took.
        ini = project.ini(extra="ddl_lock_timeout = 0\n")
        new = self._outcome(before, lambda url: bridge.upgrade(str_of(url), config=ini))
        return old, new

    def same(self, *bodies: str, before: str = FIRST) -> Outcome:
        """Run files under both, and want the same of both."""
        old, new = self(*bodies, before=before)
        assert new.left == old.left, (old.error, new.error)
        return new

    def _outcome(self, before: str, run: Callable[[URL], object]) -> Outcome:
        url = self.create_database()
        engine = create_engine(url, poolclass=NullPool)
        with engine.begin() as connection:
            connection.execute(text(before))
        error: BaseException | None = None
        try:
            run(url)
        except BaseException as raised:  # noqa: BLE001 - SystemExit is an outcome as well
            error = raised
        return outcome(url, error)


def str_of(url: URL) -> str:
    return url.render_as_string(hide_password=False)


def outcome(url: URL, error: BaseException | None = None) -> Outcome:
    """What is in a database now."""
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        recorded = connection.execute(text("SELECT version FROM schema_migrations ORDER BY 1"))
        names = connection.execute(
            text(
                "SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r' AND NOT "
                "relnamespace::regnamespace::text ~ '^pg_|^information_schema$' "
                "AND relname <> ALL(:books) ORDER BY 1"
            ),
            {"books": list(BOOKS)},
        )
        rows = {
            name: sorted(connection.execute(text(f"SELECT x::text FROM {name} x")).scalars())
            for name in names.scalars().all()
        }
        return Outcome(list(recorded.scalars()), rows, dump_schema(url, exclude=BOOKS), error)
