"""The guide that `eai migrate init` writes is the one of this repository's own folder."""

from __future__ import annotations

import re
from pathlib import Path

from bridge.operations.init import guide

README = Path(__file__).parents[2] / "migrations" / "README.md"

#: What is this repository's own: the pattern, and what the guide has in its place.
OWN = (
    (r"What changed: .*\n\n", ""),
    (
        r"on application startup via `app/main\.py`, which calls `bridge\.start\(\)`",
        "on application startup, where the application calls `bridge.start()`",
    ),
    (r"002_add_iam(?=\n)", "002_add_users"),
    (r"002_add_iam {2}", "002_add_users"),
    (r" as `001` and `002` do: a check", ": a check"),
    (r"## Migration Order\n\nCurrent migrations:\n(- .*\n)+\n", ""),
)


def test_the_guide_is_the_one_of_this_repository_without_what_is_its_own() -> None:
    """After a change of migrations/README.md, write the same into bridge/environment/guide.md."""
    expected = README.read_text()
    for pattern, replacement in OWN:
        expected, found = re.subn(pattern, replacement, expected)
        assert found, f"migrations/README.md no longer holds {pattern}"
    assert guide() == expected


def test_the_guide_names_no_migration_of_this_repository() -> None:
    for migration in README.parent.glob("[0-9]*.py"):
        assert migration.stem not in guide()
    assert "app/main.py" not in guide()
