"""One run of each peer, for `worker`: a context manager that is given a job and yields the call.

What stands before the `yield` is not timed. Of work it may hold only what the scenario takes as
given, such as a connection that is open already.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmark.messages import Messages


#: What bridge has sent, by the folder.
_MESSAGES: dict[str, Messages] = {}


@dataclass(frozen=True)
class Job:
    """What a run is given; as text, for it comes through a pipe."""

    url: str
    dsn: str
    folder: str
    ini: str
    count: int
    length: int


@contextmanager
def floor(job: Job) -> Iterator[Callable[[], object]]:
    from benchmark.floor import run

    yield partial(run, job.dsn, job.folder, _statements(job))


@contextmanager
def floor_warm(job: Job) -> Iterator[Callable[[], object]]:
    import psycopg2

    from benchmark.floor import run_on

    connection = psycopg2.connect(job.dsn)
    connection.autocommit = True
    yield partial(run_on, connection, job.folder)
    connection.close()


@contextmanager
def bridge_url(job: Job) -> Iterator[Callable[[], object]]:
    import bridge

    yield lambda: bridge.upgrade(job.url, config=job.ini)


@contextmanager
def bridge_messages(job: Job) -> Iterator[Callable[[], object]]:
    """The first run, which is bridge's own, tells what each later one sends again."""
    import bridge
    from benchmark.messages import noted

    if job.folder not in _MESSAGES:

        def call() -> None:
            with noted() as _MESSAGES[job.folder]:
                bridge.upgrade(job.url, config=job.ini)

        yield call
        return
    yield partial(_MESSAGES[job.folder].send, job.dsn, job.folder)


@contextmanager
def bridge_warm(job: Job) -> Iterator[Callable[[], object]]:
    from sqlalchemy import create_engine

    import bridge

    engine = create_engine(job.url)
    with engine.connect():
        pass  # it goes back into the pool, and stays open
    yield lambda: bridge.upgrade(engine, config=job.ini)
    engine.dispose()


@contextmanager
def alembic(job: Job) -> Iterator[Callable[[], object]]:
    from alembic import command
    from alembic.config import Config

    def call() -> None:
        config = Config(job.ini)
        config.set_main_option("sqlalchemy.url", job.url.replace("%", "%%"))
        command.upgrade(config, "head")

    yield call


@contextmanager
def old_runner(job: Job) -> Iterator[Callable[[], object]]:
    from support.old_runner import run_old_runner

    yield partial(run_old_runner, job.url, job.folder)


@contextmanager
def yoyo(job: Job) -> Iterator[Callable[[], object]]:
    from yoyo import get_backend, read_migrations

    def call() -> None:
        backend = get_backend(job.dsn)
        migrations = read_migrations(job.folder)
        with backend.lock():
            backend.apply_migrations(backend.to_apply(migrations))
        backend.connection.close()

    yield call


def _statements(job: Job) -> dict[str, tuple[str, ...]]:
    from benchmark.folders import migrations

    return {each.stem: each.statements for each in migrations(job.count, job.length)}
