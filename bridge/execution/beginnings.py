"""How the driver begins the transactions of a connection, and what a file makes of that."""

from __future__ import annotations

from typing import Any, Final

#: What psycopg2 has of it.
NAMES: Final = ("isolation_level", "readonly", "deferrable")


class Beginnings:
    """The isolation level and the like of a driver's connection, before a file and now."""

    def __init__(self, real: Any) -> None:
        """`real` is the driver's connection, past its guard."""
        self._real = real
        self._before = {name: getattr(real, name) for name in NAMES}
        self._waiting: list[Any] = []

    def ask(self, level: Any) -> None:
        """Note an isolation level for the transactions after the one that is still to end."""
        self._waiting.append(level)

    def serve(self) -> None:
        """Set the level that was asked for; the connection is in no transaction."""
        levels, self._waiting = self._waiting, []
        if levels and not self._real.closed:
            self._real.set_isolation_level(levels[-1])

    @property
    def may_not_write(self) -> bool:
        """Whether the file has asked for transactions that only read."""
        return bool(self._real.readonly != self._before["readonly"])

    def put_back(self) -> None:
        """Have all as it was before the file; the connection is in no transaction."""
        self._waiting.clear()
        for name, value in self._before.items():
            if getattr(self._real, name) != value:
                setattr(self._real, name, value)
