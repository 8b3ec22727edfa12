"""A database's schema as text, to compare two databases."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

from bridge.database.embedded.programs import find_program

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy.engine import URL


def dump_schema(url: URL, *, exclude: Iterable[str] = ()) -> str:
    """Give what pg_dump tells about a schema, without its comments and random marks.

    `exclude` names tables to leave out, with pg_dump's patterns.
    """
    shown = subprocess.run(
        [
            find_program("pg_dump"),
            "--schema-only",
            "--no-owner",
            *(f"--exclude-table={pattern}" for pattern in exclude),
            url.set(drivername="postgresql").render_as_string(hide_password=False),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={key: value for key, value in os.environ.items() if not key.startswith("PG")},
    )
    assert shown.returncode == 0, shown.stderr
    noise = ("--", "\\restrict", "\\unrestrict")
    lines = (line for line in shown.stdout.splitlines() if line.strip())
    return "\n".join(line for line in lines if not line.startswith(noise)) + "\n"
