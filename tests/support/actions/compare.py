"""The same actions under the old runner and under bridge, each in a database of its own."""

from __future__ import annotations

import re
import warnings
from contextlib import closing, nullcontext
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import SAWarning

import bridge
from bridge.errors import BridgeError
from bridge.files.mode import Mode
from support.actions.errors import SWALLOWED
from support.actions.every import ACTIONS
from support.actions.stage import FILE, performing
from support.actions.table import AFTER, BEFORE, FileError, RefusedError, said, undone
from support.databases import connect
from support.old_runner import run_old_runner
from support.project import Project

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sqlalchemy import URL
    from sqlalchemy.orm import Session

    from support.actions.table import Action
    from support.databases import Databases

STEM = "001_action"

#: A statement that waits for its own process for ever fails instead; the others wait for nothing.
FIRST = """
CREATE TABLE t (what text);
DO $$ BEGIN
    EXECUTE format('ALTER DATABASE %I SET lock_timeout = ''30s''', current_database());
END $$
"""

#: What is in a database, but for the tables in which the runners keep their books.
_THINGS = """
SELECT string_agg(each, ' ' ORDER BY each) FROM (
    SELECT format('%s %s', relkind, oid::regclass) FROM pg_class
     WHERE relkind <> 't' AND NOT (relname ~ '^(schema_migrations|alembic_version)'
                                   AND relnamespace = 'public'::regnamespace)
       AND relnamespace IN (SELECT oid FROM pg_namespace WHERE nspname !~ '^(pg_|information)')
       AND oid >= 16384
    UNION ALL SELECT 'invalid ' || indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid
    UNION ALL SELECT 'enum ' || typname FROM pg_type WHERE typtype = 'e' AND oid >= 16384
    UNION ALL SELECT 'function ' || proname FROM pg_proc WHERE oid >= 16384
    UNION ALL SELECT 'schema ' || nspname FROM pg_namespace WHERE nspname !~ '^(pg_|information)'
    UNION ALL SELECT 'large object' FROM pg_largeobject_metadata
    UNION ALL SELECT 'prepared ' || gid FROM pg_prepared_xacts WHERE database = current_database()
) AS things(each)
"""
_TABLES = """
SELECT oid::regclass::text FROM pg_class
 WHERE relkind = 'r' AND NOT (relname IN ('schema_migrations', 'alembic_version')
                              AND relnamespace = 'public'::regnamespace)
   AND relnamespace IN (SELECT oid FROM pg_namespace WHERE nspname !~ '^(pg_|information)')
"""


@dataclass(frozen=True)
class Case:
    """One run of some actions, one after the other, in a file of this mode."""

    actions: tuple[str, ...]
    before: str
    after: str
    mode: Mode = Mode.DEFAULT
    #: Whether the file goes on, after a rollback, where an action fails.
    forgiving: bool = False

    def __str__(self) -> str:
        return "-".join([*self.actions, self.before, self.after, self.mode]).replace(" ", "_")


@dataclass(frozen=True)
class Seen:
    """How a run ended, what the file saw, and what is left."""

    #: The class and the first line of what failed; under bridge, of what the file's failure was.
    error: str | None
    noted: tuple[str, ...]
    recorded: bool
    rows: dict[str, list[str]]
    things: str
    #: What was raised, as it came.
    raised: BaseException | None = field(compare=False)


class Comparing:
    """`comparing(case)` gives what bridge has to do, and what it did."""

    def __init__(self, folder: Path, databases: Databases) -> None:
        self._project = Project.create(folder / "project")
        # The old runner waited for a lock for as long as it took.
        self._ini = self._project.ini(extra="ddl_lock_timeout = 0\n")
        self._databases = databases

    def __call__(self, case: Case) -> tuple[Seen, Seen]:
        self._project.write(STEM, FILE.format(mode=case.mode))
        meaning = [ACTIONS[name].means or ACTIONS[name].do for name in case.actions]
        old = self._run(case, meaning, self._old_runner(case.mode))
        new = self._run(case, [ACTIONS[name].do for name in case.actions], self._bridge)
        if case.mode is Mode.ATOMIC and old.raised is not None:
            old = replace(old, rows={"t": []}, things="r t schema public")
        if isinstance(old.raised, RefusedError) and _is_refused(new.raised, str(old.raised), case):
            old = replace(old, error=new.error)
        return old, new

    def _old_runner(self, mode: Mode) -> Callable[[URL], object]:
        options = {"isolation_level": "AUTOCOMMIT"} if mode is Mode.AUTOCOMMIT else {}
        return lambda url: run_old_runner(url, self._project.migrations, **options)

    def _bridge(self, url: URL) -> object:
        return bridge.upgrade(url.render_as_string(hide_password=False), config=self._ini)

    def _run(self, case: Case, actions: list[Any], runner: Callable[[URL], object]) -> Seen:
        noted: list[str] = []
        error: BaseException | None = None

        def note(*values: object) -> None:
            noted.append(", ".join(map(repr, values)))

        def file(db: Session) -> None:
            BEFORE[case.before](db)
            for each in actions:
                with undone(db, note) if case.forgiving else nullcontext():
                    each(db, note)
            AFTER[case.after](db)

        url = self._databases.take()
        try:
            with closing(connect(url)) as connection:
                connection.cursor().execute(FIRST)
            try:
                with performing(file), warnings.catch_warnings():
                    # A file goes on after a warning of SQLAlchemy's, and so does it here.
                    warnings.simplefilter("ignore", SAWarning)
                    runner(url)
            except Exception as raised:  # noqa: BLE001 - how it ends is compared
                error = raised
            recorded, rows, things = _left(url)
        finally:
            self._databases.give_back(url)

        def bare(told: str) -> str:
            told = told.replace(str(url.database), "DATABASE")
            return re.sub(r"\bsa_savepoint_\d+", "SAVEPOINT", told)

        told = bare(said(_reason(error))) if error else None
        saw = tuple(map(bare, noted))
        return Seen(told, saw, recorded, rows, bare(things), raised=error)


def meant_in(action: Action, mode: Mode) -> bool:
    """Whether an action has a meaning in such a file that can be compared."""
    return {Mode.ATOMIC: action.atomic, Mode.AUTOCOMMIT: action.autocommit}.get(mode, True)


def is_swallowed(seen: Seen) -> bool:
    """Whether bridge refused a file that went on after an error without a rollback."""
    return isinstance(seen.raised, BridgeError) and SWALLOWED in str(seen.raised)


def _reason(error: BaseException) -> BaseException:
    """What the file raised, where bridge explains it; the driver's error, whoever wrapped it."""
    if isinstance(error, BridgeError) and error.__cause__ is not None:
        error = error.__cause__
    return getattr(error, "orig", None) or error


def _is_refused(error: BaseException | None, pattern: str, case: Case) -> bool:
    """Whether bridge refused it so; a file that fails by itself may do so before."""
    if not isinstance(error, BridgeError):
        return False
    failed = isinstance(error.__cause__, FileError) and case.after.endswith("fails")
    return failed or re.search(pattern, str(error)) is not None


def _left(url: URL) -> tuple[bool, dict[str, list[str]], str]:
    """What is in a database: whether the file is recorded, the rows of each table, all things.

    The two tables of the books must say the same, where both are there.
    """
    with closing(connect(url)) as connection:

        def ask(query: str) -> list[Any]:
            with connection.cursor() as cursor:
                cursor.execute(query)
                return [row[0] for row in cursor.fetchall()]

        recorded = ask("SELECT version FROM public.schema_migrations")
        if ask("SELECT to_regclass('public.alembic_version') IS NOT NULL")[0]:
            assert ask("SELECT version_num FROM public.alembic_version") == recorded
        assert recorded in ([], [STEM])
        things = str(ask(_THINGS)[0])
        rows = {name: sorted(ask(f"SELECT x::text FROM {name} x")) for name in ask(_TABLES)}
        for gid in ask("SELECT gid FROM pg_prepared_xacts WHERE database = current_database()"):
            connection.cursor().execute("ROLLBACK PREPARED %s", (gid,))
        return bool(recorded), rows, things
