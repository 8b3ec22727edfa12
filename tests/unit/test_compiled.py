"""A header that is found in the code of a file is what the parser finds in its text."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.files.code_object import compiled, header_in
from bridge.files.header import Header, read_header
from bridge.files.plain_file import PlainFile
from support.eighty import eighty_files

MIGRATIONS = Path(__file__).parents[2] / "migrations"

HEADS = [
    "description = 'x'\n",
    '"""Add things."""\n',
    '"""Migration: Add things.\n\n    More,\n      and more.\n"""\ndescription = "x"\n',
    "# a comment\nfrom os import path as there\ndescription = 'gr\u00f6\u00dfe'\n",
    "TABLE = 'widgets'\ndescription: str = 'x'\n",
    '"""One."""\n__doc__ = "Two."\n',
]
BODIES = [
    "import logging\nlog = logging.getLogger(__name__)\ndef upgrade(db): ...\n",
    "def upgrade(db):\n    db.commit()\n",
    "def upgrade(db, /):\n    db.commit()\n",
    "def upgrade(db=None) -> None:\n    db.commit()\n",
    "def upgrade(db, *more):\n    db.commit()\n",
    "def helper(db):\n    yield db\n\ndef upgrade(db):\n    list(helper(db))\n",
    "if True:\n    def upgrade(db): ...\n",
    "class Widget:\n    transaction = None\n    def downgrade(self): ...\ndef upgrade(db): ...\n",
    "def upgrade(db):\n    def downgrade(): yield\n    breaking = 1\n",
    "def upgrade(db): ...\ndef downgrade(db):\n    db.commit()\n",
    "from helpers import *\ndef upgrade(db): ...\n",
]
#: After each of these, the parser has to say what it is.
OTHERS = [
    "transaction = 'atomic'\n",
    "transaction = 'odd'\n",
    "breaking = True\n",
    "if breaking := True: pass\n",
    "import helpers as downgrade\n",
    "downgrade = None\n",
    "def downgrade(): ...\n",
    "async def downgrade(db): ...\n",
    "def downgrade(db): ...\ndowngrade = None\n",
    "transacton = 'atomic'\n",
    "def upgrad(db): ...\n",
    "def upgrade(db):\n    db.execute(text('your SQL'))\n",
    "def downgrade(db):\n    db.execute(text('your SQL'))\n",
    "upgrade = None\n",
    "del upgrade\n",
    "\uff55pgrade = None\n",
    "if __name__ == '__main__':\n    print(1)\n",
    "description = 'y'\n",
    "\U0001d41description = 'y'\n",
]
NO_UPGRADE = [
    "",
    "def upgrade(): ...\n",
    "def upgrade(db, other): ...\n",
    "def upgrade(db, *, other): ...\n",
    "async def upgrade(db): ...\n",
    "def upgrade(db): yield\n",
    "async def upgrade(db): yield\n",
    "upgrade = 1\n",
    "upgrade = lambda db: None\n",
    "class upgrade:\n    def __init__(self, db): ...\n",
    "SQL = '''\ndef upgrade(db):\n    ...\n'''\n",
    "if __name__ == '__main__':\n    def upgrade(db): ...\n",
    "class A:\n    def upgrade(self): ...\n",
    "import helpers\n@helpers.wrap\nclass A:\n    def upgrade(db): ...\n",
    "from helpers import upgrade\n",
]


def found(source: str) -> Header | None:
    code = compiled("f.py", source)
    return header_in(code, "f.py", "004_new_feature", source) if code is not None else None


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("head", HEADS[:5])
def test_the_header_of_an_ordinary_file_is_in_its_code(head: str, body: str) -> None:
    assert found(head + body) == read_header("f.py", "004_new_feature", head + body)


@pytest.mark.parametrize("other", OTHERS)
def test_what_else_a_file_says_is_left_to_the_parser(other: str) -> None:
    for head in HEADS:
        assert found(head + BODIES[0] + other) is None


@pytest.mark.parametrize("body", NO_UPGRADE)
def test_a_file_that_may_not_be_a_migration_is_left_to_the_parser(body: str) -> None:
    for head in HEADS:
        assert found(head + body) is None


@pytest.mark.parametrize("source", ["x = (", "x = '\0'", "return", r"x = '\d'", "1 is 1"])
def test_what_python_has_something_to_say_about_is_not_compiled(source: str) -> None:
    assert compiled("f.py", source) is None


def test_ordinary_migrations_are_not_parsed() -> None:
    for source in eighty_files().values():
        assert found(source) in {None, read_header("f.py", "004_new_feature", source)}
    folder = [path.read_text() for path in MIGRATIONS.glob("[0-9]*.py")]
    assert any(found(source) for source in folder)


def test_a_file_is_compiled_once_for_a_run(tmp_path: Path) -> None:
    (tmp_path / "001_a.py").write_text(HEADS[0] + BODIES[0])
    file = PlainFile(str(tmp_path), "001_a")
    assert file.code() is not file.code()
    file.hold()
    assert file.code() is file.code()
    assert file.code().co_filename == file.path


@settings(max_examples=800, deadline=None)
@given(st.lists(st.sampled_from([*HEADS, *BODIES, *OTHERS, *NO_UPGRADE]), max_size=5))
def test_what_is_found_in_the_code_is_what_the_parser_finds(pieces: list[str]) -> None:
    source = "".join(pieces)
    header = found(source)
    assert header is None or header == read_header("f.py", "004_new_feature", source)
