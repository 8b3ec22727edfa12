"""Links between the pages lead somewhere, and the tables list what the code has."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
import typer

from bridge import errors
from bridge.cli import migrate
from bridge.config.parsers import IN_A_FILE
from support.pages import PAGES, ROOT, anchors, page, prose
from support.pictures import WIDGETS
from support.reference import PARTS, WRITE, parts, walked, written

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


def test_the_readme_is_two_screens() -> None:
    assert len((ROOT / "README.md").read_bytes()) <= 10_000


def test_the_migration_of_the_readme_is_the_one_of_its_picture() -> None:
    for path in (ROOT / "README.md", PAGES / "index.md"):
        assert WIDGETS in path.read_text(encoding="utf-8")
    assert len(WIDGETS.splitlines()) == 8


def test_a_picture_that_a_page_shows_is_there() -> None:
    shown = [
        (path.parent / name, path)
        for path in TEXTS
        for name in re.findall(r'(?:src|srcset)="([^"]+)"', path.read_text(encoding="utf-8"))
    ]
    assert len(shown) >= 2
    assert [(str(file), str(page)) for file, page in shown if not file.exists()] == []


@pytest.mark.parametrize("path", sorted(PAGES.glob("*.md")), ids=lambda path: path.stem)
def test_what_is_made_from_the_code_says_what_the_code_says(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert written(text) == text, f"type: {WRITE}"


def test_each_part_that_can_be_made_stands_in_one_page() -> None:
    found = [name for path in PAGES.glob("*.md") for name, _ in parts(path.read_text("utf-8"))]
    assert sorted(found) == sorted(PARTS)


def test_each_setting_has_a_row() -> None:
    rows = re.findall(r"^\| (`[^|]+`) \|", page("settings"), re.MULTILINE)
    assert set(re.findall(r"`([\w.]+)`", " ".join(rows))) >= IN_A_FILE


def test_each_option_that_the_list_of_commands_names_is_one_of_that_command() -> None:
    options = {
        path: {name for each in command.params for name in each.opts} for path, command in walked()
    }
    for row in re.findall(r"^\| `eai migrate.*$", page("commands"), re.MULTILINE):
        path = re.sub(r" (?:[A-Z[-].*|\".*)", "", row.split("`")[1])
        named = set(re.findall(r"`(--[\w-]+)", row))
        # The row of `check` names what the other commands of its link take.
        assert named <= options[path] | options["eai migrate"], path


def test_each_command_has_a_row() -> None:
    group = typer.main.get_command(migrate)
    commands = set(getattr(group, "commands", {}))
    assert commands
    rows = re.findall(r"^\| `eai migrate (\w+)", page("commands"), re.MULTILINE)
    assert set(rows) == commands


def test_each_exit_status_has_a_meaning() -> None:
    kinds = [each for each in vars(errors).values() if isinstance(each, type)]
    raised = {each.exit_code for each in kinds if issubclass(each, errors.BridgeError)}
    assert errors.EXIT_STATUSES.keys() == {0, 130, 143} | raised
