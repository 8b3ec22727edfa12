"""Read what Alembic's comparison does not know of the database: schemas, types, casts.

Alembic creates tables in schemas that are not there, and columns of types that are not there.
Reads only; what follows from it is decided by `bridge.alembic.autogenerate.operations`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from sqlalchemy import Connection, text

#: Schema and name, the schema never None.
TypeName = tuple[str, str]

_SCHEMAS = "SELECT nspname FROM pg_catalog.pg_namespace"

_TYPES = """
    SELECT n.nspname, t.typname,
           ARRAY(SELECT e.enumlabel::text FROM pg_catalog.pg_enum AS e
                 WHERE e.enumtypid = t.oid ORDER BY e.enumsortorder) AS labels
    FROM pg_catalog.pg_type AS t
    JOIN pg_catalog.pg_namespace AS n ON n.oid = t.typnamespace
    WHERE t.typtype IN ('e', 'd') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
"""

# Of what depends on an enum type, defaults go with their columns; all else but a column of a
# table (a function, a view, an index) counts as a user that stays.
_USERS = """
    SELECT n.nspname, t.typname, s.nspname, c.relname, a.attname
    FROM pg_catalog.pg_type AS t
    JOIN pg_catalog.pg_namespace AS n ON n.oid = t.typnamespace
    JOIN pg_catalog.pg_depend AS d ON d.refclassid = 'pg_catalog.pg_type'::regclass
        AND d.refobjid IN (t.oid, t.typarray) AND d.deptype IN ('n', 'a')
        AND d.classid <> 'pg_catalog.pg_attrdef'::regclass
    LEFT JOIN pg_catalog.pg_class AS c ON d.classid = 'pg_catalog.pg_class'::regclass
        AND c.oid = d.objid AND c.relkind IN ('r', 'p')
    LEFT JOIN pg_catalog.pg_namespace AS s ON s.oid = c.relnamespace
    LEFT JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = d.objsubid
    WHERE t.typtype = 'e'
"""

# To a string PostgreSQL converts anything when it assigns, without an entry in pg_cast.
_ASSIGNABLE = """
    SELECT coalesce(
        a.oid = b.oid OR b.typcategory = 'S' OR EXISTS (
            SELECT FROM pg_catalog.pg_cast AS c
            WHERE c.castsource = a.oid AND c.casttarget = b.oid AND c.castcontext <> 'e'
        ), false)
    FROM (VALUES (1)) AS one
    LEFT JOIN pg_catalog.pg_type AS a ON a.oid = to_regtype(:old)
    LEFT JOIN pg_catalog.pg_type AS b ON b.oid = to_regtype(:new)
"""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """The facts of the database before the migration that is being written."""

    default_schema: str
    schemas: frozenset[str]
    #: The enum types and domains, with the labels of the former.
    types: dict[TypeName, tuple[str, ...]]
    #: The columns (schema, table, column) of each enum type; "" in them for another user.
    users: dict[TypeName, frozenset[tuple[str, str, str]]]
    #: Changes of a column's type that PostgreSQL refuses without USING, old and new as in SQL.
    need_using: frozenset[tuple[str, str]] = field(default_factory=frozenset)

    @classmethod
    def read(cls, connection: Connection, changes: Iterable[tuple[str, str]]) -> Facts:
        """Ask the database; `changes` are types of columns, old and new as in SQL."""
        users: dict[TypeName, set[tuple[str, str, str]]] = {}
        for schema, name, *column in connection.execute(text(_USERS)):
            where = tuple(each or "" for each in column)
            users.setdefault((schema, name), set()).add((where[0], where[1], where[2]))
        assignable = text(_ASSIGNABLE)
        return cls(
            default_schema=connection.dialect.default_schema_name or "public",
            schemas=frozenset(connection.execute(text(_SCHEMAS)).scalars()),
            types={
                (schema, name): tuple(labels)
                for schema, name, labels in connection.execute(text(_TYPES))
            },
            users={name: frozenset(columns) for name, columns in users.items()},
            need_using=frozenset(
                (old, new)
                for old, new in set(changes)
                if not connection.scalar(assignable, {"old": old, "new": new})
            ),
        )
