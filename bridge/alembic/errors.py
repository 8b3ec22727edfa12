"""Carry bridge's errors through Alembic to its caller.

They expect a CommandError; a person at the ``alembic`` command expects a sentence and an exit
status that tells a failed migration from a wrong option.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from alembic.config import Config
from alembic.util import CommandError

from bridge.errors import BridgeError, UsageError
from bridge.reporting.escaping import escaped


class PlainFilesError(CommandError):
    """An error of bridge as Alembic's callers expect it; its cause is the BridgeError."""


class IrreversibleError(UsageError):
    """A migration has no way back, and a downgrade would have gone through it."""


class IrreversiblePlainFilesError(PlainFilesError, NotImplementedError):
    """IrreversibleError as Alembic's callers expect it.

    A ``downgrade`` that raises NotImplementedError is how Alembic projects say that there is no
    way back, and tools such as pytest-alembic stop there instead of failing.
    """


def under_command_line(config: Config) -> bool:
    """Return whether the ``alembic`` command runs; programs set `cmd_opts` too, to pass -x on."""
    return getattr(config.cmd_opts, "cmd", None) is not None


@contextmanager
def errors_for_alembic(config: Config) -> Iterator[None]:
    """Turn bridge's errors into what the caller of Alembic expects, inside this block.

    Under the ``alembic`` command that is a message and bridge's exit status (Alembic itself
    knows only one, 255); for everybody else it is a CommandError caused by the BridgeError.
    """
    try:
        yield
    except BridgeError as error:
        if under_command_line(config) and not getattr(config.cmd_opts, "raiseerr", False):
            print(f"FAILED: {escaped(str(error))}", file=sys.stderr)  # noqa: T201 - as Alembic does
            raise SystemExit(error.exit_code) from error
        if isinstance(error, IrreversibleError):
            raise IrreversiblePlainFilesError(str(error)) from error
        raise PlainFilesError(str(error)) from error
