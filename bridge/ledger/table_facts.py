"""The facts in the catalog about one of the two tables. Data in, data out."""

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

#: The bytes of a text of the type `name`, and the largest numbers of each type.
_LONGEST_NAME: Final = 63
_LARGEST: Final = {"smallint": 2**15 - 1, "integer": 2**31 - 1, "bigint": 2**63 - 1}

#: Patterns for types, as format_type() names them: texts, whole and other numbers, times.
TEXT_TYPE: Final = r"text|name|(\w+\.)?citext|character( varying)?(\(\d+\))?"
WHOLE_TYPE: Final = "smallint|integer|bigint"
FRACTION_TYPE: Final = r"real|double precision|numeric(\(\d+,-?\d+\))?"
TIME_TYPE: Final = r"timestamp(\(\d\))? with(out)? time zone|date"


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column."""

    name: str
    #: As format_type() names it; that of a domain is the one below it.
    type: str
    #: The domain itself, as SQL has it.
    domain: str | None = None
    #: Whether it, or its domain, takes no NULL.
    not_null: bool = False
    #: Its default, as SQL.
    default: str | None = None
    #: Whether the server numbers its rows.
    identity: bool = False
    #: Whether the server computes it.
    generated: bool = False
    #: Whether nobody else may say what it holds.
    always: bool = False
    #: Its place in the table.
    number: int = 0
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
    def numeric(self) -> bool:
        """Whether it holds whole numbers."""
        return self.type in _LARGEST

    @property
    def width(self) -> int | None:
        """How many characters it holds; None for as many as there are."""
        found = re.fullmatch(r"character(?: varying)?\((\d+)\)", self.type)
        return int(found[1]) if found else None

    def holds(self, value: str) -> bool:
        """Return whether there is room in it for a text, or for a number written as one."""
        if self.type == "name":
            return len(value.encode()) <= _LONGEST_NAME
        if self.numeric:
            return int(value) <= _LARGEST[self.type]
        return self.width is None or len(value) <= self.width


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A constraint on the rows of a table, one by one."""

    name: str
    #: As SQL.
    expression: str
    #: The columns that it looks at.
    columns: frozenset[str] = frozenset()

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> Check:
        """The constraint that `bridge.ledger.catalog` tells of."""
        return cls(**{**facts, "columns": frozenset(facts["columns"])})


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
    #: The places of the columns that take each value once.
    unique: frozenset[int] = frozenset()
    #: Its CHECK constraints, and what its partitions take together.
    checks: tuple[Check, ...] = ()
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
    def of(cls, facts: Mapping[str, Any] | None) -> Table | None:
        """The table that `bridge.ledger.catalog` tells of; None if there is none."""
        if facts is None:
            return None
        columns = [Column(**column) for column in facts["columns"] or ()]
        checks = [*facts["checks"], *([facts["partitions"]] if facts["partitions"] else [])]
        given = {
            **{name: fact for name, fact in facts.items() if name != "partitions"},
            "rights": frozenset(facts["rights"]),
            "columns": {column.name: column for column in columns},
            "checks": tuple(map(Check.of, checks)),
            "triggers": tuple(facts["triggers"]),
            "covered": frozenset(facts["covered"]),
            "unique": frozenset(facts["unique"]),
            "published": frozenset(facts["published"]),
        }
        return cls(**given)

    @property
    def other_kind(self) -> str | None:
        """Say what it is, if it is no table."""
        return None if self.kind in {"r", "p"} else _OTHER_KINDS.get(self.kind, "no table")

    @property
    def judges(self) -> bool:
        """Whether it may refuse a row for what is in it."""
        return bool(self.checks) or any(column.domain for column in self.columns.values())

    def hides(self, *acts: str) -> bool:
        """Return whether row level security keeps some row out of what this role does."""
        return self.secured and not self.covered.issuperset(acts)
