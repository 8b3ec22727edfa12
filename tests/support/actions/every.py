"""The whole table: whoever imports it from here has every action in it."""

from __future__ import annotations

from support.actions import (
    binds,
    by_alembic,
    commits,
    cursors,
    driver,
    driver_tells,
    errors,
    giving_away,
    more_of_the_driver,
    objects,
    options,
    sessions,
    texts,
)
from support.actions.table import ACTIONS

__all__ = ["ACTIONS", "MODULES"]

MODULES = (
    sessions,
    errors,
    driver,
    driver_tells,
    cursors,
    more_of_the_driver,
    texts,
    commits,
    options,
    binds,
    objects,
    by_alembic,
    giving_away,
)
