"""Empty databases for tests, which are emptied and used again.

To create and to drop a database takes the server a hundred times as long as to drop what a test
has made. A database in which anything else is left is dropped, and another one is created.
"""

from __future__ import annotations

import itertools
from contextlib import closing
from typing import TYPE_CHECKING, Any

import psycopg2

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

#: Ends whoever is still connected, and makes the schema public anew, as template0 has it.
_EMPTY = """
SET lock_timeout = '10s';
SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
 WHERE datname = current_database() AND pid <> pg_backend_pid()
   AND backend_type <> 'autovacuum worker';
DO $$ DECLARE name text; BEGIN
    FOR name IN SELECT nspname FROM pg_namespace WHERE nspname !~ '^(pg_|information_schema$)'
    LOOP EXECUTE format('DROP SCHEMA %I CASCADE', name); END LOOP;
    EXECUTE format('ALTER DATABASE %I RESET ALL', current_database());
END $$;
CREATE SCHEMA public AUTHORIZATION pg_database_owner;
COMMENT ON SCHEMA public IS 'standard public schema';
GRANT USAGE ON SCHEMA public TO PUBLIC
"""
#: A query for every catalogue of this database, which counts what did not come from template0.
_COUNTS = r"""
SELECT string_agg(format($$SELECT %L, count(*) FROM %s WHERE oid >= 16384$$, relname, relname)
           || CASE WHEN relname = 'pg_namespace'
              THEN $$ AND nspname !~ '^pg_(toast_)?temp_'$$ ELSE '' END, ' UNION ALL ')
  FROM pg_class WHERE relnamespace = 'pg_catalog'::regnamespace AND relkind = 'r'
   AND NOT relisshared AND EXISTS
       (SELECT FROM pg_attribute WHERE attrelid = pg_class.oid AND attname = 'oid')
"""
#: What a test may change about a database or its schema public.
_STATE = """
SELECT datdba, datacl::text, datconnlimit, datallowconn, datistemplate,
       (SELECT count(*) FROM pg_db_role_setting AS s WHERE s.setdatabase = d.oid),
       (SELECT count(*) FROM pg_subscription AS s WHERE s.subdbid = d.oid),
       (SELECT count(*) FROM pg_replication_slots AS s WHERE s.database = d.datname),
       shobj_description(d.oid, 'pg_database'),
       n.nspowner, n.nspacl::text, obj_description(n.oid, 'pg_namespace')
  FROM pg_database AS d, pg_namespace AS n
 WHERE d.datname = current_database() AND n.nspname = 'public'
"""


class Databases:
    """The databases of one process of the tests."""

    def __init__(self, server: URL, prefix: str) -> None:
        """Make them on this server, with names that begin so."""
        self._server = server
        self._prefix = prefix
        self._admin = connect(server)
        self._numbers = itertools.count(1)
        self._free: list[URL] = []
        self._counts = ""
        #: Of an empty one; unknown until the first was made.
        self._state: Any = None

    def take(self) -> URL:
        """Give an empty database."""
        return self._free.pop() if self._free else self.create()

    def give_back(self, url: URL) -> None:
        """Empty a database, or drop it if that is not enough."""
        try:
            empty = self._is_emptied(url)
        except psycopg2.Error:  # by an event trigger, or the database is gone
            empty = False
        if empty:
            self._free.append(url)
        else:
            self._do(f'DROP DATABASE IF EXISTS "{url.database}" WITH (FORCE)')

    def create(self) -> URL:
        """Give a new database, as `take` does where none is free."""
        name = f"{self._prefix}{next(self._numbers)}"
        self._do(f'CREATE DATABASE "{name}" TEMPLATE template0')
        url = self._server.set(database=name)
        if self._state is None:
            with closing(connect(url)) as connection:
                with connection.cursor() as cursor:
                    cursor.execute(_COUNTS)
                    self._counts = str(cursor.fetchone()[0])
                self._state = self.looks(connection)
        return url

    def close(self) -> None:
        self._admin.close()

    def looks(self, connection: Any) -> tuple[dict[str, int], tuple[Any, ...]]:
        """Tell what is in this database that did not come from template0, and how it is set."""
        with connection.cursor() as cursor:
            cursor.execute(self._counts)
            made = {name: count for name, count in cursor.fetchall() if count}
            # The schema public is a new one once it was made anew.
            made.pop("pg_namespace", None)
            cursor.execute(_STATE)
            return made, cursor.fetchone()

    def _is_emptied(self, url: URL) -> bool:
        with closing(connect(url)) as connection:
            connection.cursor().execute(_EMPTY)
            return bool(self.looks(connection) == self._state)

    def _do(self, statement: str) -> None:
        with self._admin.cursor() as cursor:
            cursor.execute(statement)


def connect(url: URL) -> Any:
    """A connection of the driver's, which commits each statement."""
    dsn = url.set(drivername="postgresql").render_as_string(hide_password=False)
    connection = psycopg2.connect(dsn)
    connection.autocommit = True
    return connection
