"""The command `eai`: `migrate` to be mounted, `app` and `main` to be run."""

from __future__ import annotations

from bridge.cli.eai import app, main, migrate

__all__ = ["app", "main", "migrate"]
