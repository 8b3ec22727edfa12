"""What is read without parsing is what the parser finds, wherever the text is Python at all."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.errors import PlainFileError
from bridge.files.header import read_header
from bridge.files.quick_header import description_at_a_glance
from support.eighty import eighty_files

UPGRADE = "\n\ndef upgrade(db):\n    db.commit()\n"
MIGRATIONS = Path(__file__).parents[2] / "migrations"

PLAIN = {
    "description = 'x'": "x",
    'description = "it\'s x"  # a comment': "it's x",
    "description: str = 'x'": "x",
    "description='gr\u00f6\u00dfe'": "gr\u00f6\u00dfe",
    '\n# a comment with a """ in it\n\ndescription = \'x\'': "x",
    '"""About the description."""\ndescription = "x"': "x",
    "'''One.\n\nTwo 'things' and \"others\".\n'''  # done\n\ndescription = 'x'": "x",
    "'One.'\ndescription = 'x'": "x",
    "import os, re  # for the paths\nfrom sqlalchemy import text\ndescription = 'x'": "x",
    "from sqlalchemy import (\n    Column,\n    text,\n)\ndescription = 'x'": "x",
    "transaction = 'autocommit'\nbreaking = True\ndescription = 'x'": "x",
    '"""Migration: Add things.\n\nMore.\n"""': "Add things.",
    '\n# coding: utf-8\n"""\n\n  Migration:  Add things \n"""\nx = 1': "Add things",
    "''''quoted' it\"\"\"is'''": '\'quoted\' it"""is',
}

NOT_PLAIN = [
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
    "'''One'''\ndef description(): pass",
]


def parsed(source: str) -> str:
    return read_header("f.py", "004_new_feature", source).description


@pytest.mark.parametrize(("head", "expected"), PLAIN.items())
def test_a_plain_head_is_read_at_a_glance(head: str, expected: str) -> None:
    source = head + UPGRADE
    assert description_at_a_glance(source) == expected == parsed(source)


@pytest.mark.parametrize("head", NOT_PLAIN)
def test_any_other_head_is_left_to_the_parser(head: str) -> None:
    source = head + UPGRADE
    assert description_at_a_glance(source) is None
    assert parsed(source)  # it is Python


@pytest.mark.parametrize("text", ["\0", "\ud83d"])
def test_what_no_file_may_hold_is_left_to_the_parser(text: str) -> None:
    assert description_at_a_glance(f"description = 'x'\n# {text}") is None


def test_ordinary_migrations_are_read_at_a_glance() -> None:
    for stem, source in eighty_files().items():
        assert description_at_a_glance(source) == read_header("f.py", stem, source).description
    for path in MIGRATIONS.glob("[0-9]*.py"):
        source = path.read_text()
        assert description_at_a_glance(source) in {None, parsed(source)}


#: What texts are made of; joined in any order, about one in five is Python.
_LINES = [
    *(line + "\n" for head in (*PLAIN, *NOT_PLAIN) for line in head.split("\n")),
    *(head + "\n" for head in (*PLAIN, *NOT_PLAIN)),
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


@settings(max_examples=1500, deadline=None)
@given(_texts())
def test_what_is_read_at_a_glance_is_what_the_parser_finds(source: str) -> None:
    found = description_at_a_glance(source)
    if found is None:
        return
    with suppress(PlainFileError):  # other faults of a file are not a listing's business
        assert found == parsed(source)
