"""Random lives of a database, each step of which is compared with what the model says."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, event, seed, settings
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
from support.model import (
    AT_ONCE,
    HALF_WAY,
    SOUND,
    Outcome,
    Text,
    World,
    is_renamed,
    refusals,
    revision,
    spelling,
)
from support.real import Real, Seen, kinds_of, ways_on
from support.recording import Recording

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sqlalchemy import URL

pytestmark = pytest.mark.long

#: Lives, and the most steps of each; some are cut short, so that there are more than the 200 of
#: twenty steps that are wanted. Divided among tests, which pytest-xdist shares out.
LIVES, STEPS, PARTS = 340, 22, 4

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
    @rule(pick=picks, fails=st.sampled_from([SOUND, AT_ONCE, HALF_WAY]))
    def edit_a_file(self, pick: int, fails: str) -> None:
        pending = self.world.pending
        stem = pending[pick % len(pending)] if pending and fails else self._file(pick)
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
        outcome = self.world.upgrade(quick=True)
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

    @rule()
    def repair(self) -> None:
        self._run(self.world.repair(), lambda: self.real.repair(self.real.engine), by_hand=True)

    @precondition(lambda self: self.world.line)
    @rule(pick=picks, applied=st.booleans())
    def mark(self, pick: int, applied: bool) -> None:
        stem = self.world.line[pick % len(self.world.line)]
        outcome = self.world.mark(stem, applied=applied)
        self._run(
            outcome, lambda: self.real.mark(self.real.engine, stem, applied=applied), by_hand=True
        )

    # What people do to the tables

    @precondition(lambda self: self.world.rows)
    @rule(pick=picks, which=st.sampled_from(["one", "one", "the last", "all"]))
    def delete_rows(self, pick: int, which: str) -> None:
        applied = self.world.applied
        one = applied[-1 if which == "the last" else pick % len(applied)]
        for stem in applied if which == "all" else [one]:
            self._sql(f"DELETE FROM schema_migrations WHERE version = '{stem}'")
            self.world.delete_row(stem)
        self._ran_by_hand()

    @precondition(lambda self: self.world.rows is not None)
    @rule(which=st.sampled_from(["ledger", "ledger", "version table", "both"]))
    def lose(self, which: str) -> None:
        if which != "version table":
            self._sql("DROP TABLE schema_migrations")
            self.world.rows, self.world.ours, self.world.adopted = None, False, False
        if which != "ledger":
            self._sql("DROP TABLE IF EXISTS alembic_version")
            self.world.pointers = None
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
            if not refusals(self.world):
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
            if kinds_of(refused) & {"foreign ledger", "foreign pointer"}:
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
        error: Exception | None = None
        try:
            command()
        except (LedgerError, MigrationError, RuntimeError) as raised:
            error = raised
        if isinstance(error, LedgerError):
            kinds = kinds_of(str(error))
            assert kinds <= outcome.refusals, f"{outcome}: {error}"
            event(f"refused: {' and '.join(sorted(kinds))}")
            return str(error)
        assert not outcome.refusals, f"not refused, but {outcome.refusals}"
        assert (error is None) == (outcome.failed is None), error
        if isinstance(error, MigrationError):
            assert str(outcome.failed) in str(error)
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
        for turn in range(6):
            self._follow(refused, world, on, choice + turn)
            outcome = world.copy().upgrade()
            if not outcome.refusals:
                return world
            again = self._attempt(outcome, lambda: self.real.upgrade(on))
            assert again is not None
            refused = again
        raise AssertionError(refused)

    def _follow(self, refused: str, world: World, on: Engine | Connection, choice: int) -> None:
        ways = ways_on(refused)
        way = ways[choice % len(ways)] if ways else "correct version_locations"
        if way in {"correct version_locations", "give the files their old names again"}:
            self._put_recorded_files_back(world)
            return
        if "stamp" in way:
            name = way.split()[-1]
            if name == "REV":
                name = revision(max(world.files)) if world.files else "base"
            names = {revision(stem): stem for stem in world.line} | {"base": None}
            outcome = world.stamp(names[name], purge="--purge" in way)
            assert not outcome.refusals
            self.real.stamp(on, name, purge="--purge" in way)
            return
        if "mark" in way:
            stem = way.split()[3]
            assert not world.mark(stem, applied=False).refusals
            self.real.mark(on, stem, applied=False)
            return
        if "--adopt" in way:
            self._attempt(world.adopt(), lambda: self.real.repair(on, adopt=True))
            return
        if "again" in way:
            old = way.split()[3].removesuffix(".py")
            row = next(row for row in world.rows or () if row.stem == old)
            new = next(stem for stem in world.pending if is_renamed(row, stem, world.files[stem]))
            world.files[old] = world.files.pop(new)
            self.real.put(world.files)
            return
        if "repair" in way:
            only = way.split()[3:]
            outcome = world.repair(only)
            if self._attempt(outcome, lambda: self.real.repair(on, only)) is not None:
                self._put_recorded_files_back(world)
            return
        self.real.sql(on, way)
        quoted = re.findall(r"'(.*?)'", way)
        if way.startswith("UPDATE"):
            new, old = quoted
            world.rename_row(old, new)
        else:
            world.delete_row(*quoted)

    def _put_recorded_files_back(self, world: World) -> None:
        texts = [row.text for row in world.rows or () if row.text]
        for stem in world.pending:
            if world.files[stem] in texts:
                world.files.pop(stem)
        for row in world.rows or ():
            if row.text is not None and row.stem in world.files:
                world.files[row.stem] = row.text
        ids = set(world.pointers or ()) - {revision(stem) for stem in world.line}
        known = {revision(stem): stem for stem in self.removed}
        for stem in [*world.applied, *(known.get(one, one) for one in sorted(ids))]:
            if stem not in world.files:
                alike = [other for other in world.files if spelling(other) == spelling(stem)]
                text = world.files.pop(alike[0]) if alike else self.removed.get(stem)
                world.files[stem] = text or self._text(stem)
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
        if spelling(stem) in map(spelling, self.world.files):
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
    factory: Any = lambda: Life(real)  # noqa: E731 - declared as a class, and called like one
    # The same lives in each run, so that nobody else's change is blamed for a rare one; another
    # number explores others.
    factory = seed(int(os.environ.get("MODEL_SEED", "1")) * PARTS + part)(factory)
    run_state_machine_as_test(
        factory,
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
