"""Operations of extensions in a comparison: what they render is written, or a comment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from alembic.autogenerate import renderers
from alembic.operations import Operations, ops
from sqlalchemy.dialects import postgresql

from support.comparing import body
from support.model_changes import widgets
from support.models import become

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext

    from support.comparing import Bench


class Says(ops.MigrateOperation):
    """An operation that an extension renders as this Python, and that nothing implements."""

    def __init__(self, source: str, *imports: str) -> None:
        self.source = source
        self.imports = imports


@renderers.dispatch_for(Says)
def _render_says(context: AutogenContext, operation: Says) -> str:
    context.imports.update(operation.imports)
    return operation.source


@Operations.register_operation("says_both")
class SaysBoth(Says):
    """An operation that does one thing where it is implemented, and is rendered as another."""

    def __init__(self, source: str, sql: str) -> None:
        super().__init__(source)
        self.sql = sql

    @classmethod
    def says_both(cls, operations: Operations, sql: str) -> None:
        operations.invoke(cls("", sql))


@Operations.implementation_for(SaysBoth)
def _says_both(operations: Operations, operation: SaysBoth) -> None:
    operations.execute(operation.sql)


class Unknown(ops.MigrateOperation):
    """An operation of which nobody knows anything."""


class AlterWithUsing(ops.AlterColumnOp):
    """As an extension makes of Alembic's own."""


@renderers.dispatch_for(AlterWithUsing)
def _render_alter(_context: AutogenContext, operation: AlterWithUsing) -> str:
    kept = "" if operation.modify_server_default is False else ", server_default=None"
    return (
        f"op.alter_column({operation.table_name!r}, {operation.column_name!r}, "
        f"type_=sa.Integer(), postgresql_using='length(name)'{kept})"
    )


def generate(bench: Bench, *operations: ops.MigrateOperation, back: Any = ()) -> str:
    """What is written for these operations, without a change of the models."""

    def hook(_context: object, _revision: object, directives: list[ops.MigrationScript]) -> None:
        (directive,) = directives
        assert directive.upgrade_ops is not None
        assert directive.downgrade_ops is not None
        directive.upgrade_ops.ops.extend(operations)
        directive.downgrade_ops.ops[:0] = back
        directive.imports.add("from sqlalchemy import text as of_the_hook")

    return bench.generate(process_revision_directives=hook)


def test_what_an_extension_renders_is_executed_and_written(bench: Bench) -> None:
    source = generate(
        bench,
        Says("made = dict(name='one')\nop.execute(f\"CREATE SCHEMA {made['name']}\")"),
        Says("op.execute(sql('CREATE SCHEMA two'))", "from sqlalchemy import text as sql"),
        Says("op.execute(of_the_hook('CREATE SCHEMA three'))"),
        Says("if True:\n    op.get_bind().execute(sa.text('CREATE SCHEMA four'))"),
        Says("op.execute(sa.text('SELECT :a, :b').bindparams(a=1, b=\"it's\"))"),
        Says("op.get_bind().execute(sa.text('SELECT :a'), {'a': 'x'})"),
        Says("from alembic import op as alembics\nalembics.execute('SELECT 2')"),
        # The modules of a team's own, which a person would import in a file of Alembic's.
        Says("op.execute(support.model_changes.ENUM and 'SELECT 3')"),
        Says("with op.get_context().autocommit_block():\n    op.execute('SELECT 4')"),
    )
    assert (
        body(source)
        == """\
    db.execute(text("CREATE SCHEMA one"))

    db.execute(text("CREATE SCHEMA two"))

    db.execute(text("CREATE SCHEMA three"))

    db.execute(text("CREATE SCHEMA four"))

    db.execute(text("SELECT 1, 'it''s'"))

    db.execute(text("SELECT 'x'"))

    db.execute(text("SELECT 2"))

    db.execute(text("SELECT 3"))

    db.execute(text("SELECT 4"))
"""
    )
    assert bench.told.warnings == []
    bench.upgrade()


def test_what_is_rendered_goes_before_what_is_implemented(bench: Bench) -> None:
    source = generate(
        bench,
        SaysBoth("op.says_both('SELECT old')", "SELECT new"),
        # Escaped for `text()` on its way through a file, which was done already.
        SaysBoth(r"op.says_both(r'SELECT \\:a')", r"SELECT \:a"),
        SaysBoth(r"op.says_both(r'SELECT 1, \\:b')", "SELECT 2"),
    )
    assert (
        body(source)
        == r"""
    db.execute(text("SELECT old"))

    db.execute(text("SELECT \\:a"))

    # Where \: stands here, a colon alone may be meant: compare it with the database.
    db.execute(text("SELECT 1, \\\\:b"))
"""[1:]
    )


def test_an_operation_that_cannot_be_written_leaves_a_comment_and_all_others(bench: Bench) -> None:
    become(widgets())
    source = generate(
        bench,
        Says("op.execute('CREATE SCHEMA kept')"),
        Unknown(),
        Says("op.execute('SELECT lost')\nop.get_bind().scalar('SELECT 1')"),
        Says("for row in op.get_bind().execute(sa.text('SELECT name FROM widgets')):\n    pass"),
        Says("op.get_bind().execute(sa.text('SELECT 1')).scalar()"),
        Says("op.ask("),
        back=[Says("op.no_such('a\\nb')")],
    )
    assert "CREATE TABLE widgets" in body(source)
    _, _, rest = body(source).partition('    db.execute(text("CREATE SCHEMA kept"))\n\n')
    assert (
        rest
        == """\
    # Unknown is missing here: nothing is registered that could render it or run it.
    # Write its SQL by hand.

    # Says is missing here: it needs scalar of a connection to a database. Write its SQL
    # by hand. Alembic would write:
    #   op.execute('SELECT lost')
    #   op.get_bind().scalar('SELECT 1')

    # Says is missing here: it reads what a statement answers (SELECT name FROM
    # widgets). Write its SQL by hand. Alembic would write:
    #   for row in op.get_bind().execute(sa.text('SELECT name FROM widgets')):
    #       pass

    # Says is missing here: it reads what a statement answers (SELECT 1). Write its SQL
    # by hand. Alembic would write:
    #   op.get_bind().execute(sa.text('SELECT 1')).scalar()

    # Says is missing here: SyntaxError: '(' was never closed (<rendered>, line 2).
    # Write its SQL by hand. Alembic would write:
    #   op.ask(
"""
    )
    assert body(source, "downgrade").startswith("    # Says is missing here: AttributeError: ")
    assert 'db.execute(text("DROP TABLE widgets"))' in body(source, "downgrade")
    assert len(bench.told.warnings) == 6
    assert bench.told.warnings[0] == (
        "upgrade() lacks Unknown, which cannot be written as SQL: nothing is registered that could "
        "render it or run it. A comment in the file stands in its place."
    )
    assert bench.told.warnings[-1].startswith("downgrade() lacks Says, which cannot be written")
    assert all("\n" not in each for each in bench.told.warnings)
    bench.upgrade()
    bench.check()
    bench.downgrade()


def test_with_nothing_but_a_comment_the_file_is_not_run(bench: Bench) -> None:
    source = generate(bench, Unknown(), back=[Says("op.execute('SELECT 1')")])
    assert body(source).endswith("""by hand.\n\n    db.execute(text("your SQL"))\n""")
    assert body(source, "downgrade") == '    db.execute(text("SELECT 1"))\n'


def test_a_table_that_cannot_be_written_is_named(bench: Bench) -> None:
    class Shape(sa.types.UserDefinedType[str]):
        """A type that says nothing of how it is written."""

    table = sa.Table("shapes", sa.MetaData(), sa.Column("shape", Shape()))
    source = generate(bench, ops.CreateTableOp.from_table(table), Says("op.execute('SELECT 1')"))
    assert "    # CreateTableOp for shapes is missing here: " in body(source)
    assert body(source).endswith('\n\n    db.execute(text("SELECT 1"))\n')


def test_types_that_an_extension_makes_and_drops_are_left_to_it(bench: Bench) -> None:
    kind = "sa.Enum('a', 'b', name='kind')"
    table = sa.Table(
        "kinds",
        sa.MetaData(),
        sa.Column("kind", postgresql.ENUM("a", "b", name="kind")),
        sa.Column("other", postgresql.ENUM("c", name="other", schema="there")),
    )
    create = ops.CreateTableOp.from_table(table)
    unused = "sa.Enum('d', name='unused', schema='there')"
    source = generate(
        bench,
        Says(f"{kind}.create(op.get_bind())"),
        create,
        Says(f"{unused}.create(op.get_bind())"),
        back=[
            Says(f"{unused}.drop(op.get_bind())"),
            create.reverse(),
            Says(f"{kind}.drop(op.get_bind())"),
        ],
    )
    assert source.count("TYPE kind") == source.count("TYPE there.unused") == 2
    assert body(source).index("CREATE SCHEMA") < body(source).index("CREATE TYPE there.other")
    bench.upgrade()
    bench.downgrade()


def test_a_change_of_type_that_an_extension_renders_keeps_its_default(bench: Bench) -> None:
    bench.become(widgets(name="String(50), server_default='5'"))
    change = AlterWithUsing(
        "widgets",
        "name",
        existing_type=sa.String(50),
        modify_type=sa.Integer(),
        existing_server_default=sa.DefaultClause(sa.text("'5'::character varying")),
    )
    source = generate(bench, ops.ModifyTableOps("widgets", [change]))
    assert body(source).replace("\n\n", "\n").splitlines() == [
        '    db.execute(text("ALTER TABLE widgets ALTER COLUMN name DROP DEFAULT"))',
        "    # Check that USING converts each value as it should.",
        "    db.execute(",
        '        text("""',
        "            ALTER TABLE widgets ALTER COLUMN name TYPE INTEGER USING length(name)",
        '        """)',
        "    )",
        "    db.execute(text(\"ALTER TABLE widgets ALTER COLUMN name SET DEFAULT '5'\"))",
    ]
    bench.upgrade()


def test_containers_that_an_extension_renders_stay_whole(bench: Bench) -> None:
    class Block(ops.OpContainer):
        """Operations that are meant as one."""

    @renderers.dispatch_for(Block)
    def _render(_context: AutogenContext, block: Block) -> list[str]:
        return [f"op.execute('SELECT {len(block.ops)}')"]

    source = generate(bench, Block([Unknown(), Unknown()]))
    assert body(source) == '    db.execute(text("SELECT 2"))\n'
