"""The package as a whole: what is in it, and what importing it costs."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

import bridge

FRONT_PAGE = Path(__file__).parents[2] / "docs" / "pages" / "index.md"


def test_every_public_name_can_be_had() -> None:
    for name in bridge.__all__:
        found = getattr(bridge, name)
        assert getattr(found, "__module__", found.__name__).startswith("bridge.")
        assert name in dir(bridge)


def test_a_name_that_is_not_there_is_an_ordinary_error() -> None:
    with pytest.raises(AttributeError, match="module 'bridge' has no attribute 'upgarde'"):
        bridge.upgarde  # noqa: B018


def test_importing_the_package_and_the_plugin_imports_nothing_else() -> None:
    code = (
        "import sys; before = set(sys.modules); import bridge.plugin; "
        "print(sorted(m for m in set(sys.modules) - before if not m.startswith('bridge')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(re.findall(r"'(\w+)", done.stdout))
    assert loaded <= {"__future__"}


#: Imports Alembic, with our entry point or as if bridge were not installed.
IMPORT = """
import sys
from importlib import metadata

every = metadata.entry_points
if sys.argv[1] == "without":
    def others(**wanted):
        return [each for each in every(**wanted) if not each.value.startswith("bridge")]
    metadata.entry_points = others

import alembic
print(*sorted(sys.modules))
"""


def test_importing_alembic_loads_two_modules_more_where_bridge_is_installed() -> None:
    def loaded(how: str) -> set[str]:
        command = [sys.executable, "-c", IMPORT, how]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return set(done.stdout.split())

    assert loaded("with") - loaded("without") == {"bridge", "bridge.plugin"}


def test_the_front_page_has_the_line_of_pip_check_about_psycopg2_from_source() -> None:
    found = metadata.metadata("eai-bridge")
    needed = [each for each in metadata.requires("eai-bridge") or () if each.startswith("psycopg2")]
    assert {re.split(r"[<>=]", each)[0] for each in needed} == {"psycopg2-binary"}
    told = f"{found['Name']} {found['Version']} requires psycopg2-binary, which is not installed."
    assert f"`{told}`" in FRONT_PAGE.read_text()
