"""psycopg2's connection and cursor, before which a guard may stand.

A migration's commits are deferred here, below SQLAlchemy (`bridge.execution.transaction` is the
guard that does it), because a file can reach the driver's connection, and all that it does there
must mean what it means without bridge. A connection without a guard is an ordinary one.

What could show that a COMMIT was not sent, or undo what it would have kept, asks the guard first.
That is everything but a short list of what is harmless, so that nothing can be forgotten.

Two classes have a guard: `DriverConnection`, which psycopg2 makes where it is asked to, and
`StandIn`, before a connection that is there already. psycopg2's functions in C take the first like
any connection, and refuse the second: `register_type`, `quote_ident` and the like, where they are
given the connection and not a cursor.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol, Self

from psycopg2 import extensions

from bridge.database.driver_cursor import Call, Fetches, OfStandIn, Sends, mixed

__all__ = ["Call", "DriverConnection", "Guard", "StandIn", "plain"]


class Guard(Protocol):
    """What is asked before a guarded connection does anything."""

    def pay(self) -> None:
        """Send the COMMIT that is owed, if one is."""

    def change(self, what: str) -> None:
        """Prepare for a change of how the connection makes its transactions; may refuse it."""

    def commit(self) -> None:
        """Commit, now or later."""

    def rollback(self) -> None:
        """Roll back what was not committed."""

    def send(self, call: Call, statement: Any, parameters: Any) -> Any:
        """Send a statement by this call, and return what it returns."""

    def reset(self) -> None:
        """Put the connection and its session back to how they began."""

    def word(self, statement: Any) -> Any:
        """Return the text to send for a statement; nearly always the statement itself."""

    def isolate(self, level: Any) -> None:
        """Make later transactions at this level."""

    def name_cursor(self) -> None:
        """Prepare for a cursor of the server's."""

    def blind(self) -> None:
        """Note that a cursor was made whose statements nobody will see."""


#: What neither sends anything nor shows in which state the transaction is.
HARMLESS = frozenset(
    {
        *("encoding", "dsn", "server_version", "protocol_version", "closed", "notices"),
        *("cursor_factory", "string_types", "binary_types", "pgconn_ptr", "get_backend_pid"),
        *("get_parameter_status", "get_dsn_parameters", "get_native_connection", "xid"),
        *("isexecuting", "async_", "async", "cancel"),
    }
)
#: What changes how transactions are made, or ends one, or all.
CHANGES = frozenset(
    {
        *("autocommit", "isolation_level", "readonly", "deferrable"),
        *("set_session", "tpc_begin", "tpc_prepare", "tpc_commit", "tpc_rollback", "close"),
    }
)


def plain(connection: Any) -> Any:
    """Return the driver's own view of a connection, past its guard if it has one."""
    return getattr(connection, "plain", connection)


class _Plain:
    """A DriverConnection as psycopg2 made it; made anew each time, so that no circle is closed.

    It has psycopg2's own attributes, set below; `_connection` is the DriverConnection.
    """

    __slots__ = ("_connection",)

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    @property
    def plain(self) -> Self:
        return self


class _SendsAsLargeObject(extensions.lobject):  # type: ignore[misc]
    """A large object, each of whose methods sends something."""

    of: Any = None


def _sending(name: str) -> Callable[..., Any]:
    def send(self: Any, *arguments: Any, **options: Any) -> Any:
        call = partial(getattr(extensions.lobject, name), self, *arguments, **options)
        guard = self.of and self.of.guard
        return call() if guard is None else guard.send(call, None, None)

    return send


for _name in ("read", "write", "seek", "tell", "truncate", "export", "unlink", "close"):
    setattr(_SendsAsLargeObject, _name, _sending(_name))


class _Guarded:
    """What both classes have; their own attributes are those of psycopg2's connection."""

    guard: Guard | None = None
    plain: Any

    def commit(self) -> None:
        (self.plain if self.guard is None else self.guard).commit()

    def rollback(self) -> None:
        (self.plain if self.guard is None else self.guard).rollback()

    def reset(self) -> None:
        (self.plain if self.guard is None else self.guard).reset()

    def set_isolation_level(self, level: Any) -> None:
        """Set it as the driver does; SQLAlchemy does so when a Connection goes back to its pool."""
        if self.guard is None:
            self.plain.set_isolation_level(level)
        else:
            self.guard.isolate(level)

    def cursor(self, name: Any = None, cursor_factory: Any = None, **options: Any) -> Any:
        real, guard = self.plain, self.guard
        factory = cursor_factory or self._ordinary(real)
        if not isinstance(factory, type):  # a function, and what it makes is its own affair
            if guard is not None:
                guard.blind()
        elif name is None:
            factory = self._cursor_class(factory, Sends)
        else:
            if guard is not None:
                guard.name_cursor()
            factory = self._cursor_class(factory, Fetches)
        if name is None:
            return real.cursor(cursor_factory=factory, **options)
        return real.cursor(name, cursor_factory=factory, **options)

    def lobject(self, *which: Any, **options: Any) -> Any:
        """Open a large object; one of a class of the caller's own is not watched."""
        options.setdefault("lobject_factory", _SendsAsLargeObject)
        call = partial(self.plain.lobject, *which, **options)
        found = call() if self.guard is None else self.guard.send(call, None, None)
        if isinstance(found, _SendsAsLargeObject):
            found.of = self
        return found

    def _ordinary(self, real: Any) -> Any:
        """Return what makes its cursors where nobody asks for another class."""
        return real.cursor_factory or extensions.cursor

    def _cursor_class(self, factory: type, mixin: type) -> Callable[..., Any]:
        return mixed(factory, mixin)


class DriverConnection(_Guarded, extensions.connection):  # type: ignore[misc]
    """psycopg2's connection, as its `connection_factory`."""

    @property
    def plain(self) -> Any:
        """The same connection, past its guard."""
        return _Plain(self)


class StandIn(_Guarded):
    """Stands before a connection of the driver's that is there already."""

    def __init__(self, connection: Any, guard: Guard | None = None) -> None:
        vars(self).update(plain=plain(connection), guard=guard)

    def __getattr__(self, name: str) -> Any:
        # Only for what is not its own.
        found = getattr(self.plain, name)
        if name in HARMLESS:
            return found
        if callable(found) and not isinstance(found, type):
            return _bound(self, name, found)
        if self.guard is not None:
            self.guard.pay()
            found = getattr(self.plain, name)
        return found

    def __setattr__(self, name: str, value: Any) -> None:
        if name in vars(self):
            vars(self)[name] = value
            return
        _prepare(self, name)
        setattr(self.plain, name, value)

    def __enter__(self) -> Self:
        _prepare(self, "")
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if kind is None:
            self.commit()
        else:
            self.rollback()

    def _ordinary(self, real: Any) -> Any:
        # A class of the caller's may have its own.
        with real.cursor() as cursor:
            ordinary = cursor.__class__  # what a tracer that stands before it says, too
        return ordinary if issubclass(ordinary, extensions.cursor) else super()._ordinary(real)

    def _cursor_class(self, factory: type, mixin: type) -> Callable[..., Any]:
        kind = mixed(factory, OfStandIn, mixin)

        def make(*arguments: Any, **options: Any) -> Any:
            cursor = kind(*arguments, **options)
            # Here, and not when it is given out: a tracer may put something before it.
            cursor.stand_in = self
            return cursor

        return make


def _prepare(connection: Any, name: str) -> None:
    guard = connection.guard
    if guard is not None:
        guard.pay()
        if name in CHANGES:
            guard.change(name)


def _bound(connection: Any, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    def call(*given: Any, **options: Any) -> Any:
        _prepare(connection, name)
        return method(*given, **options)

    return call


def _method(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    def call(self: Any, *given: Any, **options: Any) -> Any:
        _prepare(self, name)
        return method(self, *given, **options)

    return call


def _attribute(name: str, attribute: Any) -> property:
    def get(self: Any) -> Any:
        if self.guard is not None:
            self.guard.pay()
        return attribute.__get__(self)

    def put(self: Any, value: Any) -> None:
        _prepare(self, name)
        attribute.__set__(self, value)

    return property(get, put)


def _is_asked_first(name: str) -> bool:
    # Its error classes are attributes, too.
    public = not name.startswith("_") and not name[0].isupper()
    return name not in HARMLESS and (public or name == "__enter__")


def _past_guard(attribute: Any) -> property:
    def get(self: Any) -> Any:
        return attribute.__get__(self._connection)

    def put(self: Any, value: Any) -> None:
        attribute.__set__(self._connection, value)

    return property(get, put)


#: What it inherits, too: a tracer may have put a class of its own in psycopg2's place.
_ATTRIBUTES = {
    name: attribute
    for each in reversed(extensions.connection.__mro__[:-1])
    for name, attribute in vars(each).items()
}
for _name, _found in _ATTRIBUTES.items():
    # A tracer's own that know of no connection.
    if isinstance(_found, (classmethod, staticmethod)) or not hasattr(_found, "__get__"):
        continue
    if not _name.startswith("__"):
        setattr(_Plain, _name, _past_guard(_found))
    if _is_asked_first(_name) and _name not in vars(_Guarded):
        _is_method = callable(_found)
        setattr(
            DriverConnection,
            _name,
            _method(_name, _found) if _is_method else _attribute(_name, _found),
        )
