"""The schema file: what the migrations make, as SQL, and which of them are applied then.

Text in, data out, and back. It also runs in psql.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bridge.errors import FilesError, UsageError
from bridge.operations.schema.scanning import statements

_FIRST_LINE: Final = "-- What the migrations make. Written by: eai migrate dump"
_HEAD: Final = f"""\
{_FIRST_LINE}
-- Do not edit it: write it anew after a merge, and when a migration has changed.
"""
_MADE_BY: Final = re.compile(r"-- PostgreSQL (\d+)\n")
_WITHOUT_ROWS: Final = re.compile(r"-- Without the rows of (.+)\.\n")
#: What a session needs before the rest: names are complete, and functions come before tables.
_SETTINGS: Final = """\
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
"""
#: The same for one transaction. Its encoding is the driver's matter.
_LOCAL_SETTINGS: Final = """\
SET LOCAL standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', true);
SET LOCAL check_function_bodies = false;
SET LOCAL xmloption = content;
"""
_RECORD: Final = "\n-- What is recorded as applied.\n"
#: What would begin or end a transaction, and so tear the one in which the file is loaded.
_TRANSACTION: Final = re.compile(
    r"(BEGIN|START|COMMIT|END|ROLLBACK|ABORT|SAVEPOINT|RELEASE|PREPARE\s+TRANSACTION)\b",
    re.IGNORECASE,
)
#: What git leaves where two branches have both changed the file.
_CONFLICT: Final = re.compile(r"(?m)^(<{7}|>{7}) ")
_AGAIN: Final = "Write it anew: eai migrate dump"


@dataclass(frozen=True, slots=True)
class SchemaFile:
    """The content of a schema file."""

    #: The major version of the PostgreSQL that made it.
    major: int
    #: The objects, as SQL.
    objects: str
    #: The statements that record what is applied, each in a line.
    record: tuple[str, ...]
    #: In whose rows something was that is not in the file; empty for nowhere.
    without_rows_of: str = ""
    #: How many migrations it records.
    migrations: int = 0

    @property
    def text(self) -> str:
        """The file as it is written."""
        rows = f"-- Without the rows of {self.without_rows_of}.\n" if self.without_rows_of else ""
        head = f"{_HEAD}-- PostgreSQL {self.major}\n{rows}\n{_SETTINGS}\n"
        return head + self.objects + _RECORD + "".join(f"{each};\n" for each in self.record)

    def to_json(self) -> dict[str, Any]:
        """Return the documented form; its keys stay as they are."""
        return {
            "postgresql": self.major,
            "migrations": self.migrations,
            "without_rows_of": self.without_rows_of,
            "text": self.text,
        }


@dataclass(frozen=True, slots=True)
class Found:
    """A schema file as it was found on the disk."""

    path: str
    text: str

    @property
    def major(self) -> int | None:
        """The major version of the PostgreSQL that made it; None if it does not say."""
        match = _MADE_BY.search(self.text)
        return int(match[1]) if match and self.is_ours else None

    @property
    def without_rows_of(self) -> str:
        """In whose rows something was that is not in the file; empty for nowhere."""
        match = _WITHOUT_ROWS.search(self.text.partition(_SETTINGS)[0])
        return match[1] if match else ""

    @property
    def is_ours(self) -> bool:
        """Whether `eai migrate dump` has written it, whatever became of it since."""
        return self.text.startswith(_FIRST_LINE)

    def for_one_transaction(self) -> str:
        """Return the SQL that makes it all in a transaction that is open, settings included.

        Raises FilesError if it is not as it was written, or would end the transaction.
        """
        if conflict := _CONFLICT.search(self.text):
            line = self.text.count("\n", 0, conflict.start()) + 1
            raise FilesError(
                f"{self.path}:{line}: two branches have changed the file, and git has left both "
                f"texts in it. Nothing was loaded. {_AGAIN}"
            )
        if not (self.is_ours and self.text.count(_SETTINGS) == 1 and _RECORD in self.text):
            raise FilesError(
                f"{self.path} is not as eai migrate dump writes it, with what is recorded as "
                f"applied at its end. Nothing was loaded. {_AGAIN}"
            )
        for line, statement in statements(self.text):
            begins = _TRANSACTION.match(statement)
            # The end of a body that is no string: BEGIN ATOMIC … END.
            if begins and statement.upper() != "END":
                raise FilesError(
                    f"{self.path}:{line}: {begins[0].upper()} would tear the one transaction in "
                    f"which the file is loaded. Nothing was loaded. {_AGAIN}"
                )
        return self.text.replace(_SETTINGS, _LOCAL_SETTINGS)


def read(path: str) -> Found | None:
    """Read a schema file; None if there is none. Raises FilesError if it cannot be read."""
    try:
        content = Path(path).read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise FilesError(f"{path} cannot be read: {error.strerror or error}.") from error
    text = content.decode("utf-8", "surrogateescape")
    if text.partition("\n")[0].endswith("\r"):  # as git writes it on Windows
        text = text.replace("\r\n", "\n")
    return Found(path, text)


def refuse_other(path: str) -> None:
    """Raise UsageError if a file of this name is there that holds something else."""
    found = read(path)
    if found is not None and found.text.strip() and not found.is_ours:
        raise UsageError(
            f"{path} is there, and eai migrate dump has not written it. Nothing was written. Name "
            "another file, or have this one away."
        )


def write(path: str, text: str, *, dry_run: bool = False) -> bool:
    """Put a text into a file, all of it or nothing; return whether it was another one before.

    With `dry_run` it is not written. Raises UsageError if it cannot be written.
    """
    place = Path(path).resolve()  # a link stays one
    content = text.encode("utf-8", "surrogateescape")
    fresh = place.with_name(f".{place.name}.{secrets.token_hex(4)}")
    try:
        if place.exists() and place.read_bytes() == content:
            return False
        if dry_run:
            return True
        try:
            fresh.write_bytes(content)
            if place.exists():
                fresh.chmod(place.stat().st_mode & 0o777)
            fresh.replace(place)
        finally:
            fresh.unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror or error}.") from error
    return True
