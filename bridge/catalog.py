"""What PostgreSQL's catalog is asked about the two bookkeeping tables, whole."""

from __future__ import annotations

from typing import Final

#: One look at the catalog: what is there, the ledger's columns, and the one that numbers its rows.
#: Its parameters: both tables as SQL names them; the bare name, schema and key of the ledger; and
#: the greatest atttypmod of a pointer's column that is to be made wider.
CATALOG: Final = """
SELECT to_regclass(:ledger) IS NOT NULL AS ledger,
       to_regclass(:version_table) IS NOT NULL AS version_table,
       EXISTS (SELECT FROM pg_attribute
                WHERE attrelid = to_regclass(:version_table) AND attname = 'version_num'
                  AND atttypmod BETWEEN 5 AND :width) AS narrow,
       found.*,
       (SELECT array_agg(nspname::text ORDER BY nspname)
          FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
         WHERE CAST(:schema AS text) IS NULL AND to_regclass(:ledger) IS NULL
           AND relname = :name AND relkind IN ('r', 'p') AND relpersistence <> 't'
           AND EXISTS (SELECT FROM pg_attribute
                        WHERE attrelid = pg_class.oid AND attname = :key)) AS elsewhere
  FROM (SELECT array_agg(attname::text ORDER BY attnum) AS names,
               array_agg(format_type(atttypid, atttypmod) ORDER BY attnum) AS types,
               min(attname::text) FILTER (
                   WHERE attidentity <> '' OR pg_get_expr(adbin, adrelid) LIKE 'nextval(%'
               ) AS serial
          FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
         WHERE attrelid = to_regclass(:ledger) AND attnum > 0 AND NOT attisdropped) AS found
"""
