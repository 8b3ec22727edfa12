"""What the site has and the pages do not say: the repository's address.

Pages link to files of the repository as GitHub shows them, `../../tests/walk/walk.txt`. On the
site such a link leads to the repository; where pyproject.toml names none, it becomes plain text.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig

ROOT = Path(__file__).parents[1]
_PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
_ADDRESSES = _PROJECT["tool"]["hatch"]["metadata"]["hooks"]["custom"]
#: A link to a file outside of the pages: its text and its path from the root.
_OUTSIDE = re.compile(r"(?<!!)\[(?P<text>[^]]+)\]\((?:\.\./){2}(?P<path>[^)\s]+)\)")

#: A picture with a dark form, as GitHub shows it.
_PICTURE = re.compile(
    r'<picture>\s*<source [^>]*srcset="(?P<dark>[^"]+)">\s*'
    r'<img src="(?P<light>[^"]+)" alt="(?P<alt>[^"]+)"[^>]*>\s*</picture>'
)
_EVERY_ERROR = "<!-- every text of an error -->"
_CATALOGUE = ROOT / "tests" / "catalogue" / "errors.txt"
#: Under which heading the texts of an error are listed, by what the catalogue calls it.
_HEADINGS = (
    ("exit code 1$", "A migration failed (exit status 1)"),
    ("exit code 2$", "Usage, configuration, connection (exit status 2)"),
    ("exit code 3$", "Pending (exit status 3)"),
    ("exit code 4$", "Files and ledger (exit status 4)"),
    ("exit code 75$", "Try again later (exit status 75)"),
    ("^refusal, ", "What a run refuses"),
    ("^warning, ", "Warnings"),
    ("", "Parts of messages"),
)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Take the addresses from pyproject.toml, where they stand once."""
    config.repo_url = _ADDRESSES["repository"] or None
    config.repo_name = "Source"
    config.edit_uri = "blob/main/docs/pages/" if config.repo_url else ""
    config.site_url = _ADDRESSES["documentation"] or None
    return config


def on_page_markdown(markdown: str, **_: object) -> str:
    """Write what the site shows otherwise than GitHub: links, pictures, the list of errors."""
    markdown = _OUTSIDE.sub(_outside, markdown)
    # The reader of the site may choose another form than the machine has.
    markdown = _PICTURE.sub(
        r"![\g<alt>](\g<light>#only-light) ![\g<alt>](\g<dark>#only-dark)", markdown
    )
    return markdown.replace(_EVERY_ERROR, _errors()) if _EVERY_ERROR in markdown else markdown


def _outside(link: re.Match[str]) -> str:
    repository = _ADDRESSES["repository"]
    if not repository:
        return link["text"]
    return f"[{link['text']}]({repository}/blob/main/{link['path']})"


def _errors() -> str:
    """The texts of the catalogue as lists, by the exit status that they lead to."""
    listed: dict[str, list[str]] = {heading: [] for _, heading in _HEADINGS}
    texts: list[str] = []
    for line in _CATALOGUE.read_text(encoding="utf-8").splitlines():
        if found := re.fullmatch(r"  (\S.*)", line):
            texts = listed[next(heading for how, heading in _HEADINGS if re.search(how, found[1]))]
        elif found := re.fullmatch(r"    - (.*)", line):
            texts.append(found[1])
        elif line.startswith("      "):  # the next line of that text
            texts[-1] += f" {line.strip()}"
    return "\n\n".join(
        "\n".join([f"### {heading}", "", *(f"- {_shown(each)}" for each in sorted(set(texts)))])
        for heading, texts in listed.items()
        if texts
    )


def _shown(text: str) -> str:
    """The text as Markdown that shows it: a part that differs is an ellipsis."""
    text = re.sub(r"\{(?:…|\w+)\}(?:\{…\})*", "…", text)
    pieces = re.split(r"(`[^`]+`)", text)
    return "".join(
        each if each.startswith("`") else re.sub(r"([\\`*_<>\[\]#|{}])", r"\\\1", each)
        for each in pieces
    )
