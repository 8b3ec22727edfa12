"""The models of the moment, for a `target_metadata` that tests change within one process."""

from __future__ import annotations

from sqlalchemy import MetaData

_current = MetaData()


def current() -> MetaData:
    """What `target_metadata = support.models:current` gives."""
    return _current


def become(source: str) -> None:
    """Make them what this source says, which finds what it needs of SQLAlchemy under its name."""
    global _current
    scope: dict[str, object] = {}
    exec(f"{PRELUDE}{source}", scope)
    metadata = scope["m"]
    assert isinstance(metadata, MetaData)
    _current = metadata


PRELUDE = """
import sqlalchemy as sa
from sqlalchemy import Column, Computed, ForeignKey, Identity, Index, Integer, String, Table, Text
from sqlalchemy import text
from sqlalchemy.dialects import postgresql as pg
m = sa.MetaData()
"""
