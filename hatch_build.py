"""What the index is told of the package, and pyproject.toml does not hold: readme and addresses."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

#: A link or a picture of Markdown, or an attribute of HTML, that names a file of this repository.
_RELATIVE = re.compile(r'(?P<before>\]\(|\b(?:src|srcset|href)=")(?P<path>(?![a-z]+:|#)[^)"\s]+)')
#: What a browser must get as it is, and not as a page about the file.
_PICTURES = (".svg", ".png")


class AddressHook(MetadataHookInterface):
    """Give the readme and the addresses, from the one that pyproject.toml names."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Add `readme` and `urls` to the metadata of the package."""
        repository, documentation = self.config["repository"], self.config["documentation"]
        text = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        metadata["readme"] = {"content-type": "text/markdown", "text": absolute(text, repository)}
        metadata["urls"] = addresses(repository, documentation)


def absolute(text: str, repository: str) -> str:
    """Return the text with links that work outside of the repository; as it is without one."""

    def replace(link: re.Match[str]) -> str:
        raw = link["path"].partition("#")[0].endswith(_PICTURES)
        return f"{link['before']}{repository}/{'raw' if raw else 'blob'}/main/{link['path']}"

    return _RELATIVE.sub(replace, text) if repository else text


def addresses(repository: str, documentation: str) -> dict[str, str]:
    """Return what the index shows beside the readme; nothing without a repository."""
    if not repository:
        return {}
    return {
        "Documentation": documentation or f"{repository}/tree/main/docs/pages",
        "Changelog": f"{repository}/blob/main/CHANGELOG.md",
        "Issues": f"{repository}/issues",
        "Source": repository,
    }
