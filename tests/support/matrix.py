"""The combinations of releases that `scripts/test --matrix` tests, one a line.

A line has a Python, its program and the releases that take the place of those that
requirements-dev.lock names, between tabs. `python -m support.matrix --locked` lists what
requirements-matrix.lock has to hold.

All combinations would be some 128, so they are chosen such that any two values meet in one: each
SQLAlchemy with each Python and each driver, and so on. What breaks is nearly always one release, or
two that meet. The first is the lowest of all.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]

#: The newest is what requirements-dev.lock has.
LOWEST, NEWEST = "lowest", "newest"
#: Each of its two series has two ends.
SQLALCHEMY: Final = ("2.0 lowest", "2.0 newest", "2.1 lowest", NEWEST)
#: The first of its series.
_SQLALCHEMY_21: Final = "2.1.0"
#: What has an axis of its own; all other floors are tested together.
_ALONE: Final = ("psycopg2-binary", "typer")

_REQUIREMENT: Final = re.compile(
    r"(?P<name>[a-z0-9-]+)>=(?P<floor>[\d.]+)(?:,<[\d.]+)?"
    r"(?:; python_version >= '(?P<python>[\d.]+)')?"
)

Version = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Combination:
    """A Python, and which release of each other part."""

    python: str
    sqlalchemy: str
    driver: str
    typer: str
    others: str


def pythons() -> list[str]:
    """The versions that pyproject.toml names, the oldest first."""
    return re.findall(r'Python :: (3\.\d+)"', (ROOT / "pyproject.toml").read_text())


def floors(python: str) -> dict[str, str]:
    """The lowest release of each package that pyproject.toml allows with this Python."""
    found: dict[str, str] = {}
    for requirement in _requirements():
        match = _REQUIREMENT.fullmatch(requirement)
        if match is None:
            raise ValueError(f"pyproject.toml: no floor can be read from {requirement}")
        if match["python"] and _version(match["python"]) > _version(python):
            continue
        each = found.get(match["name"], match["floor"])
        found[match["name"]] = max(each, match["floor"], key=_version)
    return found


def chosen(versions: Sequence[str]) -> list[Combination]:
    """Choose combinations in which any two values of different parts meet, by Python."""
    ends = (LOWEST, NEWEST)
    possible = list(product(versions, SQLALCHEMY, ends, ends, ends))
    missing = {pair for each in possible for pair in _pairs(each)}
    found = []
    while missing:
        best = max(possible, key=lambda each: len(missing & _pairs(each)))
        missing -= _pairs(best)
        found.append(best)
    found.sort(key=lambda each: versions.index(each[0]))
    return [Combination(*each) for each in found]


def pins(combination: Combination) -> list[str]:
    """The releases that take the place of those of requirements-dev.lock."""
    lowest = floors(combination.python)
    named: dict[str, str] = {}
    if combination.others == LOWEST:
        named |= {name: floor for name, floor in lowest.items() if name not in _ALONE}
    named.pop("sqlalchemy", None)
    for name, which in zip(_ALONE, (combination.driver, combination.typer), strict=True):
        if which == LOWEST:
            named[name] = lowest[name]
    if combination.sqlalchemy != NEWEST:
        named["sqlalchemy"] = {
            "2.0 lowest": lowest["sqlalchemy"],
            "2.0 newest": _newest_sqlalchemy_20(),
            "2.1 lowest": _SQLALCHEMY_21,
        }[combination.sqlalchemy]
    return [f"{name}=={version}" for name, version in sorted(named.items())]


def to_lock() -> list[str]:
    """The requirements, each of which is to be locked by itself."""
    every = {(name, floor) for python in pythons() for name, floor in floors(python).items()}
    lowest = [f"{name}=={floor}" for name, floor in sorted(every)]
    return [*lowest, "sqlalchemy>=2.0,<2.1", f"sqlalchemy=={_SQLALCHEMY_21}"]


def find_python(version: str) -> str | None:
    """Find a program that runs this Python and can make an environment; None if there is none."""
    for program in _programs(version):
        makes = "" if shutil.which("uv") else ", ensurepip, venv"
        tell = f"import sys{makes}; print('%d.%d' % sys.version_info[:2], sys.executable)"
        try:
            run = subprocess.run([program, "-c", tell], capture_output=True, text=True, check=True)
        except (OSError, subprocess.CalledProcessError):
            continue  # a name of pyenv's, which stands for nothing
        found, _, executable = run.stdout.strip().partition(" ")
        if found == version:
            return executable
    return None


def main(arguments: Sequence[str]) -> None:
    if arguments:
        print(*to_lock(), sep="\n")
        return
    programs = {version: find_python(version) for version in pythons()}
    for version, program in programs.items():
        if program is None:
            print(f"test: there is no Python {version} here: it is passed over", file=sys.stderr)
    for each in chosen([version for version, program in programs.items() if program]):
        print(each.python, programs[each.python], " ".join(pins(each)), sep="\t")


def _requirements() -> Iterator[str]:
    """What bridge is built with and depends on, and the extras that a team may ask for."""
    described = tomllib.loads((ROOT / "pyproject.toml").read_text())
    project = described["project"]
    yield from described["build-system"]["requires"]
    yield from project["dependencies"]
    for extra in ("embedded", "lint", "test"):
        for each in project["optional-dependencies"][extra]:
            if not each.startswith(project["name"]):
                yield each


def _programs(version: str) -> Iterator[str]:
    if found := shutil.which(f"python{version}"):
        yield found
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    for folder in sorted(root.glob(f"versions/{version}.*"), reverse=True):
        yield str(folder / "bin" / "python")
    if shutil.which("uv"):
        find = ["uv", "python", "find", "--no-python-downloads", version]
        run = subprocess.run(find, capture_output=True, text=True, check=False)
        if run.returncode == 0:
            yield run.stdout.strip()


def _pairs(values: Sequence[str]) -> set[tuple[tuple[int, str], ...]]:
    return set(combinations(enumerate(values), 2))


def _newest_sqlalchemy_20() -> str:
    locked = (ROOT / "requirements-matrix.lock").read_text()
    found: list[str] = re.findall(r"^sqlalchemy==(2\.0\.\d+)", locked, re.MULTILINE)
    return max(found, key=_version)


def _version(text: str) -> Version:
    return tuple(int(part) for part in text.split("."))


if __name__ == "__main__":
    main(sys.argv[1:])
