"""The statements about the two tables, as texts; what they do is told by the integration tests."""

from __future__ import annotations

from bridge.ledger import sql
from bridge.ledger.filling import Filling
from bridge.ledger.history import Row
from bridge.ledger.layout import Layout
from bridge.ledger.tables import Ledger

#: Names and values in which every sign stands that means something to somebody.
ODD = Ledger(table="l:1%", version_table='v"2', schema="S s", key="the:key")
LAYOUT = Layout({"the:key": "text", "description": "text"}, chosen_key="the:key")
NAME = "001_a%:b\\c'd"
QUOTED = "E'001_a%:b\\\\c''d'"


def test_names_and_values_stand_in_the_text_as_constants() -> None:
    assert sql.insert_row(ODD, LAYOUT, Row(version=NAME)) == (
        f'INSERT INTO "S s"."l:1%" (description, "the:key") SELECT NULL, {QUOTED}'
    )
    assert sql.delete_rows(ODD, LAYOUT, [NAME]) == (
        f'DELETE FROM "S s"."l:1%" WHERE "the:key"::text = ANY(ARRAY[{QUOTED}])'
    )
    assert sql.insert_pointer(ODD, "001_a") == (
        """INSERT INTO "S s"."v""2" (version_num) VALUES ('001_a')"""
    )
    assert sql.insert_pointer(ODD, "001_a", if_absent=True).endswith(
        """ SELECT '001_a' WHERE NOT EXISTS (SELECT FROM "S s"."v""2")"""
    )


def test_no_row_is_removed_where_none_is_named() -> None:
    assert sql.delete_rows(Ledger(), Layout(), []).endswith("::text = ANY('{}')")


def test_the_sources_of_a_row_may_be_parameters() -> None:
    layout = Layout(
        {"version": "text", "applied_at": "timestamp with time zone", "rank": "integer"},
        fillings=(Filling("rank", "7"), Filling.of_name("stem", str.upper)),
    )
    given = {name: f"${place}" for place, name in enumerate(sql.values(Row("001_a"), layout), 1)}
    assert sql.sources(Ledger(), layout, given, latest="$9") == {
        "version": "$2",
        "applied_at": "GREATEST(CAST(clock_timestamp() AS timestamp with time zone), "
        "COALESCE(CAST($9 AS timestamp with time zone), "
        "(SELECT max(applied_at) FROM schema_migrations)) + interval '1 microsecond')",
        "rank": "7",
        "stem": "$1",
    }


def test_the_pointer_is_moved_or_taken_away() -> None:
    assert sql.move_pointer(Ledger(), "$2", "$1") == (
        "UPDATE alembic_version SET version_num = $1 WHERE version_num = $2"
    )
    assert sql.move_pointer(Ledger(), "'001_a'", None) == (
        "DELETE FROM alembic_version WHERE version_num = '001_a'"
    )
    assert sql.replace_pointers(Ledger(), None) == ["DELETE FROM alembic_version"]


def test_a_change_of_a_row_is_followed_by_the_question_whether_it_was_made() -> None:
    names = {"version": "text", "breaking": "boolean"}
    change, question = sql.update_row(
        Ledger(), Layout(names), "001_a", {"key": "001_b", "breaking": True}, {}
    )
    assert change == (
        "UPDATE schema_migrations SET version = '001_b', breaking = true "
        "WHERE version::text = ANY(ARRAY['001_a'])"
    )
    assert question == (
        "SELECT count(*) FROM schema_migrations WHERE version::text = ANY(ARRAY['001_b']) "
        "AND version::text = CAST('001_b' AS text) AND breaking::text = CAST(true AS text)"
    )


def test_a_name_in_two_columns_is_one_text_and_both_are_written() -> None:
    layout = Layout(
        {"version": "integer", "The Name": "text", "run_at": "date"},
        words_key="The Name",
        fillings=(
            Filling.of_name("version", lambda stem: stem[:1]),
            Filling.of_name("The Name", lambda stem: stem[2:]),
        ),
    )
    both = """concat_ws(' ', version, "The Name")"""
    insert = sql.insert_row(Ledger(), layout, Row("4_x", key="4 x"))
    assert insert.startswith(
        'INSERT INTO schema_migrations (run_at, version, "The Name") SELECT GREATEST('
    )
    assert insert.endswith(", '4', 'x'")
    assert sql.delete_rows(Ledger(), layout, ["4 x"]) == (
        f"DELETE FROM schema_migrations WHERE {both}::text = ANY(ARRAY['4 x'])"
    )
    change, question = sql.update_row(
        Ledger(), layout, "4 x", {"key": "5 y"}, {"version": "5", "The Name": "y"}
    )
    assert change == (
        """UPDATE schema_migrations SET version = '5', "The Name" = 'y' """
        f"WHERE {both}::text = ANY(ARRAY['4 x'])"
    )
    assert question.startswith(
        f"SELECT count(*) FROM schema_migrations WHERE {both}::text = ANY(ARRAY['5 y'])"
    )
