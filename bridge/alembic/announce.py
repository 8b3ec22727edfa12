"""Tell, or refuse, what preflight found, before the first file of a run."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from bridge.ledger.lacking_columns import additions
from bridge.ledger.preflight import Command, Preflight, preflight
from bridge.reporting import events

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.alembic.run import CommandRun
    from bridge.errors import BridgeError
    from bridge.findings import Finding
    from bridge.ledger.history import Entry
    from bridge.ledger.reconcile import Agreement
    from bridge.ledger.state import State
    from bridge.reporting.events import Direction
    from bridge.reporting.reporter import Reporter


def announce(
    run: CommandRun,
    state: State,
    direction: Direction,
    entries: Sequence[Entry],
    otherwise: BridgeError | None = None,
    *,
    agreed: Agreement | None = None,
    looking: bool = False,
) -> Preflight:
    """Tell what a person should know before these migrations are run or reverted.

    `state` is what the database holds, and `agreed` what is known of it already, as in preflight.
    With `looking` they are not run. Raises a BridgeError with
    all that is refused; `otherwise`, if there is one, where nothing is.
    """
    found = preflight(
        Command(direction.value),
        run.script.files,
        state,
        run.settings,
        steps=entries,
        looking=looking,
        agreed=agreed,
    )
    if otherwise is None or found.refusals:
        tell(run.reporter, found.warnings)
    found.refuse()
    if otherwise is not None:
        raise otherwise
    if looking and (sentence := additions(state)):
        run.reporter.tell(events.Note(sentence))
    return found


def tell(reporter: Reporter, warnings: Iterable[Finding]) -> None:
    """Tell each finding, with its id for those who read it as data."""
    for each in warnings:
        reporter.tell(events.Warned(str(each), id=each.id))
