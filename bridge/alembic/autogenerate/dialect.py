"""The dialect of a connection, for SQL that is written and never sent.

It writes percent signs and colons as they are, where a driver's own would double the one and
take the other for a parameter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Dialect


@dataclass
class OfflineDialect:
    """The dialect, and how it reads the texts in what it compiles."""

    dialect: Dialect
    #: Whether they are SQL to the letter, as read from a database, and not what `text()` takes.
    texts_are_sql: bool = False

    @classmethod
    def like(cls, live: Dialect) -> OfflineDialect:
        """Return a dialect like this connected one, which knows its server."""
        kind: Any = type(live)
        offline = cls(kind(paramstyle="named"))
        for name, value in vars(live).items():
            if name not in {"paramstyle", "positional"} and isinstance(value, (bool, str, tuple)):
                setattr(offline.dialect, name, value)
        offline.dialect.statement_compiler = _compiler(live.statement_compiler, offline)
        return offline


def _compiler(kind: Any, offline: OfflineDialect) -> Any:
    class Compiler(kind):  # type: ignore[misc]
        def visit_textclause(self, textclause: Any, *args: Any, **options: Any) -> Any:
            if offline.texts_are_sql:
                return self.post_process_text(textclause.text)
            return super().visit_textclause(textclause, *args, **options)

        def visit_bindparam(self, bindparam: Any, *args: Any, **options: Any) -> Any:
            # A colon that was not escaped: no statement of a migration has parameters.
            if bindparam.required:
                return f":{bindparam.key}"
            return super().visit_bindparam(bindparam, *args, **options)

    return Compiler
