"""What a new plain file says, whatever the message, and what cannot be asked of one."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mako.template import Template  # type: ignore[import-untyped]

import bridge
from bridge.errors import UsageError
from bridge.header import read_header
from bridge.newfile import UNTOLD, literal, refuse_branches, template_arguments

TEMPLATE = Path(bridge.__path__[0]) / "environment" / "script.py.mako"


def rendered(message: str | None, **given: str) -> str:
    text: str = Template(filename=str(TEMPLATE)).render_unicode(
        **template_arguments(message, given)
    )
    return text


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
        ("", UNTOLD),
        ("  \n ", UNTOLD),
        (None, UNTOLD),
    ],
)
def test_any_message_becomes_a_file_that_says_it(message: str | None, description: str) -> None:
    source = rendered(message)
    source.encode()
    header = read_header("x.py", "001_x", source)
    assert header.description == description
    assert header.has_downgrade
    told = (message or "").strip() or UNTOLD
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
    assert read_header("x.py", "001_x", rendered(message)).has_downgrade


def test_generated_code_is_imported_for_and_comments_alone_are_none() -> None:
    comments = "# ### commands ###\n    pass\n    # ### end ###"
    plain = rendered("x", upgrades=comments, downgrades=comments, imports="")
    assert "SELECT 1" in plain
    assert "alembic" not in plain
    source = rendered(
        "x", upgrades="op.drop_table('t')", downgrades=comments, imports="import mine\n"
    )
    assert 'from alembic import op\nimport mine\n\ndescription = "x"' in source
    assert "import sqlalchemy" not in source


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
        f"{told}: plain files form one line, in the order of their names, so there are never two "
        "heads. Nothing was written. Two files may share a number, and a file that comes late is "
        'simply next in line. For a new file, type: alembic revision -m "what it does"'
    )
    for same in (None, "head", "heads", "002_two"):
        refuse_branches(same, "002_two", splice=False, labels=None, depends_on=None)
