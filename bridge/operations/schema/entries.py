"""Read what pg_dump writes into entries, and bring them into one form.

Two machines, and two minor versions of PostgreSQL, are to give the same bytes for the same schema.
Text in, data out: nothing here asks a database.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Final

from bridge.database.quoting import always_quote, quote
from bridge.operations.schema.scanning import QUOTED, split_list
from bridge.operations.schema.tables import Name

#: What pg_dump writes above each entry of its table of contents.
_HEADING: Final = re.compile(
    r"-- Name: (?P<name>.*); Type: (?P<kind>[A-Z -]+); "
    r"Schema: (?P<schema>.*?); Owner: .*"
)
_TOKEN: Final = re.compile(
    rf"""
    (?P<comment> --[^\n]* )
  | ^ SET [ ] default_table_access_method [ ] = [ ] (?P<access> [^\n;]* ) ; $
  | (?P<noise> ^ (?: SET [ ] default_\w+ [ ] = [ ] [^\n]* ; | \\ [^\n]* ) $ )
  | {QUOTED}
    """,
    re.VERBOSE | re.DOTALL | re.MULTILINE,
)
#: How a table is stored unless something else is said.
_HEAP: Final = "heap"

#: What belongs to a server and not to a schema, or may hold a password.
_LEFT_OUT: Final = frozenset({"USER MAPPING", "SUBSCRIPTION", "SUBSCRIPTION TABLE"})
#: Kinds of which no entry needs another one of the same kind: releases order them differently.
_SORTED: Final = frozenset(
    {
        *("DEFAULT", "CONSTRAINT", "CHECK CONSTRAINT", "FK CONSTRAINT", "INDEX", "INDEX ATTACH"),
        *("TABLE ATTACH", "SEQUENCE OWNED BY", "STATISTICS", "TRIGGER", "RULE", "POLICY"),
        *("ROW SECURITY", "PUBLICATION TABLE", "ACL", "DEFAULT ACL"),
    }
)
_DEFAULTS_OF: Final = re.compile(
    r"(?m)^ALTER DEFAULT PRIVILEGES FOR ROLE (\"(?:[^\"]|\"\")*\"|\S+) "
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a dump: an object, or a part of one that is made by itself."""

    #: What pg_dump calls its kind: TABLE, FK CONSTRAINT, COMMENT.
    kind: str
    #: The schema; "-" for what is in none.
    schema: str
    #: What pg_dump calls it: ``widgets``, ``f(integer)``, ``widgets widgets_pkey``.
    name: str
    #: The statements, each with its semicolon.
    sql: str


def parse(dump: str) -> tuple[Entry, ...]:
    """Read the plain text of ``pg_dump --schema-only``; settings and comments are left out."""
    entries: list[Entry] = []
    heading: re.Match[str] | None = None
    text: list[str] = []
    begun, access, next_access = 0, _HEAP, _HEAP

    def end() -> None:
        if heading is not None:
            sql = _stored_as(access, "".join(text).strip())
            entries.append(Entry(heading["kind"], heading["schema"], heading["name"], sql))

    for match in _TOKEN.finditer(dump):
        if match["comment"] is None and match["access"] is None and match["noise"] is None:
            continue  # a quoted text, which is the entry's own
        text.append(dump[begun : match.start()])
        begun = match.end()
        if match["access"] is not None:
            next_access = match["access"].strip()
        elif match["comment"] and (found := _HEADING.fullmatch(match["comment"])):
            end()
            heading, text, access = found, [], next_access
    text.append(dump[begun:])
    end()
    return tuple(entries)


def _stored_as(access: str, sql: str) -> str:
    """Say how a table is stored, where that is unusual, in its own entry."""
    if access == _HEAP or not re.match(r"CREATE (UNLOGGED )?(TABLE|MATERIALIZED VIEW) ", sql):
        return sql
    setting = "SET default_table_access_method ="
    return f"{setting} {access};\n{sql}\n{setting} {_HEAP};"


def normalised(entries: Iterable[Entry], *, role: str = "") -> tuple[Entry, ...]:
    """Leave out what belongs to one server, and order what releases of pg_dump order differently.

    `role` is the one that dumps: what it grants by default is said of whoever loads it.
    """
    kept = [
        _of_anybody(each, role)
        for each in entries
        if each.sql and each.kind not in _LEFT_OUT and not _is_comment_on_extension(each)
    ]
    return tuple(_in_order(kept))


def _is_comment_on_extension(entry: Entry) -> bool:
    # It is the release's text, and only the extension's owner could put it there.
    return entry.kind == "COMMENT" and entry.name.startswith("EXTENSION ")


def _of_anybody(entry: Entry, role: str) -> Entry:
    if entry.kind == "SCHEMA":
        sql = re.sub(r"^CREATE SCHEMA (?!IF NOT EXISTS)", "CREATE SCHEMA IF NOT EXISTS ", entry.sql)
        return replace(entry, sql=sql)
    if entry.kind == "DEFAULT ACL":
        own = {quote(role), always_quote(role)}

        def said(match: re.Match[str]) -> str:
            return "ALTER DEFAULT PRIVILEGES " if match[1] in own else match[0]

        return replace(entry, sql=_DEFAULTS_OF.sub(said, entry.sql))
    return entry


def _in_order(entries: Sequence[Entry]) -> Iterator[Entry]:
    """Sort runs of entries of one kind, each with the comments on it."""
    groups: list[list[Entry]] = []
    for entry in entries:
        if entry.kind == "COMMENT" and groups:
            groups[-1].append(entry)
        else:
            groups.append([entry])
    for kind, run in groupby(groups, key=lambda group: group[0].kind):
        listed = list(run)
        for group in sorted(listed, key=_place) if kind in _SORTED else listed:
            yield from group


def _place(group: list[Entry]) -> tuple[str, str, str]:
    first = group[0]
    return first.schema, first.name, first.sql


def filled(entries: Sequence[Entry], populated: Collection[Name]) -> list[Name]:
    """Return the materialized views that have their rows, such that none needs a later one."""
    views = [(each.schema, each.name) for each in entries if each.kind == "MATERIALIZED VIEW"]
    return [each for each in views if each in populated]


def refresh(view: str) -> str:
    """Write the statement that fills a view; `view` is what SQL calls it."""
    return f"REFRESH MATERIALIZED VIEW {view};"


def text_of(entries: Iterable[Entry]) -> str:
    """Write entries as one text, a blank line between two."""
    return "".join(f"{entry.sql}\n\n" for entry in entries).rstrip("\n") + "\n"


def with_sorted_columns(entry: Entry) -> Entry:
    """Return a table with its columns by name.

    PostgreSQL puts a new column last, so that no downgrade can bring back one from the middle.
    """
    if entry.kind not in {"TABLE", "FOREIGN TABLE"} or (found := split_list(entry.sql)) is None:
        return entry
    before, parts, rest = found
    listed = ",\n".join(f"    {part}" for part in sorted(parts))
    space = "" if rest.startswith(";") else "\n"
    return replace(entry, sql=f"{before} (\n{listed}\n){space}{rest}")
