"""Plain numbered migration files in, the whole of Alembic out.

Everything is imported when it is first used: this package is loaded by every process
that imports Alembic in an environment where bridge is installed.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bridge.errors import BridgeError as BridgeError
    from bridge.migrator import Report as Report
    from bridge.migrator import upgrade as upgrade
    from bridge.online import run_environment as run_environment

__all__ = ["BridgeError", "Report", "run_environment", "upgrade"]

#: The module that defines each public name.
_HOME = {
    "BridgeError": "bridge.errors",
    "Report": "bridge.migrator",
    "run_environment": "bridge.online",
    "upgrade": "bridge.migrator",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        message = f"module 'bridge' has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
