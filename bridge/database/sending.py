"""Send a text to the server as it stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlalchemy import Connection


def send(connection: Connection, *statements: str) -> Any:
    """Send statements in one message, with no parameters; the result is SQLAlchemy's of the last.

    Neither a colon nor a % in it means anything to SQLAlchemy or to the driver.
    """
    text = "; ".join(statements)
    return connection.exec_driver_sql(text, execution_options={"no_parameters": True})
