"""Write one plain file in place of many, and prove that it makes the same: `eai migrate squash`.

The files run twice, each time in a scratch database of their own; then the new file runs alone in
a third one. What differs between the first two is volatile; what differs between the first and
the third is an end to it.
"""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bridge.errors import MigrationError
from bridge.files.folder import scan
from bridge.operations.schema import build
from bridge.operations.schema.difference import DIFFERENT
from bridge.operations.schema.volatile import Volatile, volatile
from bridge.operations.squash.differences import computed, differs, given, stale
from bridge.operations.squash.layout import sections
from bridge.operations.squash.plan import Plan, plan
from bridge.operations.squash.reading import read_all
from bridge.operations.squash.text import Remarks, file_text
from bridge.operations.squash.write import write_squash
from bridge.reporting import events
from bridge.reporting.numbers import counted

if TYPE_CHECKING:
    from collections.abc import Callable

    from bridge.config.settings import Settings
    from bridge.database.database import Database
    from bridge.database.request import Request
    from bridge.operations.schema.build import Scratch
    from bridge.operations.squash.contents import Contents

#: What belongs to a server and not to one of its databases.
_SERVER_WIDE: Final = re.compile(
    r"\b(?:(?:CREATE|ALTER|DROP)\s+(?:ROLE|USER(?!\s+MAPPING)|GROUP|TABLESPACE)|ALTER\s+SYSTEM)\s",
    re.IGNORECASE,
)
_ONE_RUN, _ANOTHER = "one run of the old files", "another run of them"
_OLD, _NEW = "what the old files make", "what the new file makes"


@dataclass(frozen=True, slots=True)
class Squashed:
    """What became of a squash."""

    plan: Plan
    #: The text of the new file; None where the old files do not make the same twice.
    text: str | None
    #: How many rows are in it.
    rows: int = 0
    #: Whose values differ from one run of the old files to the next.
    volatile: tuple[str, ...] = ()
    #: The materialized views whose rows the old files have left behind their queries.
    stale: tuple[str, ...] = ()
    #: The old files that change what belongs to the server.
    server_wide: tuple[str, ...] = ()
    #: What differs; empty where the proof holds.
    diff: str = ""
    #: Whether the file was written, and whether the old ones were removed.
    written: bool = False
    deleted: bool = False

    @property
    def exit_code(self) -> int:
        """0 if the new file makes the same, else 4."""
        return DIFFERENT if self.diff else 0

    def to_json(self) -> dict[str, Any]:
        """Return the documented form; its keys stay as they are."""
        return {
            "migration": self.plan.new.stem,
            "file": self.plan.new.path,
            "replaces": list(self.plan.replaces),
            "rows": self.rows,
            "volatile": list(self.volatile),
            "stale": list(self.stale),
            "server_wide": list(self.server_wide),
            "proved": not self.diff,
            "diff": self.diff,
            "written": self.written,
            "deleted": [each.stem for each in self.plan.present] if self.deleted else [],
            "text": self.text,
        }


def run_squash(
    request: Request, scratch: Scratch, *, to: str, name: str, delete: bool, dry_run: bool
) -> Squashed:
    """Write the file `name` in place of all files up to `to`, once it is proved; else nothing.

    With `delete` the old files are removed then; with `dry_run` nothing is written or removed.
    Raises UsageError for names that mean nothing, FilesError where the new file could not make the
    same or cannot be written, and what a run raises.
    """
    settings = request.settings()
    files = scan(settings.folder, settings.conventions).files
    what = plan(settings.folder, files, to=to, name=name)
    stems = [each.stem for each in what.runs]

    def run_old(database: Database) -> None:
        build.run_in_order(request, database, stems)

    first = _made(request, settings, scratch, run_old)
    second = _made(request, settings, scratch, run_old)
    unsteady = volatile(first, second)
    found = Squashed(
        what,
        None,
        first.rows,
        unsteady.names(),
        stale(first, unsteady),
        tuple(each.stem for each in what.runs if _SERVER_WIDE.search(each.source())),
        diff=differs(first, second, named=(_ONE_RUN, _ANOTHER), leaving_out=unsteady),
    )
    if found.diff:
        return found
    proof = _Proof(request, settings, scratch, what, first, unsteady)
    found = _with_text(found, proof, tidy=True)
    if found.diff:
        found = _with_text(found, proof, tidy=False)
    if found.diff or found.text is None or dry_run:
        return found
    write_squash(what.new, found.text, delete=what.present if delete else ())
    return replace(found, written=True, deleted=delete)


def _made(
    request: Request, settings: Settings, scratch: Scratch, run: Callable[[Database], None]
) -> Contents:
    """Read what a run has made in a scratch database of its own."""
    with build.empty(settings, scratch) as database:
        run(database)
        return read_all(replace(request, database=database, embedded=False), settings)


@dataclass(frozen=True, slots=True)
class _Proof:
    """What the new file is run and compared with."""

    request: Request
    settings: Settings
    scratch: Scratch
    plan: Plan
    expected: Contents
    unsteady: Volatile

    def diff(self, text: str) -> str:
        """Run a text alone, and return in what it makes another database; empty if in nothing."""
        rows = counted(self.expected.rows, "row") if self.expected.rows else "no rows"
        self.request.reporter.tell(events.Note(f"The new file has {rows}. Now it runs alone."))
        with tempfile.TemporaryDirectory(prefix="bridge-squash-") as folder:
            path = Path(folder) / f"{self.plan.new.stem}.py"
            path.write_text(text, encoding="utf-8", newline="\n")
            overrides = {**(self.request.overrides or {}), "folder": folder}
            alone = replace(self.request, overrides=overrides)
            here = replace(self.settings, folder=folder)
            found = _made(alone, here, self.scratch, lambda made: build.run_all(alone, made))
        # The values that the new file gives are those of the first run, volatile or not.
        left = computed(self.unsteady, self.expected)
        return differs(self.expected, found, named=(_OLD, _NEW), leaving_out=left)


def _with_text(found: Squashed, proof: _Proof, *, tidy: bool) -> Squashed:
    """Write the new file, tidy or as pg_dump has it, and compare what it makes."""
    fixed = given(proof.unsteady, proof.expected).names()
    remarks = Remarks(proof.expected.major, fixed, found.server_wide)
    text = file_text(
        found.plan,
        sections(proof.expected, tidy=tidy),
        remarks,
        proof.settings.conventions,
        proof.settings.transaction,
    )
    try:
        return replace(found, text=text, diff=proof.diff(text))
    except MigrationError as error:
        if not tidy:
            raise
        return replace(found, text=text, diff=str(error))
