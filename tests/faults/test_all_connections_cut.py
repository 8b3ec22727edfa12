"""All connections are cut, and none can be made, at each instant at which a run uses one."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg2.extensions
import pytest
from sqlalchemy import Engine, event

from support.eye import Eye, looking
from support.faults import ALL_CUT
from support.twenty import EMPTY
from support.two_files import STEMS, look, upgrade, write_both

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import URL

    from support.project import Project

pytestmark = pytest.mark.long


class Cutter:
    """Counts the uses of an Engine's connections, and cuts them all at one of these."""

    def __init__(self, server: Eye, database: str) -> None:
        self._server = server
        self._database = database
        self._left = 0
        #: The use at which they were cut; None if there were fewer.
        self.cut_at: str | None = None

    @contextmanager
    def cutting(self, number: int) -> Iterator[None]:
        """Cut them at the use of this number, counted from 1."""
        self._left, self.cut_at = number, None
        use = self._use

        class Cursor(psycopg2.extensions.cursor):  # type: ignore[misc]
            """Also where it is used below SQLAlchemy."""

            def execute(self, query: Any, vars: Any = None) -> None:  # noqa: A002 - its name there
                use(query)
                super().execute(query, vars)
                use(query)

        def connecting(_dialect: Any, _record: Any, _arguments: Any, options: Any) -> None:
            options["cursor_factory"] = Cursor

        hooks: dict[str, Any] = {
            "do_connect": connecting,
            "commit": lambda _: self._use("COMMIT"),
            "rollback": lambda _: self._use("ROLLBACK"),
        }
        for name, hook in hooks.items():
            event.listen(Engine, name, hook)
        try:
            yield
        finally:
            for name, hook in hooks.items():
                event.remove(Engine, name, hook)
            self._allow("true")

    def _use(self, statement: object) -> None:
        self._left -= 1
        if self._left == 0:
            self.cut_at = str(statement)
            self._allow("false")
            self._server.rows(
                "SELECT pg_terminate_backend(pid, 30000) FROM pg_stat_activity "
                f"WHERE datname = '{self._database}'"
            )

    def _allow(self, whether: str) -> None:
        self._server.rows(f'ALTER DATABASE "{self._database}" ALLOW_CONNECTIONS {whether}')


def test_cut_at_each_use_of_a_connection_nothing_is_lost_and_the_next_run_completes_the_work(
    project: Project, server_url: URL, database_url: URL
) -> None:
    write_both(project)
    with looking(server_url) as server:
        cutter = Cutter(server, str(database_url.database))
        number, uses = 0, []
        while True:
            number += 1
            with looking(database_url) as eye:
                eye.rows(EMPTY)
            with cutter.cutting(number):
                error = upgrade(project, database_url)
            if cutter.cut_at is None:
                break
            uses.append(cutter.cut_at.split()[0:2])
            recorded = look(database_url)
            assert recorded == STEMS[: len(recorded)]
            # An error unless all was done; then the server's end is no longer of interest.
            assert error is not None or recorded == STEMS, cutter.cut_at
            assert error is None or error.exit_code in {1, 75}, (cutter.cut_at, error)
            assert upgrade(project, database_url) is None
            assert look(database_url) == STEMS
        assert error is None
        assert number > ALL_CUT.times, number
        # Below SQLAlchemy as well.
        assert uses.count(["SAVEPOINT", "bridge_record;"]) == 2
