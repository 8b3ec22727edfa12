"""Leave out of SQL the schema in which a session makes what has no schema. Text in, text out.

pg_dump writes each name with its schema. A migration leaves it to the session, which may look in
another schema on another database: one for each tenant, say.
"""

from __future__ import annotations

import re
from functools import cache

from bridge.database.quoting import quote
from bridge.operations.schema.scanning import QUOTED
from bridge.operations.schema.tables import Name, quoted


def named(name: Name, here: str | None) -> str:
    """Return what SQL calls a table or a sequence, without the schema if it is `here`."""
    return quote(name[1]) if name[0] == here else quoted(name)


def unqualified(sql: str, here: str | None) -> str:
    """Leave out the schema `here` before each name that is no part of a text or of a body.

    The name in a constant that is one (`'public.widgets_id_seq'::regclass`) counts too.
    """
    if here is None:
        return sql

    def shortened(match: re.Match[str]) -> str:
        if match["left_out"] is not None:
            return ""
        if match["constant"] is not None:
            return "'" + match["constant"]
        return match[0]

    return _pattern(here).sub(shortened, sql)


@cache
def _pattern(here: str) -> re.Pattern[str]:
    name = re.escape(quote(here))
    return re.compile(
        rf"""
        (?P<left_out> (?<![\w$."]) {name} \. (?=[\w"]) | [ ]WITH[ ]SCHEMA[ ]{name} (?=;\Z) )
      | ' {name} \. (?P<constant> [^']+ ' ) (?=::reg)
      | {QUOTED}
        """,
        re.VERBOSE | re.DOTALL,
    )
