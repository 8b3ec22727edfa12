"""`bridge.upgrade` from several threads of one process."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import bridge
from support.books import Books
from support.project import Project

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sqlalchemy.engine import URL

THREADS = 8
STEMS = ["001_a", "002_b", "003_c"]


def together(works: list[Callable[[], Any]]) -> list[Any]:
    """Begin all at the same moment, and give what each returns."""
    barrier = threading.Barrier(len(works))

    def run(work: Callable[[], Any]) -> Any:
        barrier.wait(timeout=60)
        return work()

    with ThreadPoolExecutor(len(works)) as executor:
        return list(executor.map(run, works))


def stems(report: bridge.Report) -> list[str]:
    return [applied.stem for applied in report.applied]


def test_threads_on_one_database_apply_each_migration_once(project: Project) -> None:
    books = Books(project)
    books.files(*STEMS)
    ini = project.path / "alembic.ini"
    databases = [project.url, books.engine] * (THREADS // 2)
    found = together([lambda d=d: bridge.upgrade(d, config=ini) for d in databases])  # type: ignore[misc]
    assert sorted(map(stems, found)) == [[]] * (THREADS - 1) + [STEMS]
    assert books.ran == STEMS


def test_threads_on_databases_of_their_own_do_not_meet(
    tmp_path: Path, create_database: Callable[[], URL]
) -> None:
    """Each has a configuration of its own, and one of them has other files and settings."""
    projects = [Project.create(tmp_path / str(n), create_database()) for n in range(THREADS)]
    all_books = [Books(each) for each in projects]
    for number, books in enumerate(all_books):
        books.files(*STEMS[: 1 + number % 3])
    projects[-1].ini(extra="mirror_table = mine\n")

    def work(books: Books) -> bridge.Report:
        ini = books.project.path / "alembic.ini"
        report = bridge.upgrade(books.project.url, config=ini)
        assert bridge.status(books.project.url, config=ini).up_to_date
        return report

    found = together([lambda b=books: work(b) for books in all_books])  # type: ignore[misc]
    assert [stems(report) for report in found] == [STEMS[: 1 + n % 3] for n in range(THREADS)]
    assert [books.ran for books in all_books] == [STEMS[: 1 + n % 3] for n in range(THREADS)]
    assert all_books[-1].table("schema_migrations") is None
