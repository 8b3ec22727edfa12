"""A savepoint that stands for the transaction of somebody who believes in one of their own."""

from __future__ import annotations

from collections.abc import Callable

#: Does what a COMMIT checks, and leaves no constraint immediate behind: a real COMMIT would not.
_CHECK = (
    "SAVEPOINT bridge_check; SET CONSTRAINTS ALL IMMEDIATE; "
    "ROLLBACK TO SAVEPOINT bridge_check; RELEASE SAVEPOINT bridge_check"
)


#: What stands for a commit of a file that is all or nothing.
ALL = "bridge_all"


class Savepoint:
    """It is set before the first statement, and again after it has ended."""

    def __init__(
        self,
        run: Callable[[str], object],
        transactions: Callable[[], int],
        name: str,
        *,
        tell: Callable[[str], object] = lambda _text: None,
    ) -> None:
        """`run` sends a text; `transactions` counts those that have ended, with all savepoints.

        `tell` is called with what somebody would have sent in its place.
        """
        self._run = run
        self._transactions = transactions
        self._name = name
        self._tell = tell
        self._set_in: int | None = None

    @property
    def _is_set(self) -> bool:
        return self._set_in == self._transactions()

    def set(self) -> None:
        """Set it, unless it is."""
        if not self._is_set:
            self._run(f"SAVEPOINT {self._name}")
            self._set_in = self._transactions()
            self._tell(f"SAVEPOINT {self._name}")

    def release(self, *, check: bool) -> None:
        """Keep what was done since; with `check`, raise what a COMMIT would raise."""
        if self._is_set:
            checked = f"{_CHECK}; " if check else ""
            self._run(f"{checked}RELEASE SAVEPOINT {self._name}")
            self._set_in = None
            self._tell(f"RELEASE SAVEPOINT {self._name}")

    def back(self) -> None:
        """Undo what was done since."""
        if self._is_set:
            self._run(f"ROLLBACK TO SAVEPOINT {self._name}; RELEASE SAVEPOINT {self._name}")
            self._set_in = None
            self._tell(f"ROLLBACK TO SAVEPOINT {self._name}")
