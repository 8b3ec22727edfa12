"""A ledger that another runner has made, in any shape, and what every command says of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

import bridge
from bridge.checks.check import run_check
from bridge.database.request import Request
from bridge.errors import BridgeError, LedgerError
from bridge.findings import Finding, Severity
from bridge.operations.mark import run_mark
from bridge.operations.repair import run_repair
from bridge.operations.status import Status
from bridge.operations.upgrade import plan
from bridge.startup.start import start
from support.books import Books

if TYPE_CHECKING:
    from collections.abc import Callable

    from bridge.operations.mark import Marking


@dataclass
class Adopted(Books):
    """As Books, for a table whose columns are anybody's."""

    def raw(self, *statements: str) -> list[tuple[Any, ...]]:
        """As `sql`, for statements in which a colon or a percent sign is one."""
        rows: list[tuple[Any, ...]] = []
        with self.engine.begin() as connection:
            for statement in statements:
                options = {"no_parameters": True}
                result = connection.exec_driver_sql(statement, execution_options=options)
                rows = [tuple(row) for row in result] if result.returns_rows else []
        return rows

    def holds(self, wanted: str, where: str = "true") -> list[Any]:
        """What the rows say in one column, or expression, in its order."""
        rows = self.raw(f"SELECT {wanted} FROM {self.ledger_table} WHERE {where} ORDER BY 1")
        return [value for (value,) in rows]

    def everything(self) -> tuple[object, ...]:
        tables = [
            f"(SELECT array_agg(concat(t.xmin::text, t::text) ORDER BY t::text) FROM {name} t)"
            for name in (self.ledger_table, self.version_table)
            if self.raw(f"SELECT to_regclass('{name}')") != [(None,)]
        ]
        shape = (
            "SELECT attrelid::regclass::text, attname, format_type(atttypid, atttypmod), "
            "attnotnull, col_description(attrelid, attnum) FROM pg_attribute JOIN pg_class "
            "ON pg_class.oid = attrelid WHERE relkind IN ('r', 'p', 'S') AND attnum > 0 "
            "AND relnamespace::regnamespace::text !~ '^pg_|^information_schema$' ORDER BY 1, 2"
        )
        found = self.raw(f"SELECT {', '.join(tables)}") if tables else []
        return (*found, self.raw(shape), self.ran)

    # Commands

    @property
    def request(self) -> Request:
        return Request(
            database=self.engine,
            config=self.project.path / "alembic.ini",
            reporter=self.reporter,
        )

    def status(self) -> Status:
        """What is shown, which writes nothing."""
        before = self.everything()
        found = bridge.status(self.engine, config=self.project.path / "alembic.ini")
        assert self.everything() == before
        return found

    def repair(self, *names: str, adopt: bool = False) -> list[str]:
        found: list[str] = []

        def agree(changes: Any) -> bool:
            found.extend(f"{change.stem}: {change.what}" for change in changes)
            return True

        assert run_repair(self.request, agree, names=names, adopt=adopt)
        return found

    def mark(self, name: str, *, applied: bool) -> Marking:
        done = run_mark(self.request, name, applied=applied, agree=lambda _marking: True)
        assert done is not None
        return done

    # What all of them say

    def refusals(self) -> tuple[Finding, ...]:
        """What every command refuses, or shows, before it has done anything."""
        before = self.everything()
        shown = [each for each in self.status().findings if each.severity is Severity.ERROR]
        for refuse in (self.upgrade, self._plan, self._start):
            assert told(refuse) == shown, refuse
        settings = self.request.settings()
        request = self.request
        checked = run_check(settings, base=None, strict=False, ignore=[], request=request)
        assert {each.message for each in checked.problems} >= {each.message for each in shown}
        assert checked.exit_code == 4
        assert self.everything() == before
        return tuple(shown)

    def refusal(self) -> Finding:
        """The only one of them."""
        found = self.refusals()
        assert len(found) == 1, "\n".join(map(str, found))
        return found[0]

    def type(self, finding: Finding, after: str) -> None:
        """Type what a message says to type, after these words of it."""
        assert after in finding.next, finding.next
        self.raw(finding.next.partition(after)[2])

    def _plan(self) -> object:
        return plan(self.request)

    def _start(self) -> object:
        return start(self.engine, config=self.project.path / "alembic.ini", reporter=self.reporter)


def told(refuse: Callable[[], object]) -> list[Finding]:
    """With what a command refuses."""
    with pytest.raises(BridgeError) as caught:
        refuse()
    assert isinstance(caught.value, LedgerError)
    assert caught.value.exit_code == 4
    return list(caught.value.findings)
