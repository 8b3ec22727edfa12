"""The package as an index gets it: what is in it, what it says of itself, that it runs alone."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from email import message_from_string
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import bridge
from hatch_build import absolute, addresses
from support.pages import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from email.message import Message

ADDRESS = "https://example.org/team/bridge"


def run(*command: str | Path, **about: object) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(command, capture_output=True, text=True, check=False, **about)  # type: ignore[call-overload]
    assert done.returncode == 0, done.stdout + done.stderr
    return done  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the source distribution."""
    folder = tmp_path_factory.mktemp("built")
    run(sys.executable, "-m", "hatchling", "build", "-d", folder, cwd=ROOT)
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    (found,) = built.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def said(wheel: Path) -> Message:
    """The metadata of the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [each for each in archive.namelist() if each.endswith(".dist-info/METADATA")]
        return message_from_string(archive.read(name).decode())


def test_an_index_takes_both(built: Path) -> None:
    done = run(sys.executable, "-m", "twine", "check", "--strict", *sorted(built.iterdir()))
    assert done.stdout.count("PASSED") == 2


def test_the_source_has_what_belongs_to_it(built: Path) -> None:
    (archive,) = built.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        names = {name.partition("/")[2] for name in opened.getnames()}
    assert names >= {
        *("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", ".pre-commit-hooks.yaml"),
        *("pyproject.toml", "hatch_build.py", "alembic.ini", "docs/mkdocs.yml", "docs/hooks.py"),
        *("docs/pages/index.md", "docs/pages/pictures/migrate-dark.svg", "scripts/docs"),
        *("migrations/README.md", "tests/conftest.py", "requirements-docs.lock"),
    }
    assert not [name for name in names if "__pycache__" in name or name.startswith("build/")]


def test_the_wheel_has_the_package_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {name.partition("/")[0] for name in names} == {
        "bridge",
        f"eai_bridge-{bridge.__version__}.dist-info",
    }
    assert {"bridge/py.typed", "bridge/environment/env.py", "bridge/environment/guide.md"} <= {
        *names
    }
    here = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "bridge").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {name for name in names if name.startswith("bridge/")} == here


def test_the_version_is_the_one_of_the_code(said: Message) -> None:
    assert said["Version"] == bridge.__version__
    assert re.fullmatch(r"\d+\.\d+\.\d+(?:(?:a|b|rc)\d+)?", bridge.__version__)


def test_the_readme_is_the_description(said: Message) -> None:
    assert said["Description-Content-Type"] == "text/markdown"
    text = said.get_payload()
    assert isinstance(text, str)
    assert text.startswith("# bridge\n")


def test_each_version_of_python_that_is_tested_is_named(said: Message) -> None:
    named = {
        each.rpartition(" ")[2]
        for each in said.get_all("Classifier") or ()
        if re.search(r"Python :: 3\.\d+$", each)
    }
    assert named == {"3.11", "3.12", "3.13", "3.14"}
    assert said["Requires-Python"] == ">=3.11"


def test_without_an_address_there_are_no_addresses() -> None:
    assert addresses("", "") == {}
    assert absolute("[a](docs/a.md)", "") == "[a](docs/a.md)"


def test_with_one_the_index_has_all_and_the_readme_leads_there() -> None:
    assert addresses(ADDRESS, "https://pages.example.org/") == {
        "Documentation": "https://pages.example.org/",
        "Changelog": f"{ADDRESS}/blob/main/CHANGELOG.md",
        "Issues": f"{ADDRESS}/issues",
        "Source": ADDRESS,
    }
    assert addresses(ADDRESS, "")["Documentation"] == f"{ADDRESS}/tree/main/docs/pages"
    text = absolute((ROOT / "README.md").read_text(encoding="utf-8"), ADDRESS)
    named = re.findall(r'\]\(([^)]+)\)|(?:src|srcset)="([^"]+)"', text)
    assert len(named) > 20
    assert [each for pair in named for each in pair if each and "://" not in each] == []
    assert f'srcset="{ADDRESS}/raw/main/docs/pages/pictures/migrate-dark.svg"' in text
    assert f"]({ADDRESS}/blob/main/docs/pages/alembic.md#tools-made-for-alembic)" in text


def test_what_is_no_file_of_the_repository_stays_as_it_is() -> None:
    text = '[a](https://b.org/c) [d](#e) <a href="mailto:f@g.h">'
    assert absolute(text, ADDRESS) == text


def needed(name: str, extra: str = "") -> Iterator[str]:
    """What this distribution needs, and what those need."""
    for each in metadata.requires(name) or ():
        requirement = Requirement(each)
        if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
            yield requirement.name
            for deeper in requirement.extras or {""}:
                yield from needed(requirement.name, deeper)


def test_what_it_needs_is_enough(wheel: Path, tmp_path: Path) -> None:
    """In an environment with what the wheel requires, and nothing else."""
    venv = tmp_path / "venv"
    run(sys.executable, "-m", "venv", "--without-pip", venv)
    python = venv / "bin" / "python"
    scheme = {"base": str(venv), "platbase": str(venv)}
    packages = Path(sysconfig.get_path("purelib", "venv", scheme))
    for name in {*needed("eai-bridge")}:
        found = metadata.distribution(name)
        for top in {Path(str(each)).parts[0] for each in found.files or ()} - {".."}:
            if not (packages / top).exists() and top != "__pycache__":
                (packages / top).symlink_to(Path(str(found.locate_file(top))))
    install(wheel, python)
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("BRIDGE_", "PYTHON"))}
    told = run(
        python,
        "-c",
        "import bridge; print(bridge.__version__, bridge.__file__)",
        env=environ,
        cwd=tmp_path,
    )
    assert told.stdout.split() == [bridge.__version__, str(packages / "bridge" / "__init__.py")]
    assert "Usage: eai" in run(venv / "bin" / "eai", "--help", env=environ, cwd=tmp_path).stdout
    made = run(venv / "bin" / "eai", "migrate", "init", env=environ, cwd=tmp_path).stdout
    assert "alembic.ini" in made
    run(venv / "bin" / "eai", "migrate", "new", "add widgets", env=environ, cwd=tmp_path)
    shown = run(python, "-m", "alembic.config", "history", env=environ, cwd=tmp_path).stdout
    assert "001_add_widgets" in shown
    installed = run(
        python,
        "-c",
        "from importlib import metadata\n"
        "print(*sorted(each.name for each in metadata.distributions()))",
        env=environ,
        cwd=tmp_path,
    ).stdout.split()
    assert {canonicalize_name(each) for each in installed} == {
        canonicalize_name(each) for each in ("eai-bridge", *needed("eai-bridge"))
    }


def install(wheel: Path, python: Path) -> None:
    """Install it with what this machine has, from nowhere else."""
    if uv := shutil.which("uv"):
        run(uv, "pip", "install", "--no-deps", "--no-index", "--python", python, wheel)
    else:
        run(
            sys.executable,
            "-m",
            "pip",
            "--python",
            python,
            "install",
            "--no-deps",
            "--no-index",
            wheel,
        )
