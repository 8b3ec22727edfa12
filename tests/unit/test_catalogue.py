"""Every error text stands in one file, so that a change of one is seen by whoever reviews it."""

from __future__ import annotations

import ast
import difflib

from bridge.errors import FilesError, UsageError
from support.catalogue import FILE, REGENERATE, _Module, collected


def test_the_catalogue_has_the_error_texts_of_the_code() -> None:
    kept, now = FILE.read_text(encoding="utf-8"), collected()
    changes = "\n".join(difflib.unified_diff(kept.splitlines(), now.splitlines(), lineterm=""))
    assert kept == now, f"error texts have changed; read them, then type:\n{REGENERATE}\n{changes}"


def test_texts_are_found_wherever_an_error_is_made() -> None:
    source = """
def a(name):
    raise UsageError(f"No {name}: give {'it' if name else 'them'}. " + "Stop.")
def b():
    return FilesError(told())
def told():
    return "As told."
def c(sentence):
    raise FilesError(sentence)
def d():
    text = "As assigned."
    return errors.FilesError("path", 3, text)
def e():
    confirmed("Do it?", refusal="Nobody to ask.")
    raise UsageError(elsewhere())
"""
    codes = {"UsageError": UsageError.exit_code, "FilesError": FilesError.exit_code}
    functions = {"elsewhere": [ast.parse("f'As {told} there.'", mode="eval").body]}
    assert sorted(_Module(ast.parse(source), functions).errors(codes)) == [
        ("FilesError, exit code 4", "As assigned."),
        ("FilesError, exit code 4", "As told."),
        ("FilesError, exit code 4", "{sentence}"),
        ("UsageError, exit code 2", "As {…} there."),
        ("UsageError, exit code 2", "No {…}: give {it|them}. Stop."),
        ("UsageError, exit code 2", "Nobody to ask."),
    ]
