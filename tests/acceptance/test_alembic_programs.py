"""Programs that call Alembic, with connections of their own."""

from __future__ import annotations

from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from support.alembic_books import execute, write_three

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from support.project import Project


AUTOCOMMIT = (
    "The connection handed in is in AUTOCOMMIT mode, and SQLAlchemy has begun a transaction on "
    "it that the database does not know. Nothing was done. Hand it in before begin(), or without "
    "AUTOCOMMIT."
)


@pytest.fixture
def three(project: Project) -> Project:
    write_three(project)
    return project


PROGRAM = """\
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool
import os

engine = create_engine(os.environ["DATABASE_URL"], poolclass=NullPool)
config = Config("alembic.ini")

def recorded():
    with engine.connect() as other:
        return other.scalar(text("SELECT count(*) FROM schema_migrations"))
"""


def run(project: Project, program: str) -> list[str]:
    """What a program prints that is not told where the database is, except by the Engine."""
    (project.path / "program.py").write_text(PROGRAM + dedent(program))
    return project.script("program.py", check=True).stdout.splitlines()


def test_a_program_hands_in_an_engine_or_a_connection(three: Project) -> None:
    assert run(
        three,
        """
        del os.environ["DATABASE_URL"]
        config.attributes["connection"] = engine
        command.upgrade(config, "001")
        print(recorded())
        with engine.connect() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "+1")
            print(recorded(), connection.in_transaction(), connection.closed)
            command.current(config)
            try:
                command.upgrade(config, "no_such")
            except CommandError as error:
                print("No migration is called" in str(error), connection.in_transaction())
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            print(recorded(), connection.connection.dbapi_connection.autocommit)
            with connection.begin():
                try:
                    command.downgrade(config, "base")
                except CommandError as error:
                    print(error)
        print(recorded())
        """,
    ) == ["1", "2 False False", "002_two", "True False", "3 True", AUTOCOMMIT, "3"]


def test_a_connection_in_the_callers_transaction_is_left_to_the_caller(three: Project) -> None:
    assert run(
        three,
        """
        command.upgrade(config, "001")
        with engine.connect() as connection:
            config.attributes["connection"] = connection
            with connection.begin() as transaction:
                command.upgrade(config, "head")
                command.current(config)
                command.downgrade(config, "-1")
                print(recorded(), connection.in_transaction())
                transaction.rollback()
            print(recorded())
            with connection.begin():
                command.stamp(config, "002_two")
        print(recorded())
        """,
    ) == ["003_three (head)", "1 True", "1", "2"]


def test_a_program_gets_a_command_error_that_the_error_of_bridge_has_caused(
    three: Project,
) -> None:
    three.write("004_bad", "def upgrade(db):\n    raise ValueError('x')\n")
    assert run(
        three,
        """
        from argparse import Namespace
        # How a program passes -x on: it is no command line for that.
        config.cmd_opts = Namespace(x=["wait_for_lock=5"])
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            print(type(error.__cause__).__name__, error.__cause__.exit_code)
            print(str(error).splitlines()[0].split(":")[0])
        config.attributes["connection"] = object()
        try:
            command.current(config)
        except CommandError as error:
            print("is of type object; bridge takes a URL, or an Engine" in str(error))
        """,
    ) == [
        "MigrationError 1",
        "004_bad failed",
        "True",
    ]


def test_a_database_that_refuses_the_bookkeeping_is_told_without_a_traceback(
    three: Project, engine: Engine
) -> None:
    execute(
        engine,
        "CREATE TABLE alembic_version (another_column text)",
    )
    failed = three.alembic("current")
    assert failed.returncode == 4
    assert "FAILED: A statement of bridge's own, not of a migration, failed: " in failed.stderr
    assert "\n  statement: SELECT " in failed.stderr
    assert "Traceback" not in failed.stderr


def test_logging_sections_are_followed_and_disable_no_logger(three: Project) -> None:
    three.ini(
        extra="""
        [loggers]
        keys = root,alembic
        [handlers]
        keys = console
        [formatters]
        keys = plain
        [logger_root]
        level = WARNING
        handlers = console
        [logger_alembic]
        level = INFO
        handlers =
        qualname = alembic
        [handler_console]
        class = StreamHandler
        args = (sys.stderr,)
        formatter = plain
        [formatter_plain]
        format = %(levelname)s [%(name)s] %(message)s
        """
    )
    three.write(
        "004_logs",
        """
        import logging
        def upgrade(db):
            logging.getLogger("bridge").warning("still heard")
        """,
    )
    told = three.alembic("upgrade", "head", check=True).stderr
    assert "INFO [alembic.runtime.migration] Running upgrade  -> 001_one, Create one" in told
    assert "WARNING [bridge] still heard" in told
    three.write("005_fails", "def upgrade(db): 1 / 0")
    failed = three.alembic("upgrade", "head")
    assert "Correct the file, and type: alembic upgrade head\n" in failed.stderr
    three.remove("005_fails")
    # A program has set up its logging as it likes.
    program = three.python(
        """
        import logging
        from alembic import command
        from alembic.config import Config
        mine = logging.getLogger("mine")
        command.stamp(Config("alembic.ini"), "base")
        print(mine.disabled, logging.getLogger().handlers)
        """,
        check=True,
    )
    assert program.stdout == "False []\n"
