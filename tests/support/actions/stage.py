"""What the one migration of a comparison does: the file calls `perform`, and a test says what."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy.orm import Session

FILE = """\
from support.actions.stage import perform
description = "One action"
transaction = "{mode}"
def upgrade(db):
    perform(db)
"""

_performing: list[Callable[[Session], None]] = []


def perform(db: Session) -> None:
    _performing[-1](db)


@contextmanager
def performing(do: Callable[[Session], None]) -> Iterator[None]:
    """Have the file do this, up to the end of the block."""
    _performing.append(do)
    try:
        yield
    finally:
        _performing.pop()
