"""What other teams' files have otherwise: numbers with a letter, their order, names, arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.config.settings import Settings
from bridge.errors import FilesError, PlainFileError, UsageError
from bridge.files.conventions import Argument, Conventions, Order
from bridge.files.folder import scan
from bridge.files.header import Header, read_header
from bridge.files.numbering import new_stem, next_number, order_disagreements
from bridge.files.plain_file import PlainFile
from bridge.files.stems import behind_number, letter_of, number_of, numbered, ordinary_stems
from bridge.ledger.history import Row, build_history, in_applied_order
from bridge.ledger.preflight import Command, preflight
from bridge.ledger.state import State

if TYPE_CHECKING:
    from pathlib import Path

OURS = 'description = "x"\n\n\ndef upgrade(db):\n    pass\n'
BY_NUMBER = Conventions(order=Order.NUMBER)


def filled(folder: Path, *stems: str, text: str = OURS) -> str:
    for stem in stems:
        (folder / f"{stem}.py").write_text(text)
    return str(folder)


def files(*stems: str, conventions: Conventions = BY_NUMBER) -> tuple[PlainFile, ...]:
    found = [PlainFile("m", stem, conventions) for stem in stems]
    return tuple(sorted(found, key=lambda file: file.place))


# Names


@pytest.mark.parametrize(
    ("stem", "letter", "number", "rest"),
    [
        ("004_x", "", "004", "_x"),
        ("v004_x", "v", "004", "_x"),
        ("V1__x", "V", "1", "__x"),
        ("V1", "V", "1", ""),
        ("20240131120000_x", "", "20240131120000", "_x"),
        ("version1_x", "", "", "version1_x"),
        ("vv1_x", "", "", "vv1_x"),
        ("v_1_x", "", "", "v_1_x"),
        ("x_1", "", "", "x_1"),
        ("", "", "", ""),
    ],
)
def test_a_number_may_have_a_letter_before_it(
    stem: str, letter: str, number: str, rest: str
) -> None:
    assert (letter_of(stem), number_of(stem), behind_number(stem)) == (letter, number, rest)
    assert PlainFile("m", stem).number == number


@given(st.lists(st.from_regex(r"\A(?:[vV]?[0-9]{1,3})?[a-c_]{0,3}\Z"), unique=True))
def test_beside_numbers_without_a_letter_one_with_a_letter_is_no_migration(
    stems: list[str],
) -> None:
    chosen = numbered(stems)
    plain = [stem for stem in stems if stem[:1].isdigit()]
    lettered = [stem for stem in stems if stem[:1] in {"v", "V"} and stem[1:2].isdigit()]
    assert chosen == (plain or lettered)


@given(st.lists(st.from_regex(r"\A[vV]?[0-9]{1,2}[a-c_]{0,2}\Z"), min_size=1, unique_by=str.lower))
def test_a_quick_look_finds_what_a_close_one_finds(
    tmp_path_factory: pytest.TempPathFactory, stems: list[str]
) -> None:
    folder = filled(tmp_path_factory.mktemp("m"), *stems)
    quick = ordinary_stems(folder)
    if quick is not None:
        assert quick == [file.stem for file in scan(folder).files]
    assert {file.stem for file in scan_all(folder)} <= set(stems)


def scan_all(folder: str) -> tuple[PlainFile, ...]:
    try:
        return scan(folder).files
    except FilesError:  # one with a letter beside numbers without one
        return ()


@pytest.mark.parametrize("letter", ["v", "V"])
def test_a_folder_whose_numbers_have_a_letter_is_in_order(tmp_path: Path, letter: str) -> None:
    folder = filled(tmp_path, f"{letter}001_a", f"{letter}002_b")
    (tmp_path / "helpers.py").write_text("X = 1\n")
    assert [file.stem for file in scan(folder).files] == [f"{letter}001_a", f"{letter}002_b"]


def test_the_letter_is_no_part_of_the_description() -> None:
    header = read_header("m/V1__add_users.py", "V1__add_users", "def upgrade(db): pass\n")
    assert header.description == "add users"


# Order


def test_files_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    folder = filled(tmp_path, "V1__a", "V2__b", "V10__c", "V10__b")
    by_name = ["V10__b", "V10__c", "V1__a", "V2__b"]
    assert [file.stem for file in scan(folder).files] == by_name
    by_number = ["V1__a", "V2__b", "V10__b", "V10__c"]
    assert [file.stem for file in scan(folder, BY_NUMBER).files] == by_number


STEMS = st.lists(st.from_regex(r"\AV?[0-9]{1,3}_[a-c]\Z"), min_size=1, unique=True)


@given(STEMS, st.data())
def test_a_history_goes_on_in_the_folders_order(stems: list[str], data: st.DataObject) -> None:
    order = data.draw(st.sampled_from(Order))
    applied = data.draw(st.lists(st.sampled_from(stems), unique=True))
    folder = files(*stems, conventions=Conventions(order=order))
    history = build_history(folder, [Row(stem) for stem in applied])
    assert [entry.stem for entry in history.applied] == applied
    pending = [entry.stem for entry in history.pending]
    assert pending == sorted(set(stems).difference(applied), key=order.place)
    last = max(map(order.place, applied), default=None)
    late = [] if last is None else [stem for stem in pending if order.place(stem) < last]
    assert [entry.stem for entry in history.late] == late


@given(STEMS, st.sampled_from(Order))
def test_rows_that_nothing_else_tells_apart_are_in_the_folders_order(
    stems: list[str], order: Order
) -> None:
    rows = in_applied_order([Row(stem) for stem in stems], certain=False, order=order)
    assert [row.version for row in rows] == sorted(stems, key=order.place)


def test_a_missing_row_is_between_the_files_or_after_them_by_its_number() -> None:
    folder = files("V1__a", "V9__b", "V11__d")
    rows = [Row(stem) for stem in ("V1__a", "V9__b", "V10__c", "V11__d", "V20__x")]
    history = build_history(folder, rows)
    assert [entry.stem for entry in history.holes] == ["V10__c"]
    assert [entry.stem for entry in history.newer] == ["V20__x"]


@pytest.mark.parametrize(
    ("stems", "number", "name"),
    [
        (("V1__a", "V9__b"), "10", "V10__add_widgets"),
        (("V1__a", "V10__b"), "11", "V11__add_widgets"),
        (("v001_a", "v099_b"), "100", "v100_add_widgets"),
        (("1_a", "10_b", "9_c"), "11", "11_add_widgets"),
    ],
)
def test_a_new_file_is_named_like_the_newest(
    stems: tuple[str, ...], number: str, name: str
) -> None:
    folder = files(*stems)
    assert next_number(folder) == number
    assert new_stem(folder, "Add widgets") == name
    assert order_disagreements((*folder, PlainFile("m", name, BY_NUMBER))) == []


def test_a_number_that_is_given_is_in_its_place_by_number() -> None:
    assert new_stem(files("V1__a", "V10__b"), "x", "5") == "V5__x"
    with pytest.raises(UsageError, match="would be out of place"):
        new_stem(files("V1__a", "V10__b", conventions=Conventions()), "x", "5")


# Nothing is recorded, and the two orders differ


def state(*rows: str) -> State:
    return State(
        ledger="schema_migrations",
        version_table="alembic_version",
        exists=bool(rows),
        ours=bool(rows),
        rows=tuple(map(Row, rows)),
        certain=False,
        pointers=(),
    )


def refusals(command: Command, *rows: str, **settings: Any) -> list[str]:
    given = Settings(folder="m", **settings)
    folder = files("V9__a", "V10__b", conventions=given.conventions)
    found = preflight(command, folder, state(*rows), given, looking=True)
    return [each.id for each in found.refusals if each.id == "order"]


def test_a_run_is_refused_where_nobody_can_tell_the_order() -> None:
    assert refusals(Command.UPGRADE) == ["order"]
    assert refusals(Command.UPGRADE, order=Order.NAME) == []
    assert refusals(Command.UPGRADE, order=Order.NUMBER) == []
    assert refusals(Command.UPGRADE, "V9__a") == []
    assert refusals(Command.STAMP) == ["order"]
    assert refusals(Command.MARK) == refusals(Command.REPAIR) == []


def test_the_refusal_says_what_to_type(tmp_path: Path) -> None:
    folder = scan(filled(tmp_path, "V9__a", "V10__b")).files
    found = preflight(Command.UPGRADE, folder, state(), Settings(folder="m"))
    (refusal,) = [each for each in found.refusals if each.id == "order"]
    assert str(refusal) == (
        "V10__b.py would run before V9__a.py, although its number is greater: migrations run in "
        "the order of their names. Nothing is recorded here that shows which order is meant. "
        "Put one of these lines into alembic.ini: order = "
        "number (as the numbers count), or order = name (as the names sort)."
    )


# The two functions


def header(text: str, **conventions: Any) -> Header:
    return read_header("m/001_x.py", "001_x", text, Conventions(**conventions))


def test_the_functions_may_have_other_names() -> None:
    text = "def up(c): pass\ndef down(c): pass\n"
    assert header(text, upgrade="up", downgrade="down").has_downgrade
    assert not header(text, upgrade="up").has_downgrade
    with pytest.raises(PlainFileError, match="defines no `forward`, but `up` in line 1"):
        header(text, upgrade="forward")
    with pytest.raises(PlainFileError, match="defines no `up`, but `upgrade` in line 1"):
        header("def upgrade(c): pass\n", upgrade="up")
    with pytest.raises(PlainFileError, match=r"defines no `up`. Add `def up\(cur\):`"):
        header("", upgrade="up", argument=Argument.CURSOR)


@pytest.mark.parametrize(
    ("argument", "sentence"),
    [
        (
            Argument.SESSION,
            "is called with one argument, the Session, but is defined as `up(a, b)`",
        ),
        (Argument.CURSOR, "is called with one argument, the cursor, but is defined as `up(a, b)`"),
        (Argument.DBAPI, "with one argument, the driver's connection, but is"),
        (Argument.ENGINE, "Write `def up(engine):`."),
        (Argument.CONNECTION, "Write `def up(conn):`."),
    ],
)
def test_a_fault_names_what_the_function_is_called_with(argument: Argument, sentence: str) -> None:
    with pytest.raises(PlainFileError) as caught:
        header("def up(a, b): pass\n", upgrade="up", argument=argument)
    assert sentence in str(caught.value)


def test_a_slip_of_the_pen_is_told_only_for_names_that_are_long_enough() -> None:
    with pytest.raises(PlainFileError, match="looks like a misspelling of `forward`"):
        header("def forwrad(c): pass\n", upgrade="forward", downgrade="back")
    found = header("def up(c): pass\ndef op(c): pass\ndef dawn(c): pass\n", upgrade="up")
    assert not found.has_downgrade


# Annotations


@pytest.mark.parametrize(
    ("more", "annotation", "argument"),
    [
        ("", "Session", Argument.SESSION),
        ("from sqlmodel import Session", "Session", Argument.SESSION),
        ("", "orm.scoped_session", Argument.SESSION),
        ("", "Connection", Argument.CONNECTION),
        ("", "'sqlalchemy.engine.Connection'", Argument.CONNECTION),
        ("from sqlalchemy import Connection as C", "C", Argument.CONNECTION),
        ("from psycopg import Connection", "Connection", Argument.DBAPI),
        ("import psycopg as p", "p.Connection", Argument.DBAPI),
        ("", "psycopg2.extensions.connection", Argument.DBAPI),
        ("from psycopg2.extensions import connection as Pg", "'Pg'", Argument.DBAPI),
        ("", "Engine | None", Argument.ENGINE),
        ("", "Optional[Engine]", Argument.ENGINE),
        ("", "RealDictCursor", Argument.CURSOR),
        ("import psycopg2.extras as e", "e.DictCursor", Argument.CURSOR),
        ("", "Session | Connection", None),
        ("", "AsyncSession", None),
        ("", "Any", None),
        ("", "'not Python ('", None),
        ("", "list[int] | Callable[..., None]", None),
    ],
)
def test_an_annotation_says_what_a_function_takes(
    more: str, annotation: str, argument: Argument | None
) -> None:
    found = header(f"{more}\ndef upgrade(x: {annotation}): pass\ndef downgrade(x): pass\n")
    assert (found.upgrade_takes and found.upgrade_takes.argument) == argument
    assert found.downgrade_takes is None


def test_each_function_has_an_annotation_of_its_own(tmp_path: Path) -> None:
    text = "def upgrade(e: Engine): pass\ndef downgrade(c: RealDictCursor): pass\n"
    file = PlainFile(filled(tmp_path, "001_x", text=text), "001_x", Conventions())
    assert file.takes("upgrade") == (Argument.ENGINE, "Engine")
    assert file.takes("downgrade") == (Argument.CURSOR, "RealDictCursor")


def test_the_folder_says_it_where_no_annotation_does(tmp_path: Path) -> None:
    text = "def upgrade(session): pass\n\n\n@wrapped\ndef downgrade(e: Engine): pass\n"
    conventions = Conventions(argument=Argument.DBAPI)
    file = PlainFile(filled(tmp_path, "001_x", text=text), "001_x", conventions)
    assert file.takes("upgrade") == file.takes("downgrade") == (Argument.DBAPI, None)
