"""`eai migrate lint`: run migrations for their SQL, and let squawk look at it.

By default all files run from nothing, for real, in a database of their own on the embedded
server, which is dropped at the end. In a database that was named, what is pending there is
rehearsed. The application's database is never chosen here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from bridge.checks.captured_sql import Catcher, Script, Sent, Source
from bridge.checks.check import shown
from bridge.checks.git_base import read_base
from bridge.checks.rules import Problem, Severity
from bridge.checks.squawk import SYNTAX_ERROR, Finding, Squawk, find_squawk
from bridge.database.embedded.scratch import database_of_its_own
from bridge.errors import MigrationError, UsageError
from bridge.files.folder import scan
from bridge.files.mode import Mode

if TYPE_CHECKING:
    from bridge.config.settings import Settings
    from bridge.database.engine import Database
    from bridge.database.request import Request
    from bridge.files.plain_file import PlainFile

#: The exit code where something was found: as that of `check`.
FOUND = 4


@dataclass(frozen=True, slots=True)
class Linted:
    """What a run has looked at, and what it has found."""

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

    def to_json(self) -> dict[str, Any]:
        """The documented form; its keys stay as they are."""
        return {
            "folder": self.folder,
            "files": list(self.files),
            "findings": [each.to_json() for each in self.findings],
            "silenced": self.silenced,
            "unread": [each.to_json() for each in self.unread],
            "not_linted": list(self.left),
            "reason": self.reason or None,
        }


def run_lint(
    request: Request,
    *,
    names: Sequence[str] = (),
    base: str | None = None,
    ignore: Sequence[str] = (),
) -> Linted:
    """Run the files for their SQL and look at that of those that `names` and `base` leave.

    Without a database in the request, that is one on the embedded server. Raises UsageError
    without squawk or for a name or rule that does not exist, MigrationError if a file fails, and
    what a run raises.
    """
    settings = request.settings()
    root = Path(settings.config_file).parent if settings.config_file else Path.cwd()
    exclude = tuple(dict.fromkeys((*settings.lint_exclude, *ignore)))
    squawk = Squawk(program=find_squawk(), folder=str(root), exclude=exclude)
    squawk.check_rules()
    wanted = _wanted(scan(settings.folder).files, names, base)
    catcher = Catcher(request.reporter, settings.folder, [f.stem for f in wanted])
    left: tuple[str, ...] = ()
    reason = ""
    if request.database is not None:
        version, done, left, reason = _rehearsed(request, catcher, wanted, named=bool(names))
        squawk = replace(squawk, pg_version=version)
        wanted = [file for file in wanted if file.stem in done]
    elif wanted:
        _run_from_nothing(request, catcher, wanted[-1])
    found = [_of_file(squawk, settings, file, catcher.of(file.stem)) for file in wanted]
    return Linted(
        folder=shown(settings.folder),
        files=tuple(file.stem for file in wanted),
        findings=tuple(each for one in found for each in one.findings),
        silenced=sum(one.silenced for one in found),
        unread=tuple(each for one in found for each in one.unread),
        left=left,
        reason=reason,
    )


def _wanted(files: Sequence[PlainFile], names: Sequence[str], base: str | None) -> list[PlainFile]:
    """The files to look at, in the order in which they run."""
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


def _run_from_nothing(request: Request, catcher: Catcher, last: PlainFile) -> None:
    """Run all files up to this one in a database that exists for no longer than that."""
    from bridge.operations.upgrade import run_upgrade

    with database_of_its_own() as database:
        # What runs is not what was asked for, and so is told as little as possible.
        own = replace(request, database=database, embedded=False, reporter=catcher)
        try:
            run_upgrade(own, to=last.revision)
        except MigrationError as error:
            raise MigrationError(
                f"{error}\nThis was in a database made for this run, in which all files run from "
                "nothing, and which is dropped again: no other database was touched. If the files "
                "need what is not in it, name a database that has it: --database-url"
            ) from error.__cause__


def _rehearsed(
    request: Request, catcher: Catcher, wanted: Sequence[PlainFile], *, named: bool
) -> tuple[str, set[str], tuple[str, ...], str]:
    """Rehearse what is pending; the server's version, what was run, what was not, and why not."""
    from bridge.database.connected import opened
    from bridge.operations.rehearsal.rehearse import rehearse
    from bridge.operations.upgrade import plan

    with opened(request, request.settings()) as here:
        database = cast("Database", here.database)  # it came as a URL
        stems = {file.stem for file in wanted}
        pending = [each.stem for each in plan(here)]
        asked = [stem for stem in pending if stem in stems]
        applied = sorted(stems.difference(pending))
        if named and applied:
            raise UsageError(
                f"{', '.join(applied)}: not pending in {database.describe()}, so it cannot be "
                "rehearsed there, and nothing was run. Leave --database-url out to run all files "
                "from nothing."
            )
        if not asked:
            return "", set(), (), ""
        last = next(file for file in wanted if file.stem == asked[-1])
        found = rehearse(replace(here, reporter=catcher), to=last.revision)
        done = {each.stem for each in found.done} & stems
        left = tuple(stem for stem in found.left if stem in stems)
        return _version(here), done, left, found.reason if left else ""


def _version(request: Request) -> str:
    """The server's, as squawk takes it."""
    from bridge.database.connected import connected

    with connected(request, request.settings()) as connection:
        major, *rest = connection.dialect.server_version_info or (0,)
        return f"{major}.{rest[0] if rest else 0}"


@dataclass(frozen=True, slots=True)
class _Looked:
    """What was found in one file."""

    findings: tuple[Problem, ...] = ()
    unread: tuple[Problem, ...] = ()
    silenced: int = 0


def _of_file(squawk: Squawk, settings: Settings, file: PlainFile, sent: Sequence[Sent]) -> _Looked:
    # The limit that bridge sets before each file.
    script = Script("SET lock_timeout = '1s';" if settings.ddl_lock_timeout else "", sent)
    if not script.sent:
        return _Looked()
    mode = Mode(file.header.transaction or settings.transaction)
    name = f"{file.stem}.py"
    found, unread = look(squawk, script, name, in_transaction=mode is not Mode.AUTOCOMMIT)
    source = Source(file.source())
    path = str(Path(shown(settings.folder)) / name)
    told: dict[Problem, None] = {}
    silenced: set[Problem] = set()
    for each in found:
        statement = script.sent[script.number_at(each.line)]
        line = source.line_of(statement, script.line_within(each.line))
        problem = _problem(path, line, each)
        if source.silences(each.rule, statement, line):
            silenced.add(problem)
        else:
            told[problem] = None
    in_order = sorted(told, key=lambda problem: problem.line or 0)
    not_looked_at = dict.fromkeys(_unread(path, source, script.sent[number]) for number in unread)
    return _Looked(tuple(in_order), tuple(not_looked_at), len(silenced))


def look(
    squawk: Squawk, script: Script, name: str, *, in_transaction: bool
) -> tuple[list[Finding], list[int]]:
    """What squawk finds, and the numbers of the statements that it cannot read.

    One of these would keep it from looking at the others.
    """
    unread: set[int] = set()
    while True:
        sql = script.text(without=unread)
        found = squawk.look(sql, name=name, in_transaction=in_transaction)
        broken = {script.number_at(each.line) for each in found if each.rule == SYNTAX_ERROR}
        if not broken:
            return found, sorted(unread)
        if broken <= unread:  # it complains of what is not there any more
            return [], list(range(len(script.sent)))
        unread |= broken


def _problem(path: str, line: int | None, finding: Finding) -> Problem:
    return Problem(finding.rule, Severity(finding.level), path, line, finding.message, finding.help)


def _unread(path: str, source: Source, sent: Sent) -> Problem:
    sentence = "squawk cannot read this statement, so it was not looked at."
    line = source.line_of(sent, 0)
    return Problem(SYNTAX_ERROR, Severity.WARNING, path, line, sentence)
