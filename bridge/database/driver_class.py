"""Have psycopg2 make connections of another class, whoever calls it.

An Engine that is handed in may have a function that connects, with a class of its own or none; and
a migration may open a connection by itself. `psycopg2.connect` is imported by name in many places,
so that what it calls is where it can be asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2

#: Returns what makes the next connection, or None to leave it as it is.
Asked = Callable[[], Callable[..., Any] | None]


@contextmanager
def asking(asked: Asked) -> Iterator[None]:
    """Ask for each connection that is made while the block lasts, in whichever thread.

    A connection for which the caller names a class is of that class all the same.
    """
    connect = psycopg2._connect  # noqa: SLF001

    def ask(dsn: Any, connection_factory: Any = None, **options: Any) -> Any:
        made_by = asked()
        return connect(dsn, connection_factory=connection_factory or made_by, **options)

    psycopg2._connect = ask  # noqa: SLF001
    try:
        yield
    finally:
        psycopg2._connect = connect  # noqa: SLF001
