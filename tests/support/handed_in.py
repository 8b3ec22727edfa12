"""What a file sees of an Engine or a Connection that was handed in, and what is recorded then."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine

import bridge
from support.databases import connect
from support.project import Project

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import URL

STEMS = ["001_sees", "002_sees"]

#: A migration that writes down what it sees; the table is made where its tables would be.
FILE = '''\
import json
from sqlalchemy import JSON, Column, Integer, MetaData, Table, Text, literal, select, text
SEEN = """
INSERT INTO seen SELECT current_schema(), current_setting('search_path'), current_user,
    current_setting('transaction_isolation'),
    nullif(current_setting('app.tenant', true), ''), to_regclass('pg_temp.mine') IS NOT NULL,
    pg_backend_pid(), current_query() LIKE '/* ours */%%', :kind, :json
"""
def upgrade(db):
    driver = db.connection().connection.dbapi_connection
    with driver.cursor() as cursor:
        cursor.execute("SELECT 1 AS n")
        kind = getattr(driver, "ours", "") + type(cursor.fetchone()).__name__
    written = db.scalar(select(literal(dict(a=1), JSON).cast(Text)))
    db.execute(text(
        "CREATE TABLE IF NOT EXISTS seen (schema text, search_path text, role text, "
        "isolation text, tenant text, temporary boolean, pid int, rewritten boolean, kind text, "
        "json text)"
    ))
    db.execute(text(SEEN), dict(kind=kind, json=written))
    tables = MetaData()
    Table("made_{stem}", tables, Column("n", Integer))
    tables.create_all(db.connection())
    db.commit()
'''


FAILS = """\
from sqlalchemy import text
def upgrade(db):
    db.execute(text("CREATE TABLE failed (n int)"))
    db.execute(text("SET search_path = pg_catalog"))
    db.execute(text("SET app.tenant = 'of the file'"))
    raise ValueError("it fails here")
"""


@dataclass
class Place:
    """A database with a schema `ten` beside public, and a role that may make tables in both."""

    url: URL
    role: str
    project: Project

    @classmethod
    def made(cls, folder: Path, url: URL, role: str) -> Place:
        """Make the schema, and a project with two migrations that write down what they see."""
        project = Project.create(folder / "project", url)
        for stem in STEMS:
            project.write(stem, FILE.format(stem=stem).replace("%%", "%"))
        place = cls(url, role, project)
        place.ask("CREATE SCHEMA ten")
        place.ask(f"GRANT ALL ON SCHEMA public, ten TO {role}")
        return place

    @property
    def dsn(self) -> str:
        """The address, for the driver."""
        return self.url.set(drivername="postgresql").render_as_string(hide_password=False)

    def upgrade(self, database: Engine | Connection) -> list[str]:
        """Run what is pending, and return the stems."""
        report = bridge.upgrade(database, config=self.project.path / "alembic.ini")
        return [applied.stem for applied in report.applied]

    def ask(self, query: str) -> Any:
        """Return the rows of a query, each as a dict, from beside it all."""
        with closing(connect(self.url)) as connection, connection.cursor() as cursor:
            cursor.execute(query)
            if cursor.description is None:
                return None
            names = [column.name for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def schemas_of(self, table: str) -> list[str]:
        """Return the schemas in which there is such a table."""
        rows = self.ask(
            "SELECT relnamespace::regnamespace::text AS schema FROM pg_class "
            f"WHERE relname = '{table}' AND relkind = 'r' ORDER BY 1"
        )
        return [row["schema"] for row in rows]

    def recorded_in(self, schema: str) -> list[str]:
        """Return the stems of the ledger there, which has to be the only one, and to agree."""
        for table in ("schema_migrations", "alembic_version"):
            assert self.schemas_of(table) == [schema]
        rows = self.ask(f"SELECT version FROM {schema}.schema_migrations ORDER BY 1")
        stems = [row["version"] for row in rows]
        pointer = self.ask(f"SELECT version_num FROM {schema}.alembic_version")
        assert [row["version_num"] for row in pointer] == stems[-1:]
        return stems

    def locks(self) -> int:
        """Count the advisory locks that are held here."""
        (row,) = self.ask(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = "
            "(SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        return int(row["count"])


def expected(place: Place, sees: dict[str, Any]) -> dict[str, Any]:
    """What a file sees of it, where no more is known than this."""
    always = {
        "schema": "public",
        "search_path": '"$user", public',
        "role": place.url.username,
        "isolation": "read committed",
        "tenant": None,
        "temporary": False,
        "rewritten": False,
        "kind": "tuple",
        "json": '{"a": 1}',
    }
    always |= {key: value for key, value in sees.items() if key in always}
    return always | {"role": place.role if sees.get("role") else place.url.username}
