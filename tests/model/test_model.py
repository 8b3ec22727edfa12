"""Random lives of a database, each step of which is compared with what the model says."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, event, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Connection, Engine

from bridge.errors import LedgerError, MigrationError
from support.model import AT_ONCE, HALF_WAY, Outcome, Recorded, Text, World, revision
from support.real import Real, Seen, kind_of, ways_on
from support.recording import Recording

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sqlalchemy import URL

#: Lives, and the steps of each; divided among tests so that pytest-xdist can share them out.
LIVES, STEPS, PARTS = 120, 20, 4

picks = st.integers(0, 20)
stems = st.builds("{:03}_{}".format, st.integers(1, 5), st.sampled_from("abc"))


class Life(RuleBasedStateMachine):
    """One database and its folder, in the hands of people, releases and two runners."""

    def __init__(self, real: Real) -> None:
        super().__init__()
        self.real = real
        self.world = World()
        self.ran: list[str] = []
        #: Files that were removed, and may come back.
        self.removed: dict[str, Text] = {}
        #: The rows as they were before they were lost.
        self.backup: list[Recorded] = []
        #: What ran, and was neither reverted nor removed from the ledger since.
        self.stands: set[str] = set()
        self.seen = Seen(None, False, None, [])
        self.texts = 0
        real.reset()

    # The folder

    @initialize(new=st.lists(stems, min_size=2, max_size=4), first=st.sampled_from(["", "b", "o"]))
    def begin(self, new: list[str], first: str) -> None:
        self._add(new)
        if first:
            self.migrate(then=0) if first == "b" else self.run_the_old_runner()

    @rule(new=st.lists(stems, min_size=1, max_size=3))
    def add_files(self, new: list[str]) -> None:
        self._add(new)

    @precondition(lambda self: self.world.files)
    @rule(pick=picks, more=st.booleans())
    def remove_files(self, pick: int, more: bool) -> None:
        for _ in range(2 if more and len(self.world.files) > 1 else 1):
            stem = self._file(pick)
            self.removed[stem] = self.world.files.pop(stem)
        self.real.put(self.world.files)

    @precondition(lambda self: self.removed)
    @rule(pick=picks)
    def put_a_file_back(self, pick: int) -> None:
        stem = sorted(self.removed)[pick % len(self.removed)]
        self._put(self.removed.pop(stem), stem)

    @precondition(lambda self: self.world.files)
    @rule(pick=picks, fails=st.sampled_from(["", "", AT_ONCE, HALF_WAY]))
    def edit_a_file(self, pick: int, fails: str) -> None:
        stem = self._file(pick)
        self.world.files[stem] = self.world.files[stem].edited(fails=fails)
        self.real.put(self.world.files)

    @precondition(lambda self: any(text.fails for text in self.world.files.values()))
    @rule()
    def mend_the_files(self) -> None:
        self._mend(self.world)

    @precondition(lambda self: self.world.files)
    @rule(pick=picks, to=stems, how=st.sampled_from(["other", "other", "case", "hyphen"]))
    def rename_a_file(self, pick: int, to: str, how: str) -> None:
        stem = self._file(pick)
        name = {"other": to, "case": stem.swapcase(), "hyphen": stem.replace("_", "-")}[how]
        text = self.world.files.pop(stem)
        if not self._put(text, name):
            self._put(text, stem)

    # Commands

    @rule(then=st.integers(0, 3))
    def migrate(self, then: int) -> None:
        """`eai migrate`, twice; if it is refused, perhaps what the refusal says."""
        reporter = Recording()
        outcome = self.world.upgrade()
        refused = self._run(outcome, lambda: self.real.upgrade(self.real.engine, reporter=reporter))
        if refused is None:
            assert bool(outcome.late) == any("late" in told for told in reporter.warnings)
        if refused is not None and then:
            self.world = self._go_on(refused, self.world, self.real.engine, then)
            self._ran_by_hand()
        elif not outcome.refusals and not outcome.failed:
            assert self.real.upgrade(self.real.engine) == []

    @precondition(lambda self: self.world.files)
    @rule(pick=picks)
    def migrate_to(self, pick: int) -> None:
        stem = self._file(pick)
        self._run(self.world.upgrade(stem), lambda: self.real.upgrade(self.real.engine, stem))

    @rule()
    def run_the_old_runner(self) -> None:
        self._run(self.world.old_runner(), self.real.old_runner)

    @rule(pick=picks)
    def downgrade(self, pick: int) -> None:
        applied = self.world.applied
        to = [None, *applied, *applied[-3:-1]][pick % (len(applied) + 1)]
        self._run(self.world.downgrade(to), lambda: self.real.downgrade(self.real.engine, to))

    @rule(pick=picks, purge=st.integers(0, 3))
    def stamp(self, pick: int, purge: int) -> None:
        targets = sorted(self.world.files) if purge == 1 else self.world.line
        to = [None, *targets][pick % (len(targets) + 1)]
        outcome = self.world.stamp(to, purge=purge == 1)
        self._run(
            outcome, lambda: self.real.stamp(self.real.engine, to, purge=purge == 1), by_hand=True
        )

    # What people do to the tables

    @precondition(lambda self: self.world.rows)
    @rule(pick=picks, last=st.booleans())
    def delete_a_row(self, pick: int, last: bool) -> None:
        applied = self.world.applied
        stem = applied[-1 if last else pick % len(applied)]
        self._sql(f"DELETE FROM schema_migrations WHERE version = '{stem}'")
        self.world.delete_row(stem)
        self._ran_by_hand()

    @precondition(lambda self: self.world.rows)
    @rule()
    def delete_all_rows(self) -> None:
        self._sql("DELETE FROM schema_migrations")
        self.world.rows = []
        self._ran_by_hand()

    @precondition(lambda self: self.world.rows is not None)
    @rule()
    def drop_the_mirror(self) -> None:
        self._sql("DROP TABLE schema_migrations")
        self.world.rows, self.world.ours = None, False
        self._ran_by_hand()

    @precondition(lambda self: self.world.pointers is not None)
    @rule()
    def drop_the_version_table(self) -> None:
        self._sql("DROP TABLE alembic_version")
        self.world.pointers = None

    @precondition(lambda self: self.world.rows is not None)
    @rule()
    def drop_both(self) -> None:
        self._sql("DROP TABLE IF EXISTS schema_migrations, alembic_version")
        self.world.rows, self.world.ours, self.world.pointers = None, False, None
        self._ran_by_hand()

    # What holds after each step

    @invariant()
    def the_database_is_as_the_model_says(self) -> None:
        self.seen = self.real.look(self.real.engine)
        assert self.seen == Seen.expected(self.world, self.ran)
        assert self.seen.applied == self.stands

    @invariant()
    def one_more_run_leaves_nothing_pending_and_a_second_does_nothing(self) -> None:
        """Or it is refused, and goes on as the refusal says; all of it rolled back afterwards."""
        files = dict(self.world.files)
        with self.real.engine.connect() as connection:
            if not self.world.copy().upgrade().refusals:
                self._current_is_the_last_applied()
            transaction = connection.begin()
            try:
                self._settle(connection)
            finally:
                transaction.rollback()
                self.real.put(files)

    def _current_is_the_last_applied(self) -> None:
        last = self.world.applied[-1:]
        assert self.real.current(self.real.engine)[:1] == [revision(stem) for stem in last]

    def _settle(self, connection: Connection) -> None:
        world, ran = self.world.copy(), list(self.ran)
        if any(world.files[stem].fails for stem in world.pending):
            self._mend(world)
        outcome = world.upgrade()
        refused = self._attempt(outcome, lambda: self.real.upgrade(connection))
        if refused is not None:
            if kind_of(refused) in {"foreign ledger", "foreign pointer"}:
                _with_tables_of_its_own(self.real, connection)
            world = self._go_on(refused, world, connection, len(ran))
            outcome = world.upgrade()
            assert self._attempt(outcome, lambda: self.real.upgrade(connection)) is None
        settled = Seen.expected(world, ran + outcome.logged)
        assert self.real.look(connection) == settled
        assert not world.pending
        if outcome.logged or refused:
            assert self.real.upgrade(connection) == []
            assert self.real.look(connection) == settled

    # How it is done

    def _run(self, outcome: Outcome, command: Callable[[], Any], *, by_hand: bool = False) -> Any:
        """Run a command; give the message of its refusal."""
        refused = self._attempt(outcome, command)
        if by_hand:
            self._ran_by_hand()
        self.ran += outcome.logged
        self._account(outcome.logged)
        return refused

    def _attempt(self, outcome: Outcome, command: Callable[[], Any]) -> str | None:
        try:
            command()
        except LedgerError as error:
            assert kind_of(str(error)) in outcome.refusals, f"{outcome}: {error}"
            event(f"refused: {kind_of(str(error))}")
            return str(error)
        except (MigrationError, RuntimeError) as error:
            assert outcome.failed, error
            assert outcome.failed in str(error) or type(error) is RuntimeError
            return None
        assert not outcome.refusals, f"not refused, but {outcome.refusals}"
        assert not outcome.failed
        return None

    def _account(self, logged: list[str]) -> None:
        """No migration runs twice without its row having been removed."""
        for what in logged:
            if what.startswith("-"):
                self.stands.remove(what[1:])
            elif not what.endswith(" begun"):
                assert what not in self.stands, f"{what} ran twice"
                self.stands.add(what)

    def _ran_by_hand(self) -> None:
        """A person has said what is applied."""
        self.stands = self.real.look(self.real.engine).applied

    def _go_on(self, refused: str, world: World, on: Engine | Connection, choice: int) -> World:
        """Do what refusals say until there is none."""
        for _ in range(4):
            self._follow(refused, world, on, choice)
            outcome = world.copy().upgrade()
            if not outcome.refusals:
                return world
            again = self._attempt(outcome, lambda: self.real.upgrade(on))
            assert again is not None
            assert again != refused
            refused = again
        raise AssertionError(refused)

    def _follow(self, refused: str, world: World, on: Engine | Connection, choice: int) -> None:
        ways = ways_on(refused)
        if not ways:  # it is the folder that is wrong
            self._put_recorded_files_back(world)
            return
        way = ways[choice % len(ways)]
        if "stamp" in way:
            name = way.split()[-1]
            if name == "REV":
                name = revision(max(world.files)) if world.files else "base"
            names = {revision(stem): stem for stem in world.line} | {"base": None}
            outcome = world.stamp(names[name], purge="--purge" in way)
            assert not outcome.refusals
            self.real.stamp(on, name, purge="--purge" in way)
            return
        self.real.sql(on, way)
        quoted = re.findall(r"'(.*?)'", way)
        if way.startswith("UPDATE"):
            new, old = quoted
            world.rename_row(old, new)
        else:
            world.delete_row(*quoted)

    def _put_recorded_files_back(self, world: World) -> None:
        ids = world.pointers or []
        known = {revision(stem): stem for stem in self.removed} | {i: i for i in ids}
        for stem in world.applied or [known[i] for i in ids]:
            if stem not in world.files:
                world.files[stem] = self.removed.get(stem) or self._text(stem)
        self._mend(world)

    def _mend(self, world: World) -> None:
        for stem, text in world.files.items():
            if text.fails:
                world.files[stem] = text.edited()
        self.real.put(world.files)

    def _add(self, new: list[str]) -> None:
        for stem in new:
            self._put(self._text(stem), stem)

    def _put(self, text: Text, stem: str) -> bool:
        """Put a file into the folder unless its name cannot be told from another's."""
        taken = {revision(other).lower() for other in self.world.files}
        if revision(stem).lower() in taken:
            return False
        self.world.files[stem] = text
        self.real.put(self.world.files)
        return True

    def _text(self, stem: str) -> Text:
        self.texts += 1
        return Text(f"{stem}, text {self.texts}")

    def _file(self, pick: int) -> str:
        return sorted(self.world.files)[pick % len(self.world.files)]

    def _sql(self, statement: str) -> None:
        self.real.sql(self.real.engine, statement)


def _with_tables_of_its_own(real: Real, connection: Connection) -> None:
    """The way on that a database shared with another application has."""
    savepoint = connection.begin_nested()
    assert real.upgrade(connection, ini="other.ini") == sorted(real.on_disk)
    savepoint.rollback()


@pytest.mark.parametrize("part", range(PARTS))
def test_whatever_is_done_the_books_tell_the_truth(
    part: int, tmp_path: Path, database_url: URL
) -> None:
    real = Real.create(tmp_path / "project", database_url)
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        lambda: Life(real),
        settings=settings(
            max_examples=LIVES // PARTS,
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            print_blob=True,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        ),
    )
    real.engine.dispose()
