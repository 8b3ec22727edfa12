"""All that is in a database, to the last byte, for tests that see that nothing was changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import text

if TYPE_CHECKING:
    from sqlalchemy import Engine

# A number that a sequence has given stays given when its transaction is rolled back: by that a
# file is seen that ran and left nothing else.
_RELATIONS = """
SELECT c.oid::regclass::text, c.relkind, c.relacl::text, obj_description(c.oid, 'pg_class'),
       (SELECT string_agg(concat_ws(' ', attname, format_type(atttypid, atttypmod), attnotnull,
                                    col_description(c.oid, attnum)), ', ' ORDER BY attnum)
          FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped),
       (SELECT last_value FROM pg_sequences
         WHERE schemaname = n.nspname AND sequencename = c.relname)
  FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
 WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
 ORDER BY 1
"""
_ROWS = "SELECT '{0}', xmin::text, t::text FROM {0} AS t"


def snapshot(engine: Engine) -> list[tuple[Any, ...]]:
    """Each relation with its columns, and each row of each table with who has written it."""
    with engine.connect() as connection:
        found = [tuple(row) for row in connection.execute(text(_RELATIONS))]
        rows = " UNION ALL ".join(_ROWS.format(name) for name, kind, *_ in found if kind == "r")
        if rows:
            found += [tuple(row) for row in connection.execute(text(f"{rows} ORDER BY 1, 2, 3"))]
    return found
