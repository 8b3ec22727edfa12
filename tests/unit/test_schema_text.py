"""What pg_dump writes, read and brought into one form; and in what two schemas differ."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.operations.schema.build import ascending
from bridge.operations.schema.difference import differences, unified
from bridge.operations.schema.entries import (
    Entry,
    normalised,
    parse,
    text_of,
    with_sorted_columns,
)
from bridge.operations.schema.scanning import split_list, statements

HEAD = """\
--
-- PostgreSQL database dump
--

\\restrict abcdef

-- Dumped from database version 15.18 (Debian 15.18-0+deb12u1)
-- Dumped by pg_dump version 18.4

SET statement_timeout = 0;
SET transaction_timeout = 0;
SET client_encoding = 'UTF8';
SELECT pg_catalog.set_config('search_path', '', false);
SET default_tablespace = '';

SET default_table_access_method = heap;

"""
TAIL = """\
--
-- PostgreSQL database dump complete
--

\\unrestrict abcdef

"""
WIDGETS = """\
CREATE TABLE public.widgets (
    id integer NOT NULL,
    name text DEFAULT 'a, (b'::text NOT NULL,
    price numeric(10,2),
    "odd, name" integer,
    CONSTRAINT widgets_price_check CHECK ((price > (0)::numeric))
);"""


def dump_of(*entries: Entry, head: str = HEAD, tail: str = TAIL) -> str:
    """Write entries as pg_dump does."""
    return (
        head
        + "".join(
            f"--\n-- Name: {e.name}; Type: {e.kind}; Schema: {e.schema}; Owner: -\n--\n\n"
            f"{e.sql}\n\n\n"
            for e in entries
        )
        + tail
    )


def table(sql: str = WIDGETS, name: str = "widgets") -> Entry:
    return Entry("TABLE", "public", name, sql)


def said(database: list[Entry], files: list[Entry]) -> list[str]:
    return [each.sentence for each in differences(database, files)]


# Reading


def test_settings_versions_and_marks_of_pg_dump_are_left_out() -> None:
    assert parse(dump_of(table())) == (table(),)
    assert text_of(parse(dump_of(table()))) == f"{WIDGETS}\n"


def test_a_text_that_looks_like_a_heading_is_what_it_is_in() -> None:
    heading = "-- Name: x; Type: TABLE; Schema: public; Owner: -"
    entries = (
        Entry("FUNCTION", "public", "f()", f"CREATE FUNCTION f() AS $_$\n\n{heading}\n$_$;"),
        Entry("COMMENT", "public", "TABLE a", f"COMMENT ON TABLE a IS 'it''s\n{heading}\n-- x';"),
        Entry("VIEW", "public", "v", f'CREATE VIEW v AS\n SELECT 1 AS "a\n{heading}\n";'),
        Entry("VIEW", "public", "w", f"CREATE VIEW w AS\n SELECT E'\\'\n{heading}\n\\restrict';"),
        Entry("TABLE", "public", "x", "CREATE TABLE x (\n    a text DEFAULT '\\'\n);"),
    )
    assert parse(dump_of(*entries)) == entries


QUOTED = st.text(st.sampled_from(" ab'\"$\\;-\n()é"), max_size=12)


@given(st.lists(st.tuples(QUOTED, QUOTED, QUOTED), max_size=4))
def test_whatever_stands_in_quotes_stays_as_it_is(texts: list[tuple[str, str, str]]) -> None:
    entries = []
    for number, (string, name, body) in enumerate(texts):
        parts = (
            "'" + string.replace("'", "''") + "'",
            '"' + name.replace('"', '""') + '"',
            f"$x${body.replace('$', '')}$x$",
        )
        sql = f"CREATE VIEW v AS SELECT {parts[0]} AS {parts[1]}, {parts[2]};"
        entries.append(Entry("VIEW", "public", f"v{number}", sql))
    assert parse(dump_of(*entries)) == tuple(entries)
    sql = "\n".join(each.sql for each in entries)
    assert [text for _, text in statements(sql)] == [e.sql.removesuffix(";") for e in entries]


@given(st.text(st.sampled_from("ab'\"$\\;-,()\n é-NameType:")))
def test_no_text_makes_the_reader_fail(text: str) -> None:
    parse(dump_of(table(text)))
    list(statements(text))
    split_list(text)


def test_how_a_table_is_stored_is_said_where_it_is_unusual() -> None:
    first, second = table(name="a"), table(name="b")
    dump = dump_of(first, tail="SET default_table_access_method = columnar;\n\n")
    found = parse(dump + dump_of(second, head=""))
    assert found[0] == first
    assert found[1].sql == (
        f"SET default_table_access_method = columnar;\n{WIDGETS}\n"
        "SET default_table_access_method = heap;"
    )


# One form


def test_what_belongs_to_one_server_is_left_out() -> None:
    kept = Entry("EXTENSION", "-", "citext", "CREATE EXTENSION IF NOT EXISTS citext;")
    entries = [
        Entry("SCHEMA", "-", "public", ""),  # what pg_dump says of it is a comment
        kept,
        Entry("COMMENT", "-", "EXTENSION citext", "COMMENT ON EXTENSION citext IS 'data type';"),
        Entry("USER MAPPING", "-", "USER MAPPING a SERVER s", "CREATE … (password 'geheim');"),
        Entry("SUBSCRIPTION", "-", "s", "CREATE SUBSCRIPTION s CONNECTION 'password=geheim';"),
    ]
    assert normalised(entries) == (kept,)


def test_a_schema_may_be_there_already() -> None:
    (made,) = normalised([Entry("SCHEMA", "-", "app", "CREATE SCHEMA app;")])
    assert made.sql == "CREATE SCHEMA IF NOT EXISTS app;"


def test_who_grants_by_default_is_whoever_loads_it() -> None:
    def rights(role: str) -> Entry:
        sql = f"ALTER DEFAULT PRIVILEGES FOR ROLE {role} IN SCHEMA a GRANT SELECT ON TABLES TO b;"
        return Entry("DEFAULT ACL", "a", "DEFAULT PRIVILEGES FOR TABLES", sql)

    said = "ALTER DEFAULT PRIVILEGES IN SCHEMA a GRANT SELECT ON TABLES TO b;"
    assert normalised([rights("me")], role="me")[0].sql == said
    assert normalised([rights('"My Role"')], role="My Role")[0].sql == said
    assert normalised([rights("other")], role="me") == (rights("other"),)


INDEXES = [Entry("INDEX", "public", name, f"CREATE INDEX {name} ON public.t;") for name in "abcde"]
COMMENTS = {
    "b": Entry("COMMENT", "public", "INDEX b", "COMMENT ON INDEX b IS 'b';"),
    "d": Entry("COMMENT", "public", "INDEX d", "COMMENT ON INDEX d IS 'd';"),
}


@given(st.permutations(INDEXES))
def test_what_needs_nothing_of_its_kind_is_in_one_order_with_its_comments(
    shuffled: list[Entry],
) -> None:
    def with_comments(indexes: list[Entry]) -> list[Entry]:
        return [each for e in indexes for each in (e, COMMENTS.get(e.name)) if each]

    before, after = table(name="z"), Entry("TRIGGER", "public", "t a", "CREATE TRIGGER a;")
    found = normalised([before, *with_comments(shuffled), after])
    assert found == (before, *with_comments(INDEXES), after)


def test_tables_stay_in_the_order_in_which_they_need_each_other() -> None:
    child = table("CREATE TABLE public.a (\n)\nINHERITS (public.widgets);", name="a")
    assert normalised([table(), child]) == (table(), child)


@given(st.permutations(WIDGETS.splitlines()[1:-1]))
def test_tables_with_the_same_columns_are_the_same_once_they_are_sorted(lines: list[str]) -> None:
    body = ",\n".join(line.removesuffix(",") for line in lines)
    shuffled = table(f"CREATE TABLE public.widgets (\n{body}\n);")
    assert with_sorted_columns(shuffled) == with_sorted_columns(table())
    assert with_sorted_columns(with_sorted_columns(shuffled)) == with_sorted_columns(table())


def test_what_is_said_after_the_columns_stays() -> None:
    sql = "CREATE TABLE public.e (\n    b integer,\n    a integer\n)\nPARTITION BY RANGE (a);"
    assert with_sorted_columns(table(sql)).sql == (
        "CREATE TABLE public.e (\n    a integer,\n    b integer\n)\nPARTITION BY RANGE (a);"
    )


# Statements


def test_statements_have_the_number_of_their_line() -> None:
    sql = "-- a;\nSELECT 1;\n\n/* b; */ SELECT\n 2;SELECT $$;$$"
    assert list(statements(sql)) == [(2, "SELECT 1"), (4, "SELECT\n 2"), (5, "SELECT $$;$$")]


@pytest.mark.parametrize("text", ["", "no list", "open (a, b", "')('"])
def test_a_text_without_a_list_has_none(text: str) -> None:
    assert split_list(text) is None


# Differences


def test_two_schemas_that_are_the_same_have_no_difference() -> None:
    assert said([table()], [table()]) == []
    assert unified(WIDGETS, WIDGETS, named=("a", "b")) == ""


def test_columns_and_constraints_are_told_by_their_names() -> None:
    live = WIDGETS.replace("numeric(10,2)", "numeric(12,2) NOT NULL")
    live = live.replace('    "odd, name" integer,\n', "    extra text,\n")
    live = live.replace("price > (0)", "price >= (0)")
    assert said([table(live)], [table()]) == [
        (
            "changed: column widgets.price: numeric(12,2) NOT NULL in the database, numeric(10,2) "
            "by the files"
        ),
        "missing: column widgets.odd, name (integer)",
        (
            "changed: constraint widgets_price_check on widgets: CHECK ((price >= (0)::numeric)) "
            "in the database, CHECK ((price > (0)::numeric)) by the files"
        ),
        "added: column widgets.extra (text)",
    ]


def test_of_a_table_that_only_one_side_has_no_column_is_told() -> None:
    assert said([table()], []) == ["added: table widgets"]
    assert said([], [table()]) == ["missing: table widgets"]


PARTS = [
    Entry("SEQUENCE", "public", "widgets_id_seq", "CREATE SEQUENCE public.widgets_id_seq;"),
    Entry(
        "SEQUENCE OWNED BY",
        "public",
        "widgets_id_seq",
        "ALTER SEQUENCE public.widgets_id_seq OWNED BY public.widgets.id;",
    ),
    Entry("DEFAULT", "public", "widgets id", "ALTER TABLE ONLY public.widgets ALTER COLUMN id …;"),
    Entry("CONSTRAINT", "public", "widgets widgets_pkey", "ALTER TABLE ONLY public.widgets …;"),
    Entry("INDEX", "public", "w_name", "CREATE INDEX w_name ON public.widgets USING btree (name);"),
    Entry("TRIGGER", "public", "widgets seen", "CREATE TRIGGER seen …;"),
]


def test_of_a_table_that_only_one_side_has_no_part_is_told_and_of_others_each() -> None:
    assert said([], [table(), *PARTS]) == ["missing: table widgets"]
    assert len(said([table()], [table(), *PARTS])) == len(PARTS)
    # A sequence of nobody's, and an index of a view, are told by themselves.
    own, _, _, _, index, _ = PARTS
    view = Entry("MATERIALIZED VIEW", "public", "widgets", "CREATE MATERIALIZED VIEW …;")
    assert said([], [own]) == ["missing: sequence widgets_id_seq"]
    assert said([], [view, index]) == [
        "missing: materialized view widgets",
        "missing: index w_name on widgets",
    ]


def test_another_order_of_the_columns_is_told() -> None:
    lines = WIDGETS.splitlines()
    lines[1], lines[3] = lines[3], lines[1]
    assert said([table("\n".join(lines))], [table()]) == [
        (
            "changed: order of columns of widgets: price, name, id, odd, name in the database, "
            "id, name, price, odd, name by the files"
        )
    ]


def test_what_else_is_said_of_a_table_is_told_as_the_table() -> None:
    live = table(f"{WIDGETS}\n\nALTER TABLE ONLY public.widgets REPLICA IDENTITY FULL;")
    assert said([live], [table()]) == ["changed: table widgets"]


OBJECTS = [
    (
        Entry("INDEX", "app", "i", "CREATE INDEX i ON ONLY app.t USING btree (a);"),
        "index app.i on app.t",
    ),
    (
        Entry("INDEX", "public", "i", 'CREATE UNIQUE INDEX "I" ON public."T t" USING btree (a);'),
        "index i on T t",
    ),
    (Entry("CONSTRAINT", "public", "t pk", "ALTER TABLE …;"), "constraint pk on t"),
    (Entry("FK CONSTRAINT", "app", "t fk", "ALTER TABLE …;"), "constraint fk on app.t"),
    (Entry("CONSTRAINT", "public", "my t pk", "ALTER TABLE …;"), "constraint my t pk"),
    (Entry("TRIGGER", "public", "t tr", "CREATE TRIGGER …;"), "trigger tr on t"),
    (Entry("FUNCTION", "public", "f(integer)", "CREATE FUNCTION …;"), "function f(integer)"),
    (Entry("TYPE", "app", "mood", "CREATE TYPE …;"), "type app.mood"),
    (Entry("DOMAIN", "public", "d", "CREATE DOMAIN …;"), "domain d"),
    (Entry("VIEW", "public", "v", "CREATE VIEW …;"), "view v"),
    (Entry("MATERIALIZED VIEW", "public", "v", "CREATE …;"), "materialized view v"),
    (Entry("SEQUENCE", "public", "s", "CREATE SEQUENCE …;"), "sequence s"),
    (Entry("SEQUENCE OWNED BY", "public", "s", "ALTER SEQUENCE …;"), "owner of sequence s"),
    (Entry("DEFAULT", "public", "t id", "ALTER TABLE …;"), "default of t.id"),
    (Entry("COMMENT", "public", "COLUMN t.a", "COMMENT ON …;"), "comment on column t.a"),
    (Entry("ROW SECURITY", "public", "t", "ALTER TABLE …;"), "row level security of table t"),
    (Entry("POLICY", "public", "t p", "CREATE POLICY …;"), "policy p on t"),
    (Entry("SCHEMA", "-", "app", "CREATE SCHEMA …;"), "schema app"),
    (Entry("EXTENSION", "-", "citext", "CREATE EXTENSION …;"), "extension citext"),
]


@pytest.mark.parametrize(("entry", "called"), OBJECTS, ids=[called for _, called in OBJECTS])
def test_an_object_is_called_what_people_call_it(entry: Entry, called: str) -> None:
    assert said([entry], []) == [f"added: {called}"]
    assert said([], [entry]) == [f"missing: {called}"]
    other = Entry(entry.kind, entry.schema, entry.name, f"{entry.sql}\n;")
    assert said([entry], [other]) == [f"changed: {called}"]


def test_two_objects_of_one_name_are_two() -> None:
    one, other = (Entry("OPERATOR", "public", "+", f"CREATE OPERATOR {n};") for n in "ab")
    assert said([one, other], [one]) == ["added: operator +"]


ENTRIES = st.lists(
    st.sampled_from([entry for entry, _ in OBJECTS] + [table(), table(WIDGETS.replace("10", "9"))]),
    unique=True,
)


@given(ENTRIES, ENTRIES)
def test_a_difference_seen_from_the_other_side_is_its_opposite(
    one: list[Entry], other: list[Entry]
) -> None:
    opposite = {"added": "missing", "missing": "added", "changed": "changed"}
    there = {(str(d.change), d.kind, d.name) for d in differences(one, other)}
    back = {(opposite[d.change], d.kind, d.name) for d in differences(other, one)}
    assert there == back
    assert not (set(one) ^ set(other)) or there


# The order of one database


@given(st.lists(st.integers(0, 9).map(str), unique=True))
def test_runs_of_names_are_in_order_and_put_together_they_are_all_of_them(names: list[str]) -> None:
    found = list(ascending(names, key=str))
    assert [name for run in found for name in run] == names
    assert all(run == sorted(run) for run in found)
    assert all(one[-1] > other[0] for one, other in pairwise(found))
