"""The time limits of the server that a migration may have run into.

A role or a database has them for careless applications, and a migration runs under them like any
other session. What the driver then says of it is little: of a session that was ended, nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from bridge.database.driver_errors import first_line
from bridge.database.sqlstate import sqlstate
from bridge.reporting.events import Direction
from bridge.reporting.numbers import duration

_OF_A_STATEMENT: Final = ("statement_timeout",)
#: After which the server ends the whole session.
_OF_A_SESSION: Final = ("transaction_timeout", "idle_in_transaction_session_timeout")

_QUERY_CANCELED: Final = "57014"
_BY_A_PERSON: Final = "user request"
#: As PostgreSQL shows a time.
_TIME: Final = re.compile(r"(\d+)(ms|s|min|h|d)")
_MILLISECONDS: Final = {"ms": 1, "s": 1000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}


def explain(
    error: BaseException,
    *,
    gone: bool,
    seconds: float,
    settings: Mapping[str, str],
    direction: Direction,
    own: bool = False,
) -> str | None:
    """Explain which limit an error may come from, and how to lift it; None if from none.

    `gone` says whether the session has ended; the file had run for so many `seconds`, and
    `settings` are those of the session when it began, as the server shows them. `own` says whether
    the file has set a limit for its session itself.
    """
    canceled = sqlstate(error) == _QUERY_CANCELED and _BY_A_PERSON not in first_line(error)
    names = _OF_A_SESSION if gone else _OF_A_STATEMENT if canceled else ()
    reached = [name for name in names if 0 < _limit(settings, name) <= seconds * 1000]
    if not reached and gone and own:
        return (
            "The file sets a time limit for its session or its transactions, so the server may "
            "have ended its session for that."
        )
    if not reached:
        return None
    values = " or ".join(f"{name}, which is {settings[name]} here" for name in reached)
    said = (
        f"It had run for {duration(seconds)}, so the server may have ended its session for {values}"
        if gone
        else f"The server cancels what takes longer than {values}"
    )
    lifted = "; ".join(f"SET {name} = 0" for name in reached)
    return (
        f"{said}. If this file needs longer, begin its {direction.value}() with: "
        f'db.execute(text("{lifted}")). After the file it is put back.'
    )


def _limit(settings: Mapping[str, str], name: str) -> int:
    """Return the limit in milliseconds; 0 if there is none, or none that is known."""
    match = _TIME.fullmatch(settings.get(name, ""))
    return int(match[1]) * _MILLISECONDS[match[2]] if match else 0
