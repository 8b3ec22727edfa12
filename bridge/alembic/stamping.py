"""A stamp: the pointer is set, and the ledger made to agree with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alembic.util import to_tuple

from bridge.alembic.announce import tell
from bridge.alembic.writing import Writing
from bridge.database.sending import send
from bridge.errors import UsageError
from bridge.files.replaces import replaced_by
from bridge.ledger import sql
from bridge.ledger.messages import records as record_messages
from bridge.ledger.preflight import Command, Preflight, preflight
from bridge.ledger.records import confirm_pointer

if TYPE_CHECKING:
    from alembic.runtime.migration import MigrationContext, MigrationInfo

    from bridge.alembic.run import CommandRun
    from bridge.ledger.state import State

_NOTHING_YET = object()


class Stamping(Writing):
    """``alembic stamp``, which runs no file."""

    stamps = True

    def __init__(self, run: CommandRun, ctx: MigrationContext) -> None:
        super().__init__(run, ctx)
        self._purging = bool(ctx.purge)
        self.command = Command.PURGE if self._purging else Command.STAMP
        #: What Alembic has stamped; a trigger of the table may have made something else of it.
        self._stamped: Any = _NOTHING_YET

    def _listen(self) -> None:
        super()._listen()
        self._run.script.announce_stamp = self._announce_stamp

    def _close(self) -> None:
        super()._close()
        self._run.script.announce_stamp = None

    def _prepare(self) -> None:
        super()._prepare()
        if self._hindrance is None and not self._purging:
            self._rows.add_imported(self._history.pointer)
        self._rows.imported = None
        tell(self._run.reporter, self._found.warnings)

    def _decide(self, state: State) -> Preflight:
        if len(to_tuple(self._ctx.opts["destination_rev"], default=())) > 1:
            raise UsageError(
                "Plain files form one history, so a database is at one revision. Name one "
                "revision to stamp. Nothing was changed."
            )
        return super()._decide(state)

    def _heads(self) -> tuple[str, ...]:
        if not self._purging:
            heads = self._ctx.get_current_heads()
            self._pointer.found_at(heads)
            return heads
        if self._hindrance is None:
            send(self._run.connection, *sql.replace_pointers(self._run.ledger, None))
        self._pointer.now = None
        return ()

    def _announce_stamp(self, revision: str | None) -> None:
        """Refuse a stamp of this revision if it could not be recorded."""
        wanted = self._history.up_to(revision)
        preflight(
            self.command,
            self._run.script.files,
            self._rows.state,
            self._run.settings,
            steps=[entry for entry in wanted if entry.row is None],
            forgets=[entry for entry in self._history.applied if entry not in wanted],
        ).refuse()
        if self._hindrance is not None:
            raise self._hindrance

    def _on_step(self, *, step: MigrationInfo, **_: Any) -> None:
        """Note what was stamped: Alembic calls for each of its steps, or for none."""
        self._stamped = next(iter(step.destination_revision_ids), None)

    def _end(self) -> None:
        """Make the ledger hold exactly the stamped revision and its ancestors in the history."""
        run = self._run
        heads = self._ctx.get_current_heads()
        if self._stamped is not _NOTHING_YET:
            confirm_pointer(run.connection, run.ledger, self._stamped)
        wanted = self._history.up_to(heads[0] if heads else None)
        state = run.read()
        recorded = {row.version for row in state.rows}
        replaced = {name for entry in wanted for name in entry.replaces}
        superfluous = recorded - replaced - {entry.stem for entry in wanted}
        if not self._purging:
            self._refuse_forgetting(superfluous)
        self._rows.forget(superfluous)
        self._rows.add_stamped(wanted, state)

    def _refuse_forgetting(self, stems: set[str]) -> None:
        files = self._run.script.files
        gone = sorted(stems.difference((file.stem for file in files), *replaced_by(files).values()))
        if gone:
            raise record_messages.forgetting(self._rows.state, gone)
