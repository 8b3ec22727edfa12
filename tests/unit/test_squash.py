"""One file in place of many: what it is called, how it is written, and what counts as the same."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import FilesError, UsageError
from bridge.files.conventions import Argument, Conventions, Order
from bridge.files.header import read_header
from bridge.files.mode import Mode
from bridge.files.plain_file import PlainFile
from bridge.operations.schema.entries import Entry
from bridge.operations.schema.rows import parse_copy
from bridge.operations.schema.tables import Column, SequenceState, Table
from bridge.operations.schema.volatile import Volatile, volatile
from bridge.operations.squash.contents import Contents
from bridge.operations.squash.differences import computed, differs
from bridge.operations.squash.layout import Section, sections
from bridge.operations.squash.names import unqualified
from bridge.operations.squash.plan import plan
from bridge.operations.squash.rows import inserts, literal
from bridge.operations.squash.text import Remarks, file_text, python_string
from bridge.operations.squash.write import write_squash

if TYPE_CHECKING:
    from pathlib import Path

_UPGRADE = "def upgrade(db):\n    db.commit()\n"
_NAMED = ("one", "other")


def folder_of(path: Path, *stems: str, order: Order = Order.NAME) -> list[PlainFile]:
    files = [PlainFile(str(path), stem, Conventions(order=order)) for stem in stems]
    for file in files:
        (path / f"{file.stem}.py").write_text(_UPGRADE)
    return files


# Which files, and under which name


def test_the_new_file_has_the_number_of_the_last_one_in_its_form(tmp_path: Path) -> None:
    for stems, to, name in (
        (("001_a", "002_b", "003_c"), "002", "002_baseline"),
        (("V1__a", "V2__b", "V3__c"), "V2__b.py", "V2__baseline"),
        (("v001_a", "v002_b"), "v002_b", "v002_baseline"),
    ):
        files = folder_of(tmp_path, *stems)
        found = plan(str(tmp_path), files, to=to, name="Baseline")
        assert found.new.stem == name
        assert found.replaces == stems[: len(found.replaces)]
        assert found.present == found.runs == tuple(files[:2])


def test_files_of_one_number_are_told_apart_by_their_names(tmp_path: Path) -> None:
    files = folder_of(tmp_path, "001_a", "002_b", "002_c", "003_d")
    with pytest.raises(UsageError, match="'002' may mean any of 2 migrations: 002_b, 002_c"):
        plan(str(tmp_path), files, to="002", name="baseline")
    with pytest.raises(UsageError, match="No migration is called '7'"):
        plan(str(tmp_path), files, to="7", name="baseline")
    found = plan(str(tmp_path), files, to="002_b", name="baseline")
    assert (found.new.stem, found.replaces) == ("002_baseline", ("001_a", "002_b"))
    with pytest.raises(FilesError, match=r"002_z.py would sort behind 002_c.py, which it does not"):
        plan(str(tmp_path), files, to="002_b", name="z")


def test_a_name_that_is_taken_or_looks_like_one_is_refused(tmp_path: Path) -> None:
    files = folder_of(tmp_path, "001_Baseline", "001_a", "002_b")
    for to in ("001_Baseline", "001_a"):
        with pytest.raises(FilesError, match=r"001_Baseline.py is there already, and is not writ"):
            plan(str(tmp_path), files, to=to, name="baseline")
    assert plan(str(tmp_path), files, to="001_a", name="all").new.stem == "001_all"


def test_the_order_by_number_counts_where_the_folder_has_it(tmp_path: Path) -> None:
    files = folder_of(tmp_path, "1_a", "2_b", "10_c", order=Order.NUMBER)
    found = plan(str(tmp_path), files, to="2", name="baseline")
    assert found.replaces == ("1_a", "2_b")
    assert found.new.stem == "2_baseline"


def test_a_squash_of_a_squash_names_all_that_went_before(tmp_path: Path) -> None:
    files = folder_of(tmp_path, "001_a", "002_b", "002_baseline", "003_c", "004_d")
    (tmp_path / "002_baseline.py").write_text(f'replaces = ["001_a", "002_b"]\n{_UPGRADE}')
    found = plan(str(tmp_path), files, to="003", name="baseline")
    assert found.replaces == ("001_a", "002_b", "002_baseline", "003_c")
    assert [file.stem for file in found.runs] == ["002_baseline", "003_c"]
    assert [file.stem for file in found.present] == ["001_a", "002_b", "002_baseline", "003_c"]
    # The same where the old files are gone.
    found = plan(str(tmp_path), files[2:], to="003", name="baseline")
    assert found.replaces == ("001_a", "002_b", "002_baseline", "003_c")
    assert [file.stem for file in found.present] == ["002_baseline", "003_c"]


# Rows


def test_what_copy_writes_is_read_back() -> None:
    assert parse_copy("1\t\\N\n\\\\N\ta\\tb\\n\\\\\n", 2) == (("1", None), ("\\N", "a\tb\n\\"))
    assert parse_copy("\n\\N\n", 1) == (("",), (None,))
    assert parse_copy("\n\n", 0) == ((), ())
    assert parse_copy("", 3) == ()


@pytest.mark.parametrize(
    ("value", "kind", "written"),
    [
        (None, "int4", "NULL"),
        ("-12", "int4", "-12"),
        ("0.10", "numeric", "0.10"),
        ("NaN", "numeric", "'NaN'"),
        ("1e+300", "float8", "'1e+300'"),
        ("t", "bool", "true"),
        ("it's 50% \\ :x", "text", "'it''s 50% \\ :x'"),
        ("a\nb\\'\t", "text", "E'a\\nb\\\\''\\t'"),
        ("\u200b", "text", "E'\\u200b'"),
        ("", "text", "''"),
    ],
)
def test_a_value_stands_in_one_line_as_people_write_it(
    value: str | None, kind: str, written: str
) -> None:
    assert literal(value, kind) == written


def test_rows_are_written_a_row_in_a_line_without_what_the_server_computes() -> None:
    columns = (
        Column("id", "int8", identity=True),
        Column("twice", "int8", generated=True),
        Column("select", "text"),
    )
    table = Table("public", "t", columns, (("1", "2", "a"), ("2", "4", None)))
    assert list(inserts(table)) == [
        """INSERT INTO public.t (id, "select") OVERRIDING SYSTEM VALUE VALUES
    (1, 'a'),
    (2, NULL);"""
    ]
    many = Table("public", "t", (Column("id", "int4"),), tuple((str(n),) for n in range(1001)))
    assert [each.count("\n") for each in inserts(many)] == [500, 500, 1]
    nothing = Table("public", "t", (), ((), ()))
    assert list(inserts(nothing)) == ["INSERT INTO public.t DEFAULT VALUES;"] * 2


# What is the same


def contents(*tables: Table, entries: tuple[Entry, ...] = (), **given: Any) -> Contents:
    return Contents(
        **{
            "major": 15,
            "entries": entries,
            "tables": tables,
            "sequences": {},
            "extensions": {},
            "populated": frozenset(),
            **given,
        }
    )


def pairs(*rows: tuple[str | None, str | None], name: str = "t", **given: Any) -> Table:
    return Table("public", name, (Column("a", "text"), Column("b", "text")), rows, **given)


def test_columns_that_differ_from_run_to_run_are_found_whatever_the_order() -> None:
    one = contents(pairs(("1", "x"), ("2", "y")))
    other = contents(pairs(("2", "q"), ("1", "p")))
    found = volatile(one, other)
    assert found.names() == ("public.t.b",)
    assert differs(one, other, named=_NAMED, leaving_out=found) == ""
    shuffled = contents(pairs(("1", "y"), ("2", "x")))
    assert volatile(one, shuffled).names() == ("public.t.a", "public.t.b")
    assert volatile(one, contents(pairs(("2", "y"), ("1", "x")))).names() == ()


def test_rows_are_counted_even_where_their_values_are_volatile() -> None:
    one, other = contents(pairs(("1", "x"))), contents(pairs(("1", "y"), ("1", "z")))
    found = volatile(one, other)
    assert found.names() == ("public.t.a", "public.t.b")
    shown = differs(one, other, named=_NAMED, leaving_out=found)
    assert shown == "rows of public.t: 1 and 2\n+ ()"


def test_what_differs_is_shown() -> None:
    widgets = Entry("TABLE", "public", "w", "CREATE TABLE public.w (\n    a integer\n);")
    wider = Entry("TABLE", "public", "w", "CREATE TABLE public.w (\n    a bigint\n);")
    one = contents(
        pairs(("1", None)),
        entries=(widgets,),
        sequences={("public", "s"): SequenceState(5, True, 1)},
        extensions={"hstore": "1.8"},
    )
    other = contents(
        pairs(("1", "it's")),
        entries=(wider,),
        sequences={("public", "s"): SequenceState(1, False, 1)},
        extensions={"hstore": "1.9"},
    )
    assert differs(one, one, named=_NAMED) == ""
    assert differs(one, other, named=_NAMED).splitlines() == [
        *("--- one", "+++ other", "@@ -1,3 +1,3 @@", " CREATE TABLE public.w ("),
        *("-    a integer", "+    a bigint", " );"),
        *("--- one", "+++ other", "@@ -1 +1 @@"),
        *("-extension hstore in version 1.8", "+extension hstore in version 1.9"),
        *("rows of public.t: 1 and 1", "- ('1', NULL)", "+ ('1', 'it''s')"),
        *("sequence public.s", "- 5, which was given out", "+ 1"),
    ]


def test_the_order_of_a_dump_and_of_rows_is_no_difference() -> None:
    first, second = (Entry("INDEX", "public", n, f"CREATE INDEX {n} ON t (a);") for n in "ab")
    one = contents(pairs(("1", "x"), ("2", "y")), entries=(first, second))
    other = contents(pairs(("2", "y"), ("1", "x")), entries=(second, first))
    assert differs(one, other, named=_NAMED) == ""


def test_only_values_that_the_new_file_does_not_give_are_left_out_of_the_proof() -> None:
    found = Volatile({("public", "t"): frozenset("b"), ("public", "v"): frozenset("b")})
    given_ = contents(pairs(("1", "x")), pairs(("1", "x"), name="v", is_view=True))
    assert computed(found, given_).names() == ("public.v.b",)


# How it is written


def test_the_schema_of_the_session_is_left_out_of_names_and_of_nothing_else() -> None:
    for sql, short in (
        ("CREATE TABLE public.t (a public.y);", "CREATE TABLE t (a y);"),
        ("nextval('public.t_id_seq'::regclass)", "nextval('t_id_seq'::regclass)"),
        ("'public.t'::text, 'it''s public.t'", None),
        ("AS $$ SELECT public.f() $$", None),
        ('"a public.b", nonpublic.t, "public".t', None),
        ('public."select"', '"select"'),
        ("CREATE EXTENSION citext WITH SCHEMA public;", "CREATE EXTENSION citext;"),
        ("GRANT USAGE ON SCHEMA public TO PUBLIC;", None),
        ("OPERATOR(public.=)", None),
    ):
        assert unqualified(sql, "public") == (sql if short is None else short)
        assert unqualified(sql, None) == sql
    assert unqualified('"My s".t, public.u', "My s") == "t, public.u"


def entry(kind: str, name: str) -> Entry:
    return Entry(kind, "public", name, f"-- {kind} {name}")


def test_rows_come_before_what_they_need_not_fulfil_and_rights_last() -> None:
    found = contents(
        pairs(("1", "x")),
        entries=(
            entry("TYPE", "y"),
            entry("COMMENT", "TYPE y"),
            entry("TABLE", "t"),
            entry("MATERIALIZED VIEW", "v"),
            entry("TABLE", "u"),
            entry("CONSTRAINT", "t p"),
            entry("MATERIALIZED VIEW", "w"),
            entry("FK CONSTRAINT", "t f"),
            entry("TRIGGER", "t g"),
            entry("ACL", "TABLE t"),
            entry("EVENT TRIGGER", "e"),
        ),
        sequences={
            ("public", "s"): SequenceState(5, True, 1),
            ("public", "z"): SequenceState(1, False, 1),
        },
        populated=frozenset({("public", "w")}),
    )
    made = sections(found, tidy=False)
    assert [each.name for each in made] == [
        *("SETTINGS", "TYPES", "TABLES", "VIEWS", "TABLES_2", "ROWS", "CONSTRAINTS", "VIEWS_2"),
        *("CONSTRAINTS_2", "TRIGGERS", "FILLED_VIEWS", "RIGHTS", "TRIGGERS_2"),
    ]
    by_name = {each.name: each.statements for each in made}
    assert by_name["TYPES"] == ("-- TYPE y", "-- COMMENT TYPE y")
    assert by_name["ROWS"] == (
        "INSERT INTO public.t (a, b) VALUES\n    ('1', 'x');",
        "SELECT pg_catalog.setval('public.s', 5, true);",
    )
    assert by_name["FILLED_VIEWS"] == ("REFRESH MATERIALIZED VIEW public.w;",)
    tidy = sections(found, tidy=True)
    assert [each.name for each in tidy][:6] == [
        *("SETTINGS", "TYPES", "TABLES", "VIEWS", "ROWS", "CONSTRAINTS")
    ]
    assert "REFRESH MATERIALIZED VIEW w;" in {sql for each in tidy for sql in each.statements}


def test_an_extensions_rows_and_a_views_are_not_written() -> None:
    found = contents(
        pairs(("1", "x"), of_extension=True), pairs(("1", "x"), name="v", is_view=True)
    )
    assert [each.name for each in sections(found, tidy=True)] == ["SETTINGS"]
    assert found.rows == 0


def test_sql_reads_as_sql() -> None:
    assert (
        python_string(["SELECT '\\d';", "SELECT 2;"]) == 'r"""\nSELECT \'\\d\';\n\nSELECT 2;\n"""'
    )


@given(
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40)
    | st.text("'\"\\\r\n\t a", max_size=20)
)
def test_any_sql_comes_out_of_python_as_it_went_in(sql: str) -> None:
    written = python_string([sql])
    assert ast.literal_eval(written) == f"\n{sql}\n"


@pytest.mark.parametrize("argument", list(Argument))
def test_the_file_is_one_that_the_folder_runs(tmp_path: Path, argument: Argument) -> None:
    stems = ("001_a", "002_b", "003_c")
    conventions = Conventions(upgrade="up", downgrade="down", argument=argument)
    files = [PlainFile(str(tmp_path), stem, conventions) for stem in stems]
    for file in files:
        (tmp_path / f"{file.stem}.py").write_text("def up(db):\n    pass\n")
    found = plan(str(tmp_path), files, to="002", name="baseline")
    remarks = Remarks(15, ("public.t.b\n",), ("001_a",))
    parts = [Section("SETTINGS", "Settings", ("SET a = 1;",)), Section("TABLES", "T", ("x;",))]
    text = file_text(found, parts, remarks, conventions, Mode.AUTOCOMMIT)
    header = read_header("x.py", "002_baseline", text, conventions)
    assert header.description == "2 migrations in one: 001_a to 002_b"
    assert header.transaction is Mode.DEFAULT
    assert not header.has_downgrade
    (tmp_path / "002_baseline.py").write_text(text)
    assert found.new.replaces is not None
    assert found.new.replaces.names == ("001_a", "002_b")
    assert "# Values of public.t.b\\n differ between two runs of the old files;" in text
    assert "# 001_a changes what belongs to the server" in text


def test_the_folder_is_as_it_was_where_a_file_cannot_be_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = folder_of(tmp_path, "001_a", "002_b")
    before = {path.name: path.read_text() for path in tmp_path.iterdir()}
    new = PlainFile(str(tmp_path), "002_baseline")
    (tmp_path / "002_b.py").unlink()
    with pytest.raises(
        FilesError, match=r"002_b.py cannot be removed: No such file .* Nothing was"
    ):
        write_squash(new, _UPGRADE, delete=files)
    del before["002_b.py"]
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == before
    write_squash(new, _UPGRADE, delete=files[:1])
    assert [path.name for path in tmp_path.iterdir()] == ["002_baseline.py"]
    with pytest.raises(FilesError, match="exists already, and was not changed"):
        write_squash(new, "other", delete=())
    assert (tmp_path / "002_baseline.py").read_text() == _UPGRADE
