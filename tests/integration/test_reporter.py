"""What a run tells a reporter of a team's own, and what comes of what that raises."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import bridge
from bridge import events
from bridge.errors import MigrationError
from support.books import Books

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.project import Project

A, B = "001_a", "002_b"


class Everything(bridge.Reporter):
    """Keeps each event; raises at one of a given kind."""

    def __init__(self, raises_at: type[events.Event] | None = None) -> None:
        self.heard: list[events.Event] = []
        self._raises_at = raises_at

    def tell(self, event: events.Event) -> None:
        self.heard.append(event)
        if self._raises_at is not None and isinstance(event, self._raises_at):
            raise LookupError("no metrics here")


@pytest.fixture
def books(project: Project) -> Iterator[Books]:
    books = Books(project)
    books.files(A, B)
    yield books
    books.engine.dispose()


def upgrade(books: Books, reporter: bridge.Reporter) -> bridge.Report:
    return bridge.upgrade(
        books.project.url, config=books.project.path / "alembic.ini", reporter=reporter
    )


def test_it_is_told_the_run_in_its_order(books: Books) -> None:
    reporter = Everything()
    report = upgrade(books, reporter)
    chosen, planned, *rest = reporter.heard
    assert isinstance(chosen, events.DatabaseChosen)
    assert planned == events.Planned(migrations=(A, B), direction=events.Direction.UPGRADE)
    told = [each for each in rest if not isinstance(each, events.Statement)]
    assert len(rest) - len(told) == 4
    assert [type(each) for each in told] == 2 * [events.MigrationStarted, events.MigrationFinished]
    assert told[0] == events.MigrationStarted(
        migration=A, direction=events.Direction.UPGRADE, description="About 001_a"
    )
    took = [each.seconds for each in told if isinstance(each, events.MigrationFinished)]
    assert took == [each.seconds for each in report.applied]


@pytest.mark.parametrize("kind", [events.MigrationStarted, events.Statement])
def test_what_it_raises_in_a_migration_fails_it(books: Books, kind: type[events.Event]) -> None:
    reporter = Everything(raises_at=kind)
    with pytest.raises(MigrationError) as caught:
        upgrade(books, reporter)
    assert isinstance(caught.value.__cause__, LookupError)
    assert isinstance(reporter.heard[-1], events.MigrationFailed)
    assert books.table("ran") is None
    assert [each.stem for each in upgrade(books, Everything()).applied] == [A, B]
