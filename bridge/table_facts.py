"""What the catalog says of one of the two tables. Data in, data out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

#: What PostgreSQL calls the kinds of relations (pg_class.relkind) that are no table.
_OTHER_KINDS: Final = {
    "v": "a view",
    "m": "a materialized view",
    "f": "a foreign table",
    "S": "a sequence",
    "i": "an index",
    "I": "an index",
    "c": "a composite type",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column."""

    name: str
    #: As format_type() names it.
    type: str
    #: Whether it, or its domain, takes no NULL.
    not_null: bool = False
    #: Its default, as SQL.
    default: str | None = None
    #: Whether the server numbers its rows.
    identity: bool = False
    #: Whether the server computes it.
    generated: bool = False
    comment: str | None = None

    @property
    def required(self) -> bool:
        """Whether a row has to say what it holds."""
        supplied = self.identity or self.generated or self.default is not None
        return self.not_null and not supplied

    @property
    def numbers_rows(self) -> bool:
        """Whether each new row gets the next number."""
        return self.identity or (self.default or "").startswith("nextval(")

    @property
    def width(self) -> int | None:
        """How many characters it holds; None for as many as there are."""
        found = re.fullmatch(r"character(?: varying)?\((\d+)\)", self.type)
        return int(found[1]) if found else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One table, as this role sees it."""

    schema: str = "public"
    #: pg_class.relkind.
    kind: str = "r"
    #: Whether this role may alter it.
    owned: bool = True
    comment: str | None = None
    #: Which of SELECT, INSERT, UPDATE and DELETE this role may do.
    rights: frozenset[str] = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE"})
    columns: Mapping[str, Column] = field(default_factory=dict)
    #: The names of CHECK constraints, each with its expression.
    checks: tuple[tuple[str, str], ...] = ()
    #: Triggers for each row, and rules, by their names.
    triggers: tuple[str, ...] = ()
    #: Whether row level security applies to this role.
    secured: bool = False
    #: For which of the four some policy lets this role do it with every row.
    covered: frozenset[str] = frozenset()
    #: Which of UPDATE and DELETE a publication keeps everybody from.
    published: frozenset[str] = frozenset()
    #: What a view shows.
    view_of: str | None = None

    @classmethod
    def of(cls, told: Mapping[str, Any] | None) -> Table | None:
        """The table that `bridge.catalog` tells of; None if there is none."""
        if told is None:
            return None
        columns = [Column(**column) for column in told["columns"] or ()]
        given = {
            **told,
            "rights": frozenset(told["rights"]),
            "columns": {column.name: column for column in columns},
            "checks": tuple((name, expression) for name, expression in told["checks"]),
            "triggers": tuple(told["triggers"]),
            "covered": frozenset(told["covered"]),
            "published": frozenset(told["published"]),
        }
        return cls(**given)

    @property
    def other_kind(self) -> str | None:
        """What it is, in words, if it is no table."""
        return None if self.kind in {"r", "p"} else _OTHER_KINDS.get(self.kind, "no table")

    def hides(self, *acts: str) -> bool:
        """Whether row level security keeps some row out of what this role does."""
        return self.secured and not self.covered.issuperset(acts)
