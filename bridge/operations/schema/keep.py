"""Keep the schema file what the migrations make, after a run that has applied some.

The run has ended well by then: whatever goes wrong here is told, and is no failure of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.errors import BridgeError
from bridge.operations.schema.build import Scratch
from bridge.operations.schema.dump import write_schema_file
from bridge.reporting import events

if TYPE_CHECKING:
    from bridge.database.request import Request


def keep_schema_file(request: Request, path: str) -> None:
    """Run the files in a scratch database, and write what they make into this file."""
    try:
        written = write_schema_file(request, Scratch(), path)
    except BridgeError as error:
        reason = str(error)
    except Exception as error:  # noqa: BLE001 - the run itself has ended well
        reason = f"{type(error).__name__}."
    else:
        said = "is written anew" if written.changed else "is what it was"
        request.reporter.tell(events.Note(f"{path} {said}."))
        return
    request.reporter.tell(
        events.Warned(
            f"{path} was not written: {reason}\nThe migrations are applied all the same. To write "
            "it: eai migrate dump"
        )
    )
