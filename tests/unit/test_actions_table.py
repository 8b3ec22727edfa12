"""The table of actions forgets nothing that psycopg2 offers."""

from __future__ import annotations

import inspect
import re

import psycopg2
import pytest
from psycopg2 import extensions

from support.actions.every import MODULES

SOURCES = "\n".join(inspect.getsource(module) for module in MODULES)

#: Another spelling of `async_`, which is a word of Python's.
SPELLED_OTHERWISE = {"async"}


def public(kind: type) -> list[str]:
    """The public names of a class, but for the classes of errors, which do nothing."""
    return [
        name
        for name in dir(kind)
        if not name.startswith("_")
        and name not in SPELLED_OTHERWISE
        and not isinstance(getattr(psycopg2, name, None), type)
    ]


@pytest.mark.parametrize("kind", [extensions.connection, extensions.cursor, extensions.lobject])
def test_each_public_name_of_the_driver_is_in_an_action(kind: type) -> None:
    used = set(re.findall(r"\.(\w+)", SOURCES)) | set(re.findall(r"\b(\w+)=", SOURCES))
    assert [name for name in public(kind) if name not in used] == []
