"""Write the checks of indexes that a script makes before it records a migration."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bridge.database.literals import do_block, quoted

_CONCURRENTLY = re.compile(r"\bINDEX\b.*\bCONCURRENTLY\b|\bREINDEX\b", re.IGNORECASE | re.DOTALL)
#: Without a name of its own in the statement the server chooses one; REINDEX names a table.
_NAMELESS = re.compile(r"INDEX\s+CONCURRENTLY\s+ON\b|\bREINDEX\b", re.IGNORECASE)
_WORD = re.compile(r'"([^"]+)"|(\w+)')


def concerns_indexes(statement: str) -> bool:
    """Return whether this statement may leave an index behind that is not valid."""
    return _CONCURRENTLY.search(statement) is not None


def refuse_invalid_indexes(statements: Sequence[str], *, anywhere: bool) -> str:
    """The statement that stops a script where an index of these statements is INVALID.

    `IF NOT EXISTS` takes such an index, which an earlier try has left behind, for done. One of the
    same name in another schema than that of the script, such as another tenant's, is none of it;
    unless the statements name that schema, or nobody knows which they meant: `anywhere`.
    """
    nameless = [statement for statement in statements if _NAMELESS.search(statement)]
    names = _words(statements)
    here = "true" if anywhere else _HERE.format(names=names)
    return do_block(_CHECK.format(names=names, tables=_words(nameless), here=here))


def _words(statements: Sequence[str]) -> str:
    found = {
        name or word.lower() for statement in statements for name, word in _WORD.findall(statement)
    }
    return ", ".join(quoted(word) for word in sorted(found)) or "NULL"


_HERE = "(nspname = ANY (current_schemas(false)) OR nspname IN ({names}))"

# REINDEX CONCURRENTLY builds beside the old index, under a name with a suffix. An index that
# somebody is building now is not finished yet, which is something else.
_CHECK = """\
DECLARE
    found text;
BEGIN
    SELECT string_agg(indexrelid::regclass::text, ', ') INTO found
      FROM pg_index JOIN pg_class AS i ON i.oid = indexrelid JOIN pg_class AS t ON t.oid = indrelid
      JOIN pg_namespace ON pg_namespace.oid = i.relnamespace
     WHERE NOT indisvalid AND i.relkind = 'i' AND {here}
       AND (regexp_replace(i.relname, '_cc(new|old)[0-9]*$', '') IN ({names})
            OR t.relname IN ({tables}))
       AND indexrelid NOT IN (SELECT index_relid FROM pg_stat_progress_create_index
                               WHERE index_relid IS NOT NULL);
    IF found IS NOT NULL THEN
        RAISE EXCEPTION '%', 'INVALID index: ' || found || '. It was not finished, and IF NOT '
            'EXISTS takes it for done. The migration was not recorded, those before it were. Type '
            'DROP INDEX CONCURRENTLY ' || found || '; then write the script again, for the rest.';
    END IF;
END"""
