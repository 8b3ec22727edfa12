"""The three ways to run a file."""

from __future__ import annotations

from enum import StrEnum


class Mode(StrEnum):
    """How a file's work is divided into transactions; what its ``transaction =`` says."""

    DEFAULT = "default"
    ATOMIC = "atomic"
    AUTOCOMMIT = "autocommit"
