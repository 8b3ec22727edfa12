"""Say in words, and as a diff, in what two schemas differ.

Data in, data out. One side is what a database has, the other what its migrations make.
"""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from bridge.operations.schema.entries import Entry
from bridge.operations.schema.scanning import split_list, take_name

#: The exit code of a command that finds any.
DIFFERENT: Final = 4
#: Longer definitions are not shown in a sentence; the diff has them.
_SHOWN_LENGTH: Final = 100
#: What pg_dump calls a kind, and what people call it, where that is another word.
_WORDS: Final = {
    "CHECK CONSTRAINT": "constraint",
    "FK CONSTRAINT": "constraint",
    "INDEX ATTACH": "partition of index",
    "TABLE ATTACH": "partition",
    "SEQUENCE OWNED BY": "owner of sequence",
    "ROW SECURITY": "row level security of table",
    "PUBLICATION TABLE": "table of publication",
    "SHELL TYPE": "type",
    "PROCEDURAL LANGUAGE": "language",
    "ACL": "rights to",
    "DEFAULT ACL": "default rights to",
    "COMMENT": "comment on",
}
#: Kinds whose name begins with that of a table.
_OF_TABLE: Final = frozenset(
    {"CONSTRAINT", "CHECK CONSTRAINT", "FK CONSTRAINT", "TRIGGER", "RULE", "POLICY"}
)
_TABLES: Final = frozenset({"TABLE", "FOREIGN TABLE"})
#: What pg_dump writes of a column's kind in front of a comment's name.
_COMMENTED: Final = re.compile(r"[A-Z]+(?: [A-Z]+)*(?= )")
#: A name with its schema, and where one stands.
_NAME: Final = r'(?P<schema>"(?:[^"]|"")*"|[^\s".]+)\.(?P<table>"(?:[^"]|"")*"|[^\s".]+)'
_INDEXED: Final = re.compile(
    rf'CREATE (?:UNIQUE )?INDEX (?:"(?:[^"]|"")*"|\S+) ON (?:ONLY )?{_NAME} '
)
_OWNED: Final = re.compile(rf" OWNED BY {_NAME}\.")


class Change(StrEnum):
    """What is different, seen from what the files make."""

    #: Only the database has it.
    ADDED = "added"
    #: The files make it, and the database does not have it.
    MISSING = "missing"
    #: Both have it, and it is not the same.
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Difference:
    """One object in which the two sides differ."""

    change: Change
    #: As people call it: table, column, index, constraint, function.
    kind: str
    #: With its schema, unless that is `public`; of a column with its table.
    name: str
    #: The SQL of the side that has it; None where that side does not.
    database: str | None = None
    files: str | None = None

    @property
    def sentence(self) -> str:
        """What is different, in one line."""
        what = f"{self.kind} {self.name}"
        if self.change is Change.ADDED:
            return f"added: {what}{_in_brackets(self.database)}"
        if self.change is Change.MISSING:
            return f"missing: {what}{_in_brackets(self.files)}"
        database, files = _short(self.database), _short(self.files)
        if database is None or files is None:
            return f"changed: {what}"
        return f"changed: {what}: {database} in the database, {files} by the files"

    def to_json(self) -> dict[str, Any]:
        """Return the documented form; its keys stay as they are."""
        return {
            "change": str(self.change),
            "kind": self.kind,
            "name": self.name,
            "database": self.database,
            "files": self.files,
        }


@dataclass(frozen=True, slots=True)
class _Item:
    """An object, or a part of one, as it is compared."""

    kind: str
    name: str
    sql: str
    #: The table that it is a part of.
    inside: str | None = None


def differences(database: Iterable[Entry], files: Iterable[Entry]) -> tuple[Difference, ...]:
    """Compare what a database has with what its migrations make.

    In the order of the files' side; then what only the database has. Of a table that only one
    side has, nothing more is told: no column, no index and no sequence of its own.
    """
    here, there = _items(database), _items(files)
    return tuple(_compared(here, there))


def unified(one: str, other: str, *, named: tuple[str, str]) -> str:
    """Write a unified diff of two texts; empty where they are the same."""
    lines = difflib.unified_diff(one.splitlines(), other.splitlines(), *named, lineterm="")
    return "\n".join(lines)


_Key = tuple[str, str, int]


def _compared(here: Mapping[_Key, _Item], there: Mapping[_Key, _Item]) -> Iterator[Difference]:
    tables = [
        {item.name for item in side.values() if item.kind == "table"} for side in (here, there)
    ]
    one_sided = tables[0] ^ tables[1]
    for key, item in there.items():
        if key not in here:
            if item.inside not in one_sided:
                yield Difference(Change.MISSING, item.kind, item.name, files=item.sql)
        elif here[key].sql != item.sql:
            yield Difference(Change.CHANGED, item.kind, item.name, here[key].sql, item.sql)
    yield from _reordered(here, there)
    for key, item in here.items():
        if key not in there and item.inside not in one_sided:
            yield Difference(Change.ADDED, item.kind, item.name, database=item.sql)


def _reordered(here: Mapping[_Key, _Item], there: Mapping[_Key, _Item]) -> Iterator[Difference]:
    """Find tables whose columns are the same ones, as far as both have them, in another order."""
    orders: list[dict[str, list[str]]] = []
    for side, other in ((here, there), (there, here)):
        orders.append({})
        for key, item in side.items():
            if item.kind == "column" and item.inside and key in other:
                column = item.name.removeprefix(f"{item.inside}.")
                orders[-1].setdefault(item.inside, []).append(column)
    for table, columns in orders[1].items():
        found = orders[0].get(table, columns)
        if found != columns:
            yield Difference(
                Change.CHANGED, "order of columns of", table, ", ".join(found), ", ".join(columns)
            )


def _items(entries: Iterable[Entry]) -> dict[_Key, _Item]:
    seen: Counter[tuple[str, str]] = Counter()
    items: dict[_Key, _Item] = {}
    listed = list(entries)
    owners = dict(filter(None, map(_owner, listed)))
    for entry in listed:
        for item in _items_of(entry, owners):
            key = item.kind, item.name
            items[*key, seen[key]] = item
            seen[key] += 1
    return items


def _owner(entry: Entry) -> tuple[str, str] | None:
    """Return a sequence and the table whose column has it."""
    match = _OWNED.search(entry.sql) if entry.kind == "SEQUENCE OWNED BY" else None
    if match is None:
        return None
    table = _qualified(_bare(match["schema"]), _bare(match["table"]))
    return _qualified(entry.schema, entry.name), table


def _items_of(entry: Entry, owners: Mapping[str, str]) -> Iterator[_Item]:
    name = _qualified(entry.schema, entry.name)
    if entry.kind in _TABLES:
        yield from _items_of_table(entry, name)
    elif entry.kind in _OF_TABLE and entry.name.count(" ") == 1:
        table, part = entry.name.split(" ")
        on = _qualified(entry.schema, table)
        yield _Item(_word(entry.kind), f"{part} on {on}", entry.sql, inside=on)
    elif entry.kind == "DEFAULT" and entry.name.count(" ") == 1:
        table = name.partition(" ")[0]
        yield _Item("default of", name.replace(" ", "."), entry.sql, inside=table)
    elif entry.kind == "INDEX":
        of = _on(entry)
        yield _Item("index", f"{name} on {of}" if of else name, entry.sql, inside=of)
    elif entry.kind in {"SEQUENCE", "SEQUENCE OWNED BY"}:
        yield _Item(_word(entry.kind), name, entry.sql, inside=owners.get(name))
    elif entry.kind == "COMMENT" and (match := _COMMENTED.match(entry.name)):
        bare = entry.name[match.end() + 1 :]
        yield _Item(f"comment on {match[0].lower()}", _qualified(entry.schema, bare), entry.sql)
    else:
        yield _Item(_word(entry.kind), name, entry.sql)


def _items_of_table(entry: Entry, table: str) -> Iterator[_Item]:
    """Take a table apart: itself with what is said of all of it, its columns, its constraints."""
    found = split_list(entry.sql)
    if found is None:
        yield _Item("table", table, entry.sql)
        return
    before, parts, rest = found
    yield _Item("table", table, f"{before} (…){'' if rest.startswith(';') else ' '}{rest}")
    for part in parts:
        name, definition = take_name(part)
        if name == "CONSTRAINT":
            name, definition = take_name(definition)
            yield _Item("constraint", f"{_bare(name)} on {table}", definition, inside=table)
        else:
            yield _Item("column", f"{table}.{_bare(name)}", definition, inside=table)


def _on(entry: Entry) -> str | None:
    """Return the table that an index is on."""
    match = _INDEXED.match(entry.sql)
    return _qualified(_bare(match["schema"]), _bare(match["table"])) if match else None


def _qualified(schema: str, name: str) -> str:
    return name if schema in {"-", "public"} else f"{schema}.{name}"


def _bare(name: str) -> str:
    return name[1:-1].replace('""', '"') if name[:1] == '"' else name


def _word(kind: str) -> str:
    return _WORDS.get(kind, kind.lower())


def _short(sql: str | None) -> str | None:
    """Return a definition that fits into a sentence, else None."""
    if sql is None or "\n" in sql or len(sql) > _SHOWN_LENGTH:
        return None
    return sql.removesuffix(";")


def _in_brackets(sql: str | None) -> str:
    # A column's type says something; that CREATE INDEX makes an index does not.
    short = _short(sql)
    return (
        f" ({short})" if short and not short.startswith(("CREATE ", "ALTER ", "COMMENT ")) else ""
    )
