"""The migrations in migrations/, and short ways for tests to run them and to fill their tables."""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

MIGRATIONS = Path(__file__).parents[2] / "migrations"
STEMS = ["001_add_organizations", "002_add_iam", "003_add_integrations"]

#: The tables that get an organization_id, if a database has them.
TENANT_TABLES = ["api_keys", "agents", "evaluations"]


def load_file(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def load_migration(stem: str) -> Any:
    return load_file(MIGRATIONS / f"{stem}.py")


def description_of(stem: str) -> str:
    """Read a description as listings do: without running the file."""
    tree = ast.parse((MIGRATIONS / f"{stem}.py").read_text(encoding="utf-8"))
    (value,) = [
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "description"
    ]
    return str(ast.literal_eval(value))


def run_migration(engine: Engine, stem: str, direction: str) -> None:
    with Session(engine, autoflush=False) as db:
        getattr(load_migration(stem), direction)(db)


def create_tenant_tables(engine: Engine, tables: list[str]) -> None:
    """Tables as an application had them before organizations, with two rows each."""
    with engine.begin() as connection:
        for table in tables:
            connection.execute(
                text(f"CREATE TABLE {table} (id BIGSERIAL PRIMARY KEY, name TEXT UNIQUE)")
            )
            connection.execute(text(f"INSERT INTO {table} (name) VALUES ('first'), ('second')"))


def insert(connection: Connection, table: str, **values: Any) -> Any:
    """Insert one row and return its id; the values are sent as literals of unknown type."""
    literals = ", ".join(f"'{value}'" for value in values.values())
    statement = f"INSERT INTO {table} ({', '.join(values)}) VALUES ({literals}) RETURNING id"
    return connection.execute(text(statement)).scalar_one()


def assert_refused(connection: Connection, constraint: str, table: str, **values: Any) -> None:
    with pytest.raises(IntegrityError) as caught, connection.begin_nested():
        insert(connection, table, **values)
    assert violated_constraint(caught.value) == constraint


def violated_constraint(error: IntegrityError) -> str:
    return str(error.orig.diag.constraint_name)  # type: ignore[union-attr]


def invite(connection: Connection, slug: str, email: str, **values: Any) -> Any:
    number = connection.execute(text("SELECT count(*) FROM invitations")).scalar_one()
    return insert(
        connection,
        "invitations",
        organization_id=organization_id(connection, slug),
        email=email,
        token_hash=f"{number:064x}",
        **values,
    )


def organization_id(connection: Connection, slug: str) -> Any:
    found = connection.execute(text("SELECT id FROM organizations WHERE slug = :s"), {"s": slug})
    return found.scalar_one()


def owners(engine: Engine, table: str) -> list[str]:
    """The slug of the organization of each row, in the order of the rows."""
    with engine.connect() as connection:
        found = connection.execute(
            text(
                f"SELECT slug FROM {table} AS t JOIN organizations AS o"
                " ON o.id = t.organization_id ORDER BY t.id"
            )
        )
        return list(found.scalars())


def enum_values(engine: Engine, name: str) -> list[str]:
    with engine.connect() as connection:
        found = connection.execute(text(f"SELECT unnest(enum_range(NULL::{name}))::text"))
        return list(found.scalars())


def count_rows(engine: Engine, table: str) -> int:
    with engine.connect() as connection:
        return int(connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())
