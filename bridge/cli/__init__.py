"""The command `eai`: `migrate`, or what `make` returns, to be mounted; `app` and `main` to be run.

All but `main` are imported when they are first used: they need Typer, and most runs of the
command do not.
"""

from __future__ import annotations

from bridge.cli.entry import main

TYPE_CHECKING = False  # `typing` is not needed for more than that
if TYPE_CHECKING:
    from typing import Any

    from bridge.cli.eai import app as app
    from bridge.cli.eai import make as make
    from bridge.cli.eai import migrate as migrate

__all__ = ["app", "main", "make", "migrate"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        message = f"module 'bridge.cli' has no attribute {name!r}"
        raise AttributeError(message)
    from bridge.cli import eai

    return getattr(eai, name)
