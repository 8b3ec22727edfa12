"""What a run remembers of its connection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text

from bridge.execution.session_state import Baseline

if TYPE_CHECKING:
    from sqlalchemy import Engine


def test_a_backend_without_a_library_that_another_one_had_is_put_right_as_well(
    engine: Engine,
) -> None:
    """As behind a pooler, which gives each transaction any backend."""
    with engine.connect() as first, engine.connect() as other:
        first.exec_driver_sql("DO $$ BEGIN END $$")
        known = first.scalar(text("SELECT count(*) FROM pg_settings WHERE name LIKE 'plpgsql.%'"))
        assert known
        baseline = Baseline.take(first)
        other.exec_driver_sql("SET work_mem = 64")
        baseline.restore(other)
        assert other.scalar(text("SELECT current_setting('work_mem')")) != "64kB"


def test_a_role_that_may_not_see_a_setting_is_put_back(engine: Engine) -> None:
    with engine.connect() as connection:
        baseline = Baseline.take(connection)
        assert "session_preload_libraries" in baseline.question
        connection.exec_driver_sql("CREATE ROLE blind")
        connection.exec_driver_sql("SET ROLE blind")
        baseline.restore(connection)
        assert connection.scalar(text("SELECT current_setting('role')")) == "none"
        connection.rollback()
