"""The example application under real servers: uvicorn, and gunicorn for the one with Flask."""

from __future__ import annotations

import re
import shutil
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from support.project import Project
from support.running import PASS_GATE, ask, gate_of, poll, recorded, starting

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Engine
    from sqlalchemy.engine import URL

    from support.running import Running, Starter

APP = Path(__file__).parents[1] / "app"
STEMS = sorted(path.stem for path in (APP / "migrations").glob("0*.py"))
#: Seconds until something that must happen has not happened.
LONG = 60.0
BACKENDS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
LOCKS = (
    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = "
    "(SELECT oid FROM pg_database WHERE datname = current_database())"
)


@pytest.fixture
def app(tmp_path: Path, database_url: URL) -> Project:
    """The example application, in a folder of its own, with an empty database."""
    shutil.copytree(APP, tmp_path / "app", ignore=shutil.ignore_patterns("__pycache__"))
    return Project(tmp_path / "app", database_url)


@pytest.fixture
def slow(app: Project) -> Project:
    """With one more migration, which stops at the test's gate."""
    app.ini(extra="ddl_lock_timeout = 0\n")
    app.write(
        "004_wait",
        "from sqlalchemy import text\n"
        f"def upgrade(db):\n    db.execute(text({PASS_GATE!r}))\n    db.commit()\n",
    )
    return app


@pytest.fixture
def start(app: Project) -> Iterator[Starter]:
    with starting(app) as starter:
        yield starter


def address(server: Running, said: str) -> str:
    """Where it listens, as it says itself."""
    found = re.search(r"http://[\d.]+:\d+", server.told(said))
    assert found
    return found[0]


def uvicorn(start: Starter, module: str) -> Running:
    return start("uvicorn", f"{module}:app", "--port", "0")


def get(url: str) -> httpx.Response:
    return httpx.get(url, timeout=LONG)


def stop(server: Running) -> Any:
    server.process.send_signal(signal.SIGTERM)
    return server.end(within=LONG)


def assert_nothing_is_left(engine: Engine) -> None:
    """No backend and no lock, but those of the gate and of whoever asks."""
    poll(lambda: ask(engine, BACKENDS) == 2, within=LONG)
    assert ask(engine, LOCKS) == 1
    assert recorded(engine) == STEMS


def test_it_serves_when_its_database_is_up_to_date(start: Starter, engine: Engine) -> None:
    server = uvicorn(start, "main")
    url = address(server, "running on")
    assert recorded(engine) == STEMS
    assert httpx.post(url, timeout=LONG, params={"body": "mine"}).status_code == 201
    assert get(url).json() == ["mine", "Hello."]
    health = get(f"{url}/health")
    assert (health.status_code, health.json()["state"]) == (200, "up to date")
    ended = stop(server)
    assert f"INFO:bridge:upgrade {STEMS[0]}: " in ended.err


def test_sigterm_before_it_serves_ends_the_migration_and_the_process(
    slow: Project, engine: Engine
) -> None:
    with starting(slow) as start, gate_of(engine) as gate:
        server = uvicorn(start, "main")
        gate.reached()
        ended = stop(server)
        assert ended.code == 3  # uvicorn's own for an application that did not start
        assert_nothing_is_left(engine)
    assert "004_wait" in ended.err
    assert "Everything it did was rolled back." in ended.err
    assert "bridge.errors.Interrupted: Interrupted by SIGTERM." in ended.err
    assert "running on" not in ended.err


def test_a_migration_that_fails_ends_the_process_with_its_message(
    app: Project, start: Starter, engine: Engine
) -> None:
    app.write("004_bad", "def upgrade(db):\n    raise ValueError('not today')\n")
    ended = uvicorn(start, "main").end(within=LONG)
    assert ended.code == 3
    assert "004_bad failed: " in ended.err
    assert "ValueError: not today" in ended.err
    assert "sqlalchemy/" not in ended.err  # a short traceback
    assert recorded(engine) == STEMS


def test_in_the_background_it_answers_while_it_migrates_and_ends_on_sigterm(
    slow: Project, engine: Engine
) -> None:
    with starting(slow) as start, gate_of(engine) as gate:
        server = uvicorn(start, "background")
        url = address(server, "running on")
        gate.reached()
        assert get(f"{url}/live").status_code == 200
        poll(lambda: get(f"{url}/health").json()["pending"] == ["004_wait"], within=LONG)
        refused = get(url)
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
        ended = stop(server)
        assert ended.code in {143, -signal.SIGTERM}
        assert_nothing_is_left(engine)
    assert "Everything it did was rolled back." in ended.err
    assert "Application shutdown complete." in ended.err
    assert "Traceback" not in ended.err


def test_in_the_background_it_serves_once_it_has_migrated(start: Starter, engine: Engine) -> None:
    url = address(uvicorn(start, "background"), "running on")
    poll(lambda: get(f"{url}/health").status_code == 200, within=LONG)
    assert get(url).json() == ["Hello."]
    assert recorded(engine) == STEMS


def test_two_workers_of_gunicorn_migrate_once(start: Starter, engine: Engine) -> None:
    server = start(
        "gunicorn", "--workers", "2", "--no-control-socket", "-b", "127.0.0.1:0", "with_flask:app"
    )
    url = address(server, "Listening at")
    assert get(url).json() == ["Hello."]
    assert recorded(engine) == STEMS
    poll(lambda: sum("INFO:bridge:database " in line for line in server._err) == 2, within=LONG)
    ended = stop(server)
    assert ended.code == 0
    assert ended.err.count(f"INFO:bridge:upgrade {STEMS[0]}: done") == 1
