"""A schema for each tenant: the recipes of Alembic's cookbook, as the page on Alembic has them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from support.alembic_books import creates, execute
from support.pages import page

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from support.project import Project

MODELS = """\
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    pass


class One(Base):
    __tablename__ = "one"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
"""

ONE = """
    from sqlalchemy import text

    def upgrade(db):
        db.execute(text("CREATE TABLE one (id integer PRIMARY KEY)"))
        db.commit()

    def downgrade(db):
        db.execute(text("DROP TABLE one"))
        db.commit()
"""

#: Its own constructs are translated; the schema in them is no schema of the database.
TRANSLATED = """
    import sqlalchemy as sa

    metadata = sa.MetaData()
    notes = sa.Table("notes", metadata, sa.Column("note", sa.Text), schema="tenant")
    loose = sa.Table("loose", metadata, sa.Column("note", sa.Text))

    def upgrade(db):
        metadata.create_all(db.connection())
        db.execute(sa.insert(notes).values(note="kept"))
        db.execute(sa.text("INSERT INTO notes VALUES ('raw')"))
        db.commit()
        db.execute(sa.insert(loose).values(note="after a commit"))
        db.commit()

    def downgrade(db):
        metadata.drop_all(db.connection())
        db.commit()
"""


AWAY = """
    from sqlalchemy import text

    def upgrade(db):
        db.execute(text("SET search_path TO public"))
        db.commit()
"""


def recipe(number: int) -> str:
    """One of the examples of an env.py on the page, in the order in which they stand there."""
    _, _, section = page("alembic").partition("## A schema for each tenant")
    found = re.findall(r"^```python\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    return str(found[number])


@pytest.fixture
def tenants(project: Project, engine: Engine) -> Project:
    """A project whose env.py is to be written, with one file for all tenants."""
    execute(engine, "CREATE SCHEMA acme", 'CREATE SCHEMA "Big Corp"')
    (project.path / "app").mkdir()
    (project.path / "app" / "__init__.py").write_text("")
    (project.path / "app" / "models.py").write_text(MODELS)
    (project.path / "theirs").mkdir()
    project.ini(
        """
        [alembic]
        script_location = %(here)s/theirs
        plain_files = true
        version_locations = %(here)s/migrations
        path_separator = os
        prepend_sys_path = %(here)s
        """
    )
    project.write("001_one", ONE)
    return project


def environment(project: Project, source: str) -> None:
    (project.path / "theirs" / "env.py").write_text(source)


def found(engine: Engine) -> dict[str, set[str]]:
    """The tables of each schema."""
    with engine.connect() as connection:
        rows = connection.execute(
            text(
                "SELECT nspname, array_remove(array_agg(relname::text), NULL) "
                "FROM pg_namespace AS n "
                "LEFT JOIN pg_class AS c ON relnamespace = n.oid AND relkind = 'r' "
                "WHERE nspname !~ '^pg_|^information_schema$' GROUP BY nspname"
            )
        )
        return {schema: set(tables) for schema, tables in rows}


BOOKS = {"schema_migrations", "alembic_version"}
NAMES = ("acme", "Big Corp")


def test_each_tenant_has_tables_and_a_ledger_of_its_own(tenants: Project, engine: Engine) -> None:
    environment(tenants, recipe(0))
    for tenant in NAMES:
        tenants.alembic("-x", f"tenant={tenant}", "upgrade", "head", check=True)
        tenants.alembic("-x", f"tenant={tenant}", "upgrade", "head", check=True)
    assert found(engine) == {"public": set(), **{name: {"one", *BOOKS} for name in NAMES}}
    acme, big = (f"tenant={tenant}" for tenant in NAMES)
    assert tenants.alembic("-x", big, "current", check=True).stdout == "001_one (head)\n"
    tenants.alembic("-x", acme, "downgrade", "base", check=True)
    assert found(engine)["acme"] == BOOKS
    assert tenants.alembic("-x", acme, "current", check=True).stdout == ""
    assert tenants.alembic("-x", big, "current", check=True).stdout == "001_one (head)\n"
    tenants.alembic("-x", acme, "stamp", "head", check=True)
    assert tenants.alembic("-x", acme, "current", check=True).stdout == "001_one (head)\n"
    assert found(engine)["public"] == set()


def test_one_tenant_is_compared_and_the_file_is_for_all(tenants: Project, engine: Engine) -> None:
    environment(tenants, recipe(0))
    for tenant in NAMES:
        tenants.alembic("-x", f"tenant={tenant}", "upgrade", "head", check=True)
        clean = tenants.alembic("-x", f"tenant={tenant}", "check", check=True)
        assert clean.stdout == "No new upgrade operations detected.\n"
    models = tenants.path / "app" / "models.py"
    models.write_text(f"{MODELS}    name: Mapped[str | None]\n")
    tenants.alembic("-x", "tenant=acme", "revision", "--autogenerate", "-m", "name", check=True)
    written = (tenants.migrations / "002_name.py").read_text()
    assert 'text("ALTER TABLE one ADD COLUMN name VARCHAR")' in written
    for tenant in NAMES:
        tenants.alembic("-x", f"tenant={tenant}", "upgrade", "head", check=True)
        tenants.alembic("-x", f"tenant={tenant}", "check", check=True)


def test_what_a_file_changes_for_itself_stays_out_of_the_next_file(
    tenants: Project, engine: Engine
) -> None:
    environment(tenants, recipe(0))
    tenants.write("002_away", AWAY)
    tenants.write("003_three", creates("three"))
    tenants.alembic("-x", "tenant=acme", "upgrade", "head", check=True)
    assert found(engine) == {"public": set(), "Big Corp": set(), "acme": {"one", "three", *BOOKS}}


def test_constructs_are_translated_and_raw_sql_goes_by_the_search_path(
    tenants: Project, engine: Engine
) -> None:
    environment(tenants, recipe(1))
    tenants.write("002_translated", TRANSLATED)
    for tenant in NAMES:
        tenants.alembic("-x", f"tenant={tenant}", "upgrade", "head", check=True)
    all_of_it = {"one", "notes", "loose", *BOOKS}
    assert found(engine) == {"public": set(), **dict.fromkeys(NAMES, all_of_it)}
    with engine.connect() as connection:
        for schema in ("acme", '"Big Corp"'):
            notes = connection.scalars(text(f"SELECT note FROM {schema}.notes ORDER BY note"))
            assert list(notes) == ["kept", "raw"]
            assert connection.scalar(text(f"SELECT note FROM {schema}.loose")) == "after a commit"
    tenants.alembic("-x", "tenant=acme", "downgrade", "base", check=True)
    assert found(engine)["acme"] == BOOKS
    current = tenants.alembic("-x", "tenant=Big Corp", "current", check=True)
    assert current.stdout == "002_translated (head)\n"


def test_two_variables_do_the_same_for_every_command(tenants: Project, engine: Engine) -> None:
    tenants.ini(extra="prepend_sys_path = %(here)s\ntarget_metadata = app.models:Base.metadata\n")
    assert tenants.url is not None
    for tenant in NAMES:
        path = tenant.replace(" ", "%5C%20")
        url = tenants.url.render_as_string(hide_password=False)
        joint = "&" if "?" in url else "?"
        env = {
            "DATABASE_URL": f"{url}{joint}options=-csearch_path%3D%22{path}%22",
            "BRIDGE_VERSION_TABLE_SCHEMA": tenant,
        }
        tenants.eai("migrate", env=env, check=True)
        tenants.eai("migrate", "status", "--check", env=env, check=True)
        tenants.alembic("check", env=env, check=True)
    assert found(engine) == {"public": set(), **{name: {"one", *BOOKS} for name in NAMES}}


def test_without_a_schema_for_the_ledger_the_second_tenant_is_refused(
    tenants: Project, engine: Engine
) -> None:
    environment(tenants, re.sub(r", version_table_schema=tenant", "", recipe(0)))
    tenants.alembic("-x", "tenant=acme", "upgrade", "head", check=True)
    refused = tenants.alembic("-x", "tenant=Big Corp", "upgrade", "head")
    assert refused.returncode == 4
    assert (
        "This connection finds no schema_migrations in Big Corp, but the schema acme of the same "
        "database holds one: if the search_path is not the one that is meant, every migration "
        "would run again in Big Corp. Nothing was changed in the database. If Big Corp is a schema "
        "of its own, in "
        "which the migrations are to run, set version_table_schema = Big Corp in alembic.ini; "
        "where each tenant has such a schema, set it for the run: "
        "BRIDGE_VERSION_TABLE_SCHEMA='Big Corp'."
    ) in refused.stderr
    env = {"BRIDGE_VERSION_TABLE_SCHEMA": "Big Corp"}
    tenants.alembic("-x", "tenant=Big Corp", "upgrade", "head", env=env, check=True)
    assert found(engine)["Big Corp"] == {"one", *BOOKS}


def test_an_env_py_and_a_setting_that_name_two_schemas_are_refused(
    tenants: Project, engine: Engine
) -> None:
    environment(tenants, recipe(0))
    env = {"BRIDGE_VERSION_TABLE_SCHEMA": "beta"}
    refused = tenants.alembic("-x", "tenant=acme", "upgrade", "head", env=env)
    assert refused.returncode == 2
    assert refused.stderr == (
        "FAILED: The version_table_schema that run_environment() was given is acme, and the one "
        "that is set is beta: nobody can tell where the records are. Nothing was done. Remove the "
        "setting, or give run_environment() none.\n"
    )
    assert found(engine) == {"public": set(), "Big Corp": set(), "acme": set()}
    same = {"BRIDGE_VERSION_TABLE_SCHEMA": "acme"}
    tenants.alembic("-x", "tenant=acme", "upgrade", "head", env=same, check=True)


def test_a_script_for_psql_names_the_ledger_of_the_tenant(tenants: Project) -> None:
    environment(tenants, recipe(0))
    script = tenants.alembic("-x", "tenant=acme", "upgrade", "head", "--sql", check=True).stdout
    assert "INSERT INTO acme.schema_migrations" in script
