"""Tables that refer to each other: created, then referred; the other way round when dropped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alembic.operations import ops
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Column, ForeignKey, ForeignKeyConstraint, Integer, MetaData, Table

from bridge.alembic.autogenerate.order import in_order

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

#: From which table to which, and whether `use_alter` says to add it later.
Reference = tuple[int, int, bool]

TABLES = 5
#: Of two tables one may refer to the other once.
REFERENCES = st.lists(
    st.tuples(st.integers(0, TABLES - 1), st.integers(0, TABLES - 1), st.booleans()),
    unique_by=lambda each: each[:2],
)


def models(references: Iterable[Reference]) -> list[Table]:
    metadata = MetaData()
    for number in range(TABLES):
        columns: list[Column[int]] = [
            Column(f"to_{target}", ForeignKey(f"t{target}.id", use_alter=later))
            for source, target, later in references
            if source == number
        ]
        Table(f"t{number}", metadata, Column("id", Integer, primary_key=True), *columns)
    return list(metadata.tables.values())


def keys_of(table: Table) -> set[ForeignKeyConstraint]:
    return {each for each in table.constraints if isinstance(each, ForeignKeyConstraint)}


def pairs(keys: Iterable[ForeignKeyConstraint]) -> list[tuple[str, str]]:
    return [(each.table.name, each.elements[0].target_fullname.split(".")[0]) for each in keys]


def expected(references: Iterable[Reference]) -> list[tuple[str, str]]:
    return sorted((f"t{source}", f"t{target}") for source, target, _ in references)


def name_of(operation: ops.CreateForeignKeyOp | ops.DropConstraintOp) -> Any:
    return operation.constraint_name


@given(REFERENCES, st.permutations(range(TABLES)))
def test_a_table_is_created_after_those_it_refers_to_and_the_rest_is_added(
    references: list[Reference], order: Sequence[int]
) -> None:
    tables = models(references)
    there: set[str] = set()
    referring: list[tuple[str, str]] = []
    for operation in in_order([ops.CreateTableOp.from_table(tables[each]) for each in order]):
        if isinstance(operation, ops.CreateTableOp):
            keys = keys_of(operation.to_table())
            there.add(operation.table_name)
            assert {target for _, target in pairs(keys)} <= there
            assert not any(key.use_alter for key in keys)
            referring += pairs(keys)
        else:
            assert isinstance(operation, ops.CreateForeignKeyOp)
            assert len(there) == TABLES
            referring += [(operation.source_table, operation.referent_table)]
    assert sorted(referring) == expected(references)


@given(REFERENCES, st.permutations(range(TABLES)))
def test_a_table_is_dropped_before_those_it_refers_to_and_others_are_let_go_first(
    references: list[Reference], order: Sequence[int]
) -> None:
    creating = [ops.CreateTableOp.from_table(each) for each in models(references)]
    added = {
        name_of(each): (each.source_table, each.referent_table)
        for each in in_order(creating)
        if isinstance(each, ops.CreateForeignKeyOp)
    }
    referring = expected(references)
    dropped: set[str] = set()
    for operation in in_order([creating[each].reverse() for each in order]):
        if isinstance(operation, ops.DropTableOp):
            referring = [pair for pair in referring if pair[0] != operation.table_name]
            assert operation.table_name not in {target for _, target in referring}
            dropped.add(operation.table_name)
        else:
            assert isinstance(operation, ops.DropConstraintOp)
            assert not dropped
            # It is one of those that were added, under that name.
            referring.remove(added[name_of(operation)])
    assert len(dropped) == TABLES


def test_of_a_circle_one_reference_is_taken_out() -> None:
    circle = [(0, 1, False), (1, 2, False), (2, 0, False), (3, 0, False), (0, 4, False)]
    added = [
        each
        for each in in_order([ops.CreateTableOp.from_table(table) for table in models(circle)])
        if isinstance(each, ops.CreateForeignKeyOp)
    ]
    assert [(each.source_table, each.referent_table) for each in added] == [("t0", "t1")]


def test_a_reference_that_a_hook_has_taken_out_comes_after_both_tables() -> None:
    first, second = (ops.CreateTableOp.from_table(each) for each in models([])[:2])
    key = ops.CreateForeignKeyOp("fk", "t0", "t1", ["id"], ["id"])
    assert in_order([first, key, second]) == [first, second, key]
    drop = ops.DropConstraintOp("fk", "t0", type_="foreignkey")
    assert in_order([first.reverse(), drop, second.reverse()])[0] is drop


def test_what_a_hook_drops_is_not_dropped_twice() -> None:
    creating = [
        ops.CreateTableOp.from_table(each) for each in models([(0, 1, False), (1, 0, False)])
    ]
    (key,) = (each for each in in_order(creating) if isinstance(each, ops.CreateForeignKeyOp))
    drop = ops.DropConstraintOp(key.constraint_name, key.source_table, type_="foreignkey")
    ordered = in_order([drop, *(each.reverse() for each in creating)])
    assert [each for each in ordered if isinstance(each, ops.DropConstraintOp)] == [drop]


def test_columns_of_an_operation_that_a_hook_has_made_keep_their_references() -> None:
    made = ops.CreateTableOp("a", [Column("b", ForeignKey("b.id"), index=True)])
    other = ops.CreateTableOp("b", [Column("id", Integer, primary_key=True)])
    first, second, index = in_order([made, other])
    assert isinstance(first, ops.CreateTableOp)
    assert isinstance(second, ops.CreateTableOp)
    assert (first.table_name, pairs(keys_of(second.to_table()))) == ("b", [("a", "b")])
    assert isinstance(index, ops.CreateIndexOp)
