"""What a folder and the state of a database mean together, without either."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bridge.config.settings import Settings
from bridge.errors import LedgerError
from bridge.files.plain_file import PlainFile
from bridge.ledger.history import Row
from bridge.ledger.state import State
from bridge.operations.status import MigrationState, Status
from bridge.operations.status import status_of as status_in

if TYPE_CHECKING:
    from collections.abc import Callable

A, B, C, D = "001_a", "002_b", "003_c", "004_d"
AT = datetime(2024, 1, 1, 12, tzinfo=UTC)

Folder = tuple[PlainFile, ...]


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Folder]:
    """Make files of these stems, each with a text of its own."""

    def make(*stems: str) -> Folder:
        for stem in stems:
            text = f"description = 'About {stem}'\ndef upgrade(db): '{stem}'\n"
            (tmp_path / f"{stem}.py").write_text(text)
        return tuple(PlainFile(str(tmp_path), stem) for stem in stems)

    return make


def state(files: Folder, *recorded: str, at: str | None = None, **given: Any) -> State:
    """A database that recorded these in this order, with the texts that the files have now."""
    texts = {file.stem: file.checksum() for file in files}
    rows = tuple(
        Row(
            version=stem,
            applied_at=AT.replace(day=day),
            description=f"As it was: {stem}",
            checksum=texts.get(stem),
            execution_ms=day,
        )
        for day, stem in enumerate(recorded, start=1)
    )
    pointer = at or (recorded[-1] if recorded else None)
    return State(
        ledger="schema_migrations",
        version_table="alembic_version",
        exists=True,
        ours=True,
        rows=rows,
        certain=True,
        pointers=(pointer,) if pointer else (),
        **given,
    )


def status_of(files: Folder, found: State, **settings: Any) -> Status:
    return status_in(files, found, Settings(folder="", **settings))


def states(found: Status) -> dict[str, str]:
    return {each.version: str(each.state) for each in found.migrations}


def test_nothing_pending_and_no_problem_is_up_to_date(folder: Callable[..., Folder]) -> None:
    files = folder(A, B)
    found = status_of(files, state(files, A, B))
    assert states(found) == {A: "applied", B: "applied"}
    assert (found.current, found.pending, found.up_to_date) == (B, (), True)
    assert (found.problems, found.warnings) == ((), ())


def test_late_files_are_pending_and_stand_where_they_will_run(
    folder: Callable[..., Folder],
) -> None:
    files = folder(A, B, C, D)
    found = status_of(files, state(files, A, C))
    assert states(found) == {A: "applied", C: "applied", B: "late", D: "pending"}
    assert list(states(found)) == [A, C, B, D]
    assert (found.current, found.pending, found.up_to_date) == (C, (B, D), False)
    assert found.problems == ()
    refused = status_of(files, state(files, A, C), out_of_order="refuse")
    (told,) = refused.problems
    assert told == (
        "002_b.py comes late: 003_c was applied already, and out_of_order = refuse is set. "
        "Give it a number after 003_c, or set out_of_order = run."
    )


def test_the_order_is_that_in_which_they_were_applied(folder: Callable[..., Folder]) -> None:
    files = folder(A, B)
    found = status_of(files, state(files, B, A))
    assert (list(states(found)), found.current) == ([B, A], A)


def test_a_new_database_has_no_current_revision(folder: Callable[..., Folder]) -> None:
    files = folder(A)
    found = status_of(files, state(files))
    assert (found.current, found.pending) == (None, (A,))


def test_descriptions_are_those_recorded_or_those_of_the_files(
    folder: Callable[..., Folder],
) -> None:
    files = folder(A, B)
    found = status_of(files, state(files, "000_gone", A))
    assert [each.description for each in found.migrations] == [
        "As it was: 000_gone",
        "As it was: 001_a",
        "About 002_b",
    ]


def test_a_file_that_is_gone_is_no_problem_but_a_hole_is_told(
    folder: Callable[..., Folder],
) -> None:
    files = folder(A, C)
    found = status_of(files, state(files, A, B, C))
    assert states(found) == {A: "applied", B: "file missing", C: "applied"}
    assert found.up_to_date
    (told,) = found.warnings
    assert told == (
        "002_b: applied to this database, but the file is gone from the middle of the folder. The "
        "run goes on without it."
    )


def test_what_a_newer_release_has_applied_is_told(folder: Callable[..., Folder]) -> None:
    files = folder(A)
    found = status_of(files, state(files, A, B))
    assert (found.up_to_date, found.current) == (True, B)
    (warning,) = found.warnings
    assert warning.startswith("Applied to this database, and not in this folder: 002_b.")


def test_a_newer_release_that_shuts_this_one_out_is_a_problem(
    folder: Callable[..., Folder],
) -> None:
    files = folder(A)
    found = state(files, A, B)
    found = replace(found, rows=(found.rows[0], replace(found.rows[1], breaking=True)))
    (problem,) = status_of(files, found).problems
    assert problem.startswith("002_b was applied to this database, not in this folder, and")


def test_a_changed_file_is_a_warning_or_a_problem_as_the_settings_say(
    folder: Callable[..., Folder],
) -> None:
    files = folder(A, B)
    found = state(files, A, B)
    path = Path(files[0].path)
    path.write_text(path.read_text() + "# changed\n")
    warned = status_of(files, found)
    assert states(warned) == {A: "changed", B: "applied"}
    assert warned.up_to_date
    (told,) = warned.warnings
    assert told == (
        "001_a.py was changed after having been applied to this database, where it is not run "
        "again. Put a further change into a new migration. To accept the present text, type: eai "
        "migrate repair."
    )
    refused = status_of(files, found, drift="refuse")
    assert (refused.up_to_date, refused.warnings) == (False, ())
    (problem,) = refused.problems
    assert "001_a.py was changed" in problem
    assert "drift = refuse is set" in problem


def test_a_renamed_file_is_a_problem(folder: Callable[..., Folder], tmp_path: Path) -> None:
    files = folder(A, B)
    found = state(files, A, B)
    (tmp_path / "002_b.py").rename(tmp_path / "003_b.py")
    files = (files[0], PlainFile(str(tmp_path), "003_b"))
    told = status_of(files, found)
    assert states(told) == {A: "applied", B: "file missing", "003_b": "pending"}
    (problem,) = told.problems
    assert "003_b.py has the very text that was applied" in problem


def test_what_an_upgrade_would_refuse_is_a_problem_and_the_rest_is_listed(
    folder: Callable[..., Folder],
) -> None:
    files = folder(A, B)
    found = status_of(files, state(files, at=B))
    assert states(found) == {A: "pending", B: "pending"}
    assert not found.up_to_date
    (problem,) = found.problems
    assert "is empty, and nobody can tell whether its rows were lost" in problem


def test_a_pointer_out_of_step_is_told_as_what_a_run_will_mend(
    folder: Callable[..., Folder],
) -> None:
    files = folder(A, B)
    found = status_of(files, state(files, A, B, at=A))
    assert (found.current, found.up_to_date) == (B, True)
    (told,) = found.warnings
    assert told == (
        "alembic_version says 001_a, but the migration that schema_migrations records as applied "
        "last is 002_b. The rows are believed: alembic_version is set to 002_b. (The next run "
        "does that; nothing was changed now.)"
    )


def test_a_pending_file_that_cannot_be_run_is_a_problem(
    folder: Callable[..., Folder], tmp_path: Path
) -> None:
    files = folder(A, B)
    (tmp_path / "002_b.py").write_text("def upgrade(db:\n")
    found = status_of(files, state(files[:1], A))
    assert [each.description for each in found.migrations] == ["As it was: 001_a", B]
    (problem,) = found.problems
    assert "002_b.py:1: " in problem


def test_a_ledger_that_nobody_can_read_is_an_error(folder: Callable[..., Folder]) -> None:
    files = folder("001_a", "001_b")
    found = state((), "1", numeric=True)
    with pytest.raises(LedgerError, match="nobody can tell which of them is applied"):
        status_of(files, found)


def test_the_form_for_json_is_the_documented_one(folder: Callable[..., Folder]) -> None:
    files = folder(A, B)
    found = status_of(files, state(files, A))
    assert json.loads(json.dumps(found.to_json())) == {
        "current": A,
        "up_to_date": False,
        "pending": [B],
        "problems": [],
        "warnings": [],
        "findings": [],
        "migrations": [
            {
                "version": A,
                "description": "As it was: 001_a",
                "state": "applied",
                "applied_at": "2024-01-01T12:00:00+00:00",
                "execution_ms": 1,
                "replaces": 0,
            },
            {
                "version": B,
                "description": "About 002_b",
                "state": "pending",
                "applied_at": None,
                "execution_ms": None,
                "replaces": 0,
            },
        ],
    }


def test_a_table_that_records_only_days_gives_days(folder: Callable[..., Folder]) -> None:
    files = folder(A)
    found = state(files, A)
    found = replace(found, rows=(replace(found.rows[0], applied_at=date(2024, 1, 1)),))
    (migration,) = status_of(files, found).migrations
    assert migration.state is MigrationState.APPLIED
    assert migration.to_json()["applied_at"] == "2024-01-01"
