"""Ask whether a server has sent anything to an idle connection.

It says nothing unasked but that it ends the connection: it is restarted, an administrator or a
timeout for idle sessions has ended it, or a pooler has.
"""

from __future__ import annotations

import select
from typing import Any


def is_silent(connection: Any) -> bool:
    """Return whether the server has sent nothing since it was last asked, and has not hung up.

    Asks nobody. False where that cannot be told: without `poll`, as on Windows.
    """
    if connection.closed or not hasattr(select, "poll"):
        return False
    poller = select.poll()
    poller.register(connection.fileno(), select.POLLIN)
    return not poller.poll(0)
