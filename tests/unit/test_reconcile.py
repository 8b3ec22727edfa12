"""Each row of the table that says what ledger and pointer mean together, as a specimen."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import assume, event, given
from hypothesis import strategies as st

from bridge.errors import LedgerError
from bridge.files.plain_file import PlainFile
from bridge.files.stems import revision_id
from bridge.ledger.history import History, Row
from bridge.ledger.key_columns import named
from bridge.ledger.reconcile import Agreement, State, history_of, reconcile, reconcile_for_stamp
from bridge.ledger.state import Elsewhere, Session

A, B, C = "001_a", "002_b", "003_c"


def files(*names: str) -> tuple[PlainFile, ...]:
    return tuple(PlainFile("migrations", name) for name in names)


FILES = files(A, B, C)


def state(
    *recorded: str, at: str | tuple[str, ...] = (), exists: bool = True, ours: bool = True
) -> State:
    """A database that recorded these, in this order."""
    return State(
        ledger="schema_migrations",
        version_table="alembic_version",
        exists=exists,
        ours=ours and exists,
        rows=tuple(
            Row(version=stem, applied_at=datetime(2024, 1, day, tzinfo=UTC))
            for day, stem in enumerate(recorded, start=1)
        ),
        certain=True,
        pointers=(at,) if isinstance(at, str) else at,
    )


ABSENT = state(exists=False)
EMPTY = state()


def stems(history: History) -> tuple[list[str], list[str]]:
    return [entry.stem for entry in history.applied], [entry.stem for entry in history.pending]


@dataclass(frozen=True)
class Specimen:
    """What is found, and what is decided: a refusal, or rows that win with or without a word."""

    found: State
    refusal: str = ""
    applied: tuple[str, ...] = ()
    pointer: str | None = None
    moves: bool = False
    warning: str = ""


LOST_TABLE = (
    "alembic_version says that this database is at 002_b, but schema_migrations, which tells which "
    "migrations ran, does not exist: a file that came late would be taken for applied. Nothing was "
    "changed in the database. If every migration up to 002_b did run, type: alembic stamp 002_b. "
    "Otherwise restore schema_migrations from a backup."
)
LOST_ROWS = (
    "alembic_version says that this database is at 002_b, but schema_migrations is empty, and "
    "nobody can tell whether its rows were lost or removed on purpose. Nothing was changed in the "
    "database. If every migration up to 002_b did run, type: alembic stamp 002_b. To run them all "
    "again, type: alembic stamp base."
)
LOST_WITHOUT_TRACE = (
    "schema_migrations is empty, and alembic_version holds {}, which is not a file of this folder: "
    "something was applied to this database, and nothing says what, so that every migration "
    "would run again. Nothing was changed in the database. If migrations did run, type with the "
    "name of the last one that did: alembic stamp --purge REV. To run them all again, type: "
    "alembic stamp --purge base."
)
REMOVED = (
    "alembic_version says 001_a, but schema_migrations holds no row: its row was removed. It is "
    "run again."
)
MOVED = (
    "alembic_version says {}, but the migration that schema_migrations records as applied last is "
    "002_b. The rows are believed: alembic_version is set to 002_b."
)
DRIFTED = (
    "alembic_version says {}, which is neither a file nor a row of schema_migrations. The rows are "
    "believed: alembic_version is set to {}."
)
FOREIGN_POINTER = (
    "alembic_version holds {}, which is neither a file of this folder nor a row of "
    "schema_migrations: it looks like the version table of another Alembic environment. Nothing "
    "was changed in the database. Give this application a table of its own with version_table = "
    "NAME in alembic.ini, or correct version_locations if the folder is the wrong one."
)
FOREIGN_LEDGER = (
    "schema_migrations records {}, the last of them {}, and none of them is a file of this folder: "
    "it looks like another application's ledger. Nothing was changed in the database. Give this "
    "application a "
    "table of its own with ledger_table = NAME (and version_table = NAME) in alembic.ini, or "
    "correct version_locations if the folder is the wrong one. If it is this project's own ledger, "
    "whose files were all replaced, type: eai migrate repair --adopt."
)
ELSEWHERE = (
    "This connection finds {} schema_migrations in acme, but {} of the same database holds one: "
    "if the search_path is not the one that is meant, every migration would run again in acme. "
    "Nothing was changed in the database.{} If acme is a schema of its own, in which the "
    "migrations are to run, set version_table_schema = acme in alembic.ini; where each tenant has "
    "such a schema, set it for the run: BRIDGE_VERSION_TABLE_SCHEMA=acme."
)
USUAL = " Only if the tables are there, in app, set: version_table_schema = app."
ACME = Session(here="acme", usual="app")
TWO = (A, B)

TABLE = {
    "new database": Specimen(ABSENT),
    "new database, the ledger was made already": Specimen(EMPTY),
    "new database, the old runner made its ledger": Specimen(state(ours=False)),
    "adopted": Specimen(state(*TWO, ours=False), applied=TWO, pointer=B, moves=True),
    "adopted, with columns of ours": Specimen(state(*TWO), applied=TWO, pointer=B, moves=True),
    "adopted, a late file was applied last": Specimen(
        state(A, C, B, ours=False), applied=(A, C, B), pointer=B, moves=True
    ),
    "the ledger was lost": Specimen(replace(ABSENT, pointers=(B,)), LOST_TABLE),
    "the ledger was lost, and only the first had run": Specimen(
        replace(ABSENT, pointers=(A,)), LOST_TABLE.replace(B, A)
    ),
    "the ledger was lost, with several pointers": Specimen(
        replace(ABSENT, pointers=(B, A)), LOST_TABLE
    ),
    "the first row was removed": Specimen(state(at=A), moves=True, warning=REMOVED),
    "the first row of the old runner's was removed": Specimen(
        state(at=A, ours=False), moves=True, warning=REMOVED
    ),
    "the rows were lost": Specimen(state(at=B), LOST_ROWS),
    "the old runner's rows were lost": Specimen(state(at=B, ours=False), LOST_ROWS),
    "the rows were lost, with several pointers": Specimen(state(at=(B, A)), LOST_ROWS),
    "agreement": Specimen(state(*TWO, at=B), applied=TWO, pointer=B),
    "agreement, old columns": Specimen(state(*TWO, at=B, ours=False), applied=TWO, pointer=B),
    "the pointer is behind": Specimen(
        state(*TWO, at=A), applied=TWO, pointer=B, moves=True, warning=MOVED.format(A)
    ),
    "the pointer is ahead": Specimen(
        state(*TWO, at=C), applied=TWO, pointer=B, moves=True, warning=MOVED.format(C)
    ),
    "the pointer is ahead, old columns": Specimen(
        state(*TWO, at=C, ours=False), applied=TWO, pointer=B, moves=True, warning=MOVED.format(C)
    ),
    "several pointers": Specimen(
        state(*TWO, at=(B, A)),
        applied=TWO,
        pointer=B,
        moves=True,
        warning=MOVED.format(f"{B} and {A}"),
    ),
    "three pointers": Specimen(
        state(*TWO, at=(A, B, C)),
        applied=TWO,
        pointer=B,
        moves=True,
        warning=MOVED.format("001_a, 002_b and 003_c"),
    ),
    "drift": Specimen(
        state(*TWO, at="002_old"),
        applied=TWO,
        pointer=B,
        moves=True,
        warning=DRIFTED.format("002_old", B),
    ),
    "drift without rows": Specimen(state(at="001_old"), LOST_WITHOUT_TRACE.format("001_old")),
    "drift without rows, and a pointer that is known": Specimen(
        state(at=("001_old", B)), LOST_WITHOUT_TRACE.format("001_old")
    ),
    "another environment, no ledger": Specimen(
        replace(ABSENT, pointers=("ae10",)), FOREIGN_POINTER.format("ae10")
    ),
    "another environment, an empty ledger": Specimen(
        state(at="ae10", ours=False), FOREIGN_POINTER.format("ae10")
    ),
    "another environment, the old runner's rows": Specimen(
        state(*TWO, at="ae10", ours=False), FOREIGN_POINTER.format("ae10")
    ),
    "another environment and a pointer of ours": Specimen(
        state(*TWO, at=("ae10", B, "be11"), ours=False), FOREIGN_POINTER.format("ae10 and be11")
    ),
    "another ledger": Specimen(
        state("01_x", "02_y", ours=False), FOREIGN_LEDGER.format("2 migrations", "02_y")
    ),
    "another ledger and its pointer": Specimen(
        state("01_x", ours=False, at="01_x"), FOREIGN_LEDGER.format("1 migration", "01_x")
    ),
    "another ledger and another environment": Specimen(
        state("01_x", ours=False, at="ae10"), FOREIGN_LEDGER.format("1 migration", "01_x")
    ),
    "everything applied was squashed": Specimen(
        state("000_x", "000_y", at="000_y"), applied=("000_x", "000_y"), pointer="000_y"
    ),
    "some of the old runner's were squashed": Specimen(
        state("000_x", A, ours=False), applied=("000_x", A), pointer=A, moves=True
    ),
    "a newer release was here": Specimen(
        state(A, B, C, "004_d", at="004_d"), applied=(A, B, C, "004_d"), pointer="004_d"
    ),
    "another ledger, of bridge's own": Specimen(
        state("001_x", "002_y"), FOREIGN_LEDGER.format("2 migrations", "002_y")
    ),
    "another schema": Specimen(
        replace(ABSENT, elsewhere=(Elsewhere("app"),), session=ACME),
        ELSEWHERE.format("no", "the schema app", "") + USUAL,
    ),
    "another schema, which is not the usual one": Specimen(
        replace(ABSENT, elsewhere=(Elsewhere("b"),), session=ACME),
        ELSEWHERE.format("no", "the schema b", ""),
    ),
    "another schema, which this role may not use": Specimen(
        replace(ABSENT, elsewhere=(Elsewhere("app", usable=False),), session=ACME),
        ELSEWHERE.format(
            "no", "the schema app", " This role may not use it: GRANT USAGE ON SCHEMA app TO app;"
        )
        + USUAL,
    ),
    "several other schemas": Specimen(
        replace(ABSENT, elsewhere=tuple(map(Elsewhere, ("app", "b", "c"))), session=ACME),
        ELSEWHERE.format("no", "each of the schemas app, b and c", "") + USUAL,
    ),
    "a schema for each tenant": Specimen(
        replace(
            ABSENT,
            elsewhere=tuple(map(Elsewhere, [*(f"t{number}" for number in range(99)), "app"])),
            session=ACME,
        ),
        ELSEWHERE.format("no", "each of the schemas app, t0, t1, t2, t3 and 95 more", "") + USUAL,
    ),
    "an empty ledger before a full one": Specimen(
        replace(EMPTY, elsewhere=(Elsewhere("app"),), session=ACME),
        ELSEWHERE.format("an empty", "the schema app", "") + USUAL,
    ),
    "an empty ledger before an empty one": Specimen(
        replace(EMPTY, elsewhere=(Elsewhere("app", filled=False),), session=ACME)
    ),
}


@pytest.mark.parametrize("specimen", [pytest.param(s, id=name) for name, s in TABLE.items()])
def test_the_table(specimen: Specimen) -> None:
    if specimen.refusal:
        with pytest.raises(LedgerError) as caught:
            reconcile(FILES, specimen.found)
        assert str(caught.value) == specimen.refusal
        return
    agreed = reconcile(FILES, specimen.found)
    pending = [file.stem for file in FILES if file.stem not in specimen.applied]
    assert stems(agreed.history) == (list(specimen.applied), pending)
    assert agreed.pointer == specimen.pointer
    assert agreed.moves_pointer == specimen.moves
    assert list(map(str, agreed.warnings)) == ([specimen.warning] if specimen.warning else [])


# A folder without any migration


EMPTY_FOLDER = (
    "The folder holds no migration at all, but {}. Nothing was changed in the database. Most "
    "likely this release was built without its migrations: check that the folder is part of the "
    "image, and version_locations in alembic.ini."
)


@pytest.mark.parametrize(
    ("found", "recorded"),
    [
        (state(A), "schema_migrations records 1 migration, the last of them 001_a"),
        (
            state(A, C, B, at=B, ours=False),
            "schema_migrations records 3 migrations, the last of them 002_b",
        ),
        (state(at=B), "alembic_version says that this database is at 002_b"),
    ],
)
def test_an_empty_folder_is_refused_where_something_is_recorded(
    found: State, recorded: str
) -> None:
    with pytest.raises(LedgerError) as caught:
        reconcile((), found)
    assert str(caught.value) == EMPTY_FOLDER.format(recorded)


def test_an_empty_folder_beside_another_environment_is_told_about_that() -> None:
    with pytest.raises(LedgerError) as caught:
        reconcile((), replace(ABSENT, pointers=("ae10",)))
    assert str(caught.value) == FOREIGN_POINTER.format("ae10")


@pytest.mark.parametrize("found", [ABSENT, EMPTY])
def test_an_empty_folder_of_a_new_project_is_nothing_to_do(found: State) -> None:
    agreed = reconcile((), found)
    assert (agreed.history.entries, agreed.moves_pointer, agreed.warnings) == ((), False, ())


# Names that differ only in spelling


COMPOSED, DECOMPOSED = (
    "002_caf\N{LATIN SMALL LETTER E WITH ACUTE}",
    "002_cafe\N{COMBINING ACUTE ACCENT}",
)
RENAMED = (
    "schema_migrations records '{old}' as applied, and the folder holds {new}.py: the names differ "
    "only in {what}, so the file was most likely renamed. If the file ran, it could do its work a "
    "second time. Nothing was changed in the database. Either name the file {old}.py again, or, if "
    "it is the same migration, "
    "correct the row: UPDATE schema_migrations SET version = '{new}' WHERE version = '{old}';"
)


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("002_Add_B", "002_add_b", "spelling"),
        ("002_add_b", "002_ADD_B", "spelling"),
        ("002-add-b", "002_add_b", "spelling"),
        ("002_add_b", "002-add.b", "spelling"),
        ("002_stra\N{LATIN SMALL LETTER SHARP S}e", "002_STRASSE", "spelling"),
        (COMPOSED, DECOMPOSED, "how an accented letter is encoded (as one character, or as two)"),
        (DECOMPOSED, COMPOSED, "how an accented letter is encoded (as one character, or as two)"),
    ],
)
def test_a_renamed_file_is_refused(old: str, new: str, what: str) -> None:
    for found in (state(A, old), state(A, old, ours=False), state(A, old, at=revision_id(old))):
        with pytest.raises(LedgerError) as caught:
            reconcile(files(A, new), found)
        assert str(caught.value) == RENAMED.format(old=old, new=new, what=what)


def test_a_quote_in_a_name_is_doubled_in_the_statement_to_type() -> None:
    with pytest.raises(LedgerError) as caught:
        reconcile(files("002_it's"), state("002_IT's"))
    assert str(caught.value).endswith(
        "UPDATE schema_migrations SET version = '002_it''s' WHERE version = '002_IT''s';"
    )


def test_a_row_of_an_older_spelling_beside_the_file_of_today_does_no_harm() -> None:
    agreed = reconcile(files(A, B), state(A, "002_B", B, at=B))
    assert stems(agreed.history) == ([A, "002_B", B], [])
    assert not agreed.warnings


@pytest.mark.parametrize(
    ("rows", "gone"),
    [
        (("002-b", B), "002-b"),
        ((B, "002-b"), "002-b"),
        (("009-x", "009_x"), "009-x"),
    ],
)
def test_two_rows_with_one_revision_id_are_refused(rows: tuple[str, str], gone: str) -> None:
    one, other = rows
    with pytest.raises(LedgerError) as caught:
        reconcile(FILES, state(A, *rows))
    assert str(caught.value) == (
        f"schema_migrations records both '{one}' and '{other}', which are one revision to "
        f"Alembic, {revision_id(one)}: most likely a file was renamed, and ran under both names. "
        "Nothing was changed in the database. Remove the row of the name that is no longer used: "
        "DELETE FROM "
        f"schema_migrations WHERE version = '{gone}';"
    )


# What a ledger calls a migration


def recorded(*keys: str, numeric: bool = False, **given: Any) -> State:
    """An adopted ledger in another runner's manner."""
    return replace(state(*keys, ours=False, **given), key_column="name", numeric=numeric)


@pytest.mark.parametrize(
    ("found", "applied", "new"),
    [
        (recorded("001_a.py", "002_b.py"), [A, B], "003_c.py"),
        (recorded("000_gone.py", "001_a.py"), ["000_gone", A], "003_c.py"),
        (recorded("001", "002"), [A, B], "003"),
        (recorded("1", "2"), [A, B], "3"),
        (recorded("2", "1"), [B, A], "3"),
        (recorded("1", "2", numeric=True), [A, B], "3"),
        (recorded("0", "1", numeric=True), ["0", A], "3"),
        (recorded(), [], "003_c"),
        (recorded(numeric=True), [], "3"),
    ],
)
def test_a_ledger_of_file_names_or_numbers_is_adopted(
    found: State, applied: list[str], new: str
) -> None:
    agreed = reconcile(FILES, found)
    assert [entry.stem for entry in agreed.history.applied] == applied
    assert agreed.warnings == ()
    translated = named(FILES, found)
    assert translated.key(C) == new
    assert [translated.key(stem) for stem in applied] == [row.version for row in found.rows]
    assert reconcile(FILES, translated) == agreed
    assert named(FILES, translated) is translated


@pytest.mark.parametrize("keys", [("01_x.py", "02_y.py"), ("2024", "2025")])
@pytest.mark.parametrize("numeric", [False, True])
def test_another_applications_ledger_is_refused_in_whatever_form(
    keys: tuple[str, ...], numeric: bool
) -> None:
    if numeric:
        keys = ("2024", "2025")
    with pytest.raises(LedgerError) as caught:
        reconcile(FILES, recorded(*keys, numeric=numeric))
    assert "it looks like another application's ledger" in str(caught.value)


@pytest.mark.parametrize("purge", [False, True])
def test_files_of_one_number_cannot_be_told_apart_in_a_ledger_of_numbers(purge: bool) -> None:
    folder = files(A, B, "002_z")
    for decide in (reconcile, lambda f, s: reconcile_for_stamp(f, s, purge=purge)):
        with pytest.raises(LedgerError) as caught:
            decide(folder, recorded("001", "002"))
        assert str(caught.value) == (
            "schema_migrations records numbers, not names, and 002_b and 002_z have the same "
            "number: nobody can tell which of them is applied. Nothing was changed. Give all but "
            "one of them another number, or put whole names into schema_migrations."
        )
    assert reconcile(folder, state(A, B)).history.pending[0].stem == "002_z"


def test_a_statement_to_type_uses_the_ledgers_own_column_and_names() -> None:
    with pytest.raises(LedgerError) as caught:
        reconcile(files("001_A", B), recorded("001_a.py", "002_b.py"))
    assert str(caught.value).endswith(
        "UPDATE schema_migrations SET name = '001_A.py' WHERE name = '001_a.py';"
    )


# Where the table cannot tell the order


def test_a_pointer_among_the_latest_of_an_uncertain_order_is_agreement() -> None:
    day = date(2024, 1, 1)
    rows = tuple(Row(version=stem, applied_at=day) for stem in (A, B, C))
    found = replace(state(at=B), rows=rows, certain=False)
    agreed = reconcile(FILES, found)
    assert stems(agreed.history) == ([A, C, B], [])
    assert (agreed.moves_pointer, agreed.warnings) == (False, ())


# What stamp may do


#: Where the stamp itself says what ran.
LOST = ("the ledger was lost", "the rows were lost", "the old runner's rows", "the first row")


@pytest.mark.parametrize(
    ("found", "pointer", "moves"),
    [
        (replace(ABSENT, pointers=(B,)), B, False),
        (replace(ABSENT, pointers=(B, A)), B, True),
        (state(at=A), A, False),
        (state(at=C), C, False),
        (state(at=(A, C)), C, True),
        (state(at=C, ours=False), C, False),
    ],
)
def test_stamp_is_the_way_on_where_rows_were_lost(found: State, pointer: str, moves: bool) -> None:
    agreed = reconcile_for_stamp(FILES, found, purge=False)
    assert agreed.history.pending == agreed.history.entries
    assert (agreed.pointer, agreed.moves_pointer) == (pointer, moves)
    assert agreed.warnings == ()


@pytest.mark.parametrize("name", [name for name in TABLE if not name.startswith(LOST)])
def test_stamp_is_refused_and_warned_like_the_others_elsewhere(name: str) -> None:
    specimen = TABLE[name]
    if specimen.refusal:
        with pytest.raises(LedgerError) as caught:
            reconcile_for_stamp(FILES, specimen.found, purge=False)
        assert str(caught.value) == specimen.refusal
    else:
        stamped = reconcile_for_stamp(FILES, specimen.found, purge=False)
        assert stamped == reconcile(FILES, specimen.found)


@pytest.mark.parametrize("name", TABLE)
def test_a_purging_stamp_is_never_refused_and_knows_only_files(name: str) -> None:
    agreed = reconcile_for_stamp(FILES, TABLE[name].found, purge=True)
    assert {entry.stem for entry in agreed.history.entries} == {A, B, C}
    assert all(entry.file for entry in agreed.history.entries)
    assert (agreed.pointer, agreed.moves_pointer, agreed.warnings) == (None, False, ())


def test_a_purging_stamp_keeps_the_order_of_what_was_applied() -> None:
    found = state("000_gone", A, C, at=C)
    assert stems(reconcile_for_stamp(FILES, found, purge=True).history) == ([A, C], [B])


# Whatever is found


NAMES = st.sampled_from(["001_a", "002_b", "002-b", "003_c", "003_C", "004_d", "005_e"])
TIMES = st.none() | st.sampled_from(
    [date(2024, 1, 1), date(2024, 1, 2)],
)


@st.composite
def databases(draw: st.DrawFn) -> tuple[tuple[PlainFile, ...], State]:
    folder: dict[str, str] = {}
    for stem in draw(st.lists(NAMES, unique=True)):
        folder.setdefault(revision_id(stem).lower(), stem)  # the folder refuses others
    exists = draw(st.booleans())
    recorded = draw(st.lists(NAMES, unique=True)) if exists else []
    rows = tuple(Row(version=stem, applied_at=draw(TIMES)) for stem in recorded)
    pointers = draw(st.lists(NAMES.map(revision_id) | st.just("ae10"), unique=True, max_size=3))
    found = State(
        ledger="schema_migrations",
        version_table="alembic_version",
        exists=exists,
        ours=exists and draw(st.booleans()),
        rows=rows,
        certain=draw(st.booleans()),
        pointers=tuple(pointers),
        elsewhere=() if exists else tuple(draw(st.lists(st.just(Elsewhere("app")), max_size=1))),
    )
    return files(*sorted(folder.values())), found


def left_by(agreed: Agreement, found: State) -> State:
    """The state after a command that agreed on this and found nothing to do."""
    pointers = found.pointers
    if agreed.moves_pointer:
        pointers = (agreed.pointer,) if agreed.pointer else ()
    return replace(found, exists=True, ours=True, pointers=pointers, elsewhere=())


@given(databases())
def test_a_database_is_refused_or_brought_into_agreement(
    database: tuple[tuple[PlainFile, ...], State],
) -> None:
    folder, found = database
    try:
        agreed = reconcile(folder, found)
    except LedgerError as error:
        event(str(error).split("Nothing was")[0][:20])
        return
    history = agreed.history
    assert {entry.stem for entry in history.applied} == {row.version for row in found.rows}
    assert len(history.by_revision) == len(history.entries)
    assert agreed.pointer == history.pointer
    settled = left_by(agreed, found)
    assert settled.pointers == ((history.pointer,) if history.pointer else ())
    again = reconcile(folder, settled)
    assert again.history == history
    assert (again.pointer, again.moves_pointer, again.warnings) == (history.pointer, False, ())


@given(databases(), st.data())
def test_a_stamp_leaves_agreement_behind(
    database: tuple[tuple[PlainFile, ...], State], data: st.DataObject
) -> None:
    folder, found = database
    # A row of an older spelling is in nobody's way only while its twin is recorded.
    assume(len({row.revision.lower() for row in found.rows}) == len(found.rows))
    purge = data.draw(st.booleans())
    try:
        agreed = reconcile_for_stamp(folder, found, purge=purge)
    except LedgerError:
        assert not purge
        return
    history = agreed.history
    target = data.draw(st.sampled_from([None, *(entry.revision for entry in history.entries)]))
    kept = history.up_to(target)
    if not folder and kept:
        return  # refused before: the folder is empty
    # Rows of which none is a file are nobody's until a person says whose they are.
    assume(not kept or any(entry.file for entry in kept))
    known = [entry.row for entry in kept if entry.row]
    fresh = [entry.stem for entry in kept if not entry.row]
    rows = tuple(
        Row(version=stem, applied_at=datetime(2025, 1, day))  # noqa: DTZ001
        for day, stem in enumerate(fresh, start=1)
    )
    if known and rows:
        # What the ledger does: every new row is later than the others.
        known = [
            replace(row, applied_at=datetime(2024, 1, day))  # noqa: DTZ001
            for day, row in enumerate(known, start=1)
        ]
    settled = replace(
        left_by(agreed, found), rows=(*known, *rows), pointers=(target,) if target else ()
    )
    again = reconcile(folder, settled)
    assert [entry.stem for entry in again.history.applied] == [entry.stem for entry in kept]
    assert (again.moves_pointer, again.warnings) == (False, ())


def test_the_history_of_a_state_does_not_need_its_agreement() -> None:
    assert stems(history_of(FILES, state(A, at="ae10", ours=False))) == ([A], [B, C])


def test_one_accented_name_is_not_the_other() -> None:
    """Or the specimens above would prove nothing."""
    assert COMPOSED != DECOMPOSED
    assert unicodedata.normalize("NFC", DECOMPOSED) == COMPOSED
