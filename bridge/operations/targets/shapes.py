"""Compare the shapes of the schemas of many targets: their tables, columns, constraints, indexes.

One query for a database makes a hash of each shape, from the catalog alone. Where some have
another one than most, one of each is compared with one of those, piece by piece.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, TypeVar

from sqlalchemy.exc import DBAPIError

from bridge.database.connected import connected
from bridge.database.literals import literal
from bridge.errors import BridgeError
from bridge.operations.targets.databases import database_of, per_database, whole
from bridge.operations.targets.over import LostError, Over

if TYPE_CHECKING:
    from bridge.config.settings import Settings
    from bridge.config.target import Target
    from bridge.database.request import Request
    from bridge.operations.targets.databases import Places

Result = TypeVar("Result")

#: How many schemas one query hashes.
_SIZE: Final = 200
#: How many other shapes are compared with the most common one, and how many pieces are told.
_COMPARED, _TOLD = 10, 5

#: A piece of a shape: what kind it is, and its name; and what it is, as SQL has it.
Pieces = Mapping[tuple[str, str], str]


@dataclass(frozen=True, slots=True)
class Shape:
    """A shape that some targets have in common."""

    #: The names of the targets.
    targets: tuple[str, ...]
    #: How it differs from the most common one; empty for that itself, or where nobody has looked.
    differences: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The documented form, made of what JSON knows; its keys stay as they are."""
        return {"targets": list(self.targets), "differences": list(self.differences)}


def read_shapes(request: Request, targets: Sequence[Target]) -> tuple[Shape, ...]:
    """Return the shapes of these targets, the most common first; reads the catalog only.

    A target that is gone meanwhile, or whose server is, is in none of them.
    """
    hashes: dict[int, str] = {}

    def hashed(here: Request, places: Places) -> dict[int, str]:
        return _over(here, places, _hashes)

    for each in per_database(request, targets, hashed, goes_on=bool):
        hashes |= each
    alike: dict[str, list[int]] = defaultdict(list)
    for place in sorted(hashes):
        alike[hashes[place]].append(place)
    groups = sorted(alike.values(), key=len, reverse=True)
    shapes = [Shape(tuple(targets[place].name for place in group)) for group in groups]
    if len(groups) < 2:  # noqa: PLR2004 - all of them are alike
        return tuple(shapes)
    # One of each, all over again: nobody keeps the texts of thousands.
    chosen = [targets[group[0]] for group in groups[: _COMPARED + 1]]
    pieces: dict[int, Pieces] = {}

    def in_pieces(here: Request, places: Places) -> dict[int, Pieces]:
        return _over(here, places, _pieces)

    for found in per_database(request, chosen, in_pieces):
        pieces |= found
    usual = pieces.get(0)
    for number, other in pieces.items():
        if number and usual is not None:
            shapes[number] = replace(shapes[number], differences=differences(usual, other))
    return tuple(shapes)


def differences(usual: Pieces, other: Pieces) -> tuple[str, ...]:
    """Say how a shape differs from the usual one, in a few words each."""
    found = [f"a {kind} more: {name}" for kind, name in sorted(other.keys() - usual.keys())]
    found += [f"a {kind} less: {name}" for kind, name in sorted(usual.keys() - other.keys())]
    found += [
        f"another {kind}: {name} is {other[kind, name]}, and not {usual[kind, name]}"
        for kind, name in sorted(usual.keys() & other.keys())
        if other[kind, name] != usual[kind, name]
    ]
    more = len(found) - _TOLD
    return (*found[:_TOLD], *([f"{more} more"] if more > 0 else []))


def _over(
    request: Request, places: Places, ask: Callable[[Over, Places, Settings], dict[int, Result]]
) -> dict[int, Result]:
    """Ask over one connection; nothing is known where there is none."""
    settings = whole(request.settings())
    try:
        request = database_of(request, places)
        with connected(request, settings) as connection:
            return ask(Over(connection), places, settings)
    except (BridgeError, LostError):
        return {}


def _hashes(over: Over, targets: Places, settings: Settings) -> dict[int, str]:
    found: dict[int, str] = {}
    places = list(targets)
    for start in range(0, len(places), _SIZE):
        some = {place: targets[place] for place in places[start : start + _SIZE]}
        found |= _hashes_of(over, some, settings)
    return found


def _hashes_of(over: Over, targets: Places, settings: Settings) -> dict[int, str]:
    """Hash these; one by one where something is wrong with one of them, which is left out."""
    try:
        return dict(over.ask(_HASHES.format(pieces=_question(targets, settings))))
    except DBAPIError:
        over.check()
    found: dict[int, str] = {}
    for place, target in targets.items() if len(targets) > 1 else ():
        found |= _hashes_of(over, {place: target}, settings)
    return found


def _pieces(over: Over, targets: Places, settings: Settings) -> dict[int, Pieces]:
    found: dict[int, dict[tuple[str, str], str]] = {place: {} for place in targets}
    try:
        for place, kind, name, what in over.ask(_question(targets, settings)):
            found[place][kind, name] = what
    except DBAPIError:
        return {}
    return dict(found)


def _question(targets: Places, settings: Settings) -> str:
    schemas = ", ".join(
        f"({place}, {'current_schema()::text' if each.schema is None else literal(each.schema)})"
        for place, each in targets.items()
    )
    own = (settings.ledger_table, settings.version_table)
    return _PIECES.format(schemas=schemas, known=", ".join(map(literal, own)))


# What a schema's own name stands before, in a type or an expression, is written without it. Only
# where it stands as a word of its own: it may be part of another, or of a constant.
_PIECES: Final = r"""
WITH asked AS (
    SELECT place, n.oid AS schema, nspname,
           '(^|[^[:alnum:]_$".])'
               || regexp_replace(quote_ident(nspname), '([^[:alnum:]_])', E'\\\\\\1', 'g')
               || '[.]' AS own
      FROM (VALUES {schemas}) AS given(place, name) JOIN pg_namespace AS n ON nspname = name),
relations AS (
    SELECT asked.*, c.oid, relname, relkind
      FROM asked JOIN pg_class AS c ON relnamespace = schema
     WHERE relkind IN ('r', 'p', 'v', 'm', 'f') AND relname NOT IN ({known})),
pieces AS (
    SELECT place, own, nspname, 'table' AS kind, relname::text AS name,
           CASE relkind WHEN 'v' THEN 'a view' WHEN 'm' THEN 'a materialized view'
                        WHEN 'f' THEN 'a foreign table' ELSE 'a table' END AS what
      FROM relations
    UNION ALL
    SELECT place, own, nspname, 'column', relname || '.' || attname,
           format_type(atttypid, atttypmod) || CASE WHEN attnotnull THEN ' NOT NULL' ELSE '' END
               || COALESCE(' DEFAULT ' || pg_get_expr(adbin, adrelid), '')
               || CASE WHEN attidentity <> '' THEN ' IDENTITY' ELSE '' END
      FROM relations JOIN pg_attribute ON attrelid = oid AND attnum > 0 AND NOT attisdropped
      LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    UNION ALL
    SELECT place, own, nspname, 'constraint', relname || '.' || conname,
           pg_get_constraintdef(con.oid)
      FROM relations AS r JOIN pg_constraint AS con ON conrelid = r.oid AND contype <> 't'
    UNION ALL
    SELECT place, own, nspname, 'index', i.relname::text, pg_get_indexdef(indexrelid)
      FROM relations AS r JOIN pg_index ON indrelid = r.oid
      JOIN pg_class AS i ON i.oid = indexrelid)
SELECT place, kind, name,
       CASE WHEN position(quote_ident(nspname) || '.' IN what) = 0 THEN what
            ELSE regexp_replace(what, own, E'\\1', 'g') END AS what
  FROM pieces
"""
_HASHES: Final = """
SELECT place, md5(string_agg(kind || ' ' || name || ' ' || what, E'\\n'
                             ORDER BY kind, name COLLATE "C"))
  FROM ({pieces}) AS piece
 GROUP BY place
"""
