"""A project with a section for tenants, and the schemas of a database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from bridge.database.quoting import always_quote

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sqlalchemy import Engine

    from support.project import Project

INI = """\
[alembic]
script_location = bridge:environment
version_locations = %(here)s/shared
path_separator = os

[tenants]
script_location = bridge:environment
version_locations = %(here)s/migrations
path_separator = os
prepend_sys_path = %(here)s
"""
FILE = """\
from sqlalchemy import text

description = "About {stem}"


def upgrade(db):
    db.execute(text("CREATE TABLE {table} (id bigint)"))
    db.commit()


def downgrade(db):
    db.execute(text("DROP TABLE {table}"))
    db.commit()
"""


#: Lists the schemas that are called `t` and a number.
_NUMBERED = "SELECT nspname FROM pg_namespace WHERE nspname ~ '^t[0-9]+$' ORDER BY 1"


@dataclass
class Tenants:
    """A project whose section `tenants` has targets, in one database."""

    project: Project

    @classmethod
    def of(cls, project: Project, extra: str = "") -> Tenants:
        """Write the configuration, with these lines in the section of tenants."""
        (project.path / "shared").mkdir()
        project.ini(INI, extra=extra)
        return cls(project)

    @classmethod
    def numbered(cls, project: Project, names: Sequence[str]) -> Tenants:
        """Make these schemas, each a `t` and a number, which a query lists; and two files."""
        tenants = cls.of(project, f"targets_query = {_NUMBERED}")
        tenants.files("001_one", "002_two")
        tenants.schemas(*names)
        return tenants

    @property
    def engine(self) -> Engine:
        assert self.project.url is not None
        return create_engine(self.project.url, poolclass=NullPool)

    @property
    def config(self) -> Path:
        return self.project.path / "alembic.ini"

    @property
    def where(self) -> dict[str, Any]:
        """What a function of the library is told beside the target."""
        return {"config": self.config, "section": "tenants"}

    def files(self, *stems: str) -> None:
        """Write files that each make a table of the name behind the number."""
        for stem in stems:
            table = stem.partition("_")[2]
            self.project.write(stem, FILE.format(stem=stem, table=table))

    def schemas(self, *names: str) -> None:
        with self.engine.begin() as connection:
            for name in names:
                connection.execute(text(f"CREATE SCHEMA {always_quote(name)}"))

    def execute(self, *statements: str) -> None:
        with self.engine.begin() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)

    def ask(self, question: str) -> Sequence[Any]:
        with self.engine.connect() as connection:
            return connection.execute(text(question)).scalars().all()

    def tables(self, schema: str) -> list[str]:
        """The tables of a schema, without the two of the records."""
        question = f"SELECT tablename FROM pg_tables WHERE schemaname = {_constant(schema)}"
        return sorted({*self.ask(question)} - {"alembic_version", "schema_migrations"})

    def rows(self, schema: str) -> list[str]:
        """What the ledger of a schema has, in order."""
        ledger = f"{always_quote(schema)}.schema_migrations"
        return list(self.ask(f"SELECT version FROM {ledger} ORDER BY version"))


def _constant(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
