"""The page about what bridge adds to a database says what a run leaves there."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from bridge.locking import holder, session_lock
from support.pages import page

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import URL

    from support.project import Project

COLUMNS = """
    SELECT table_name, column_name, data_type, character_maximum_length, is_nullable,
           column_default, column_name = ANY(
               SELECT attname FROM pg_index JOIN pg_attribute ON attrelid = indrelid
                AND attnum = ANY(indkey)
                WHERE indisprimary AND indrelid = table_name::text::regclass) AS key
      FROM information_schema.columns WHERE table_schema = 'public'
     ORDER BY table_name, ordinal_position
"""
#: Whatever else a schema could hold, and the extensions and schemas of the database.
OTHERS = """
    SELECT 'function', proname::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    UNION ALL SELECT 'type', typname::text FROM pg_type
     WHERE typnamespace = 'public'::regnamespace AND typrelid = 0 AND typelem = 0
    UNION ALL SELECT 'trigger', tgname::text FROM pg_trigger
    UNION ALL SELECT 'extension', extname::text FROM pg_extension
    UNION ALL SELECT 'schema', nspname::text FROM pg_namespace WHERE nspname !~ '^pg_t'
"""


def looked_at(url: URL, question: str) -> list[tuple[object, ...]]:
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(question))]


def test_the_tables_of_the_page_are_those_that_a_run_makes(
    project: Project, create_database: Callable[[], URL]
) -> None:
    other = create_database()
    before = sorted(looked_at(other, OTHERS))
    (statements,) = re.findall(r"```sql\n(CREATE.*?)```", page("database"), re.DOTALL)
    engine = create_engine(other, poolclass=NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql(statements)
    project.write("001_nothing", "def upgrade(db):\n    db.commit()\n")
    project.eai("migrate", check=True)
    assert project.url is not None
    assert looked_at(project.url, COLUMNS) == looked_at(other, COLUMNS)
    assert sorted(looked_at(project.url, OTHERS)) == before


def test_each_column_has_a_row() -> None:
    (statements,) = re.findall(r"```sql\n(CREATE.*?)```", page("database"), re.DOTALL)
    columns = re.findall(r"^    (\w+) +[A-Z]", statements, re.MULTILINE)
    rows = re.findall(r"^\| `(\w+)` \|", page("database"), re.MULTILINE)
    assert [each for each in rows if each in columns] == columns


def test_the_locks_and_the_settings_are_those_of_the_code() -> None:
    text = page("database")
    assert f"class {holder.LOCK_CLASS}: {holder.MIGRATION_LOCK} is the migration lock" in text
    (row,) = re.findall(r"^\| Settings of its session \|.*$", text, re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", row)) == set(session_lock._SETTINGS)
