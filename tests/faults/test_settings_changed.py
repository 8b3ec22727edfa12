"""A file changes its role, its search_path or a setting, and leaves it so."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

import pytest

from support.books import Books
from support.faults import SETTINGS_CHANGED
from support.selection import few

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.project import Project

#: How a file may run, and what it does after its change.
MODES = {
    "default": ("", "\n    db.commit()"),
    "default, then a query": ("", "\n    db.commit()\n    db.execute(text('SELECT 1'))"),
    "atomic": ('transaction = "atomic"\n', ""),
    "autocommit": ('transaction = "autocommit"\n', ""),
}
#: In every mode.
CHANGES = [
    "SET ROLE {role}",
    "SET SESSION AUTHORIZATION {role}",
    "SET search_path = elsewhere",
    "SELECT pg_catalog.set_config('search_path', '', false)",
    "SET default_transaction_read_only = on",
    "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE",
    "SET statement_timeout = '200ms'",
    "SET lock_timeout = '200ms'",
    "SELECT set_config(name, '60s', false) FROM pg_settings WHERE name = 'transaction_timeout'",
    "SET timezone = 'Pacific/Kiritimati'",
    "SET DateStyle = 'German, DMY'",
    "SET client_encoding = 'LATIN1'",
]
#: In one transaction, and outside of any.
INSIDE, OUTSIDE = "RESET ALL", "DISCARD ALL"

CHANGE = """\
from sqlalchemy import text

description = "größer, 大きい"
{head}
def upgrade(db):
    db.execute(text("INSERT INTO public.ran (what) VALUES ('{stem}')"))
    db.execute(text({change!r})){end}
"""
#: What each migration after it sees.
NEXT = """\
from sqlalchemy import text

def upgrade(db):
    db.execute(text("INSERT INTO ran (what) VALUES ('{stem}')"))
    db.execute(text('''INSERT INTO seen SELECT '{stem}', format('%s %s %s', session_user,
        current_user, (SELECT string_agg(name || setting, ' ' ORDER BY name) FROM pg_settings
        WHERE name !~ '^(transaction_(isolation|read_only|deferrable)|seed|application_name)$'
        ))'''))
    db.commit()
"""


@pytest.fixture
def books(project: Project) -> Books:
    """With another schema that has tables of the same names, and with a role without rights."""
    books = Books(project)
    books.sql("CREATE TABLE ran (id serial, what text)", "CREATE TABLE seen (stem text, all_ text)")
    books.sql("CREATE SCHEMA elsewhere")
    return books


@pytest.fixture
def role(books: Books) -> Iterator[str]:
    name = f"bridge_fault_{secrets.token_hex(4)}"
    books.sql(f"CREATE ROLE {name}", f"GRANT INSERT ON ran TO {name}")
    books.sql(f"GRANT USAGE ON SEQUENCE ran_id_seq TO {name}")
    yield name
    books.sql(f"DROP OWNED BY {name}", f"DROP ROLE {name}")


def write(books: Books, mode: str, role: str) -> list[str]:
    """Files that change something, and one that looks after each; gives all their stems."""
    head, end = MODES[mode]
    changes = [*CHANGES, OUTSIDE if mode == "autocommit" else INSIDE]
    stems = ["001_look"]
    books.project.write("001_look", NEXT.format(stem="001_look"))
    for number, change in enumerate(changes, start=1):
        values: dict[str, Any] = {"head": head, "end": end, "change": change.format(role=role)}
        changing, looking = f"{number:02}0_change", f"{number:02}1_look"
        stems += [changing, looking]
        books.project.write(changing, CHANGE.format(stem=changing, **values))
        books.project.write(looking, NEXT.format(stem=looking))
    return stems


@pytest.mark.parametrize("mode", few(MODES))
def test_neither_the_record_nor_the_next_migration_notices(
    books: Books, role: str, mode: str
) -> None:
    stems = write(books, mode, role)
    began = books.sql("SELECT clock_timestamp()")[0][0]
    assert books.upgrade(to="001") == stems[:1]
    books.sql(
        "CREATE TABLE elsewhere.schema_migrations (version text, applied_at timestamptz)",
        "CREATE TABLE elsewhere.alembic_version (version_num text)",
    )
    assert books.upgrade() == stems[1:]
    ended = books.sql("SELECT clock_timestamp()")[0][0]
    assert (books.applied, books.ran, books.pointers) == (stems, stems, stems[-1:])
    assert books.table("elsewhere.schema_migrations") == []
    assert books.table("elsewhere.alembic_version") == []
    times = [at for (at,) in books.table("schema_migrations", "applied_at") or ()]
    assert began < min(times) <= max(times) < ended
    seen = books.sql("SELECT count(*), count(DISTINCT all_) FROM seen")
    assert seen == [(len(stems) // 2 + 1, 1)]
    described = books.sql("SELECT count(*) FROM schema_migrations WHERE description ~ '大きい$'")
    assert described == [(len(stems) // 2,)]


def test_every_change_is_counted() -> None:
    SETTINGS_CHANGED.cases([(mode, change) for mode in MODES for change in (*CHANGES, INSIDE)])
