"""One writing command, from the first look under the lock to the last commit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bridge.alembic.announce import announce
from bridge.alembic.rows import Rows
from bridge.alembic.steps import steps_from, take_steps
from bridge.alembic.tables import prepare_tables
from bridge.alembic.version_table import Pointer
from bridge.errors import BridgeError
from bridge.ledger.preflight import Command, Preflight, preflight
from bridge.ledger.target import make_schema
from bridge.reporting import events

if TYPE_CHECKING:
    from alembic.runtime.migration import MigrationContext, MigrationInfo

    from bridge.alembic.run import CommandRun
    from bridge.ledger.history import Entry
    from bridge.ledger.state import State
    from bridge.reporting.events import Direction


class Writing:
    """What an upgrade, a downgrade and a stamp share."""

    #: What it is to preflight, before it is known which steps there are.
    command = Command.LOOK
    #: Whether it only says what is applied.
    stamps = False

    def __init__(self, run: CommandRun, ctx: MigrationContext) -> None:
        self._run = run
        self._ctx = ctx

    def run(self) -> None:
        """Take all steps, and commit.

        What it raises, and the state that this leaves, are those of `bridge.alembic.write.write`.
        """
        self._listen()
        try:
            self._prepare()
            take_steps(self._ctx, steps_from(self._ctx, self._heads()), self._pointer)
            self._end()
            if self._rows.imported is None:
                self._commit()
            else:
                # Nothing has changed what Alembic has recorded, so that its releases go on.
                self._roll_back()
        except Exception as error:
            explained = self._explained(error)
            self._roll_back()
            if explained is error:
                raise  # `from None` would forget its cause, which Alembic's callers look at
            raise explained from error
        except BaseException:
            self._roll_back()
            raise
        finally:
            self._close()

    def _listen(self) -> None:
        """Have Alembic's steps, and what is announced of them, come here."""
        self._run.on_step = self._on_step
        self._run.script.announce = self._announce

    def _close(self) -> None:
        self._run.script.announce = self._run.on_step = None

    def _prepare(self) -> None:
        """Decide on the history, then see to it that both tables are there and agree with it.

        Nothing of this is committed before the first migration begins: a command that is refused
        after all, or a stamp that fails, leaves both tables as they were.
        """
        run = self._run
        target = run.settings.target
        if run.provisions and target is not None and make_schema(run.connection, target):
            run.reporter.tell(events.Note(f"The schema {target.schema} is new."))
        state = run.read()
        found = self._decide(state)
        self._rows = Rows(run, state)
        self._found, self._read = found, state
        self._history = history = found.history
        run.script.follow(history)
        self._pointer = Pointer(run.connection, run.ledger, history.pointer)
        self._hindrance = prepare_tables(run, self._ctx, self._rows, found, stamping=self.stamps)

    def _decide(self, state: State) -> Preflight:
        run = self._run
        found = preflight(self.command, run.script.files, state, run.settings, steps=())
        found.refuse()
        return found

    def _heads(self) -> tuple[str, ...]:
        """Where the database is, for Alembic; under the lock the history knows."""
        return (self._pointer.now,) if self._pointer.now else ()

    def _announce(
        self, direction: Direction, entries: Sequence[Entry], otherwise: BridgeError | None
    ) -> None:
        """Tell, or refuse, what preflight found before the first of these migrations runs."""
        state = self._rows.state
        agreed = self._found.agreement if state is self._read else None  # else it has changed
        announce(self._run, state, direction, entries, otherwise, agreed=agreed)

    def _on_step(self, *, step: MigrationInfo, **_: Any) -> None:
        """Do what belongs to a step that was just taken; the pointer has moved."""
        raise NotImplementedError

    def _end(self) -> None:
        """Do what remains after the last step, before it is committed."""

    def _explained(self, error: Exception) -> Exception:
        """Return the error to raise."""
        return error

    def _commit(self) -> None:
        if not self._run.external:
            self._run.connection.commit()
        while self._rows.notes:
            self._run.reporter.tell(events.Note(self._rows.notes.pop(0)))

    def _roll_back(self) -> None:
        if not self._run.external and self._run.connection.in_transaction():
            self._run.connection.rollback()
