"""Words that several messages about migrations share."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from bridge.ledger.history import Entry
from bridge.ledger.state import State


def joined(words: Sequence[str]) -> str:
    """Some words, such as: one, another and a third."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if words[1:] else words)


def typed(name: str) -> str:
    """A name as a person types it in a shell."""
    return shlex.quote(name)


def stems_of(entries: Sequence[Entry]) -> list[str]:
    """The names of some migrations."""
    return [entry.stem for entry in entries]


def about_first(entries: Sequence[Entry]) -> dict[str, str | None]:
    """The first of several migrations, which a program is pointed at."""
    entry = entries[0]
    return {"migration": entry.stem, "file": entry.path}


def last_of(state: State) -> str:
    """The name of the migration that was applied last."""
    return state.in_order[-1].version
