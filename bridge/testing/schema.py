"""Write a database's schema as text, with pg_dump, to compare two.

Two things do not count. The bookkeeping tables are left out, for they are there after the first
run and not before it. And the columns of a table are sorted: PostgreSQL puts a new column last,
so that no downgrade can bring back one that was in the middle.
"""

from __future__ import annotations

import difflib
import os
import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from bridge.database.embedded.server import EmbeddedServer
from bridge.database.url import rendered
from bridge.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import URL

    from bridge.config.settings import Settings

#: Seconds; a server that hangs must not hold up the tests for ever.
_TIMEOUT = 120
#: What pg_dump says of itself, and marks that differ each time.
_NOISE = re.compile(r"--|-- (Name: |Dumped |PostgreSQL ).*|\\(un)?restrict .*|\s*")
_TABLE = re.compile(r"CREATE (UNLOGGED |FOREIGN )?TABLE .* \(")


def schema_of(url: URL, settings: Settings) -> str:
    """What is in a database, without rows; skips the test where there is no pg_dump for it."""
    try:
        program = EmbeddedServer.program("pg_dump")
    except UsageError as error:
        pytest.skip(str(error))
    address = url.set(drivername="postgresql", password=None)
    done = subprocess.run(
        [
            program,
            *("--schema-only", "--no-owner"),
            # In whichever schema they are.
            f'--exclude-table=*."{settings.ledger_table}"',
            f'--exclude-table=*."{settings.version_table}"',
            rendered(address),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=_TIMEOUT,
        # Not among the arguments, which every user of the machine can read.
        env={**os.environ, **({"PGPASSWORD": str(url.password)} if url.password else {})},
    )
    if "server version mismatch" in done.stderr:
        pytest.skip(
            f"{program} is older than the server, and cannot write its schema: "
            f"{' '.join(done.stderr.split())} Install the client programs of the server's version."
        )
    if done.returncode:
        pytest.fail(f"pg_dump failed: {done.stderr.strip()}", pytrace=False)
    return "\n".join(_sorted_columns(done.stdout)) + "\n"


def difference(one: str, other: str, *, named: tuple[str, str]) -> str:
    """A unified diff; empty for two schemas that are the same."""
    lines = difflib.unified_diff(one.splitlines(), other.splitlines(), *named, lineterm="")
    return "\n".join(lines)


def _sorted_columns(dump: str) -> Iterator[str]:
    columns: list[str] | None = None
    for line in dump.splitlines():
        if columns is not None and line.startswith(")"):
            yield from sorted(columns)
            columns = None
        if columns is not None:
            columns.append(line.removesuffix(","))
        elif not _NOISE.fullmatch(line):
            yield line
            if _TABLE.fullmatch(line):
                columns = []
