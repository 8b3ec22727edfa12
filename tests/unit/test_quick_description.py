"""What is read above the first function is what the whole file says, where it is Python at all."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import PlainFileError
from bridge.files.header import quick_description, read_header
from support.eighty import eighty_files

UPGRADE = "\n\ndef upgrade(db):\n    db.commit()\n"
MIGRATIONS = Path(__file__).parents[2] / "migrations"

HEADS = [
    "description = 'x'",
    'description = "it\'s x"  # a comment',
    "description: str = 'x'",
    "description='gr\u00f6\u00dfe'",
    '\n# a comment with a """ in it\n\ndescription = \'x\'',
    '"""About the description."""\ndescription = "x"',
    "'''One.\n\nTwo 'things' and \"others\".\n'''  # done\n\ndescription = 'x'",
    "'One.'\ndescription = 'x'",
    "import os, re  # for the paths\nfrom sqlalchemy import text\ndescription = 'x'",
    "from sqlalchemy import (\n    Column,\n    text,\n)\ndescription = 'x'",
    "transaction = 'autocommit'\nbreaking = True\ndescription = 'x'",
    '"""Migration: Add things.\n\nMore.\n"""',
    '\n# coding: utf-8\n"""\n\n  Migration:  Add things \n"""\nx = 1',
    "''''quoted' it\"\"\"is'''",
    "",
    "x = 1",
    "description = ''",
    "description = '  '",
    "description = 'a' 'b'",
    "description = 'a' + 'b'",
    "description = 'x'; description = 'y'",
    "description = 'x' if 1 else 'y'",
    "description = 'x',",
    "description = '''x'''",
    "description = 'tab\\there'",
    "description = ('x')",
    "description = f'x'",
    "name = description = 'x'",
    "description = 'first'\nother = None\ndescription = 'last'",
    "description = 'x'\nif True:\n    description = 'y'",
    "description = 'x'\n\uff44escription = 'y'",
    "description = 'x'\n\U0001d41dimport = 1\n(\U0001d41description) = 'y'",
    "description = 'x'\nimport os as description",
    "x = 'a\\\ndescription = 1'\ndescription = 'y'",
    "if True:\n  description = 'x'",
    "x = '''\ndescription = 'x'\n'''",
    "x = (\n'''\ndescription = 'x'\n''')",
    "'''One''' 'two'",
    "('''One''')",
    "r'''One'''",
    "'''One\\ntwo'''",
    "'''One\ttwo'''",
    "'''   '''",
    "'''Migration:'''",
    "from description import *",
    "class Widget: pass\ndescription = 'x'",
    "@wrap\nclass Widget: pass",
]

#: Files whose first function is in the middle of something, or not above the description.
OTHERS = [
    "'''One'''\ndef description(): pass",
    "def helper(): pass\ndef more(): pass\ndescription = 'x'",
    "x = '''\ndef helper():\n'''\ndescription = 'y'",
    "x = ('''\ndef helper():\n''')\ndescription = 'y'",
    "@wrap\ndef helper(): pass\ndescription = 'x'",
    "@wrap\ndef helper(): pass",
    "def helper(): pass\ndef more(): pass\n\uff44escription = 'y'",
    "def helper(): pass\ndef more(): pass\nimport os as description",
]


def parsed(source: str) -> str:
    return read_header("f.py", "004_new_feature", source).description


def quick(source: str) -> str | None:
    return quick_description("f.py", "004_new_feature", source)


@pytest.mark.parametrize("head", HEADS)
def test_what_stands_above_the_first_function_is_read_without_the_rest(head: str) -> None:
    source = head + UPGRADE
    assert quick(source) == quick(f"{source}    (") == parsed(source)


@pytest.mark.parametrize("head", OTHERS)
def test_any_other_file_is_left_to_the_parser(head: str) -> None:
    source = head + UPGRADE
    assert quick(source) is None
    assert parsed(source)  # it is Python


@pytest.mark.parametrize("head", ["x = (", "x = '\0'", "x = '\ud83d'", "(" * 300, "x = \\"])
def test_a_head_that_is_not_python_is_left_to_the_parser(head: str) -> None:
    assert quick(head + UPGRADE) is None


def test_the_head_of_ordinary_migrations_is_read() -> None:
    for source in eighty_files().values():
        assert quick(source) == parsed(source)
    for path in MIGRATIONS.glob("[0-9]*.py"):
        source = path.read_text()
        assert quick(source) in {None, parsed(source)}


#: What texts are made of; joined in any order, about one in five is Python.
_LINES = [
    *(line + "\n" for head in (*HEADS, *OTHERS) for line in head.split("\n")),
    *(head + "\n" for head in (*HEADS, *OTHERS)),
    "(\n",
    ")\n",
    "'''\n",
    '"""\n',
    "    description = 'z'\n",
    "if True:\n",
    "def upgrade(db): pass\n",
    "\x0c\n",
    "\u2028\n",
    "from x import (a, # )\n",
    "description = 'x' \\\n",
]
_CHARACTERS = st.sampled_from([*"'\"\\\n#();=:\t\x0c fr", '"""', "'''", "description", "\u2028"])


@st.composite
def _texts(draw: st.DrawFn) -> str:
    text = "".join(draw(st.lists(st.sampled_from(_LINES), min_size=1, max_size=5)))
    if draw(st.booleans()):
        place = draw(st.integers(0, len(text)))
        text = text[:place] + draw(_CHARACTERS) + text[place + draw(st.integers(0, 2)) :]
    return text + UPGRADE


@given(_texts())
def test_what_is_read_in_the_head_is_what_the_parser_finds(source: str) -> None:
    found = quick(source)
    if found is None:
        return
    with suppress(PlainFileError):  # other faults of a file are not a listing's business
        assert found == parsed(source)
