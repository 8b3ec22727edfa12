"""What `bridge.database.driver` mixes into the cursors of its connections."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any

Call = Callable[[], Any]


class Sends:
    """Mixed into whichever class of cursors is asked for."""

    connection: Any

    def execute(self, query: Any, vars: Any = None) -> Any:  # noqa: A002 - psycopg2's name
        """Send a statement."""
        query = self._text(query)
        guard = self.connection.guard
        worded = query if guard is None else guard.word(query)
        return self._sent(partial(super().execute, worded, vars), query, vars)  # type: ignore[misc]

    def executemany(self, query: Any, vars_list: Any) -> Any:
        """Send a statement once for each of the parameters."""
        query = self._text(query)
        call = partial(super().executemany, query, vars_list)  # type: ignore[misc]
        return self._sent(call, query, vars_list)

    def callproc(self, procname: Any, *parameters: Any) -> Any:
        """Call a function."""
        call = partial(super().callproc, procname, *parameters)  # type: ignore[misc]
        return self._sent(call, f"SELECT * FROM {procname}()", None)  # noqa: S608 - not sent

    def copy_expert(self, sql: Any, file: Any, *size: Any, **options: Any) -> Any:
        """Send a COPY."""
        sql = self._text(sql)
        call = partial(super().copy_expert, sql, file, *size, **options)  # type: ignore[misc]
        return self._sent(call, sql, None)

    def copy_from(self, file: Any, table: Any, *rest: Any, **options: Any) -> Any:
        """Send a COPY ... FROM STDIN."""
        call = partial(super().copy_from, file, table, *rest, **options)  # type: ignore[misc]
        return self._sent(call, f"COPY {table} FROM STDIN", None)

    def copy_to(self, file: Any, table: Any, *rest: Any, **options: Any) -> Any:
        """Send a COPY ... TO STDOUT."""
        call = partial(super().copy_to, file, table, *rest, **options)  # type: ignore[misc]
        return self._sent(call, f"COPY {table} TO STDOUT", None)

    def _text(self, query: Any) -> Any:
        """Return the text of a query that psycopg2's `sql` has composed."""
        return query.as_string(self) if hasattr(query, "as_string") else query

    def _sent(self, call: Call, statement: Any, parameters: Any) -> Any:
        guard = self.connection.guard
        return call() if guard is None else guard.send(call, statement, parameters)


class Fetches(Sends):
    """The same for a named cursor, which sends a FETCH, a MOVE or a CLOSE."""

    def fetchone(self) -> Any:
        """Send a FETCH."""
        return self._sent(super().fetchone, None, None)  # type: ignore[misc]

    def fetchmany(self, *size: Any, **options: Any) -> Any:
        """Send a FETCH."""
        return self._sent(partial(super().fetchmany, *size, **options), None, None)  # type: ignore[misc]

    def fetchall(self) -> Any:
        """Send a FETCH."""
        return self._sent(super().fetchall, None, None)  # type: ignore[misc]

    def scroll(self, *how: Any, **options: Any) -> Any:
        """Send a MOVE."""
        return self._sent(partial(super().scroll, *how, **options), None, None)  # type: ignore[misc]

    def close(self) -> Any:
        """Send a CLOSE."""
        return self._sent(super().close, None, None)  # type: ignore[misc]

    def __next__(self) -> Any:
        return self._sent(super().__next__, None, None)  # type: ignore[misc]


class OfStandIn:
    """Mixed into the cursors of a StandIn, which is their connection."""

    stand_in: Any = None

    @property
    def connection(self) -> Any:
        """The connection as the file has it."""
        return self.stand_in

    def _text(self, query: Any) -> Any:
        # In C, where the stand-in is refused.
        return query.as_string(self.stand_in.plain) if hasattr(query, "as_string") else query


@cache
def mixed(factory: type, *mixins: type) -> type:
    """Return this class of cursors with the mixins before it."""
    if all(issubclass(factory, mixin) for mixin in mixins):
        return factory
    return type(factory.__name__, (*mixins, factory), {"__module__": factory.__module__})
