"""The context of one command: its folder, its database and its reporter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from bridge.config.settings import Settings
from bridge.database.database import Database
from bridge.database.handed_in import is_lent
from bridge.ledger.read import read_state
from bridge.ledger.state import State
from bridge.ledger.tables import Ledger
from bridge.reporting import events
from bridge.reporting.reporter import Reporter

if TYPE_CHECKING:
    from bridge.alembic.script_directory import PlainScriptDirectory
    from bridge.database.request import Request


@dataclass(kw_only=True)
class CommandRun:
    """Everything that stays the same from the beginning to the end of a command."""

    script: PlainScriptDirectory
    settings: Settings
    connection: Connection
    ledger: Ledger
    reporter: Reporter
    #: What a person types to go on after a failure has been mended.
    command: str
    #: Whether the connection came in a transaction of the caller's, who alone may end it.
    external: bool
    #: Whether the connection was handed in, and is to be given back as it came.
    lent: bool
    #: Whether the database is dropped at the end of the command.
    scratch: bool = False
    #: Whether its target is a new one, whose schema is made.
    provisions: bool = False
    #: Raises Interrupted if a signal has come.
    check_signals: Callable[[], None] = lambda: None
    #: Called after each of Alembic's steps; set by a command that takes any.
    on_step: Callable[..., None] | None = None
    _reported: bool = False

    @classmethod
    def of(
        cls, script: PlainScriptDirectory, connection: Connection, request: Request
    ) -> CommandRun:
        """Return the run of this script directory; call it before the first statement is sent.

        The first statement would begin a transaction, which would then look like the caller's.
        """
        return cls(
            script=script,
            settings=script.settings,
            connection=connection,
            ledger=Ledger.of(script.settings),
            reporter=request.reporter,
            command=request.command,
            external=connection.in_transaction(),
            lent=is_lent(request.database),
            scratch=isinstance(request.database, Database) and request.database.is_scratch,
        )

    def read(self) -> State:
        """Read what the database holds, by the stems of the migrations; writes nothing.

        Says what was made of a ledger that another runner has made, the first time. Raises
        LedgerError if nothing can be made of it.
        """
        state = read_state(self.connection, self.ledger, self.script.files)
        if sentence := state.recognised:
            if not self._reported:
                self.reporter.tell(events.Note(sentence))
            self._reported = True
        self.ledger = self.ledger.keyed_by(state)
        return state

    def step_taken(self, **arguments: Any) -> None:
        """Serve as Alembic's ``on_version_apply`` callback."""
        if self.on_step is not None:
            self.on_step(**arguments)
