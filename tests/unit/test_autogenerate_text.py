"""SQL as the Python of a plain file: it reads back as the same SQL, and people can read it too."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import TextClause
from sqlalchemy.engine.default import DefaultDialect

from bridge.alembic.autogenerate.python import Statement, Unwritten, as_code
from bridge.database.sql_text import spans

#: What goes wrong between Python, `text()` and the driver.
NASTY = st.text(st.sampled_from("a:b\\%'\" \n\t$(x)")) | st.text()


class Database:
    """Stands for the Session, and keeps the SQL that a server would get."""

    def __init__(self) -> None:
        self.got: list[str] = []

    def execute(self, statement: TextClause) -> None:
        self.got.append(str(statement.compile(dialect=DefaultDialect(paramstyle="named"))))

    def connection(self) -> Database:
        return self

    def exec_driver_sql(self, sql: str) -> None:
        self.got.append(sql.replace("%%", "%"))


def sent(*statements: Statement) -> list[str]:
    db = Database()
    source = f"from sqlalchemy import text\ndef upgrade(db):\n    {as_code(statements)}\n"
    scope: dict[str, Any] = {}
    exec(compile(source, "x.py", "exec"), scope)
    scope["upgrade"](db)
    return [sql.strip() for sql in db.got]


def meaning(sql: str) -> list[list[str]]:
    """The constants and names as they are, the words between them."""
    return [[part] if fixed else part.split() for part, fixed in spans(sql)]


@given(st.lists(NASTY.filter(lambda each: "\0" not in each), min_size=1, max_size=3))
def test_constants_and_names_arrive_as_they_were(values: list[str]) -> None:
    statements = []
    for value in values:
        constant, name = value.replace("'", "''"), value.replace('"', '""')
        statements.append(f"COMMENT ON TABLE \"{name}\" IS '{constant}'")
    noted = [Statement(sql, (values[0],)) for sql in statements]
    assert list(map(meaning, sent(*noted))) == list(map(meaning, statements))


STATEMENTS = [
    Statement("CREATE SCHEMA shop"),
    Statement("CREATE TYPE mood AS ENUM ('happy', 'sad')"),
    Statement("CREATE TYPE state AS ENUM ('" + "', '".join(["waiting, at the door"] * 4) + "')"),
    Statement("\nCREATE TABLE t (\n\tid SERIAL NOT NULL, \n\tn TEXT DEFAULT 'a \n\tb'\n)\n\n"),
    Statement('DROP TABLE "order"', ("The rows of order are lost.", "A rename? Then:\n  ALTER")),
    Statement("COMMENT ON TABLE t IS 'two\nlines'"),
    Statement("ALTER TABLE t ADD CHECK (n ~ '^\\d :x ::y')"),
    Statement("COMMENT ON TABLE t IS ' :aa: 100%'"),
    Statement(
        "ALTER TABLE widgets ADD CONSTRAINT fk_widgets_owner_id_people FOREIGN KEY(owner_id) "
        "REFERENCES people (id) ON DELETE CASCADE",
        ("Fails where a row refers to nobody.",),
    ),
    Statement(
        "CREATE UNIQUE INDEX ix_widgets_name ON widgets (lower(name)) "
        "WHERE name <> ' WHERE ' AND deleted_at IS NULL AND owner_id IS NOT NULL"
    ),
    Statement("COMMENT ON COLUMN widgets.name IS 'What it is called " + "by its owner" * 4 + "'"),
    Statement("\nUPDATE t\n   SET n = 1\n"),
]


WRITTEN = '''\
    db.execute(text("CREATE SCHEMA shop"))

    db.execute(text("CREATE TYPE mood AS ENUM ('happy', 'sad')"))

    db.execute(
        text("""
            CREATE TYPE state AS ENUM ('waiting, at the door', 'waiting, at the door',
                'waiting, at the door', 'waiting, at the door')
        """)
    )

    db.execute(
        text("""
            CREATE TABLE t (
                id SERIAL NOT NULL,
                n TEXT DEFAULT 'a \\n\\tb'
            )
        """)
    )

    # The rows of order are lost.
    # A rename? Then:
    #   ALTER
    db.execute(text('DROP TABLE "order"'))

    db.execute(text("COMMENT ON TABLE t IS 'two\\nlines'"))

    db.execute(text("ALTER TABLE t ADD CHECK (n ~ '^\\\\d \\\\:x ::y')"))

    db.connection().exec_driver_sql("COMMENT ON TABLE t IS ' :aa: 100%%'")

    # Fails where a row refers to nobody.
    db.execute(
        text("""
            ALTER TABLE widgets ADD CONSTRAINT fk_widgets_owner_id_people FOREIGN
                KEY(owner_id) REFERENCES people (id) ON DELETE CASCADE
        """)
    )

    db.execute(
        text("""
            CREATE UNIQUE INDEX ix_widgets_name ON widgets (lower(name)) WHERE name <>
                ' WHERE ' AND deleted_at IS NULL AND owner_id IS NOT NULL
        """)
    )

    db.execute(
        text("""
            COMMENT ON COLUMN widgets.name IS
                'What it is called by its ownerby its ownerby its ownerby its owner'
        """)
    )

    db.execute(
        text("""
            UPDATE t
               SET n = 1
        """)
    )
'''


def test_statements_are_written_one_a_call() -> None:
    assert f"    {as_code(STATEMENTS)}\n" == WRITTEN


def test_a_comment_stands_where_an_operation_could_not_be_written() -> None:
    first = Statement("CREATE SCHEMA shop")
    parts: list[Statement | Unwritten] = [
        first,
        Unwritten("AskingOp for widgets", "it asks", "op.ask(\n    'widgets',\n\n)"),
        Unwritten("OtherOp", "it has parameters"),
    ]
    code = as_code(parts)
    assert (
        code
        == """\
db.execute(text("CREATE SCHEMA shop"))

    # AskingOp for widgets is missing here: it asks. Write its SQL by hand. Alembic
    # would write:
    #   op.ask(
    #       'widgets',
    #
    #   )

    # OtherOp is missing here: it has parameters. Write its SQL by hand."""
    )
    assert sent(first, Statement("DROP TABLE t", ("a note",))) == [
        "CREATE SCHEMA shop",
        "DROP TABLE t",
    ]
