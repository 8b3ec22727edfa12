"""The connection of a run is ended by an administrator, and with it the migration lock."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from bridge.locking.holder import LOCK_CLASS, MIGRATION_LOCK
from support.eye import Eye, looking
from support.faults import CUT_BETWEEN, CUT_IN_STATEMENT
from support.replicas import forking_eai
from support.running import PASS_GATE, Gate, ask, gate_of, poll, terminate
from support.twenty import CREATE_LOG

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Engine

    from support.project import Project

pytestmark = pytest.mark.long

FIRST, SECOND, THIRD = "001_first", "002_second", "003_third"

HEAD = f"""\
import time
from pathlib import Path
from sqlalchemy import text

def mark(db, name):
    stem = Path(__file__).stem
    db.execute(text("INSERT INTO log (stem, mark) VALUES (:stem, :mark)"),
               {{"stem": stem, "mark": name}})

def in_a_statement(db):
    db.execute(text("{PASS_GATE}"))

def between_statements(db):
    here, go = (Path(__file__).with_suffix(end) for end in (".here", ".go"))
    here.touch()
    while not go.exists():
        time.sleep(0.01)

"""
ORDINARY = HEAD + 'def upgrade(db):\n    mark(db, "a")\n    mark(db, "b")\n    db.commit()\n'


@dataclass(frozen=True)
class Place:
    """Where a migration stands when a connection is cut."""

    body: str
    #: The marks that it had committed itself by then.
    left: str = ""
    head: str = ""
    #: The table whose trigger stands still; the body does not, then.
    table: str | None = None


PLACES = {
    "at its beginning": Place('stand(db); mark(db, "a"); mark(db, "b"); db.commit()'),
    "in the middle": Place('mark(db, "a"); stand(db); mark(db, "b"); db.commit()'),
    "after a commit of its own": Place(
        'mark(db, "a"); db.commit(); stand(db); mark(db, "b"); db.commit()', left="a"
    ),
    "atomic, after a commit": Place(
        'mark(db, "a"); db.commit(); stand(db); mark(db, "b")', head='transaction = "atomic"\n'
    ),
    "without a transaction": Place(
        'mark(db, "a"); stand(db); mark(db, "b")', left="a", head='transaction = "autocommit"\n'
    ),
}
AT_THE_END = {"after its last statement": Place('mark(db, "a"); mark(db, "b"); stand(db)')}
IN_THE_RECORD = {
    "in its record": Place('mark(db, "a"); mark(db, "b"); db.commit()', table="schema_migrations")
}
IN_STATEMENT = {**PLACES, **IN_THE_RECORD}
BETWEEN = {**PLACES, **AT_THE_END}


@pytest.fixture
def eye(engine: Engine) -> Iterator[Eye]:
    with looking(engine.url) as eye:
        eye.rows(CREATE_LOG)
        yield eye


@pytest.fixture
def gate(engine: Engine) -> Iterator[Gate]:
    """A shut gate."""
    with gate_of(engine) as gate:
        yield gate


@dataclass
class Cutter:
    """Runs three migrations, and cuts a connection when the second one stands at its place."""

    project: Project
    engine: Engine
    eye: Eye
    gate: Gate

    def cut(self, place: Place, *, between: bool) -> tuple[int, str]:
        """Cut the connection that holds the lock; gives the exit code and what was said."""
        self._write(place, between=between)
        with forking_eai(1, self.project, "migrate") as [child]:
            here, go = (self.project.migrations / f"{SECOND}{end}" for end in (".here", ".go"))
            poll(lambda: child.ended or (here.exists() if between else self.gate.waiting()))
            if place.left:  # its COMMIT is sent with the next statement, or a moment later
                poll(lambda: child.ended or self._marks() == Counter(place.left))
            terminate(self.engine, self._holder())
            self.gate.open()
            go.touch()
            ended = child.end()
        assert "Traceback" not in ended.err
        self.eye.settle()
        return ended.code, ended.err

    def complete(self) -> None:
        """Let the next run do the rest."""
        with forking_eai(1, self.project, "migrate") as [child]:
            ended = child.end()
        assert ended.code == 0, ended
        left = self.eye.look()
        assert (left.recorded, left.pointer) == ([FIRST, SECOND, THIRD], [THIRD])

    def assert_left(self, recorded: list[str], second: str) -> None:
        """What is recorded is done, once; of the second one there are these marks."""
        left = self.eye.look()
        assert (left.recorded, left.pointer) == (recorded, recorded[-1:])
        whole = Counter((stem, mark) for stem in recorded for mark in "ab" if stem != SECOND)
        assert left.marks == whole + Counter((SECOND, mark) for mark in second)

    def _write(self, place: Place, *, between: bool) -> None:
        self.project.write(FIRST, ORDINARY)
        if place.table:
            self._first_alone(place.table)
        stand = "between_statements" if between else "in_a_statement"
        body = f"{place.head}{HEAD}stand = {stand}\n\ndef upgrade(db):\n    {place.body}\n"
        self.project.write(SECOND, body)
        self.project.write(THIRD, ORDINARY)

    def _first_alone(self, table: str) -> None:
        """The next row that is written into this table stands at the gate."""
        with forking_eai(1, self.project, "migrate") as [child]:
            assert child.end().code == 0
        self.eye.rows(
            "CREATE FUNCTION wait_at_gate() RETURNS trigger LANGUAGE plpgsql "
            f"AS $$ BEGIN PERFORM {PASS_GATE.removeprefix('SELECT ')}; RETURN NEW; END $$; "
            f"CREATE TRIGGER wait BEFORE INSERT OR UPDATE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION wait_at_gate()"
        )

    def _marks(self) -> Counter[str]:
        found = self.eye.rows(f"SELECT mark FROM log WHERE stem = '{SECOND}'")
        return Counter(mark for (mark,) in found)

    def _holder(self) -> int:
        query = (
            "SELECT pid FROM pg_locks JOIN pg_database d ON d.oid = database "
            "AND datname = current_database() WHERE locktype = 'advisory' AND granted "
            "AND classid = :lock_class AND objid = :key"
        )
        return int(ask(self.engine, query, lock_class=LOCK_CLASS, key=MIGRATION_LOCK))


@pytest.fixture
def cutter(project: Project, engine: Engine, eye: Eye, gate: Gate) -> Cutter:
    return Cutter(project, engine, eye, gate)


def cut_in_migration(cutter: Cutter, place: Place, *, between: bool) -> None:
    code, said = cutter.cut(place, between=between)
    # Where nothing of it stays it is enough to try again.
    assert code == (1 if place.left else 75), said
    assert f"{SECOND} failed: " in said
    assert "It is not recorded as applied." in said
    assert ("stays" if place.left else "Everything it did was rolled back.") in said
    cutter.assert_left([FIRST], place.left)
    cutter.complete()
    cutter.assert_left([FIRST, SECOND, THIRD], place.left + "ab")


@pytest.mark.parametrize("place", CUT_IN_STATEMENT.cases(list(IN_STATEMENT)))
def test_the_migrations_connection_is_cut_during_a_statement(cutter: Cutter, place: str) -> None:
    cut_in_migration(cutter, IN_STATEMENT[place], between=False)


@pytest.mark.parametrize("place", CUT_BETWEEN.cases(list(BETWEEN)))
def test_the_migrations_connection_is_cut_between_statements(cutter: Cutter, place: str) -> None:
    cut_in_migration(cutter, BETWEEN[place], between=True)
