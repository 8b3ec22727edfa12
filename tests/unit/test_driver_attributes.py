"""What stands before psycopg2's own attributes, whichever class is in psycopg2's place."""

from __future__ import annotations

import subprocess
import sys

import pytest

_LIST = """
from psycopg2 import extensions
{before}
from bridge.database.driver import _Plain, DriverConnection
for kind in (_Plain, DriverConnection):
    print(sorted(name for name in vars(kind) if not name.startswith("__")))
print(DriverConnection.__mro__[2].__name__)
"""
_TRACER = """
class Traced(extensions.connection):
    tag = "a tracer's own"
    def commit(self):
        super().commit()
extensions.connection = Traced
"""


def _listed(before: str) -> list[str]:
    process = subprocess.run(
        [sys.executable, "-c", _LIST.format(before=before)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    return process.stdout.splitlines()


@pytest.mark.parametrize("before", ["", _TRACER], ids=["plain", "traced"])
def test_all_attributes_are_guarded(before: str) -> None:
    past, guarded, below = _listed(before)
    for name in ("cursor_factory", "autocommit", "commit", "cursor", "info", "encoding"):
        assert repr(name) in past
    for name in ("autocommit", "set_session", "tpc_begin", "close", "info", "set_client_encoding"):
        assert repr(name) in guarded
    assert below == ("Traced" if before else "connection")


def test_a_tracer_in_psycopg2s_place_leaves_nothing_unguarded() -> None:
    assert _listed(_TRACER)[:2] == _listed("")[:2]
