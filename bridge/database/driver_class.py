"""Have psycopg2 make connections of another class, whoever calls it.

An Engine that is handed in may have a function that connects, with a class of its own or none; and
a migration may open a connection by itself. `psycopg2.connect` is imported by name in many places,
so that what it calls is where it can be asked.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2

#: Returns what makes the next connection, or None to leave it as it is.
Asked = Callable[[], Callable[..., Any] | None]


#: Who is asked now, the latest last.
_asked: list[Asked] = []
_changing = threading.Lock()
_real = psycopg2._connect  # noqa: SLF001


@contextmanager
def asking(asked: Asked) -> Iterator[None]:
    """Ask for each connection that is made while the block lasts, in whichever thread.

    A connection for which the caller names a class is of that class all the same.
    """
    with _changing:
        _asked.append(asked)
        psycopg2._connect = _ask  # noqa: SLF001
    try:
        yield
    finally:
        with _changing:
            _asked.remove(asked)
            if not _asked:
                psycopg2._connect = _real  # noqa: SLF001


def _ask(dsn: Any, connection_factory: Any = None, **options: Any) -> Any:
    # All are asked: each may have to do something before a connection is made.
    made_by = [found for asked in reversed(_asked) if (found := asked()) is not None]
    factory = connection_factory or (made_by[0] if made_by else None)
    return _real(dsn, connection_factory=factory, **options)
