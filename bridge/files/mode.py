"""The transaction modes: how a file may be run."""

from __future__ import annotations

from enum import StrEnum


class Mode(StrEnum):
    """How the work of a file is divided into transactions; what its ``transaction =`` says."""

    DEFAULT = "default"
    ATOMIC = "atomic"
    AUTOCOMMIT = "autocommit"
