"""`bridge.upgrade` from several threads of one process."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

import bridge
from bridge.errors import LockNotObtained
from support.books import Books
from support.project import Project
from support.running import CREATE_LOG, PASS_GATE, do, gate_of, migration

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sqlalchemy.engine import URL, Engine

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


def test_a_thread_waits_for_another_one_as_long_as_it_is_told(
    project: Project, engine: Engine
) -> None:
    do(engine, CREATE_LOG)
    project.write("001_slow", migration("001_slow", PASS_GATE))
    ini = project.path / "alembic.ini"
    with ThreadPoolExecutor(1) as executor:
        with gate_of(engine) as gate:
            first = executor.submit(bridge.upgrade, project.url, config=ini)
            gate.reached()
            with pytest.raises(LockNotObtained) as caught:
                bridge.upgrade(project.url, config=ini, wait_for_lock=0.2)
            gate.open()
        assert stems(first.result(timeout=60)) == ["001_slow"]
    assert str(caught.value) == (
        "Another thread of this process is migrating this database or another one. It did not end "
        "within 0.2 s. Nothing was started. Try again when it has ended."
    )
    assert stems(bridge.upgrade(project.url, config=ini, wait_for_lock=0)) == []


def test_threads_on_databases_of_their_own_do_not_meet(
    tmp_path: Path, create_database: Callable[[], URL]
) -> None:
    """Each has a configuration of its own, and one of them has other files and settings."""
    projects = [Project.create(tmp_path / str(n), create_database()) for n in range(THREADS)]
    all_books = [Books(each) for each in projects]
    for number, books in enumerate(all_books):
        books.files(*STEMS[: 1 + number % 3])
    projects[-1].ini(extra="ledger_table = mine\n")

    def work(books: Books) -> bridge.Report:
        ini = books.project.path / "alembic.ini"
        report = bridge.upgrade(books.project.url, config=ini)
        assert bridge.status(books.project.url, config=ini).up_to_date
        return report

    found = together([lambda b=books: work(b) for books in all_books])  # type: ignore[misc]
    assert [stems(report) for report in found] == [STEMS[: 1 + n % 3] for n in range(THREADS)]
    assert [books.ran for books in all_books] == [STEMS[: 1 + n % 3] for n in range(THREADS)]
    assert all_books[-1].table("schema_migrations") is None
