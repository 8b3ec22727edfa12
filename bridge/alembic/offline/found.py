"""The contents of the database that a script is for."""

from __future__ import annotations

from dataclasses import dataclass

from bridge.ledger.layout import Layout
from bridge.ledger.preflight import Preflight
from bridge.ledger.state import State


@dataclass(frozen=True)
class Found:
    """What its two tables say, and what that means for the folder."""

    state: State
    agreement: Preflight
    #: The columns of the ledger; no names at all if there is none.
    layout: Layout
