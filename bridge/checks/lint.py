"""Run migrations for their SQL, and let squawk look at it: `eai migrate lint`.

Without a database, all files run for real and from nothing in a database of their own on the
embedded server, which is dropped at the end. In a database that was named, the pending files are
rehearsed. The application's database is never chosen here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from bridge.checks.captured_sql import CapturedStatement, Catcher
from bridge.checks.check import shown
from bridge.checks.git_base import read_base
from bridge.checks.rules import NOT_LINTED, Problem, Severity
from bridge.checks.squawk import SYNTAX_ERROR, Finding, Squawk, find_squawk
from bridge.checks.squawk_script import Script, look
from bridge.checks.statement_places import StatementPlaces
from bridge.database.scratch import scratch_database
from bridge.errors import MigrationError, UsageError
from bridge.files.folder import scan
from bridge.files.mode import Mode
from bridge.reporting import events

if TYPE_CHECKING:
    from bridge.config.settings import Settings
    from bridge.database.database import Database
    from bridge.database.request import Request
    from bridge.files.plain_file import PlainFile

#: The exit code where something was found: as that of `check`.
FOUND = 4


@dataclass(frozen=True, slots=True)
class Linted:
    """The files that were looked at, and what was found in them."""

    #: As a person in the working directory would type it.
    folder: str
    #: The stems of the files whose SQL was looked at.
    files: tuple[str, ...]
    findings: tuple[Problem, ...]
    #: How many findings a comment has silenced.
    silenced: int = 0
    #: Statements that squawk cannot read, although they ran: nothing is known of them.
    unread: tuple[Problem, ...] = ()
    #: The stems of files that could not be rehearsed, and why the first of them could not.
    left: tuple[str, ...] = ()
    reason: str = ""

    @property
    def exit_code(self) -> int:
        """0 if nothing was found in any of the files that were asked for, else 4."""
        return FOUND if self.findings or self.left else 0

    @property
    def paths(self) -> tuple[str, ...]:
        """The paths of the files that were looked at, as a person here would type them."""
        return tuple(map(self._path, self.files))

    @property
    def not_linted(self) -> tuple[Problem, ...]:
        """The files that could not be rehearsed, as problems of a report for CI."""
        first, *after = self.left or ("",)
        reasons = dict.fromkeys(after, f"{first} before it could not be linted")
        reasons = {first: self.reason, **reasons} if first else {}
        return tuple(
            Problem(NOT_LINTED, Severity.ERROR, self._path(stem), None, f"Not linted: {why}.")
            for stem, why in reasons.items()
        )

    def to_json(self) -> dict[str, Any]:
        """Return the documented form; its keys stay as they are."""
        return {
            "folder": self.folder,
            "files": list(self.files),
            "findings": [each.to_json() for each in self.findings],
            "silenced": self.silenced,
            "unread": [each.to_json() for each in self.unread],
            "not_linted": list(self.left),
            "reason": self.reason or None,
        }

    def _path(self, stem: str) -> str:
        return str(Path(self.folder) / f"{stem}.py")


@dataclass(frozen=True, slots=True)
class _Captured:
    """What ran for its SQL."""

    #: In the order in which they ran.
    files: Sequence[PlainFile] = ()
    #: The stems of those that could not be rehearsed, and why the first of them could not.
    left: tuple[str, ...] = ()
    reason: str = ""


def run_lint(
    request: Request,
    *,
    names: Sequence[str] = (),
    base: str | None = None,
    ignore: Sequence[str] = (),
) -> Linted:
    """Run the files for their SQL, and report what squawk finds in it.

    `names` and `base` choose the files to report on. Without a database in the request, the files
    run on the embedded server. Raises UsageError without squawk or for a name or rule that does
    not exist, MigrationError if a file fails, and what a run raises.
    """
    settings = request.settings()
    root = Path(settings.config_file).parent if settings.config_file else Path.cwd()
    exclude = tuple(dict.fromkeys((*settings.lint_exclude, *ignore)))
    squawk = Squawk(program=find_squawk(), folder=str(root), exclude=exclude)
    squawk.check_rules()
    wanted = _wanted(scan(settings.folder, settings.conventions).files, names, base)
    catcher = Catcher(request.reporter, settings.folder, [f.stem for f in wanted])
    if request.database is not None:
        captured = _rehearse(request, catcher, wanted, named=bool(names))
    else:
        captured = _run_from_nothing(request, catcher, wanted)
    found = []
    for file in captured.files:
        request.reporter.tell(events.Working(f"reading the SQL of {file.stem}"))
        found.append(_of_file(squawk, settings, file, catcher.of(file.stem)))
    return Linted(
        folder=shown(settings.folder),
        files=tuple(file.stem for file in captured.files),
        findings=tuple(each for one in found for each in one.findings),
        silenced=sum(one.silenced for one in found),
        unread=tuple(each for one in found for each in one.unread),
        left=captured.left,
        reason=captured.reason,
    )


def _wanted(files: Sequence[PlainFile], names: Sequence[str], base: str | None) -> list[PlainFile]:
    """Choose the files to report on, in the order of their names."""
    chosen = {_named(files, name).stem for name in names} if names else None
    theirs = read_base(files[0].folder, base).fork if base is not None and files else {}
    return [
        file
        for file in files
        if (chosen is None or file.stem in chosen)
        and (file.stem not in theirs or theirs[file.stem] != file.checksum())
    ]


def _named(files: Sequence[PlainFile], name: str) -> PlainFile:
    stem = Path(name).name.removesuffix(".py")
    found = [file for file in files if file.stem == stem]
    found = found or [file for file in files if stem and file.stem.startswith(stem)]
    if len(found) == 1:
        return found[0]
    if found:
        several = ", ".join(file.stem for file in found)
        raise UsageError(f"{name} is the beginning of several names: {several}. Type more of it.")
    raise UsageError(
        f"There is no migration {name}. Type the path of its file, its name or the beginning of "
        "its name."
    )


def _run_from_nothing(request: Request, catcher: Catcher, wanted: Sequence[PlainFile]) -> _Captured:
    """Run all files up to the last wanted one in a database of their own, and drop it."""
    if not wanted:
        return _Captured()
    from bridge.operations.upgrade import run_upgrade

    with scratch_database() as database:
        own = replace(request, database=database, embedded=False, reporter=catcher)
        try:
            run_upgrade(own, to=wanted[-1].revision)
        except MigrationError as error:
            raise MigrationError(
                f"{error}\nThis ran in a database that was made for it and is dropped again. No "
                "other database was touched. If the files need something that is not in it, name "
                "a database that has it: --database-url"
            ) from error.__cause__
    return _Captured(wanted)


def _rehearse(
    request: Request, catcher: Catcher, wanted: Sequence[PlainFile], *, named: bool
) -> _Captured:
    """Rehearse the wanted files that are pending; `named` ones must all be pending."""
    from bridge.database.connected import opened
    from bridge.operations.rehearsal.rehearse import rehearse
    from bridge.operations.upgrade import plan

    with opened(request, request.settings()) as here:
        by_stem = {file.stem: file for file in wanted}
        pending = {each.stem: by_stem.pop(each.stem) for each in plan(here) if each.stem in by_stem}
        if named and by_stem:
            database = cast("Database", here.database)  # it came as a URL
            raise UsageError(
                f"{', '.join(by_stem)}: not pending in {database.describe()}, so it cannot be "
                "rehearsed there, and nothing was run. Leave --database-url out to run all files "
                "from nothing."
            )
        if not pending:
            return _Captured()
        last = [*pending.values()][-1]
        found = rehearse(replace(here, reporter=catcher), to=last.revision)
        left = tuple(stem for stem in found.left if stem in pending)
        return _Captured(
            [pending[each.stem] for each in found.done if each.stem in pending],
            left,
            found.reason if left else "",
        )


@dataclass(frozen=True, slots=True)
class _FileFindings:
    """What was found in one file."""

    findings: tuple[Problem, ...] = ()
    unread: tuple[Problem, ...] = ()
    silenced: int = 0


def _of_file(
    squawk: Squawk, settings: Settings, file: PlainFile, captured: Sequence[CapturedStatement]
) -> _FileFindings:
    # The limit that bridge sets before each file.
    script = Script("SET lock_timeout = '1s';" if settings.ddl_lock_timeout else "", captured)
    if not script.statements:
        return _FileFindings()
    mode = file.header.transaction or settings.transaction
    name = f"{file.stem}.py"
    found, unread = look(squawk, script, name, in_transaction=mode is not Mode.AUTOCOMMIT)
    places = StatementPlaces(file.source())
    path = str(Path(shown(settings.folder)) / name)
    shown_once: dict[Problem, None] = {}
    silenced: set[Problem] = set()
    for each in found:
        statement = script.statements[script.number_at(each.line)]
        line = places.line_of(statement, script.line_within(each.line))
        problem = _problem(path, line, each)
        if places.silences(each.rule, statement, line):
            silenced.add(problem)
        else:
            shown_once[problem] = None
    in_order = sorted(shown_once, key=lambda problem: problem.line or 0)
    statements = [script.statements[number] for number in unread]
    lines = dict.fromkeys(places.line_of(statement, 0) for statement in statements)
    return _FileFindings(tuple(in_order), tuple(_unread(path, n) for n in lines), len(silenced))


def _problem(path: str, line: int | None, finding: Finding) -> Problem:
    return Problem(finding.rule, Severity(finding.level), path, line, finding.message, finding.help)


def _unread(path: str, line: int | None) -> Problem:
    sentence = "squawk cannot read this statement, so it was not looked at."
    return Problem(SYNTAX_ERROR, Severity.WARNING, path, line, sentence)
