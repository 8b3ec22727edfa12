"""`eai --version`."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

import typer

from bridge import __version__
from bridge.reporting.output import result

#: What a report of a fault needs beside bridge's own release.
_BESIDE = (("Alembic", "alembic"), ("SQLAlchemy", "SQLAlchemy"), ("psycopg2", "psycopg2-binary"))


def show_version(asked: bool) -> None:  # noqa: FBT001 - Typer's callback
    """Print the releases and end, where that was asked for."""
    if asked:
        beside = [f"{name} {found}" for name, package in _BESIDE if (found := _found(package))]
        told = ", ".join([*beside, f"Python {platform.python_version()}"])
        result(f"bridge {__version__} ({told})")
        raise typer.Exit


def _found(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:  # psycopg2 may be installed under its other name
        return None
