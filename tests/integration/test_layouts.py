"""The ledgers that real home-made runners make: taken over, and written as they write them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from bridge.operations.status import MigrationState
from support.adopted import Adopted
from support.layouts import RUNNERS, File, Runner
from support.selection import few

if TYPE_CHECKING:
    from support.project import Project


class OldRunner:
    """Runs files and records them, as the team's own runner does."""

    def __init__(self, books: Adopted, runner: Runner) -> None:
        self.books = books
        self.runner = runner
        books.project.ini(extra=runner.ini)
        books.ledger_table = runner.table
        schema = runner.table.rpartition(".")[0]
        books.version_table = f"{schema}.alembic_version" if schema else "alembic_version"
        if schema:
            books.raw(f"CREATE SCHEMA {schema}")
        books.raw("CREATE TABLE ran (id serial, what text)", runner.definition)

    def file(self, stem: str) -> File:
        return File(stem, (self.books.project.migrations / f"{stem}.py").read_bytes())

    def run(self, *stems: str) -> None:
        """In a transaction for each, so that their times differ."""
        for stem in stems:
            self.books.raw(
                f"INSERT INTO ran (what) VALUES ('{stem}')",
                self.runner.insert(self.file(stem)),
            )

    def rows(self) -> list[tuple[Any, ...]]:
        """The team's own columns, as text, in the order of the rows."""
        runner = self.runner
        names = [*runner.writes, *(name for name in runner.tells if name not in runner.writes)]
        wanted = ", ".join(f"{name}::text" for name in names)
        return self.books.raw(f"SELECT {wanted} FROM {runner.table} ORDER BY ctid")

    def row_is_its_own(self, stem: str, *, ran: bool = True) -> None:
        """A row says of this file what the runner would have said.

        Of one that has not run it may not say how long it took.
        """
        runner, file = self.runner, self.file(stem)
        told = [name for name in runner.writes if name not in runner.tells]
        wanted = ", ".join(f"{name}::text" for name in (*told, *runner.tells))
        kinds = dict(
            self.books.raw(
                "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute "
                f"WHERE attrelid = '{runner.table}'::regclass AND attnum > 0"
            )
        )
        expected = [f"CAST({runner.writes[n](file)} AS {kinds[n]})::text" for n in told]
        like = "{}::text ~ '^({})$'" if ran else "({}::text ~ '^({})$') IS NOT FALSE"
        looking = " AND ".join(like.format(*each) for each in runner.tells.items())
        keys = " AND ".join(
            f"{name} = CAST({runner.writes[name](file)} AS {kinds[name]})" for name in told[:2]
        )
        asked = ", ".join((*expected, looking))
        row = f"FROM {runner.table} WHERE {keys}"
        ((found,),) = self.books.raw(f"SELECT ARRAY[{wanted}] {row}")
        ((*own, looks),) = self.books.raw(f"SELECT {asked} {row}")
        assert found[: len(told)] == own, stem
        assert looks is True, found


@pytest.fixture
def books(project: Project) -> Adopted:
    return Adopted(project)


@pytest.mark.parametrize("name", few(RUNNERS, count=8))
def test_a_ledger_is_taken_over_and_goes_on_in_its_way(books: Adopted, name: str) -> None:
    """The runner that made it takes turns with bridge, and nothing runs twice."""
    old = OldRunner(books, RUNNERS[name])
    first, second, third, fourth, last = old.runner.files
    books.files(first, second, third)
    # So that it matters what was hashed.
    path = books.project.migrations / f"{second}.py"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    old.run(first, second)
    before = old.rows()

    states = {each.version: each.state for each in books.status().migrations}
    assert states == {first: "applied", second: "applied", third: "pending"}
    assert books.status().findings == ()
    assert books.status().current == second
    assert all(each.applied_at for each in books.status().migrations[:2])

    done = books.project.eai("migrate", check=True)
    assert old.rows()[:2] == before
    assert books.ran == [first, second, third]
    old.row_is_its_own(third)
    assert ("is taken for a ledger" in done.stderr) == bool(old.runner.note)
    assert old.runner.note in done.stderr
    assert books.pointers == [third]

    books.files(fourth)
    old.run(fourth)
    assert books.status().up_to_date
    assert books.status().current == fourth or old.runner.coarse
    books.files(last)
    assert books.upgrade() == [last]
    old.row_is_its_own(last)
    books.downgrade("-1")
    books.stamp("head")
    old.row_is_its_own(last, ran=False)
    assert old.rows()[:2] == before
    assert books.upgrade() == []
    assert books.ran == [first, second, third, fourth, last, f"-{last}"]
    # The old runner knows nothing of a pointer.
    assert all("The rows are believed" in each for each in books.reporter.warnings)
    assert {each.state for each in books.status().migrations} == {MigrationState.APPLIED}
