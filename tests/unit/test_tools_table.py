"""The table of tools in docs/pages/alembic.md: what it says works has a test that uses it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "pages" / "alembic.md"
TESTS = ROOT / "tests" / "tools"
#: What stands in the column "Works".
ANSWERS = {"as it is", "with an edit", "no"}


def rows() -> list[tuple[str, str, str]]:
    """The tool, the version that was tried, and whether it works."""
    section = PAGE.read_text(encoding="utf-8").partition("\n## Tools made for Alembic\n")[2]
    table = section.partition("\n## ")[0]
    found = re.findall(r"^\| ([^|]+) \| ([^|]+) \| ([^|]+) \|", table, re.MULTILINE)
    return [row for row in found if row[2] not in {"Works", "---"}]


def module(tool: str) -> str:
    return "test_" + tool.lower().replace("-", "_")


WORKS = [(tool, tried) for tool, tried, works in rows() if works != "no"]


def test_each_row_says_whether_the_tool_works() -> None:
    assert {works for _, _, works in rows()} == ANSWERS


def test_the_rows_that_work_and_the_files_of_tests_are_one_list() -> None:
    assert sorted(module(tool) for tool, _ in WORKS) == sorted(
        path.stem for path in TESTS.glob("test_*.py")
    )


@pytest.mark.parametrize(("tool", "tried"), WORKS)
def test_the_version_that_is_named_is_the_one_that_the_tests_use(tool: str, tried: str) -> None:
    lock = (ROOT / "requirements-dev.lock").read_text(encoding="utf-8")
    assert f"{tool.lower()}=={tried}" in [line.partition(" ")[0] for line in lock.splitlines()]


@pytest.mark.parametrize("tool", [tool for tool, _ in WORKS])
def test_its_file_has_tests(tool: str) -> None:
    tree = ast.parse((TESTS / f"{module(tool)}.py").read_text(encoding="utf-8"))
    assert any(
        isinstance(each, ast.FunctionDef) and each.name.startswith("test_") for each in tree.body
    )
