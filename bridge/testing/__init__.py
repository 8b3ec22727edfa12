"""Tests for a team's own migrations: fixtures, and tests that are ready to be imported.

In a test file of the team's:

    from bridge.testing import test_upgrade_from_nothing

pytest loads this package in every environment where bridge is installed, so nothing is imported
until it is asked for. The fixtures are in `bridge.testing.plugin`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bridge.testing.ready import (
        test_each_step_up_down_up_leaves_the_same_schema,
        test_models_match_migrations,
        test_new_files_give_the_same_schema_in_any_order,
        test_upgrade_from_nothing,
    )

__all__ = [
    "test_each_step_up_down_up_leaves_the_same_schema",
    "test_models_match_migrations",
    "test_new_files_give_the_same_schema_in_any_order",
    "test_upgrade_from_nothing",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        message = f"module 'bridge.testing' has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(import_module("bridge.testing.ready"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
