"""The package as a whole: what is in it, and what importing it costs."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import bridge

FOLDER = Path(str(bridge.__file__)).parent
MODULES = {path.stem for path in FOLDER.glob("*.py") if not path.stem.startswith("__")}


def groups() -> list[set[str]]:
    """The map in the package's docstring, as sets of modules."""
    listed = re.split(r"\n\* ", str(bridge.__doc__))[1:]
    listed[-1] = listed[-1].split("\n\n")[0]
    bare = [re.sub(r"\(.*?\)", "", group, flags=re.DOTALL).split(":", 1)[1] for group in listed]
    return [set(re.findall(r"\w+", group)) & MODULES for group in bare]


def test_every_module_is_in_the_map_of_the_package_once() -> None:
    named = [name for group in groups() for name in group]
    assert sorted(named) == sorted(MODULES)


def test_modules_import_from_their_own_group_and_those_above_it() -> None:
    level = {name: number for number, group in enumerate(groups()) for name in group}
    for name in MODULES:
        for node in ast.parse((FOLDER / f"{name}.py").read_text()).body:
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("bridge"):
                _, _, module = str(node.module).partition(".")
                for used in [module] if module else [alias.name for alias in node.names]:
                    assert level.get(used, 0) <= level[name], f"{name} imports {used}"


def test_every_public_name_can_be_had() -> None:
    for name in bridge.__all__:
        assert getattr(bridge, name).__module__.startswith("bridge.")
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
