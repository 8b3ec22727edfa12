"""Ask PostgreSQL's catalog about the two tables and this session, in one statement."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection

from bridge.database.literals import literal
from bridge.database.quoting import quote
from bridge.database.sending import send
from bridge.ledger.layout import KEYS, Layout
from bridge.ledger.state import Elsewhere, Session
from bridge.ledger.table_facts import Table
from bridge.ledger.tables import Ledger


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """What the catalog says; a table that is not there is None."""

    ledger: Table | None
    version_table: Table | None
    elsewhere: tuple[Elsewhere, ...]
    session: Session


def look_up(connection: Connection, ledger: Ledger) -> Catalog:
    """What the catalog says about these tables."""
    asked = {
        "ledger": ledger.name,
        "version_table": ledger.version_name,
        "name": ledger.table,
        "schema": ledger.schema,
        # An id alone says nothing of migrations.
        "keys": [*(key for key in KEYS if key != "id"), *([ledger.key] if ledger.key else [])],
    }
    question = _CATALOG.format_map({name: literal(value) for name, value in asked.items()})
    found = send(connection, question).one()
    return Catalog(
        ledger=Table.of(found.tables.get("ledger")),
        version_table=Table.of(found.tables.get("version_table")),
        elsewhere=tuple(Elsewhere(**each) for each in found.elsewhere or ()),
        session=Session(
            here=found.here,
            role=quote(found.acting),
            usual=_usual_schema(found),
            may_create=bool(found.may_create),
            has_schema=found.may_create is not None,
            standby=found.standby,
            read_only=found.read_only,
            reads_by_default=found.reads_by_default,
            encoding=found.encoding,
        ),
    )


def look_up_layout(connection: Connection, ledger: Ledger) -> Layout:
    """Which columns the ledger has now, and which of them bridge can use."""
    return Layout.of(look_up(connection, ledger).ledger, ledger.key, ledger.words_key)


def facts_of_many(ledgers: Sequence[Ledger]) -> str:
    """Return the SQL of the facts about the tables of several ledgers, without their schema.

    A row for each table that is there: the ledger's place in the list, which table it is, and the
    facts as text, which are equal where the tables are.
    """
    tables = [
        f"({place}, {literal(which)}, to_regclass({literal(name)}))"
        for place, ledger in enumerate(ledgers)
        for which, name in (("ledger", ledger.name), ("version_table", ledger.version_name))
    ]
    return _MANY.format(tables=", ".join(tables))


def _usual_schema(found: Any) -> str | None:
    """The first schema of the search_path that a session of this database has by itself."""
    for part in re.findall(r'"([^"]*)"|([^\s,]+)', found.usual_path):
        name = "".join(part)
        if name != "$user":
            return name
        if found.own_schema:
            return str(found.role)
    return None


# Whether a policy is for this role, and lets it do with all rows what it is about.
_FOR_THIS_ROLE: Final = """
EXISTS (SELECT FROM unnest(polroles) AS role
         WHERE CASE WHEN role = 0 THEN true ELSE pg_has_role(role, 'USAGE') END)
"""
_WHOLE: Final = """
(command = 'a' OR pg_get_expr(polqual, polrelid) = 'true')
AND (command IN ('r', 'd')
     OR COALESCE(pg_get_expr(polwithcheck, polrelid), pg_get_expr(polqual, polrelid)) = 'true')
"""

_NAMES: Final = """ARRAY(
    SELECT attname::text FROM pg_attribute WHERE attrelid = t.oid AND attnum = ANY({numbers}))"""
# Only newer servers have constraints that are not enforced.
_ENFORCED: Final = "COALESCE((to_jsonb(con) ->> 'conenforced')::boolean, true)"

# A bit of tgtype says that a trigger is for each row; a rule of type 1 makes a view. Rows of a
# published table cannot be changed or deleted unless those who follow can be told which.
_FACTS: Final = f"""
json_build_object(
    'schema', nspname, 'kind', relkind, 'owned', pg_has_role(relowner, 'USAGE'),
    'secured', row_security_active(t.oid), 'comment', obj_description(t.oid, 'pg_class'),
    'rights', ARRAY(
        SELECT act FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS act
         WHERE has_table_privilege(t.oid, act)
            OR act <> 'DELETE' AND has_any_column_privilege(t.oid, act)),
    'columns', (
        SELECT json_agg(json_build_object(
                   'name', attname,
                   'type', CASE WHEN typtype = 'd' THEN format_type(typbasetype, typtypmod)
                                ELSE format_type(atttypid, atttypmod) END,
                   'domain', CASE WHEN typtype = 'd' THEN format_type(atttypid, NULL) END,
                   'not_null', attnotnull OR typnotnull,
                   'default', COALESCE(pg_get_expr(adbin, adrelid), typdefault),
                   'identity', attidentity <> '', 'generated', attgenerated <> '',
                   'always', attidentity = 'a' OR attgenerated <> '',
                   'comment', col_description(t.oid, attnum), 'number', attnum)
               ORDER BY attnum)
          FROM pg_attribute JOIN pg_type ON pg_type.oid = atttypid
          LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
         WHERE attrelid = t.oid AND attnum > 0 AND NOT attisdropped),
    'unique', ARRAY(
        SELECT indkey[0] FROM pg_index
         WHERE indrelid = t.oid AND indisunique AND indnkeyatts = 1 AND indpred IS NULL),
    'checks', ARRAY(
        SELECT json_build_object('name', conname, 'expression', pg_get_expr(conbin, conrelid),
                                 'columns', {_NAMES.format(numbers="conkey")})
          FROM pg_constraint AS con
         WHERE conrelid = t.oid AND contype = 'c' AND {_ENFORCED} ORDER BY conname),
    'partitions', (
        SELECT json_build_object(
                   'name', 'no partition', 'columns', {_NAMES.format(numbers="partattrs::int2[]")},
                   'expression', COALESCE((
                       SELECT string_agg(pg_get_partition_constraintdef(inhrelid), ' OR ')
                         FROM pg_inherits WHERE inhparent = t.oid), 'false'))
          FROM pg_partitioned_table WHERE partrelid = t.oid),
    'triggers', ARRAY(
        SELECT tgname::text FROM pg_trigger
         WHERE tgrelid = t.oid AND NOT tgisinternal AND tgenabled IN ('O', 'A') AND tgtype & 1 = 1
         UNION ALL
        SELECT rulename::text FROM pg_rewrite
         WHERE ev_class = t.oid AND ev_enabled IN ('O', 'A') AND ev_type <> '1'
         ORDER BY 1),
    'covered', ARRAY(
        SELECT act
          FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE'],
                      ARRAY['r', 'a', 'w', 'd']) AS done(act, command)
         WHERE (SELECT bool_or(polpermissive AND {_WHOLE})
                   AND bool_and(polpermissive OR {_WHOLE})
                  FROM pg_policy
                 WHERE polrelid = t.oid AND polcmd::text IN (command, '*') AND {_FOR_THIS_ROLE})),
    'published',
        CASE WHEN relreplident = 'n' OR relreplident = 'd' AND NOT EXISTS (
                      SELECT FROM pg_index WHERE indrelid = t.oid AND indisprimary)
             THEN ARRAY(
                      SELECT DISTINCT unnest(CASE WHEN pubupdate AND pubdelete
                                                  THEN ARRAY['UPDATE', 'DELETE']
                                                  WHEN pubupdate THEN ARRAY['UPDATE']
                                                  WHEN pubdelete THEN ARRAY['DELETE'] END)
                        FROM pg_publication_tables AS pub JOIN pg_publication AS p
                          ON p.pubname = pub.pubname
                       WHERE schemaname = nspname AND tablename = relname)
             ELSE ARRAY[]::text[] END,
    'view_of', (
        SELECT string_agg(DISTINCT refobjid::regclass::text, ', ')
          FROM pg_rewrite JOIN pg_depend ON objid = pg_rewrite.oid
           AND classid = 'pg_rewrite'::regclass AND refclassid = 'pg_class'::regclass
         WHERE relkind = 'v' AND ev_class = t.oid AND refobjid <> t.oid))
"""  # noqa: S608 - constants

_MANY: Final = f"""
SELECT place, which, CAST(CAST({_FACTS} AS jsonb) - 'schema' AS text)
  FROM (VALUES {{tables}}) AS asked(place, which, named)
  JOIN pg_class AS t ON t.oid = named
  JOIN pg_namespace ON pg_namespace.oid = relnamespace
"""  # noqa: S608 - constants

# Both tables as they are, where a ledger of that name is besides, and what this session is: for
# both tables as SQL names them, the bare name and the schema of the ledger, and the columns of
# which a ledger has one. That a database says nothing of a search_path leaves the one that
# PostgreSQL begins with. Both tables are asked about at once, because a server takes longer to plan
# this than to answer it.
_CATALOG: Final = f"""
SELECT (SELECT COALESCE(json_object_agg(which, {_FACTS}), '{{{{}}}}')
          FROM unnest(ARRAY['ledger', 'version_table'],
                      ARRAY[to_regclass({{ledger}}), to_regclass({{version_table}})])
                   AS asked(which, named)
          JOIN pg_class AS t ON t.oid = named
          JOIN pg_namespace ON pg_namespace.oid = relnamespace) AS tables,
       CAST(current_schema() AS text) AS here,
       CAST(session_user AS text) AS role, CAST(current_user AS text) AS acting,
       EXISTS (SELECT FROM pg_namespace WHERE nspname = session_user) AS own_schema,
       COALESCE((SELECT substr(setting, 13)
                   FROM pg_db_role_setting, unnest(setconfig) AS setting
                  WHERE setrole = 0 AND setting LIKE 'search_path=%'
                    AND setdatabase IN (0, (SELECT oid FROM pg_database
                                             WHERE datname = current_database()))
                  ORDER BY setdatabase DESC LIMIT 1), '"$user", public') AS usual_path,
       has_schema_privilege((SELECT oid FROM pg_namespace
                              WHERE nspname = COALESCE({{schema}}, current_schema())), 'CREATE')
           AS may_create,
       pg_is_in_recovery() AS standby,
       CAST(current_setting('transaction_read_only') AS boolean) AS read_only,
       CAST(current_setting('default_transaction_read_only') AS boolean) AS reads_by_default,
       current_setting('server_encoding') AS encoding,
       (SELECT json_agg(json_build_object(
                   'schema', nspname, 'usable', has_schema_privilege(n.oid, 'USAGE'),
                   'filled', relkind = 'p' OR pg_relation_size(c.oid) > 0) ORDER BY nspname)
          FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = relnamespace
         WHERE CAST({{schema}} AS text) IS NULL AND relname = {{name}} AND relkind IN ('r', 'p')
           AND relpersistence <> 't' AND c.oid IS DISTINCT FROM to_regclass({{ledger}})
           AND EXISTS (SELECT FROM pg_attribute
                        WHERE attrelid = c.oid AND attname = ANY({{keys}}))) AS elsewhere
"""  # noqa: S608 - constants
