"""alembic-enums, which changes the values of an enum in a migration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from support.project import Project

BEFORE = """\
from sqlalchemy import text
def upgrade(db):
    db.execute(text("CREATE TYPE state AS ENUM ('enabled', 'disabled')"))
    db.execute(text("CREATE TABLE resources (state state)"))
    db.execute(text("INSERT INTO resources VALUES ('enabled')"))
    db.commit()
"""
CHANGES = """\
from alembic import op
from alembic_enums import Column, EnumMigration
migration = EnumMigration(
    op=op, enum_name="state", old_options=["enabled", "disabled"],
    new_options=["active", "archived"], columns=[Column("resources", "state", None, None)],
)
def upgrade(db):
    with migration.upgrade_ctx():
        migration.update_value(migration.columns[0], "enabled", "active")
def downgrade(db):
    with migration.downgrade_ctx():
        migration.update_value(migration.columns[0], "active", "enabled")
"""
LABELS = "SELECT string_agg(enumlabel, ' ' ORDER BY enumsortorder) FROM pg_enum"


def test_it_changes_an_enum_and_changes_it_back(project: Project, engine: Engine) -> None:
    project.write("001_before", BEFORE)
    project.write("002_changes", CHANGES)
    for steps, labels, value in (
        (("upgrade", "head"), "active archived", "active"),
        (("downgrade", "-1"), "enabled disabled", "enabled"),
    ):
        project.alembic(*steps, check=True)
        with engine.connect() as connection:
            assert connection.scalar(text(LABELS)) == labels
            assert connection.scalar(text("SELECT state::text FROM resources")) == value
