"""A folder of eighty files, which the old runner and bridge share out in every way there is."""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import create_engine, text

import bridge
from support.both import BOOKS
from support.dump import dump_schema
from support.eighty import COUNT, eighty_files
from support.old_runner import run_old_runner
from support.project import Project
from support.selection import few

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import URL, Engine

FILES = eighty_files()
STEMS = list(FILES)
OLD, BRIDGE = "old runner", "bridge"
#: Splits in one test; pytest-xdist shares tests out.
CHUNK = 10


@dataclass
class Splits:
    """One project, whose database begins anew for each way of sharing out."""

    project: Project
    engine: Engine
    present: set[str] = field(default_factory=set)

    def run(self, *turns: tuple[str, int]) -> tuple[str, list[tuple[str, str]], list[str]]:
        """Let each runner in turn meet the first so many files; give what is left.

        That is the schema, the ledger in the order of its times, and what ran.
        """
        with self.engine.begin() as connection:
            connection.execute(text("DROP SCHEMA public CASCADE; CREATE SCHEMA public"))
        for runner, count in turns:
            self._release(count)
            with contextlib.redirect_stdout(io.StringIO()):
                if runner == OLD:
                    run_old_runner(self.engine.url, self.project.migrations)
                else:
                    bridge.upgrade(self.engine, config=self.project.path / "alembic.ini")
        return self._left()

    def _release(self, count: int) -> None:
        wanted = set(STEMS[:count])
        for stem in self.present - wanted:
            self.project.remove(stem)
        for stem in wanted - self.present:
            self.project.write(stem, FILES[stem])
        self.present = wanted

    def _left(self) -> tuple[str, list[tuple[str, str]], list[str]]:
        with self.engine.connect() as connection:
            ledger = connection.execute(
                text("SELECT version, description FROM schema_migrations ORDER BY applied_at")
            )
            rows = [(version, description) for version, description in ledger]
            ran = connection.execute(text("SELECT stem FROM ran ORDER BY id")).scalars().all()
        return dump_schema(self.engine.url, exclude=BOOKS), rows, list(ran)


@pytest.fixture
def splits(tmp_path: Path, database_url: URL) -> Iterator[Splits]:
    engine = create_engine(database_url, pool_size=3)
    yield Splits(Project.create(tmp_path / "project", database_url), engine)
    engine.dispose()


def test_the_files_are_what_they_are_made_to_be(splits: Splits) -> None:
    """Else every split would give the same nothing."""
    schema, rows, ran = splits.run((OLD, COUNT))
    numbers = [stem[:3] for stem in STEMS]
    assert max(numbers.count(number) for number in numbers) == 6
    assert sum(len(stem) == 60 for stem in STEMS) == COUNT // 4
    assert ran == [version for version, _ in rows] == STEMS
    assert rows[1] == ("001_b_add_column_unless_it_is_there", "Add column unless it is there (1)")
    for piece in ("things_72", "owner_73", "few_74", "kept_75", "state_76", "ix_things_77"):
        assert piece in schema
    assert "slug_78" in schema
    assert "touch_79" in schema
    assert "lost_" not in schema


@pytest.mark.long
@pytest.mark.parametrize("begin", range(0, COUNT + 1, CHUNK))
@pytest.mark.parametrize(("first", "then"), [(OLD, BRIDGE), (BRIDGE, OLD)])
def test_every_split_leaves_what_the_old_runner_alone_leaves(
    splits: Splits, first: str, then: str, begin: int
) -> None:
    """With none and with all of the files, either runner is alone."""
    alone = splits.run((OLD, COUNT))
    for count in range(begin, min(begin + CHUNK, COUNT + 1)):
        shared = splits.run((first, count), (then, COUNT))
        assert shared == alone, f"{first} first, {count} files"


@pytest.mark.parametrize(
    "turns",
    few(
        [
            [(OLD, 20), (BRIDGE, 50), (OLD, 80), (BRIDGE, 80)],
            [(BRIDGE, 35), (OLD, 37), (BRIDGE, 80), (OLD, 80)],
            [(OLD, 1), (BRIDGE, 2), (OLD, 3), (BRIDGE, 4), (OLD, 79), (BRIDGE, 80)],
        ]
    ),
)
def test_turns_leave_what_the_old_runner_alone_leaves(
    splits: Splits, turns: list[tuple[str, int]]
) -> None:
    assert splits.run(*turns) == splits.run((OLD, COUNT))
