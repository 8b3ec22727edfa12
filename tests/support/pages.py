"""The pages that people read, for tests that compare them with the code."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "pages"


def page(name: str) -> str:
    """The text of docs/pages/`name`.md."""
    return (PAGES / f"{name}.md").read_text(encoding="utf-8")


def prose(text: str) -> str:
    """The text without its blocks of code, in which nothing is a link or a heading."""
    return re.sub(r"^ *```.*?^ *```$", "", text, flags=re.MULTILINE | re.DOTALL)


def anchors(text: str) -> set[str]:
    """What a link can name in this text, as GitHub spells it: one anchor for each heading."""
    headings = re.findall(r"^#+ (.+)$", prose(text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}
