"""The option `--scratch-url`, which several commands have."""

from __future__ import annotations

from typing import Annotated

import typer

#: What it says of itself.
SCRATCH_URL = (
    "A server for the scratch database, where this role may create one; it is dropped at the end. "
    "Default: the variable BRIDGE_SCRATCH_URL, then scratch_url in alembic.ini, then the embedded "
    "PostgreSQL."
)
ScratchUrl = Annotated[str | None, typer.Option(metavar="URL", help=SCRATCH_URL)]
