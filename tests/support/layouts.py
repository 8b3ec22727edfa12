"""Ledgers as home-made runners make them: what each writes of a file, column by column.

The columns, and what is in them, are those of some fifty runners in public repositories. A value is
SQL. What tells of the run and not of the file, such as a time, is compared by its looks.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

A, B, C, D, E = "001_users", "002_new_orders", "003_a", "004_b_c", "005_last"


@dataclass(frozen=True)
class File:
    """A migration that the runner applies."""

    stem: str
    data: bytes

    @cached_property
    def number(self) -> str:
        return self.stem.partition("_")[0].lstrip("vV")

    @cached_property
    def slug(self) -> str:
        return self.stem.partition("_")[2].lstrip("_")

    @property
    def text(self) -> bytes:
        return self.data.decode().replace("\r\n", "\n").encode()


def quoted(value: object) -> str:
    return "'" + str(value).replace("'", "''") + "'"


def of(made: Callable[[File], object]) -> Callable[[File], str]:
    """A value that is made of the file."""
    return lambda file: quoted(made(file))


def always(sql: str) -> Callable[[File], str]:
    """A value that is the same for all."""
    return lambda _file: sql


STEM = of(lambda file: file.stem)
NAME = of(lambda file: f"{file.stem}.py")
SLUG = of(lambda file: file.slug)
NUMBER = of(lambda file: int(file.number))
DIGITS = of(lambda file: file.number)
TRUE = always("true")


@dataclass(frozen=True)
class Runner:
    """One team's runner: its table, and what it writes there."""

    #: The columns of the table.
    columns: str
    #: What it writes of a file; the rest is left to the table.
    writes: Mapping[str, Callable[[File], str]]
    #: What tells of the run: the column, and what it looks like as text.
    tells: Mapping[str, str] = field(default_factory=dict)
    table: str = "schema_migrations"
    #: What has to be set for it.
    ini: str = ""
    files: tuple[str, str, str, str, str] = (A, B, C, D, E)
    #: What a run says of it, if it does.
    note: str = ""
    #: Whether two rows may have one time, so that the last of them is not known.
    coarse: bool = False

    @property
    def definition(self) -> str:
        return f"CREATE TABLE {self.table} ({self.columns})"

    def insert(self, file: File) -> str:
        """What this runner sends after it has run a file."""
        values = ", ".join(made(file) for made in self.writes.values())
        return f"INSERT INTO {self.table} ({', '.join(self.writes)}) VALUES ({values})"


NOW: Final = always("clock_timestamp()")
STAMP: Final = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?"
ZONED: Final = STAMP + r"[+-]\d\d(:\d\d)?"
DAY: Final = r"\d{4}-\d\d-\d\d"
MILLISECONDS: Final = r"1[789]\d{11}|2\d{12}"
SECONDS: Final = r"1[789]\d{8}|2\d{9}"
WORD: Final = r"\w+"

RUNNERS: Final[Mapping[str, Runner]] = {
    "a stem, a time and a description": Runner(
        "version VARCHAR(255) PRIMARY KEY, applied_at TIMESTAMPTZ DEFAULT now(), description TEXT",
        {"version": STEM, "description": of(lambda file: f"About {file.stem}")},
        {"applied_at": ZONED},
    ),
    "a file name and the MD5 of the text": Runner(
        "filename TEXT PRIMARY KEY, checksum CHAR(32) NOT NULL, "
        "applied_at TIMESTAMPTZ NOT NULL DEFAULT now()",
        {"filename": NAME, "checksum": of(lambda file: hashlib.md5(file.text).hexdigest())},
        {"applied_at": ZONED},
        note="by their file in the column filename",
    ),
    "a serial id and a unique name": Runner(
        "id SERIAL PRIMARY KEY, migration_name VARCHAR(255) UNIQUE NOT NULL, "
        "executed_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP, status TEXT DEFAULT 'success'",
        {"migration_name": STEM},
        {"id": r"\d", "executed_at": STAMP, "status": "success"},
        note="by their stem in the column migration_name",
    ),
    "a number and the words after it": Runner(
        "version INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at TIMESTAMPTZ NOT NULL "
        "DEFAULT now()",
        {"version": NUMBER, "name": SLUG},
        {"applied_at": ZONED},
        note="by the number in the column version and the words after it in the column name: "
        "'1 users' is 001_users.",
    ),
    "words of two files that share a number": Runner(
        "version INTEGER NOT NULL, name TEXT NOT NULL, created_at DATE NOT NULL, "
        "PRIMARY KEY (version, name)",
        {
            "version": NUMBER,
            "name": of(lambda file: file.slug.replace("_", " ").capitalize()),
            "created_at": NOW,
        },
        {"created_at": DAY},
        files=("001_also", A, "003_a", "003_b_c", "004_d"),
        note="'1 Also' is 001_also.",
        coarse=True,
    ),
    "a number that two files share, and the whole name": Runner(
        "id BIGSERIAL PRIMARY KEY, version INTEGER NOT NULL, name TEXT NOT NULL UNIQUE, "
        "applied_at TIMESTAMPTZ DEFAULT now()",
        {"version": NUMBER, "name": NAME},
        {"id": r"\d", "applied_at": ZONED},
        files=(A, "001_also", "003_a", "003_b_c", "004_d"),
        note="by their file in the column name",
    ),
    "digits, words and the SHA-256 of the bytes": Runner(
        "version VARCHAR(14) PRIMARY KEY, name VARCHAR(255) NOT NULL, "
        "applied_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, checksum VARCHAR(64) NOT NULL",
        {
            "version": DIGITS,
            "name": SLUG,
            "checksum": of(lambda file: hashlib.sha256(file.data).hexdigest()),
        },
        {"applied_at": STAMP},
        note="'001 users' is 001_users.",
    ),
    "a migration_id, and nothing without a value": Runner(
        "migration_id TEXT PRIMARY KEY, checksum_sha256 TEXT NOT NULL, description TEXT NOT NULL, "
        "applied_at TIMESTAMPTZ NOT NULL, applied_by TEXT NOT NULL, success BOOLEAN NOT NULL, "
        "execution_time_ms INTEGER NOT NULL, "
        "CHECK (length(checksum_sha256) = 71), CHECK (success), CHECK (execution_time_ms >= 0)",
        {
            "migration_id": STEM,
            "checksum_sha256": of(lambda f: f"sha256:{hashlib.sha256(f.text).hexdigest()}"),
            "description": of(lambda file: f"About {file.stem}"),
            "applied_at": NOW,
            "applied_by": always("current_user"),
            "success": TRUE,
            "execution_time_ms": always("17"),
        },
        {"applied_at": ZONED, "execution_time_ms": r"\d+"},
        note="by their stem in the column migration_id",
    ),
    "milliseconds since 1970": Runner(
        "name TEXT PRIMARY KEY, run_at BIGINT NOT NULL",
        {
            "name": NAME,
            "run_at": always("CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint)"),
        },
        {"run_at": MILLISECONDS},
        note="by their file in the column name",
    ),
    "seconds, and success as a number": Runner(
        "name TEXT PRIMARY KEY, executed_at INTEGER NOT NULL, success INTEGER NOT NULL DEFAULT 0, "
        "took DOUBLE PRECISION",
        {
            "name": STEM,
            "executed_at": always("CAST(extract(epoch FROM clock_timestamp()) AS int)"),
            "success": always("1"),
            "took": always("0.25"),
        },
        {"executed_at": SECONDS, "took": r"\d+(\.\d+)?(e-\d+)?"},
        note="by their stem in the column name",
        coarse=True,
    ),
    "a path, a time as text, a status and the SHA-1": Runner(
        "script TEXT NOT NULL UNIQUE, executed_at TEXT NOT NULL, duration_ms INTEGER, "
        "status TEXT NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'applied', 'failed')),"
        " hash CHAR(40)",
        {
            "script": of(lambda file: f"db/migrations/{file.stem}.py"),
            "executed_at": always(
                "to_char(clock_timestamp() AT TIME ZONE 'UTC', "
                '\'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"\')'
            ),
            "duration_ms": always("12"),
            "status": always("'applied'"),
            "hash": of(lambda file: hashlib.sha1(file.data).hexdigest().upper()),
        },
        {
            "executed_at": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00",
            "duration_ms": r"\d+",
        },
        note="by their path in the column script",
    ),
    "a path of Windows": Runner(
        "file_name VARCHAR(200) PRIMARY KEY, applied_on TIMESTAMP(3) NOT NULL",
        {"file_name": of(lambda file: f"app\\migrations\\{file.stem}.py"), "applied_on": NOW},
        {"applied_on": STAMP},
        note="by their path in the column file_name",
    ),
    "a table of another name in a schema of its own": Runner(
        "id INTEGER PRIMARY KEY, title TEXT NOT NULL, file_hash TEXT NOT NULL, "
        "ran_at TIMESTAMPTZ NOT NULL, kind TEXT NOT NULL",
        {
            "id": NUMBER,
            "title": of(lambda file: file.slug.replace("_", " ").title()),
            "file_hash": of(
                lambda file: base64.b64encode(hashlib.sha256(file.text.strip()).digest()).decode()
            ),
            "ran_at": NOW,
            "kind": always("'python'"),
        },
        {"ran_at": ZONED},
        table="ops.migration_history",
        ini="ledger_table = migration_history\nversion_table_schema = ops\n",
        note="by the number in the column id and the words after it in the column title",
    ),
    "batches, and a user": Runner(
        "id INT GENERATED ALWAYS AS IDENTITY, migration VARCHAR(255) NOT NULL PRIMARY KEY, "
        "batch INTEGER NOT NULL, executed_by VARCHAR(40), migration_time TIMESTAMPTZ DEFAULT now(),"
        " error_message TEXT",
        {
            "migration": STEM,
            "batch": always("(SELECT coalesce(max(batch), 0) + 1 FROM schema_migrations)"),
            "executed_by": always("current_user"),
        },
        {"id": r"\d", "batch": r"\d", "migration_time": ZONED},
        note="by their stem in the column migration",
    ),
    "a letter before the number": Runner(
        "version TEXT PRIMARY KEY, script TEXT NOT NULL, installed_on TIMESTAMP NOT NULL "
        "DEFAULT now(), installed_rank INTEGER NOT NULL",
        {
            "version": of(lambda file: f"V{int(file.number)}"),
            "script": NAME,
            "installed_rank": NUMBER,
        },
        {"installed_on": STAMP},
        note="by their file in the column script",
    ),
    "all that Flyway has, and files with a letter": Runner(
        "installed_rank INT PRIMARY KEY, version VARCHAR(50), description VARCHAR(200) NOT NULL, "
        "type VARCHAR(20) NOT NULL, script VARCHAR(1000) NOT NULL, checksum INTEGER, "
        "installed_by VARCHAR(100) NOT NULL, installed_on TIMESTAMP NOT NULL DEFAULT now(), "
        "execution_time INTEGER NOT NULL, success BOOLEAN NOT NULL",
        {
            "version": NUMBER,
            "script": NAME,
            "installed_rank": always(
                "(SELECT coalesce(max(installed_rank), 0) + 1 FROM schema_migrations)"
            ),
            "description": of(lambda file: f"About {file.stem}"),
            "type": always("'PYTHON'"),
            "installed_by": always("current_user"),
            "execution_time": always("3"),
            "success": TRUE,
        },
        {"installed_rank": r"\d", "installed_on": STAMP, "execution_time": r"\d+"},
        ini="order = number\n",
        files=("V1__users", "V2__new_orders", "V9__a", "V10__b_c", "V11__last"),
        note="by their file in the column script",
    ),
    "only a letter and a number": Runner(
        "version TEXT PRIMARY KEY, applied_at DATE NOT NULL DEFAULT CURRENT_DATE",
        {"version": of(lambda file: f"v{file.number}")},
        {"applied_at": DAY},
        note="by their number in the column version",
        coarse=True,
    ),
    "a number with more zeros than the files have": Runner(
        "version VARCHAR(14) PRIMARY KEY, applied_at DOUBLE PRECISION NOT NULL, "
        "sql_text TEXT, checksum VARCHAR(16) NOT NULL",
        {
            "version": of(lambda file: file.number.zfill(14)),
            "applied_at": always("extract(epoch FROM clock_timestamp())"),
            "checksum": of(lambda file: hashlib.sha256(file.data).hexdigest()[:16]),
        },
        {"applied_at": r"[12]\d{9}(\.\d+)?"},
        note="by their number in the column version",
    ),
}
