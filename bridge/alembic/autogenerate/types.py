"""Add the schemas and types that Alembic's operations need first, or leave over.

Alembic creates tables in schemas that are not there, and columns of types that are not there;
it leaves types that no column has any more. Decides only; the database is read before.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from alembic.operations import ops
from sqlalchemy import ARRAY, Column, Dialect
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateSchema, DDLElement, DropSchema
from sqlalchemy.types import TypeDecorator, TypeEngine

from bridge.alembic.autogenerate.catalog import Facts, TypeName

#: What SQLAlchemy sends for types, with a table or by itself.
TYPE_DDL = (
    postgresql.CreateEnumType,
    postgresql.DropEnumType,
    postgresql.CreateDomainType,
    postgresql.DropDomainType,
)


@dataclass(frozen=True)
class Around:
    """The statements before and after the operations of each direction."""

    schemas_made: list[DDLElement]
    schemas_removed: list[DDLElement]
    types_made: list[DDLElement]
    types_removed: list[DDLElement]
    types_left_over: list[DDLElement]
    types_restored: list[DDLElement]


def around_of(
    operations: Sequence[ops.MigrateOperation],
    dialect: Dialect,
    facts: Facts,
    *,
    elsewhere: Collection[TypeName] = (),
) -> Around:
    """Return what these operations of an upgrade, without containers, leave out.

    `elsewhere` are types that others of the operations make and drop by themselves.
    """
    needed = _types_needed(operations, dialect, facts)
    new = {name: type_ for name, type_ in needed.items() if name not in facts.types}
    schemas = _schemas_needed(operations, new.values(), facts)
    made = [type_ for name, type_ in new.items() if name not in elsewhere]
    gone = _columns_gone(operations, facts)
    left_over = [
        _enum(name, facts)
        for name, users in facts.users.items()
        if name not in needed
        and name not in elsewhere
        and all(_is_gone(user, gone) for user in users)
    ]
    return Around(
        schemas_made=[CreateSchema(name, if_not_exists=True) for name in schemas],
        schemas_removed=[DropSchema(name) for name in reversed(schemas)],
        types_made=[_create(type_) for type_ in made],
        types_removed=[_drop(type_) for type_ in reversed(made)],
        types_left_over=[_drop(type_) for type_ in left_over],
        types_restored=[_create(type_) for type_ in left_over],
    )


def _types_needed(
    operations: Sequence[ops.MigrateOperation], dialect: Dialect, facts: Facts
) -> dict[TypeName, Any]:
    """Return the enum types and domains of columns that are created or changed."""
    needed: dict[TypeName, Any] = {}
    for operation in operations:
        types: list[Any] = []
        if isinstance(operation, ops.CreateTableOp):
            types = [each.type for each in operation.columns if isinstance(each, Column)]
        elif isinstance(operation, ops.AddColumnOp):
            types = [operation.column.type]
        elif isinstance(operation, ops.AlterColumnOp):
            types = [operation.modify_type]
        for type_ in types:
            for named in _named_types(type_, dialect):
                if named.create_type:
                    name = (named.schema or facts.default_schema, str(named.name))
                    needed.setdefault(name, named)
    return needed


def _named_types(type_: Any, dialect: Dialect) -> Iterator[Any]:
    """Return what a column of this type needs: an enum type, a domain."""
    if isinstance(type_, type):
        type_ = type_()
    if not isinstance(type_, TypeEngine):
        return
    actual: Any = type_.dialect_impl(dialect)
    while isinstance(actual, TypeDecorator):
        actual = actual.impl_instance.dialect_impl(dialect)
    if isinstance(actual, ARRAY):
        yield from _named_types(actual.item_type, dialect)
    elif isinstance(actual, postgresql.DOMAIN):
        yield from _named_types(actual.data_type, dialect)
        yield actual
    elif isinstance(actual, postgresql.ENUM) and actual.name:
        yield actual


def _columns_gone(
    operations: Sequence[ops.MigrateOperation], facts: Facts
) -> set[tuple[str, str, str]]:
    """The columns that are dropped or get another type; "" for all columns of a table."""
    gone: set[tuple[str, str, str]] = set()
    for operation in operations:
        if isinstance(operation, ops.DropTableOp):
            gone.add((operation.schema or facts.default_schema, operation.table_name, ""))
        elif isinstance(operation, ops.DropColumnOp) or (
            isinstance(operation, ops.AlterColumnOp) and operation.modify_type is not None
        ):
            schema = operation.schema or facts.default_schema
            gone.add((schema, operation.table_name, operation.column_name))
    return gone


def _is_gone(user: tuple[str, str, str], gone: set[tuple[str, str, str]]) -> bool:
    return user[1] != "" and (user in gone or (*user[:2], "") in gone)


def _schemas_needed(
    operations: Sequence[ops.MigrateOperation], types: Iterable[Any], facts: Facts
) -> list[str]:
    tables = [each.schema for each in operations if isinstance(each, ops.CreateTableOp)]
    schemas = [*(type_.schema for type_ in types), *tables]
    return list(dict.fromkeys(name for name in schemas if name and name not in facts.schemas))


def _enum(name: TypeName, facts: Facts) -> Any:
    schema = None if name[0] == facts.default_schema else name[0]
    return postgresql.ENUM(*facts.types[name], name=name[1], schema=schema)


def _create(type_: Any) -> DDLElement:
    domain = isinstance(type_, postgresql.DOMAIN)
    return (postgresql.CreateDomainType if domain else postgresql.CreateEnumType)(type_)


def _drop(type_: Any) -> DDLElement:
    domain = isinstance(type_, postgresql.DOMAIN)
    return (postgresql.DropDomainType if domain else postgresql.DropEnumType)(type_)
