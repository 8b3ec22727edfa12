"""What another team's columns say of the rows, and what a new row says in them."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from bridge.files.plain_file import PlainFile
from bridge.ledger.history import NO_FILE, Row
from bridge.ledger.key_columns import named
from bridge.ledger.layout import Layout
from bridge.ledger.other_columns import understood
from bridge.ledger.state import State
from bridge.ledger.table_facts import Column, Table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

A, B, C, D = "001_a", "002_b", "003_c", "004_d"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for stem in (A, B, C, D):
        (tmp_path / f"{stem}.py").write_bytes(stem.encode())
    return tmp_path


def md5(stem: str) -> str:
    return hashlib.md5(stem.encode()).hexdigest()


def state(
    folder: Path,
    rows: Sequence[Row],
    columns: Sequence[Column],
    others: dict[str, list[str | None]],
) -> State:
    table = Table(columns={column.name: column for column in columns})
    files = [PlainFile(str(folder), stem) for stem in (A, B, C, D)]
    found = State(
        ledger="l",
        version_table="v",
        exists=True,
        ours=False,
        rows=tuple(rows),
        certain=False,
        pointers=(),
        table=table,
        layout=Layout.of(table),
        others={"version": [row.version for row in rows], **others},
    )
    return understood(files, named(files, found))


def column(name: str, kind: str = "text", *, required: bool = False) -> Column:
    return Column(name=name, type=kind, not_null=required)


VERSION = column("version", required=True)


def test_a_ledger_without_other_columns_is_as_it_was(folder: Path) -> None:
    found = state(folder, [Row(A)], [VERSION], {})
    assert (found.layout.fillings, found.unfilled) == ((), ())
    empty = replace(found, table=None)
    assert understood([], empty) is empty


def test_times_are_taken_from_text_and_order_the_rows(folder: Path) -> None:
    texts: list[str | None] = ["2024-01-02T00:00:00Z", "2024-01-01T00:00:00Z"]
    found = state(folder, [Row(A), Row(B)], [VERSION, column("run_at")], {"run_at": texts})
    assert [row.applied_at for row in found.rows] == [
        datetime(2024, 1, 2, tzinfo=UTC),
        datetime(2024, 1, 1, tzinfo=UTC),
    ]
    (filling,) = found.layout.fillings
    assert filling.column == "run_at"
    unknown = state(folder, [Row(A)], [VERSION, column("run_at")], {"run_at": ["yesterday"]})
    assert unknown.rows[0].applied_at is None
    assert unknown.layout.fillings == ()


def test_a_checksum_of_a_known_form_stands_for_bridges_where_that_is_lacking(
    folder: Path,
) -> None:
    rows = [Row(A, checksum="1" * 64), Row(B), Row(C, checksum=NO_FILE), Row("009_gone")]
    values: list[str | None] = [md5(A), md5(B), md5("other"), md5("gone")]
    found = state(folder, rows, [VERSION, column("hash")], {"hash": values})
    assert [(row.checksum, str(row.form and row.form.algorithm)) for row in found.rows] == [
        ("1" * 64, "None"),
        (md5(B), "md5"),
        (NO_FILE, "None"),
        (md5("gone"), "md5"),
    ]
    assert found.layout.keeps_checksums
    new = Row(D, file=PlainFile(str(folder), D))
    assert found.layout.filled(new) == {"filling_0": md5(D)}
    assert found.layout.filled(Row(D)) == {"filling_0": None}
    assert found.layout.about(new, renamed=False) == {"hash": md5(D)}


@pytest.mark.parametrize("required", [True, False])
def test_a_checksum_of_no_known_form_is_left(folder: Path, required: bool) -> None:
    hashes = column("hash", required=required)
    for values in ([md5("x"), md5("y")], [md5(A), "x"], [md5(A), md5("y")], [md5(A), md5(B)[:31]]):
        found = state(folder, [Row(A), Row(B)], [VERSION, hashes], {"hash": [*values]})
        assert all(row.form is None for row in found.rows)
        assert found.layout.fillings == ()
        assert found.unfilled == ((hashes,) if required else ())


def test_files_that_cannot_be_read_tell_nothing(folder: Path) -> None:
    (folder / f"{A}.py").unlink()
    values: list[str | None] = [md5(A), md5(B)]
    found = state(folder, [Row(A), Row(B)], [VERSION, column("hash")], {"hash": values})
    assert [row.form is not None for row in found.rows] == [True, True]


def test_where_all_have_a_checksum_of_bridges_the_last_ones_tell_the_form(folder: Path) -> None:
    rows = [Row(stem, checksum="1" * 64) for stem in (A, B, C, D)]
    values: list[str | None] = [md5("long ago"), md5(B), md5(C), md5(D)]
    (folder / f"{A}.py").unlink()  # not read
    found = state(folder, rows, [VERSION, column("hash")], {"hash": values})
    assert [each.column for each in found.layout.fillings] == ["hash"]
    # Unless they disagree.
    values = [md5("long ago"), md5(B), md5(C), md5("changed")]
    (folder / f"{A}.py").write_bytes(A.encode())
    found = state(folder, rows, [VERSION, column("hash")], {"hash": values})
    assert found.layout.fillings == ()
    values[0] = md5(A)
    found = state(folder, rows, [VERSION, column("hash")], {"hash": values})
    assert [each.column for each in found.layout.fillings] == ["hash"]


def test_bridges_own_checksum_in_a_type_that_is_of_no_use_is_not_another_teams(
    folder: Path,
) -> None:
    narrow = column("bridge_checksum", "character varying(10)", required=True)
    theirs = column("checksum", "character varying(10)")
    found = state(folder, [Row(A)], [VERSION, narrow, theirs], {"checksum": ["x"]})
    assert found.unfilled == (narrow,)


def test_what_nobody_can_tell_is_unfilled_only_where_it_is_needed(folder: Path) -> None:
    columns = [
        VERSION,
        column("cost", required=True),
        column("note"),
        column("token", "uuid", required=True),
        column("id", "uuid"),
        Column(name="n", type="integer", not_null=True, identity=True),
        Column(name="up", type="text", not_null=True, generated=True, always=True),
    ]
    others: dict[str, list[str | None]] = {"cost": ["3"], "note": ["x"]}
    found = state(folder, [Row(A)], columns, others)
    assert [each.name for each in found.unfilled] == ["cost", "token"]
    assert found.layout.fillings == ()
