"""Files that were changed or renamed after they were applied, and their repair."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event

from bridge.config.settings import Drift, Settings
from bridge.database.request import Request
from bridge.errors import LedgerError, TryAgain
from bridge.operations.mark import run_mark
from bridge.operations.quick_query import is_up_to_date, through_engine
from bridge.operations.repair import run_repair
from support.books import LOGGED, Books
from support.running import advisory_locks

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bridge.operations.repair_plan import Change
    from support.project import Project

A, B, C, D = "001_a", "002_b", "003_c", "004_d"


@pytest.fixture
def books(project: Project) -> Books:
    """Three files, all of them applied."""
    books = Books(project)
    books.files(A, B, C)
    books.upgrade()
    return books


def become(driver: Any, role: str) -> None:
    with driver.cursor() as cursor:
        cursor.execute(f"SET ROLE {role}")
    driver.commit()


def change(books: Books, *stems: str) -> None:
    for stem in stems:
        books.project.write(stem, LOGGED.format(stem=stem) + "# changed\n")


def rename(books: Books, old: str, new: str) -> None:
    file = books.project.migrations / f"{old}.py"
    file.rename(file.with_name(f"{new}.py"))


def requested(books: Books) -> Request:
    return Request(
        database=books.engine,
        config=books.project.path / "alembic.ini",
        reporter=books.reporter,
    )


def repair(
    books: Books, agree: Callable[[], bool] = lambda: True, names: Sequence[str] = ()
) -> list[str]:
    """What there was to repair; it is repaired if that is agreed to."""
    found: list[str] = []

    def note(changes: Sequence[Change]) -> bool:
        found.extend(f"{each.stem}: {each.what}" for each in changes)
        return agree()

    run_repair(requested(books), note, names=names)
    return found


def fast(books: Books, *, unchanged: bool) -> bool:
    drift: Drift = "refuse" if unchanged else "warn"
    settings = Settings(folder=str(books.project.migrations), drift=drift)
    with books.engine.connect() as connection:
        return is_up_to_date(through_engine(connection), settings)


CHANGED = "002_b.py was changed after having been applied to this database, where it is not run "
ACCEPT = (
    "again. Put a further change into a new migration. To accept the present text, type: eai "
    "migrate repair."
)
REFUSED = (
    "again, and drift = refuse is set. Nothing was changed in the database. Put back the text "
    "that was applied, and make further changes in a new migration. Or accept the present text: "
    "eai migrate repair."
)


# Changed


def test_a_changed_file_is_told_when_something_is_pending_and_the_run_goes_on(
    books: Books,
) -> None:
    change(books, B)
    assert books.upgrade() == []
    books.downgrade("-1")
    books.stamp("head")
    assert books.reporter.warnings == []
    books.files(D)
    assert books.upgrade() == [D]
    assert books.reporter.warnings == [CHANGED + ACCEPT]


def test_several_changed_files_are_told_in_one_sentence(books: Books) -> None:
    change(books, A, C)
    books.files(D)
    books.upgrade()
    (warning,) = books.reporter.warnings
    assert warning.startswith(
        "001_a.py, 003_c.py were changed after having been applied to this database, where they "
        "are not run again. Put"
    )


def test_white_space_at_the_end_and_line_endings_are_no_change(books: Books) -> None:
    file = books.project.migrations / "002_b.py"
    file.write_bytes(file.read_bytes().replace(b"\n", b"  \r\n") + b"\r\n\r\n")
    books.files(D)
    books.upgrade()
    assert books.reporter.warnings == []


def test_changed_files_are_refused_in_every_writing_command_if_so_set(books: Books) -> None:
    books.project.ini(extra="drift = refuse\n")
    assert books.upgrade() == []
    change(books, B)
    assert books.refused(books.upgrade) == CHANGED + REFUSED
    assert books.refused(books.downgrade, "-1") == CHANGED + REFUSED
    assert books.refused(books.stamp, A) == CHANGED + REFUSED
    books.project.alembic("current", check=True)
    books.files(D)
    assert books.refused(books.upgrade) == CHANGED + REFUSED
    assert repair(books) == [f"{B}: changed after it was applied: the present text is accepted"]
    assert books.upgrade() == [D]
    assert books.ran == [A, B, C, D]


def test_the_fast_path_opens_files_only_where_changed_ones_are_refused(books: Books) -> None:
    assert fast(books, unchanged=True)
    change(books, B)
    assert fast(books, unchanged=False)
    assert not fast(books, unchanged=True)
    books.sql("UPDATE schema_migrations SET checksum = NULL")
    assert fast(books, unchanged=True)
    books.sql("ALTER TABLE schema_migrations DROP checksum")  # the table is to be adopted then
    assert not fast(books, unchanged=False)
    assert not fast(books, unchanged=True)


# Renamed


SAME_TEXT = (
    "schema_migrations records 002_b as applied, whose file is gone, and 004_b.py has the very "
    "text that was applied: most likely the file was renamed. If it ran, it would do its work a "
    "second time. Nothing was changed in the database. Either name the file 002_b.py again, or "
    "record the new name: eai migrate repair. (If it is another migration with the same text, "
    "change a comment in it.)"
)


def test_a_renamed_file_is_never_run_a_second_time_and_both_ways_on_work(books: Books) -> None:
    rename(books, B, "004_b")
    books.files("005_e")
    assert books.refused(books.upgrade) == SAME_TEXT
    assert books.refused(books.downgrade, "-1") == SAME_TEXT
    assert books.refused(books.stamp, "head") == SAME_TEXT

    rename(books, "004_b", B)
    assert books.upgrade() == ["005_e"]

    rename(books, B, "004_b")
    assert books.refused(books.upgrade) == SAME_TEXT
    assert repair(books) == [f"{B}: renamed: it is 004_b now"]
    assert books.upgrade() == []
    assert books.applied == [A, "004_b", C, "005_e"]
    assert books.ran == [A, B, C, "005_e"]


def test_another_text_under_the_new_name_is_another_migration(books: Books) -> None:
    books.project.remove(B)
    books.files("004_b")
    assert books.upgrade() == ["004_b"]


def test_a_renamed_file_may_be_the_one_the_pointer_names(books: Books) -> None:
    rename(books, C, "003_new")
    before = books.table("schema_migrations", "applied_at, description, checksum", "applied_at")
    assert repair(books) == [f"{C}: renamed: it is 003_new now"]
    assert (books.applied, books.pointers) == ([A, B, "003_new"], ["003_new"])
    assert books.table("schema_migrations", "applied_at, description, checksum", "1") == before
    assert books.upgrade() == []
    assert books.reporter.warnings == []


def test_with_a_text_it_is_recorded_whether_that_is_breaking(books: Books) -> None:
    file = books.project.migrations / f"{B}.py"
    before = file.read_text()
    accepted = f"{B}: changed after it was applied: the present text is accepted"

    def breaking() -> list[tuple[str]]:
        return books.sql("SELECT version FROM schema_migrations WHERE breaking")

    file.write_text(f"breaking = True\n{before}# a column is gone\n")
    assert repair(books) == [f"{accepted}, which says breaking = True"]
    assert breaking() == [(B,)]
    file.write_text(f"breaking = True\n{before}# and another one\n")
    assert repair(books) == [accepted]
    file.write_text("this is no Python any more")
    assert repair(books) == [accepted]
    assert breaking() == [(B,)]
    file.unlink()
    file.with_name("002-b.py").write_text(before)
    told = "it is 002-b now, and its present text is accepted, which is not breaking any more"
    assert repair(books) == [f"{B}: renamed: {told}"]
    assert breaking() == []


def test_a_name_that_differs_in_spelling_is_repaired_too(books: Books) -> None:
    books.project.remove(C)
    books.files("003-C")
    assert "the names differ only in spelling" in books.refused(books.upgrade)
    assert repair(books) == [f"{C}: renamed: it is 003-C now, and its present text is accepted"]
    assert (books.applied, books.pointers) == ([A, B, "003-C"], ["003_C"])
    assert books.upgrade() == []


def test_files_that_cannot_be_told_apart_are_left_alone(books: Books) -> None:
    books.project.write("005_x", LOGGED.format(stem=B))
    rename(books, B, "004_x")
    before = books.everything()
    with pytest.raises(LedgerError) as caught:
        repair(books)
    assert str(caught.value) == (
        "002_b can be 004_x.py or 005_x.py, and nobody can tell which is which. Nothing was "
        "repaired. Say which it is, for example: eai migrate repair 004_x."
    )
    assert books.everything() == before


# Perhaps renamed

UNSURE = (
    "schema_migrations records 002_b as applied, without a checksum, and its file is gone; "
    "002_x.py, 005_b.py and 006-b.py, which are not recorded, have its number or the words after "
    "that. Nobody can tell whether one of them is that migration under another name; if it is, "
    "it would do its work a second time. Nothing was changed in the database. If one of them is "
    "that migration, type "
    "which: eai migrate repair 002_b 002_x. If all of them are new ones, type: eai migrate mark "
    "002_x --pending."
)


@pytest.fixture
def adopted(project: Project) -> Books:
    """Three files that the old runner has applied, and the second of them gone."""
    books = Books(project)
    books.files(A, B, C)
    books.old_runner()
    project.remove(B)
    return books


def test_one_of_several_files_is_named_as_the_one_that_was_renamed(adopted: Books) -> None:
    adopted.files("002_x", "005_b", "006-b")
    assert adopted.refused(adopted.upgrade) == UNSURE
    with pytest.raises(LedgerError, match=r"002_b can be 002_x\.py or 005_b\.py or 006-b\.py"):
        repair(adopted, names=[B])
    taken = "taken for 005_b, whose present text is recorded"
    assert repair(adopted, names=[B, "005_b"]) == [f"{B}: {taken}"]
    assert adopted.upgrade() == ["002_x", "006-b"]


def test_a_row_that_is_named_goes_before_others_that_may_be_the_same_file(adopted: Books) -> None:
    adopted.project.remove(C)
    adopted.files("002_c", "005_b")
    with pytest.raises(LedgerError, match="002_b and 003_c can each be"):
        repair(adopted, names=["002_c"])
    taken = "taken for 002_c, whose present text is recorded"
    assert repair(adopted, names=[B, "002_c"]) == [f"{B}: {taken}"]
    assert adopted.upgrade() == ["005_b"]


def test_to_say_that_one_file_is_new_says_it_of_all_and_that_is_told(adopted: Books) -> None:
    adopted.files("002_x", "005_b", "006-b")
    done = run_mark(requested(adopted), "002_x", applied=False, agree=lambda _marking: True)
    assert done is not None
    assert done.what == "pending: 002_b is another migration than 002_x, 005_b, 006-b"
    assert adopted.upgrade() == ["002_x", "005_b", "006-b"]


def test_a_file_that_comes_back_is_compared_again(adopted: Books) -> None:
    adopted.files("002_x")
    run_mark(requested(adopted), "002_x", applied=False, agree=lambda _marking: True)
    adopted.files(B)
    assert adopted.upgrade() == ["002_x"]
    change(adopted, B)
    adopted.files(D)
    adopted.upgrade()
    assert adopted.reporter.warnings[-1] == CHANGED + ACCEPT


def test_a_chain_is_followed_to_the_one_whose_own_file_is_gone(books: Books) -> None:
    books.project.write("004_d", LOGGED.format(stem=A))  # a copy
    books.upgrade()
    rename(books, B, "005_e")
    rename(books, A, B)
    assert repair(books) == [f"{A}: renamed: it is {B} now", f"{B}: renamed: it is 005_e now"]
    assert books.upgrade() == []


# Repairing


def test_an_adopted_row_gets_a_checksum(project: Project) -> None:
    books = Books(project)
    books.files(A, B)
    books.old_runner()
    told = "adopted without a checksum: that of the present text is recorded"
    assert repair(books) == [f"{A}: {told}", f"{B}: {told}"]
    assert books.table("alembic_version") is None
    assert repair(books) == []
    assert books.upgrade() == []
    books.files(C)
    change(books, B)
    assert books.upgrade() == [C]
    assert books.reporter.warnings == [CHANGED + ACCEPT]


@pytest.mark.parametrize(
    ("definition", "keys", "renamed"),
    [
        ("name TEXT PRIMARY KEY", ["001_a.py", "002_b.py", "003_c.py"], "004_b.py"),
        ("version INTEGER PRIMARY KEY", ["1", "2", "3"], "4"),
    ],
)
def test_a_row_is_renamed_in_the_form_of_its_ledger(
    project: Project, definition: str, keys: list[str], renamed: str
) -> None:
    books = Books(project)
    books.files(A, B, C)
    column = definition.partition(" ")[0]
    books.sql(f"CREATE TABLE schema_migrations ({definition}, applied_at TIMESTAMPTZ)")
    books.sql(f"INSERT INTO schema_migrations VALUES ('{keys[0]}', now())")
    books.upgrade()
    rename(books, B, "004_b")
    repair(books)
    found = books.table("schema_migrations", f"{column}::text", "applied_at") or []
    assert [key for (key,) in found] == [keys[0], renamed, keys[2]]
    assert books.upgrade() == []


def test_nothing_is_changed_without_an_answer_of_yes(books: Books) -> None:
    change(books, B)
    before = books.everything()
    assert len(repair(books, lambda: False)) == 1
    assert books.everything() == before


def test_what_changes_while_the_question_is_open_is_not_overlooked(books: Books) -> None:
    change(books, B)
    before = books.everything()

    def change_another() -> bool:
        change(books, C)
        return True

    with pytest.raises(TryAgain) as caught:
        repair(books, change_another)
    assert str(caught.value) == (
        "The ledger or the files have changed since the question was asked. Nothing was changed. "
        "Run the same command again."
    )
    assert books.everything() == before


def test_no_lock_and_no_transaction_is_held_while_the_question_is_open(books: Books) -> None:
    change(books, B)

    def migrate() -> bool:
        books.sql("LOCK TABLE schema_migrations IN ACCESS EXCLUSIVE MODE NOWAIT")
        return advisory_locks(books.engine) == 0

    repair(books, migrate)
    assert repair(books) == []


def test_what_repair_does_not_mend_is_refused_as_ever(books: Books) -> None:
    change(books, B)
    books.sql("TRUNCATE schema_migrations")
    with pytest.raises(LedgerError, match=r"is empty, and nobody can tell"):
        repair(books)


def test_nothing_to_repair_in_a_new_database(project: Project) -> None:
    books = Books(project)
    books.files(A)
    assert repair(books) == []
    assert books.table("schema_migrations") is None


def test_a_role_that_may_not_add_the_column_is_told_what_to_type(project: Project) -> None:
    books = Books(project)
    books.files(A)
    books.old_runner()
    # A view keeps nobody from adding a column, a table that belongs to another does.
    role = f"bridge_test_{secrets.token_hex(4)}"
    books.sql(f"CREATE ROLE {role}", f"GRANT {role} TO CURRENT_USER")
    books.sql(f"GRANT ALL ON schema_migrations TO {role}")
    try:
        event.listen(books.engine, "connect", lambda driver, _record: become(driver, role))
        with pytest.raises(LedgerError) as caught:
            repair(books)
    finally:
        del books.engine
        books.sql(f"DROP OWNED BY {role}", f"DROP ROLE {role}")
    message = str(caught.value)
    assert message == (
        "schema_migrations has no column for bridge's checksums, and this role may not add it; "
        "what it lacks is checksum, execution_ms and breaking. Nothing was changed in the "
        "database. Type this once "
        "as the table's owner: ALTER TABLE schema_migrations ADD COLUMN checksum VARCHAR(64), ADD "
        "COLUMN execution_ms INTEGER, ADD COLUMN breaking BOOLEAN;"
    )
    books.sql(message.rpartition("owner: ")[2])
    assert len(repair(books)) == 1


@pytest.mark.parametrize("kind", ["CHAR(32)", "TEXT", "VARCHAR(64)"])
def test_a_checksum_of_a_teams_own_is_left_to_the_team(project: Project, kind: str) -> None:
    """Also one that looks like bridge's."""
    books = Books(project)
    books.files(A)
    books.old_runner()
    theirs = "d" * (32 if kind == "CHAR(32)" else 64)
    books.sql(
        f"ALTER TABLE schema_migrations ADD checksum {kind}",
        f"UPDATE schema_migrations SET checksum = '{theirs}'",
    )
    books.files(B)
    assert books.upgrade() == [B]
    assert books.reporter.warnings == []
    assert repair(books) == []
    change(books, A)
    assert len(repair(books)) == 1
    ours = "bridge_checksum IS NOT NULL"
    assert books.table("schema_migrations", f"version, checksum, {ours}") == [
        (A, theirs, True),
        (B, None, True),
    ]


def test_adopted_rows_pass_where_changes_are_refused_until_they_have_a_checksum(
    project: Project,
) -> None:
    books = Books(project)
    books.files(A, B)
    books.old_runner()
    project.ini(extra="drift = refuse\n")
    books.files(C)
    status = project.eai("migrate", "status", "--check")
    assert status.returncode == 3, status.stderr
    assert "001_a and 002_b were recorded without a checksum" in status.stderr
    assert books.upgrade() == [C]
    assert books.reporter.warnings == []  # they have one now
    change(books, A)
    books.files(D)
    with pytest.raises(LedgerError, match="drift = refuse is set"):
        books.upgrade()
