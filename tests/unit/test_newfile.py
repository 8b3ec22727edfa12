"""What a new plain file says, whatever the message, and what cannot be asked of one."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import FilesError, UsageError
from bridge.files.header import read_header, storable
from bridge.files.new_file import (
    NO_MESSAGE,
    Generated,
    literal,
    refuse_branches,
    render,
    template_arguments,
    write_new,
)
from bridge.files.plain_file import PlainFile

if TYPE_CHECKING:
    from pathlib import Path


def rendered(message: str | None, generated: Generated | None = None) -> str:
    return render(None, PlainFile("", "001_x"), template_arguments(message, generated))


@pytest.mark.parametrize(
    ("message", "description"),
    [
        ("add widgets", "add widgets"),
        ("  it's  ", "it's"),
        ('say "hello"', 'say "hello"'),
        ("both ' and \"", "both ' and \""),
        ('""" three', '""" three'),
        ('ends in four """"', 'ends in four """"'),
        ("back\\slash \\", "back\\slash \\"),
        ("\\N{no} \\x", "\\N{no} \\x"),
        ("first line\nsecond line", "first line"),
        ("${message} <% raise %> ## % if", "${message} <% raise %> ## % if"),
        ("% if x:", "% if x:"),
        ("100% größer, 日本語", "100% größer, 日本語"),
        ("tab\there \x07 \udce4", "tab\there \x07 \N{REPLACEMENT CHARACTER}"),
        ("", NO_MESSAGE),
        ("  \n ", NO_MESSAGE),
        (None, NO_MESSAGE),
    ],
)
def test_any_message_becomes_a_file_that_says_it(message: str | None, description: str) -> None:
    source = rendered(message)
    source.encode()
    header = read_header("x.py", "001_x", source)
    assert header.description == description
    assert header.unwritten
    assert "`downgrade` is not written yet" in str(header.downgrade_fault)
    told = storable((message or "").strip()) or NO_MESSAGE
    assert (ast.get_docstring(ast.parse(source), clean=False) or "").split() == [
        "Migration:",
        *told.split(),
    ]
    compile(source, "x.py", "exec")


@given(st.text())
def test_a_literal_is_read_back_as_it_was(text: str) -> None:
    assert ast.literal_eval(literal(text)) == text


@given(st.text())
def test_no_message_breaks_the_file(message: str) -> None:
    assert read_header("x.py", "001_x", rendered(message)).unwritten


def test_generated_code_takes_the_place_of_the_examples() -> None:
    source = rendered("x", Generated("first(db)\n    second(db)", "", autocommit=True))
    assert (
        """\
    first(db)
    second(db)
    db.commit()


def downgrade(db):
    \"\"\"Undo what upgrade() did.\"\"\"
    from sqlalchemy import text

    db.execute(text("your SQL"))  # or remove downgrade()
    db.commit()
"""
        in source
    )
    assert read_header("x.py", "001_x", source).transaction == "autocommit"
    assert rendered("x").count("commit()") == 2
    assert read_header("x.py", "001_x", rendered("x")).transaction is None


@pytest.mark.parametrize(
    ("head", "options", "told"),
    [
        ("head", {"splice": True}, "--splice has no meaning here"),
        ("head", {"labels": "b"}, "--branch-label has no meaning here"),
        ("head", {"depends_on": ["001"]}, "--depends-on has no meaning here"),
        ("base", {}, "--head base cannot be followed"),
    ],
)
def test_what_only_a_graph_with_branches_can_have_is_refused(
    head: str, options: dict[str, Any], told: str
) -> None:
    given = {"splice": False, "labels": None, "depends_on": None} | options
    with pytest.raises(UsageError) as caught:
        refuse_branches(head, "002_two", **given)
    assert str(caught.value) == (
        f"{told}: plain files form one history, in the order of their names, so there are never "
        "two heads. Nothing was written. Two files may share a number, and a late file still runs. "
        'For a new file, type: alembic revision -m "what it does"'
    )
    for same in (None, "head", "heads", "002_two"):
        refuse_branches(same, "002_two", splice=False, labels=None, depends_on=None)


def test_a_file_that_is_there_is_left_as_it_is(tmp_path: Path) -> None:
    there = tmp_path / "001_x.py"
    there.write_text("mine")
    with pytest.raises(FilesError) as caught:
        write_new(str(there), "yours")
    assert str(caught.value) == (
        f"{there} exists already, and was not changed. Rename or remove it."
    )
    assert there.read_text() == "mine"


def test_a_folder_that_cannot_be_written_into_is_named(tmp_path: Path) -> None:
    path = tmp_path / "gone" / "001_x.py"
    with pytest.raises(FilesError) as caught:
        write_new(str(path), "")
    assert str(caught.value) == (
        f"{path} cannot be written: No such file or directory. Give the user that you are the "
        "right to write into this folder, or correct version_locations in alembic.ini."
    )
