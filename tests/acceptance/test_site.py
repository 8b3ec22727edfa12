"""The site of the pages: it builds without a warning, its links lead somewhere."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from support.pages import PAGES, ROOT

CONFIGURATION = ROOT / "docs" / "mkdocs.yml"
#: What a browser fetches to show a page, and does not wait for a person to follow.
FETCHED = {("link", "href"), ("script", "src"), ("img", "src"), ("iframe", "src")}


class Page(HTMLParser):
    """What a page of the site names, and what can be named in it."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        #: With the element and its attribute.
        self.named: list[tuple[tuple[str, str], str]] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id" and value:
                self.anchors.add(value)
            if name in {"href", "src"} and value is not None and tag != "base":
                self.named.append(((tag, name), value))


def build(site: Path, configuration: Path = CONFIGURATION) -> str:
    """Build the site there, and return what was told."""
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "-f", configuration, "-d", site],
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("site")
    assert "WARNING" not in build(path)
    return path


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    return {path: Page(path) for path in site.rglob("*.html") if path.name != "404.html"}


def test_each_page_is_on_the_site(site: Path, pages: dict[Path, Page]) -> None:
    built = {path.parent.name for path in pages} - {site.name}
    assert built == {path.stem for path in PAGES.glob("*.md")} - {"index"}


def test_each_page_is_in_the_navigation_once() -> None:
    text = CONFIGURATION.read_text(encoding="utf-8").partition("\nnav:\n")[2]
    lines = [line for line in text.splitlines() if not line.strip().startswith("#")]
    named = re.findall(r"([\w-]+\.md)$", "\n".join(lines), re.MULTILINE)
    assert sorted(named) == sorted(path.name for path in PAGES.glob("*.md"))


def test_each_link_within_the_site_leads_to_a_file_and_to_an_anchor(
    site: Path, pages: dict[Path, Page]
) -> None:
    followed = 0
    for path, page in pages.items():
        for _, link in page.named:
            parts = urlsplit(link)
            if parts.scheme or link.startswith("data:"):
                continue
            target = path if not parts.path else (path.parent / unquote(parts.path)).resolve()
            target = target / "index.html" if target.is_dir() else target
            assert target.is_file(), f"{path.relative_to(site)}: {link}"
            if parts.fragment and target in pages and not link.startswith("#__"):
                assert unquote(parts.fragment) in pages[target].anchors, (
                    f"{path.relative_to(site)}: {link}"
                )
            followed += 1
    assert followed > 1000


def test_a_browser_fetches_nothing_from_elsewhere(site: Path, pages: dict[Path, Page]) -> None:
    fetched = [value for page in pages.values() for kind, value in page.named if kind in FETCHED]
    assert fetched
    assert [value for value in fetched if urlsplit(value).netloc] == []
    sheets = list(site.rglob("*.css"))
    assert sheets
    assert [
        str(each) for each in sheets if re.search(r"url\(['\"]?(?:https?:)?//", each.read_text())
    ] == []


def test_a_picture_is_there_in_its_light_and_in_its_dark_form(
    site: Path, pages: dict[Path, Page]
) -> None:
    front = pages[site / "index.html"]
    shown = [value for kind, value in front.named if kind == ("img", "src")]
    forms = {value.rpartition("#")[2] for value in shown}
    assert forms == {"only-light", "only-dark"}


def test_the_page_for_troubleshooting_has_the_texts_of_errors(site: Path) -> None:
    page = (site / "troubleshooting" / "index.html").read_text(encoding="utf-8")
    assert "Correct the file" in page
    texts = (ROOT / "tests" / "catalogue" / "errors.txt").read_text(encoding="utf-8")
    told = set(re.findall(r"^    - (.*)$", texts, re.MULTILINE))
    assert page.count("<li>") > len(told) * 0.8  # those of one text in two classes stand once


def test_the_name_of_every_public_thing_is_on_the_page_of_the_interface(site: Path) -> None:
    import bridge

    anchors = Page(site / "api" / "index.html").anchors
    for name in bridge.__all__:
        assert any(each.split(".")[-1] == name for each in anchors), name


@pytest.mark.long
def test_links_lead_to_the_repository_once_its_address_is_known(tmp_path: Path) -> None:
    """It is filled in in one place, and a page names a file as GitHub shows it."""
    for name in ("docs", "bridge"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "tests" / "catalogue").mkdir(parents=True)
    shutil.copy(ROOT / "tests/catalogue/errors.txt", tmp_path / "tests/catalogue")
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    address = "https://example.org/team/bridge"
    text, filled = re.subn(
        r'^repository = ""$', f'repository = "{address}"', text, flags=re.MULTILINE
    )
    assert filled == 1
    (tmp_path / "pyproject.toml").write_text(text, encoding="utf-8")
    build(tmp_path / "site", tmp_path / "docs" / "mkdocs.yml")
    links = [link for _, link in Page(tmp_path / "site" / "index.html").named]
    assert f"{address}/blob/main/tests/walk/walk.txt" in links
    assert address in links
