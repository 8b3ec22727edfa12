"""What a message tells people to type is a command of `eai`, where there is one for it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

import bridge
from bridge.cli import migrate
from support.catalogue import FILE

SOURCE = Path(str(bridge.__file__)).parent
COMMANDS = set(getattr(typer.main.get_command(migrate), "commands", {}))

#: Commands of Alembic's that one of eai's does as well, at least.
DONE_BY_EAI = r"alembic (?:history|current|heads|show|upgrade|downgrade|revision)\b"

#: Where they are meant all the same: by module, and why.
MEANT = {
    "alembic/foreign.py": "another Alembic project, which is to be imported",
    "alembic/invocation.py": "the command that was typed was alembic",
    "alembic/offline/bookkeeping.py": "both ways to write the script again",
    "alembic/revision_names.py": "the command that was typed was alembic",
    "alembic/script.py": "the command that was typed was alembic, unless another is given",
    "cli/eject.py": "what is typed once bridge is gone",
    "files/new_file.py": "an option that only alembic revision and alembic merge have",
    "operations/downgrade.py": "the command that was typed was alembic, unless another is given",
}


def messages(path: Path) -> Iterator[str]:
    """The strings of a module that are no docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, documented) and node.body and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and id(node) not in docstrings:
            yield from [node.value] if isinstance(node.value, str) else []


MODULES = [
    path for path in sorted(SOURCE.rglob("*.py")) if not path.is_relative_to(SOURCE / "environment")
]


def test_no_error_says_alembic_where_eai_does_it() -> None:
    found = re.findall(rf"^    - (.*{DONE_BY_EAI}.*)$", FILE.read_text("utf-8"), re.MULTILINE)
    assert [line.partition(". ")[2] for line in found] == [
        "Nothing was written. `alembic history` says the same; correct that first.",
        (
            "Nothing was written. Two files may share a number, and a late file still runs. For a "
            'new file, type: alembic revision -m "what it does"'
        ),
    ]


def test_no_other_text_says_so_either() -> None:
    found = {
        path.relative_to(SOURCE).as_posix()
        for path in MODULES
        for text in messages(path)
        if re.search(DONE_BY_EAI, text)
    }
    assert found == MEANT.keys()


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(SOURCE).as_posix())
def test_each_command_that_a_text_names_is_there(path: Path) -> None:
    named = {
        word
        for text in messages(path)
        for word in re.findall(r"\beai migrate ([a-z]+)(?![\w.=])", text)
    }
    # Words that follow the command `eai migrate` itself, in a sentence.
    prose = {"after", "again", "and", "as", "does", "if", "in", "itself", "or", "then", "to"}
    assert named - prose <= COMMANDS
