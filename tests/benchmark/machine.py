"""On what was measured, in one line."""

from __future__ import annotations

import os
import platform
import re
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmark.peers import Peer


def describe(peers: Sequence[Peer], postgresql: str) -> str:
    """Cores, processor, system, Python, PostgreSQL and the versions of the peers."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return ", ".join(
        [
            f"{cores} cores ({_processor()})",
            _system(),
            f"Python {platform.python_version()}",
            f"PostgreSQL {postgresql}",
            f"SQLAlchemy {version('sqlalchemy')}",
            *(told for peer in peers if (told := peer.described())),
        ]
    )


def _processor() -> str:
    with suppress(OSError):
        told = Path("/proc/cpuinfo").read_text()
        if found := re.search(r"^model name\s*: (.+)$", told, re.MULTILINE):
            return " ".join(found[1].split())
    return platform.processor() or platform.machine()


def _system() -> str:
    with suppress(OSError):
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    return platform.platform(terse=True)
