"""Run what an extension renders for an operation of its own, as a file of Alembic's would.

To Alembic an operation of an extension (alembic_utils, alembic-postgresql-enum) is what its
renderer writes into a file, and nothing else need be known of it: there may be no implementation,
or one that does something else.
"""

from __future__ import annotations

import sys
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import sqlalchemy
from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.autogenerate.render import render_op
from sqlalchemy.dialects import postgresql

if TYPE_CHECKING:
    from collections.abc import Collection

    from alembic.operations import Operations
    from alembic.operations.ops import MigrateOperation
    from alembic.runtime.migration import MigrationContext


def is_rendered_by_extension(operation: MigrateOperation) -> bool:
    """Return whether somebody other than Alembic has registered a renderer for it."""
    try:
        renderer: Any = renderers.dispatch(operation)
    except ValueError:
        return False
    return not getattr(renderer, "__module__", "").startswith("alembic.")


class Renderer:
    """Renders operations for one context, and runs what came out."""

    def __init__(self, live: MigrationContext, imports: Collection[str] = ()) -> None:
        """`imports` are those that a hook of the project has added to the file."""
        # The names that what is rendered finds when it runs, whatever the project calls them.
        prefixes = {"sqlalchemy_module_prefix": "sa.", "alembic_module_prefix": "op."}
        self._context = AutogenContext(live, opts={**live.opts, **prefixes}, autogenerate=False)
        self._context.imports.update(imports)

    def source(self, operation: MigrateOperation) -> str:
        """Return the Python for this operation; raises whatever its renderer raises."""
        return dedent("\n".join(render_op(self._context, operation))).strip()

    def run(self, source: str, operations: Operations) -> None:
        """Run this Python, where `op` is `operations`; raises whatever it raises."""
        names = _Names(op=operations, sa=sqlalchemy, postgresql=postgresql)
        imports = "\n".join(sorted(self._context.imports))
        # It is what stock Alembic would write into a file of the team's.
        exec(compile(f"{imports}\n{source}\n", "<rendered>", "exec"), {}, names)  # noqa: S102


class _Names(dict[str, Any]):
    """The names that a file would have, and the modules that are loaded: those of the models."""

    def __missing__(self, name: str) -> Any:
        return sys.modules[name]
