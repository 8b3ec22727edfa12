"""What stands before psycopg2's own attributes, whichever class is in psycopg2's place."""

from __future__ import annotations

import subprocess
import sys

import pytest

_LIST = """
from bridge.database.driver import _Plain, DriverConnection
for kind in (_Plain, DriverConnection):
    print(sorted(name for name in vars(kind) if not name.startswith("__")))
print(DriverConnection.__mro__[2].__name__)
"""
_TRACER = """
class Traced(extensions.connection):
    tag = "a tracer's own"
    @classmethod
    def class_name(cls):
        return cls.__name__
    @staticmethod
    def words():
        return "a tracer's words"
    def commit(self):
        super().commit()
extensions.connection = Traced
"""


def _printed(before: str, then: str) -> list[str]:
    """What a process prints that runs this before bridge is loaded, and then that."""
    process = subprocess.run(
        [sys.executable, "-c", f"from psycopg2 import extensions\n{before}\n{then}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    return process.stdout.splitlines()


@pytest.mark.parametrize("before", ["", _TRACER], ids=["plain", "traced"])
def test_all_attributes_are_guarded(before: str) -> None:
    past, guarded, below = _printed(before, _LIST)
    for name in ("cursor_factory", "autocommit", "commit", "cursor", "info", "encoding"):
        assert repr(name) in past
    for name in ("autocommit", "set_session", "tpc_begin", "close", "info", "set_client_encoding"):
        assert repr(name) in guarded
    assert below == ("Traced" if before else "connection")


def test_a_tracer_in_psycopg2s_place_leaves_nothing_unguarded() -> None:
    assert _printed(_TRACER, _LIST)[:2] == _printed("", _LIST)[:2]


def test_a_tracers_own_attributes_of_the_class_stay_as_they_are() -> None:
    look = "from bridge.database.driver import DriverConnection as kind"
    shown = "print(kind.tag, kind.class_name(), kind.words(), sep='\\n')"
    assert _printed(_TRACER, f"{look}\n{shown}") == [
        "a tracer's own",
        "DriverConnection",
        "a tracer's words",
    ]
