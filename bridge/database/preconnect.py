"""Let an Engine have a connection that is open already.

To open one takes as long as a small migration does. So the connection over which a database was
asked whether anything is pending goes on to run what is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bridge.database.connection_state import is_silent

if TYPE_CHECKING:
    from sqlalchemy import Engine


def serve(engine: Engine, connection: Any) -> None:
    """Let this Engine have the driver's connection first, then connect by itself.

    An Engine to whose connecting the program listens does so from the beginning: there the
    program may have another password to give, or another server.
    """
    from sqlalchemy import event

    ready = [connection]

    def give(*_arguments: Any) -> Any:
        """Return it; None where SQLAlchemy must make one."""
        # Idle while much was loaded, it may have been ended for that.
        return ready.pop() if ready and is_silent(ready[-1]) else None

    if not engine.dialect.dispatch.do_connect:
        event.listen(engine, "do_connect", give)
