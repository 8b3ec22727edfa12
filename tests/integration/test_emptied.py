"""The databases of these tests: one that is used again is as a new one."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from support.databases import connect
from support.dump import dump_schema

if TYPE_CHECKING:
    from support.databases import Databases

EVENT_TRIGGER = """
CREATE FUNCTION f() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN END $$;
CREATE EVENT TRIGGER e ON ddl_command_start EXECUTE FUNCTION f()
"""


@pytest.mark.parametrize(
    ("left", "again"),
    [
        ('CREATE TABLE t (id serial); CREATE SCHEMA "It\'s"; CREATE TABLE "It\'s".t ()', True),
        ("REVOKE ALL ON SCHEMA public FROM PUBLIC; COMMENT ON SCHEMA public IS 'ours'", True),
        ("DROP SCHEMA public CASCADE", True),
        ('ALTER DATABASE "{name}" SET work_mem = 64', True),
        (EVENT_TRIGGER, True),
        ('REVOKE ALL ON DATABASE "{name}" FROM PUBLIC', False),
        ("ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC", False),
        ("SELECT lo_create(0)", False),
    ],
)
def test_a_database_is_used_again_only_if_it_is_empty(
    databases: Databases, left: str, again: bool
) -> None:
    url = databases.take()
    connection = connect(url)  # which stays open
    connection.cursor().execute(left.format(name=url.database))
    databases.give_back(url)
    taken = databases.take()
    assert (taken == url) == again
    new = databases.create()
    assert dump_schema(taken) == dump_schema(new)
    with closing(connect(taken)) as one, closing(connect(new)) as other:
        assert databases.looks(one) == databases.looks(other)
    for each in (taken, new):
        databases.give_back(each)
