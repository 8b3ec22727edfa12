"""Every private name of Alembic, SQLAlchemy and psycopg2 that bridge uses, and why there is no way
around it. A release that takes one away is told by its number.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory, write_hooks
from alembic.script.revision import Revision, RevisionMap
from sqlalchemy import Connection, create_engine
from sqlalchemy.dialects.postgresql.psycopg2 import PGDialect_psycopg2

import bridge

ROOT = Path(bridge.__file__).parent


@dataclass(frozen=True, kw_only=True)
class Private:
    """One name, and the one module of bridge that uses it."""

    package: str
    name: str
    module: str
    why: str
    #: What has the name.
    owner: Callable[[], object]
    #: Those of a function, with `self`; None for what is none.
    parameters: tuple[str, ...] | None = None


def _context() -> MigrationContext:
    return MigrationContext.configure(dialect_name="postgresql", opts={"as_sql": True})


def _revision_of_a_map() -> Revision:
    (revision,) = RevisionMap(lambda: [Revision("a", None)]).get_revisions("a")
    assert isinstance(revision, Revision)
    return revision


def _pool() -> Any:
    return create_engine("postgresql+psycopg2://nowhere.invalid/x").pool


def _connection() -> Any:
    engine = create_engine("sqlite://")
    connection = Connection(engine)
    connection.close()
    engine.dispose()
    return connection


PRIVATE = (
    Private(
        package="alembic",
        name="_version",
        owner=_context,
        module="alembic/version_table.py",
        why="Alembic's `ensure_version` creates this very table, with room for 32 characters. The "
        "public `version_table_impl` belongs to a class that all users of Alembic in the process "
        "share.",
    ),
    Private(
        package="alembic",
        name="_upgrade_revs",
        owner=lambda: ScriptDirectory,
        parameters=("self", "destination", "current_rev"),
        module="alembic/script_directory.py",
        why="`alembic upgrade` asks for its steps here, and so do tools.",
    ),
    Private(
        package="alembic",
        name="_downgrade_revs",
        owner=lambda: ScriptDirectory,
        parameters=("self", "destination", "current_rev"),
        module="alembic/script_directory.py",
        why="`alembic downgrade` asks for its steps here, and so do tools.",
    ),
    Private(
        package="alembic",
        name="_stamp_revs",
        owner=lambda: ScriptDirectory,
        parameters=("self", "revision", "heads"),
        module="alembic/script_directory.py",
        why="`alembic stamp` asks for its steps here.",
    ),
    Private(
        package="alembic",
        name="_catch_revision_errors",
        owner=lambda: ScriptDirectory,
        parameters=("self", "ancestor", "multiple_heads", "start", "end", "resolution"),
        module="alembic/script_directory.py",
        why="Every look-up of a revision goes through it; from outside, the sentence about one "
        "that is not there would have to be replaced in ten methods.",
    ),
    Private(
        package="alembic",
        name="_load_revisions",
        owner=lambda: ScriptDirectory,
        parameters=("self",),
        module="alembic/script_directory.py",
        why="Tools that have written a file make a new map of what it gives; Alembic's own would "
        "import each file.",
    ),
    Private(
        package="alembic",
        name="_run_hooks",
        owner=lambda: write_hooks,
        parameters=("path", "hooks"),
        module="alembic/new_revision.py",
        why="The `[post_write_hooks]` of a team; public is only how a new kind is registered.",
    ),
    Private(
        package="alembic",
        name="_resolved_dependencies",
        owner=_revision_of_a_map,
        module="alembic/script.py",
        why="Alembic's map sets it, and mapping a thousand revisions takes longer than to run one.",
    ),
    Private(
        package="alembic",
        name="_normalized_resolved_dependencies",
        owner=_revision_of_a_map,
        module="alembic/script.py",
        why="As `_resolved_dependencies`.",
    ),
    Private(
        package="sqlalchemy",
        name="_backslash_escapes",
        owner=PGDialect_psycopg2,
        module="alembic/offline/session.py",
        why="Only a server's answer sets it, and a script has no server; constants in DDL would "
        "have their backslashes doubled.",
    ),
    Private(
        package="sqlalchemy",
        name="_run_ddl_visitor",
        owner=lambda: Connection,
        parameters=("self", "visitorcallable", "element", "kwargs"),
        module="alembic/offline/session.py",
        why="The one place that knows whether `create_all()` looks first; events are told later.",
    ),
    Private(
        package="sqlalchemy",
        name="_dbapi_connection",
        owner=_connection,
        module="database/cancel.py",
        why="The public property connects anew, and this is asked by another thread.",
    ),
    Private(
        package="sqlalchemy",
        name="_creator",
        owner=_pool,
        module="database/other_drivers.py",
        why="What `create_engine` has for the driver is told nowhere else without connecting.",
    ),
    Private(
        package="psycopg2",
        name="_connect",
        owner=lambda: psycopg2,
        module="database/driver_class.py",
        why="The public `connect` is imported by name in many places, and this is what it calls.",
    ),
    Private(
        package="psycopg2",
        name="_psycopg",
        owner=lambda: psycopg2,
        module="database/cancel.py",
        why="libpq is found in this file; a `cancel()` of psycopg2's is not safe in a signal.",
    ),
)

#: The names under which they are installed.
DISTRIBUTIONS = {"psycopg2": "psycopg2-binary"}


@pytest.mark.parametrize("private", PRIVATE, ids=lambda each: f"{each.package}-{each.name}")
def test_the_installed_release_has_each_private_name_as_it_is_used(private: Private) -> None:
    installed = version(DISTRIBUTIONS.get(private.package, private.package))
    told = f"{private.package} {installed}: {private.name}, used in bridge/{private.module}"
    owner = private.owner()
    assert hasattr(owner, private.name), f"{told}, is gone"
    if private.parameters is not None:
        found = tuple(inspect.signature(getattr(owner, private.name)).parameters)
        assert found == private.parameters, f"{told}, takes other arguments"


def test_the_function_that_connects_still_holds_what_the_driver_is_given() -> None:
    assert "cparams" in _pool()._creator.__code__.co_freevars, version("sqlalchemy")


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name != "_"


def own_names(tree: ast.AST) -> Iterator[str]:
    """What is defined here: functions, classes, variables, attributes of `self`."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield from [node.attr] if is_self(node.value) else []


def is_self(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id in {"self", "cls"}


def is_of_python(node: ast.expr) -> bool:
    """Whether it is a module like `sys`, whose names with an underscore are documented."""
    return isinstance(node, ast.Name) and node.id in sys.stdlib_module_names


def others_in_source(tree: ast.AST, everywhere: set[str]) -> Iterator[str]:
    """Private names that are used, and not defined in this module; those of self in no other."""
    own = set(own_names(tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and not (node.module or "").startswith("bridge"):
            yield from filter(is_private, (node.module or "").split("."))
            yield from filter(is_private, (alias.name for alias in node.names))
        elif isinstance(node, ast.Import):
            for alias in node.names:
                yield from filter(is_private, alias.name.split("."))
        elif isinstance(node, ast.Attribute) and is_private(node.attr):
            known = everywhere if is_self(node.value) else own
            if node.attr not in known and not is_of_python(node.value):
                yield node.attr
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("attr"):
            for given in node.args:
                if isinstance(given, ast.Constant) and isinstance(given.value, str):
                    yield from {given.value} - own if is_private(given.value) else ()


def overridden(module: str, tree: ast.AST) -> Iterator[str]:
    """Private names that classes of this module define, and classes of others that they extend."""
    loaded = vars(importlib.import_module(module))
    for node in ast.walk(tree):
        kind = loaded.get(node.name) if isinstance(node, ast.ClassDef) else None
        for base in getattr(kind, "__mro__", ())[1:]:
            if base.__module__.partition(".")[0] != "bridge":
                theirs = {*dir(base), *inspect.get_annotations(base)}
                yield from (name for name in own_names(node) if is_private(name) and name in theirs)


def test_bridge_uses_the_private_names_of_the_list_and_no_others() -> None:
    trees = {
        path.relative_to(ROOT).as_posix(): ast.parse(path.read_text())
        for path in sorted(ROOT.rglob("*.py"))
        if path.name != "env.py"
    }
    everywhere = {name for tree in trees.values() for name in own_names(tree)}
    found = set()
    for path, tree in trees.items():
        module = "bridge." + path.removesuffix(".py").replace("/", ".").removesuffix(".__init__")
        names = set(others_in_source(tree, everywhere))
        if module not in {"bridge.__init__", "bridge.__main__"}:
            names |= set(overridden(module, tree))
        found |= {(path, name) for name in names}
    assert found == {(each.module, each.name) for each in PRIVATE}


def test_a_private_use_is_found_however_it_is_written() -> None:
    source = """
from alembic._hidden import thing
from sqlalchemy.orm import _Other
class Own:
    def __init__(self): self._own = sys._getframe()
    def look(self, ctx): return ctx._version, self._own, self._inherited, super()._extended()
getattr(ctx, "_told")
ctx.impl._set = 1
"""
    found = set(others_in_source(ast.parse(source), {"_own", "_inherited"}))
    assert found == {"_hidden", "_Other", "_version", "_extended", "_told", "_set"}
