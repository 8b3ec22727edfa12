"""Lay out a schema and its rows as sections that a person reads. Data in, data out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Final

from bridge.operations.schema.entries import Entry, filled, refresh
from bridge.operations.squash.contents import Contents
from bridge.operations.squash.names import named, unqualified
from bridge.operations.squash.rows import row_statements

#: What the texts of a dump are written for. In a message of its own: the server reads a text
#: as its settings are when it comes.
SETTINGS: Final = (
    "SET LOCAL standard_conforming_strings = on;",
    "SET LOCAL check_function_bodies = false;",
    "SET LOCAL xmloption = content;",
)


@dataclass(frozen=True, slots=True)
class Section:
    """Statements of one kind, which run after those of the sections before."""

    #: The name of a constant of Python: TABLES.
    name: str
    #: What a person reads above it.
    title: str
    statements: tuple[str, ...]


_SETTINGS_TITLE: Final = "What the rest is written for; it ends with the transaction"
_TITLES: Final = {
    "EXTENSIONS": "Extensions",
    "SCHEMAS": "Schemas",
    "TYPES": "Types",
    "FUNCTIONS": "Functions",
    "TABLES": "Tables, with their sequences and defaults",
    "VIEWS": "Views",
    "ROWS": "Rows, and where the sequences are",
    "CONSTRAINTS": "Constraints and indexes, which rows need no more",
    "TRIGGERS": "Triggers and rules",
    "POLICIES": "Row level security",
    "FILLED_VIEWS": "Materialized views that have their rows",
    "RIGHTS": "Rights",
    "OTHERS": "Others",
}
_SECTIONS: Final = {
    "EXTENSION": "EXTENSIONS",
    "SCHEMA": "SCHEMAS",
    **dict.fromkeys(("TYPE", "SHELL TYPE", "DOMAIN", "COLLATION"), "TYPES"),
    **dict.fromkeys(("FUNCTION", "PROCEDURE", "AGGREGATE", "OPERATOR"), "FUNCTIONS"),
    **dict.fromkeys(("TABLE", "TABLE ATTACH", "SEQUENCE", "SEQUENCE OWNED BY"), "TABLES"),
    "DEFAULT": "TABLES",
    **dict.fromkeys(("VIEW", "MATERIALIZED VIEW"), "VIEWS"),
    **dict.fromkeys(("CONSTRAINT", "CHECK CONSTRAINT", "FK CONSTRAINT"), "CONSTRAINTS"),
    **dict.fromkeys(("INDEX", "INDEX ATTACH", "STATISTICS"), "CONSTRAINTS"),
    **dict.fromkeys(("TRIGGER", "RULE", "EVENT TRIGGER"), "TRIGGERS"),
    **dict.fromkeys(("POLICY", "ROW SECURITY"), "POLICIES"),
    **dict.fromkeys(("ACL", "DEFAULT ACL"), "RIGHTS"),
}
#: What pg_dump makes when the rows are there: rows need not fulfil it one by one, nor set it off.
_AFTER_ROWS: Final = frozenset(
    {
        *(kind for kind, name in _SECTIONS.items() if name in {"CONSTRAINTS", "POLICIES"}),
        *("TRIGGER", "RULE", "EVENT TRIGGER", "ACL", "DEFAULT ACL"),
        *("PUBLICATION", "PUBLICATION TABLE", "PUBLICATION TABLES IN SCHEMA"),
    }
)
#: What comes when everything else is there.
_LAST: Final = frozenset({"ACL", "DEFAULT ACL", "EVENT TRIGGER"})


def sections(found: Contents, *, tidy: bool) -> list[Section]:
    """Return what makes all of this in an empty database, in the order in which it must run.

    If it is to be `tidy`, names are without the schema of the session, and views come after all
    tables. Else all is as pg_dump writes it: a table may need a view, and a name mean another
    thing without its schema.
    """
    here = found.here if tidy else None
    entries = [replace(each, sql=unqualified(each.sql, here)) for each in found.entries]
    before, after, last = _parts(entries)
    rows = tuple(row_statements(found, here))
    views = tuple(refresh(named(each, here)) for each in filled(entries, found.populated))
    made = [
        Section("SETTINGS", _SETTINGS_TITLE, SETTINGS),
        *_sections(before, views_last=tidy),
        Section("ROWS", _TITLES["ROWS"], rows),
        *_sections(after),
        Section("FILLED_VIEWS", _TITLES["FILLED_VIEWS"], views),
        *_sections(last),
    ]
    return list(_numbered([each for each in made if each.statements]))


def _parts(entries: Sequence[Entry]) -> tuple[Sequence[Entry], Sequence[Entry], Sequence[Entry]]:
    """Cut the entries of a dump where the rows belong, and where all but rights is there."""
    kinds = [each.kind for each in entries]
    rows = next((place for place, kind in enumerate(kinds) if kind in _AFTER_ROWS), len(kinds))
    end = next((place for place, kind in enumerate(kinds) if kind in _LAST), len(kinds))
    return entries[:rows], entries[rows:end], entries[end:]


def _sections(entries: Sequence[Entry], *, views_last: bool = False) -> Iterator[Section]:
    sorted_out: list[tuple[str, str]] = []
    for entry in entries:
        # A comment follows what it is about.
        inherits = entry.kind == "COMMENT" and sorted_out
        name = sorted_out[-1][0] if inherits else _SECTIONS.get(entry.kind, "OTHERS")
        sorted_out.append((name, entry.sql))
    if views_last:
        sorted_out.sort(key=lambda each: each[0] == "VIEWS")
    for name, some in groupby(sorted_out, key=lambda each: each[0]):
        yield Section(name, _TITLES[name], tuple(sql for _, sql in some))


def _numbered(found: Sequence[Section]) -> Iterator[Section]:
    """Number the names of sections that come more than once, for what is between them."""
    seen: Counter[str] = Counter()
    for each in found:
        seen[each.name] += 1
        number = seen[each.name]
        yield each if number == 1 else Section(f"{each.name}_{number}", each.title, each.statements)
