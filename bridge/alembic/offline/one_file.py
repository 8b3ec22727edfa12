"""Write what one file does into a script."""

from __future__ import annotations

import contextlib
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from alembic import op
from sqlalchemy.orm import Session

from bridge.alembic.offline.driver import ScriptConnection
from bridge.alembic.offline.session import OfflineConnection, open_script_session, script_connection
from bridge.errors import BridgeError, Interrupted, MigrationError
from bridge.execution.loading import loaded, refuse_unfinished
from bridge.files.conventions import Argument
from bridge.files.functions import CALLED_WITH
from bridge.files.plain_file import PlainFile
from bridge.reporting.events import Direction

if TYPE_CHECKING:
    from bridge.config.settings import Settings


def write_file(
    driver: ScriptConnection,
    file: PlainFile,
    direction: Direction,
    settings: Settings,
    forgetting: Sequence[str] = (),
) -> None:
    """Run the file on a connection that writes; `forgetting` is as `begin_file` takes it.

    Raises a BridgeError, after which the script is not to be used.
    """
    driver.begin_file(file.path, file.header.transaction or settings.transaction, forgetting)
    try:
        # What a file prints is for the person, not for the script.
        with contextlib.redirect_stdout(sys.stderr), loaded(file, direction.value) as function:
            _call(driver, file, function, direction, autoflush=settings.session_autoflush)
    except BridgeError as error:
        raise driver.refused or error from error.__cause__
    except Interrupted:
        raise
    except (Exception, SystemExit) as error:
        raise driver.refused or _failed(file, direction, error) from error
    driver.end_file()


def _call(
    driver: ScriptConnection,
    file: PlainFile,
    function: Callable[[Any], object],
    direction: Direction,
    *,
    autoflush: bool,
) -> None:
    argument, _ = file.takes(direction.value)
    if argument is Argument.CONNECTION:
        connection = script_connection(driver)
        refuse_unfinished(function(connection), direction)
        connection.commit()
        return
    if argument is not Argument.SESSION:
        driver.refuse(
            f"`{file.conventions.function(direction.value)}` takes {CALLED_WITH[argument][0]}, "
            "which nothing can stand for while a script is written. Nothing was written. Let "
            "the file run instead: eai migrate rehearse, on a copy of the database, runs what "
            "is pending, prints its SQL and rolls everything back."
        )
    session = open_script_session(driver, autoflush=autoflush)
    refuse_unfinished(function(session), direction)
    session.commit()  # as the runner does, after the file returns
    Session.close(session)  # and not the file's close(), which rolls back


def _failed(file: PlainFile, direction: Direction, error: BaseException) -> MigrationError:
    frames = traceback.extract_tb(error.__traceback__)
    line = next((frame.lineno for frame in reversed(frames) if frame.filename == file.path), None)
    where = f"{file.path}:{line}" if line else file.path
    cause = getattr(error, "orig", None) or error
    reason = str(cause).strip().split("\n", 1)[0]
    return MigrationError(
        f"{where}: {direction} failed while its SQL was written: "
        f"{type(cause).__name__}{': ' if reason else ''}{reason}. Nothing was written."
    )


@contextmanager
def written_through(ctx: Any, connection: OfflineConnection, write_to: Any) -> Iterator[None]:
    """Let Alembic and `alembic.op` write through our connection, BEGIN and COMMIT included.

    Alembic's own offline mode drops parameters, changes tabs inside constants, and puts a second
    semicolon after the first, or its only one behind a comment.
    """
    impl = ctx.impl
    before = (ctx.connection, ctx.output_buffer, impl.connection, impl.output_buffer)
    modes = (impl.as_sql, impl.transactional_ddl)
    ctx.connection = impl.connection = connection
    ctx.output_buffer = impl.output_buffer = write_to
    impl.as_sql = impl.transactional_ddl = False
    try:
        yield
    finally:
        ctx.connection, ctx.output_buffer, impl.connection, impl.output_buffer = before
        impl.as_sql, impl.transactional_ddl = modes


def write_for_others(file: PlainFile, direction: Direction, settings: Settings) -> bool:
    """Write a file into the script of the program that is making one now, and return True.

    Linters call the functions of a revision by themselves, in a context of their own that is
    offline: nothing runs, and nothing is recorded. Returns False where nobody makes a script.
    """
    try:
        ctx: Any = op.get_context()
    except NameError:  # Alembic's proxy stands for nothing
        return False
    if not ctx.as_sql:
        return False
    driver = ScriptConnection(ctx.output_buffer.write)
    with (
        contextlib.closing(script_connection(driver)) as connection,
        written_through(ctx, connection, ctx.output_buffer),
    ):
        write_file(driver, file, direction, settings)
        connection.commit()
        driver.commit()
        driver.pay_commit()
    return True
