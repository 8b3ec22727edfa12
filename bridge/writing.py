"""An upgrade, a downgrade or a stamp: with the lock held, look again, decide, do, record."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Any

from alembic.runtime.migration import MigrationContext, MigrationInfo
from alembic.util import to_tuple
from sqlalchemy.exc import IntegrityError

from bridge import disagreements as say
from bridge.announcing import announce, refuse_drift, warn_of_missing
from bridge.attempt import Attempt
from bridge.drift import row_of
from bridge.errors import BridgeError, LedgerError, UsageError
from bridge.exclusive import exclusively
from bridge.forgetting import Erasure, Forgetting
from bridge.ledger import sqlstate
from bridge.line import Entry, Row
from bridge.plainfile import PlainFile
from bridge.pointer import Pointer
from bridge.reconcile import Agreement, reconcile, reconcile_for_stamp
from bridge.reporting import Direction
from bridge.retrying import Retrying
from bridge.rights import Rights
from bridge.runner import Runner
from bridge.sealing import Sealing
from bridge.session import Mode, Watcher
from bridge.site import Site
from bridge.state import State

#: What cannot be done on a connection that only reads, although nothing may be pending.
_BOOKS = "and its bookkeeping tables would have to be written"
#: The SQLSTATE of a second row with one key.
_UNIQUE_VIOLATION = "23505"


def write(site: Site, ctx: MigrationContext, run_migrations: Callable[[], None]) -> None:
    """Let Alembic take the steps of the command, each recorded in its own transaction.

    Raises LockNotObtained, LedgerError or FilesError before anything was changed, and
    MigrationError after a migration was rolled back; those before it stay applied.
    """
    if not site.external:
        site.connection.rollback()
    retrying = Retrying(
        site.connection,
        timeout=site.settings.ddl_lock_timeout,
        tries=site.settings.ddl_lock_tries,
        reporter=site.reporter,
    )
    with (
        exclusively(
            site.connection,
            wait=site.settings.wait_for_lock,
            reporter=site.reporter,
            in_transaction=site.external,
        ) as right,
        Watcher(right.show).listening() as watcher,
        retrying.watching(),
    ):
        runner = Runner(
            connection=site.connection,
            reporter=retrying.reporter,
            watcher=watcher,
            may_begin=right.may_begin,
            keep_claim=right.keep,
            pooled=right.pooled,
            check_signals=site.check_signals,
            default_mode=Mode(site.settings.transaction),
            autoflush=site.settings.session_autoflush,
            show_parameters=site.settings.show_parameters,
            external=site.external,
            books=(site.ledger.name, site.ledger.version_name),
            lock_waits=retrying.lock_waits,
        )
        _Writing(site, ctx, runner, retrying).run(run_migrations)


class _Writing:
    """One writing command, from the first look under the lock to the last commit."""

    def __init__(
        self, site: Site, ctx: MigrationContext, runner: Runner, retrying: Retrying
    ) -> None:
        self._site = site
        self._ctx = ctx
        self._runner = runner
        self._retrying = retrying
        runner.seal = self._seal
        self._sealing: Sealing | None = None
        #: Only ``stamp`` has this option at all.
        self._stamping = "purge" in ctx.opts
        self._purging = bool(ctx.purge)

    def run(self, run_migrations: Callable[[], None]) -> None:
        site = self._site
        site.on_step = self._on_step
        site.script.execute = self._execute
        site.script.announce = self._announce
        try:
            self._prepare()
            run_migrations()
            if self._hindrance is not None:
                site.reporter.note(f"Nothing is pending, so the run goes on. {self._hindrance}")
            if self._stamping:
                self._mirror()
            self._commit()
        except Exception as error:
            explained = self._runner.abort(error)
            self._roll_back()
            if explained is error:
                raise  # `from None` would forget its cause, which Alembic's callers look at
            raise explained from error
        except BaseException:
            self._roll_back()
            raise
        finally:
            if self._sealing is not None:
                self._sealing.close()
            site.script.execute = site.script.announce = site.on_step = None

    def _prepare(self) -> None:
        """Decide on the line, then see to it that both tables are there and agree with it.

        Nothing of this is committed before the first migration begins: a command that is refused
        after all, or a stamp that fails, leaves both tables as they were.
        """
        site = self._site
        self._state = site.read()
        agreement = self._decide(self._state)
        self._line = line = agreement.line
        for warning in agreement.warnings:
            site.reporter.warning(warning)
        warn_of_missing(site.reporter, line)
        if not self._purging:
            refuse_drift(site.settings, self._state, line)
        site.script.follow(line)
        self._pointer = Pointer(self._ctx, site.connection, site.ledger, line.pointer)
        self._rights = Rights.of(
            site.connection, ledger=self._state.ledger, version_table=self._state.version_table
        )
        self._hindrance = self._keep_books(agreement)
        if self._hindrance is not None and self._stamping:
            raise self._hindrance
        if not self._stamping:
            # Under the lock the line knows, and Alembic need not ask again.
            pointer = line.pointer
            self._ctx.get_current_heads = lambda: (pointer,) if pointer else ()  # type: ignore[method-assign]
        if self._hindrance is not None:
            self._ctx.opts["dont_mutate"] = True  # until something is to be run

    def _keep_books(self, agreement: Agreement) -> BridgeError | None:
        """Put both tables in order, or say why that cannot be done here."""
        site, rights = self._site, self._rights
        if rights.read_only:
            there = self._state.exists and rights.version_table is not None
            if there and not (agreement.moves_pointer or self._stamping):
                return None
            return rights.read_only_refusal(_BOOKS)
        if agreement.moves_pointer and (refusal := rights.pointer_refusal()):
            return refusal
        state = self._state
        if state.complete and state.layout.key == state.key_column and not agreement.moves_pointer:
            self._layout = state.layout
            return None
        try:
            with site.connection.begin_nested():
                self._layout = site.ledger.ensure(site.connection)
                longest = max((len(e.revision) for e in agreement.line.entries), default=0)
                site.ledger.widen_version_table(site.connection, longest=longest)
                with site.ledger.creating():
                    # Alembic creates this table too late for a pointer to be put into it.
                    self._ctx._ensure_version_table()  # noqa: SLF001
                if agreement.moves_pointer:
                    site.ledger.point(site.connection, agreement.pointer)
        except LedgerError as error:
            return error
        return None

    def _announce(self, entries: Sequence[Entry]) -> None:
        """What is to be known, or refused, before the first of these migrations is run."""
        if self._line.breaking:
            raise say.breaking(self._state, [entry.stem for entry in self._line.breaking])
        self._refuse_forbidden(Direction.UPGRADE, entries)
        announce(self._site, entries)

    def _decide(self, state: State) -> Agreement:
        files = self._site.script.files
        if not self._stamping:
            return reconcile(files, state)
        if len(to_tuple(self._ctx.opts["destination_rev"], default=())) > 1:
            raise UsageError(
                "Plain files form one line, so a database stands at one revision: name one to "
                "stamp. Nothing was changed."
            )
        return reconcile_for_stamp(files, state, purge=self._purging)

    def _refuse_forbidden(self, direction: Direction, entries: Sequence[Entry]) -> None:
        """What could be run but not recorded, or could not even be run."""
        refusal = self._rights.refusal(direction, [e.stem for e in entries]) or self._hindrance
        if entries and refusal is not None:
            raise refusal

    def _execute(self, file: PlainFile, direction: Direction) -> None:
        entry = self._line.by_revision[file.revision]
        self._refuse_forbidden(direction, [entry])
        self._commit()
        self._sealed = False
        if direction is Direction.DOWNGRADE:
            self._take_back(file, entry)
            return
        self._runner.forgetting = None
        self._retrying.run(self._runner, file, direction)
        if self._sealed:
            self._pointer.has_moved_to(file.revision)
        else:
            self._pointer.moves_to(file.revision)

    def _take_back(self, file: PlainFile, entry: Entry) -> None:
        *earlier, _ = self._line.up_to(entry.revision)
        erasure = Erasure(
            ledger=self._site.ledger,
            layout=self._layout,
            key=self._state.key(entry.stem),
            old=entry.revision,
            new=earlier[-1].revision if earlier else None,
        )
        runner = self._runner
        runner.forgetting = Forgetting(self._site.connection, erasure, lambda: runner.baseline)
        self._retrying.run(runner, file, Direction.DOWNGRADE)
        self._pointer.has_moved_to(erasure.new)  # or is moved in time, by the runner's `finish`

    def _seal(self, attempt: Attempt) -> bool:
        """Record a migration in one message as soon as it has ended, where that can be done."""
        old, runner = self._pointer.now, self._runner
        upgrades = attempt.direction is Direction.UPGRADE
        if not (upgrades and old) or runner.external or runner.pooled is not None:
            return False
        if self._sealing is None:
            self._sealing = Sealing(self._site.connection, self._site.ledger, self._layout)
        self._sealed = self._sealing.write(
            attempt.work,
            runner.baseline,
            limit=self._retrying.lock_waits.limit,
            old=old,
            new=attempt.file.revision,
            row=self._recorded(row_of(attempt.file, attempt.milliseconds())),
        )
        return self._sealed

    def _on_step(self, *, step: MigrationInfo, **_told: Any) -> None:
        """Record a migration in the transaction that did it, and end that transaction."""
        if step.is_stamp:
            return  # recorded when it is done: Alembic calls for each of its steps, or for none
        if step.is_upgrade:
            self._runner.finish(self._record_attempt)
        else:
            self._runner.finish(_finish_forgetting)

    def _record_attempt(self, attempt: Attempt) -> None:
        if not self._sealed:
            self._record(row_of(attempt.file, attempt.milliseconds()))

    def _recorded(self, row: Row) -> Row:
        """The row as the ledger has it."""
        key = self._state.key(row.version)
        return row if key == row.version else replace(row, version=key)

    def _record(self, row: Row) -> None:
        site = self._site
        try:
            site.ledger.record_applied(site.connection, self._recorded(row), self._layout)
        except IntegrityError as error:
            if sqlstate(error) != _UNIQUE_VIOLATION:
                raise
            raise LedgerError(
                f"{site.ledger.name} already holds a row for {row.version}: another process "
                "has applied it at the same time, without the migration lock."
            ) from error

    def _forget(self, stems: Collection[str]) -> None:
        if stems:
            keys = {self._state.key(stem) for stem in stems}
            self._site.ledger.record_unapplied(self._site.connection, keys, self._layout)

    def _mirror(self) -> None:
        """Make the ledger hold exactly the stamped revision and its ancestors in the line."""
        site = self._site
        heads = self._ctx.get_current_heads()
        wanted = self._line.up_to(heads[0] if heads else None)
        state = site.read()
        recorded = {row.version for row in state.rows}
        superfluous = recorded - {entry.stem for entry in wanted}
        if not self._purging:
            self._refuse_forgetting(superfluous)
        self._forget(superfluous)
        for entry in wanted:
            if entry.stem not in recorded:
                self._record(row_of(entry.file) if entry.file else Row(version=entry.stem))

    def _refuse_forgetting(self, stems: set[str]) -> None:
        gone = sorted(stems - {file.stem for file in self._site.script.files})
        if gone:
            raise say.forgetting(self._state, gone)

    def _commit(self) -> None:
        if not self._site.external:
            self._site.connection.commit()

    def _roll_back(self) -> None:
        if not self._site.external and self._site.connection.in_transaction():
            self._site.connection.rollback()


def _finish_forgetting(attempt: Attempt) -> None:
    if attempt.work.forgetting is not None:
        attempt.work.forgetting.finish()
