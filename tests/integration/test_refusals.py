"""The table of every command by every refusal, on a real database."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from bridge.findings import MEANINGS
from support.books import Books
from support.every_command import COMMANDS, Told
from support.findings import REFUSED, found_in
from support.project import Project
from support.refusal_rows import ROWS
from support.refusal_table import OF_EACH_KIND, Row
from support.scenes import Scene
from support.snapshot import snapshot

if TYPE_CHECKING:
    from collections.abc import Iterable

    from support.databases import Databases

#: What `check` calls what has a rule of its own; a bad file by what is bad about it.
RULES = {
    "late": {"late"},
    "changed": {"changed-since-applied"},
    "file-missing": {"file-missing"},
    "newer": {"file-missing"},
    "unreadable-file": {"syntax-error", "wrong-upgrade"},
}
#: Says what the command at hand could not do, and so not the same in all of them.
OF_THE_COMMAND = {"rights", "read-only", "hidden-rows", "no-delete"}

#: What is not said beside a refusal, of anything.
PROMISES = (
    "The run goes on",
    "run now",
    "It is run again",
    "The rows are believed",
    "The next run",
)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory, databases: Databases) -> Scene:
    path = tmp_path_factory.mktemp("refusals") / "project"
    return Scene(Books(Project.create(path, databases.take())))


@dataclass
class Ran:
    """What the commands have done in one situation."""

    row: Row
    scene: Scene
    cells: dict[str, str] = field(default_factory=dict)
    sentences: dict[str, set[str]] = field(default_factory=dict)

    def all(self, commands: Iterable[str]) -> None:
        """Run them, each on what the situation has made."""
        self._prepare()
        for name in commands:
            told = COMMANDS[name](self.scene.place)
            changed = self._changed()
            self.cells[name] = self._word(name, told, changed)
            if changed:
                self._prepare()

    def _prepare(self) -> None:
        self.scene.clear()
        self.row.prepare(self.scene)
        self._before = snapshot(self.scene.books.engine)

    def _changed(self) -> str:
        """What is different now; only what a sequence has given, if all was rolled back."""
        after = snapshot(self.scene.books.engine)
        if after == self._before:
            return ""
        kept = [[row for row in rows if row[1:2] != ("S",)] for rows in (self._before, after)]
        return "runs" if kept[0] == kept[1] else "changes"

    def _word(self, name: str, told: Told, changed: str) -> str:
        ids = {self.row.finding}
        if name == "check --database":
            ids = RULES.get(self.row.finding, {"ledger"})
        found = {sentence for id_, sentence in told.refusals if id_ in ids}
        if found:
            promises = [p for p in PROMISES for _, said in told.warnings if p in said]
            assert not promises, told.warnings
            self.sentences[name] = {found_in(sentence) for sentence in found}
            word = "refuses" if told.code in {2, 4} else "shows"
            if name.startswith("status"):
                assert not any(map(REFUSED.search, found)), found
            return f"{word}, {changed}" if changed else word
        parts = ["tells"] if ids & {id_ for id_, _ in told.warnings} else []
        if told.refusals:
            (id_, _), *_ = told.refusals
            parts.append(f"refuses {id_}" if id_ else f"fails {told.code}")
        return ", ".join([*parts, *([changed] if changed else [])]) or "goes on"


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_one_command_of_each_kind_does_with_it_what_the_table_says(scene: Scene, row: Row) -> None:
    check(Ran(row, scene), OF_EACH_KIND)


@pytest.mark.long
@pytest.mark.parametrize("row", ROWS, ids=str)
def test_every_command_does_with_it_what_the_table_says(scene: Scene, row: Row) -> None:
    check(Ran(row, scene), COMMANDS)


def check(ran: Ran, commands: Iterable[str]) -> None:
    ran.all(commands)
    cells = ran.row.cells()
    assert ran.cells == {name: cells[name] for name in commands}
    if ran.row.finding not in OF_THE_COMMAND:
        same = {name: said for name, said in ran.sentences.items() if name != "check --database"}
        assert len({frozenset(said) for said in same.values()}) <= 1, same


def test_each_finding_has_a_row_and_each_command_a_cell() -> None:
    assert {row.finding for row in ROWS} == set(MEANINGS)
    assert all(row.cells().keys() == COMMANDS.keys() for row in ROWS)
