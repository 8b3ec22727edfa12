"""Links between the pages lead somewhere, and the tables list what the code has."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
import typer

from bridge import errors
from bridge.cli import migrate
from bridge.config.settings import _OPTIONS
from support.pages import PAGES, ROOT, anchors, page, prose

if TYPE_CHECKING:
    from pathlib import Path

TEXTS = (
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    ROOT / "migrations" / "README.md",
    *sorted(PAGES.glob("*.md")),
)


def links(text: str) -> list[str]:
    found: list[str] = re.findall(r"\]\(([^)\s]+)\)", prose(text))
    return [each for each in found if "://" not in each]


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_to_a_file_and_to_a_heading_of_it(path: Path) -> None:
    for link in links(path.read_text(encoding="utf-8")):
        name, _, anchor = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        assert target.exists(), f"{link}: there is no {target}"
        assert target.is_relative_to(ROOT.resolve()), f"{link} leads out of the repository"
        if anchor:
            assert anchor in anchors(target.read_text(encoding="utf-8")), f"{link}: no such heading"


def test_contributing_names_files_that_are_there() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = re.findall(r"`((?:bridge|docs|migrations|scripts|tests)/[\w./-]+)`", text)
    assert named
    assert [each for each in named if "NAME" not in each and not (ROOT / each).exists()] == []


def test_an_anchor_is_spelled_as_github_spells_it() -> None:
    text = "# An `env.py` of your own\n\n```sh\n# no heading\n```\n\n## FastAPI, Flask: both\n"
    assert anchors(text) == {"an-envpy-of-your-own", "fastapi-flask-both"}
    assert links("[a](b.md#c) [d](https://e.f) `[g]`\n```\n[h](i.md)\n```\n") == ["b.md#c"]


def test_the_readme_names_every_page_once() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    table = readme.partition("\n## Pages\n")[2].partition("\n## ")[0]
    named = re.findall(r"^\| \[[^]]+\]\(docs/pages/([\w-]+)\.md\) \|", table, re.MULTILINE)
    assert sorted(named) == sorted(path.stem for path in PAGES.glob("*.md"))


def test_each_setting_has_a_row() -> None:
    rows = re.findall(r"^\| (`[^|]+`) \|", page("settings"), re.MULTILINE)
    assert set(re.findall(r"`([\w.]+)`", " ".join(rows))) >= _OPTIONS


def test_each_command_has_a_row() -> None:
    group = typer.main.get_command(migrate)
    commands = set(getattr(group, "commands", {}))
    assert commands
    rows = re.findall(r"^\| `eai migrate (\w+)", page("commands"), re.MULTILINE)
    assert set(rows) == commands


def test_each_exit_status_has_a_row() -> None:
    table = page("commands").partition("\n## Exit status\n")[2].partition("\n## ")[0]
    listed = set(re.findall(r"^\| (\d+)(?:, (\d+))? \|", table, re.MULTILINE))
    codes = {int(code) for pair in listed for code in pair if code}
    kinds = [each for each in vars(errors).values() if isinstance(each, type)]
    raised = {each.exit_code for each in kinds if issubclass(each, errors.BridgeError)}
    assert codes == {0, 130, 143} | raised
