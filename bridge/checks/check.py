"""Check a folder of migrations before anything runs, and report all that is wrong.

No migration is executed, no database is asked unless one is given, and nothing is written. Each
file is read and parsed once.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bridge.checks.git_base import read_base
from bridge.checks.git_changes import base_problems
from bridge.checks.ignore_comments import Ignored
from bridge.checks.names import name_problems
from bridge.checks.rules import RULES, Problem, Severity, problem, problem_of_error
from bridge.checks.source import CheckedSource, check_source
from bridge.errors import FilesError, PlainFileError, UsageError
from bridge.files.folder import listed
from bridge.files.mode import Mode
from bridge.files.plain_file import PlainFile, text_checksum
from bridge.files.replaces import replaced_by
from bridge.spelling import nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from bridge.config.settings import Settings
    from bridge.database.request import Request
    from bridge.operations.schema.check import Outdated

#: Exit codes of `check`.
FINE: Final = 0
PENDING: Final = 3
PROBLEMS: Final = 4


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check has found."""

    #: The folder, as a person in the working directory would type it.
    folder: str
    #: The paths of its migrations, as a person in the working directory would type them.
    paths: tuple[str, ...]
    #: By file and line; those that are silenced are left out.
    problems: tuple[Problem, ...]
    #: Why the database was not asked although it should have been; None if it was, or was not to.
    not_asked: str | None = None
    #: How the schema file differs from what the files make, as a diff; "" if it does not, and
    #: None if nobody has looked.
    schema_diff: str | None = None

    @property
    def files(self) -> int:
        """The number of migrations that the folder holds."""
        return len(self.paths)

    @property
    def errors(self) -> int:
        """The number of problems that should stop a merge."""
        return self._count(Severity.ERROR)

    @property
    def warnings(self) -> int:
        """The number of problems that a person should know."""
        return self._count(Severity.WARNING)

    @property
    def pending(self) -> tuple[str, ...]:
        """The stems of the migrations that the database does not have yet."""
        pending = [each for each in self.problems if each.severity is Severity.PENDING]
        return tuple(Path(each.path).stem for each in pending)

    @property
    def exit_code(self) -> int:
        """0 if nothing is wrong, 3 if something is pending, 4 for errors."""
        if self.errors:
            return PROBLEMS
        return PENDING if self.pending else FINE

    def to_json(self) -> dict[str, Any]:
        """Return the documented form; its keys stay as they are."""
        return {
            "folder": self.folder,
            "files": self.files,
            "errors": self.errors,
            "warnings": self.warnings,
            "pending": list(self.pending),
            "problems": [each.to_json() for each in self.problems],
            "schema_diff": self.schema_diff,
        }

    def _count(self, severity: Severity) -> int:
        return sum(each.severity is severity for each in self.problems)


def run_check(
    settings: Settings,
    *,
    base: str | None = None,
    strict: bool = False,
    ignore: Collection[str] = (),
    request: Request | None = None,
    schema: Callable[[], Outdated | None] | None = None,
) -> Checked:
    """Check the folder; against a branch of git if `base` names one, a database if one is given.

    With a base, nothing is said about how its own files are written. `strict` turns warnings into
    errors; `ignore` are ids of rules to leave out. `schema` runs the files, and returns how the
    schema file differs from what they make; it is not called where a file would be refused. Raises
    UsageError for an unknown id or a base that cannot be read, FilesError if there is no folder.
    """
    _refuse_unknown(ignore)
    folder = shown(settings.folder)
    files, others, no_files = listed(settings.folder, settings.conventions)
    files = tuple(PlainFile(folder, file.stem, settings.conventions) for file in files)
    checked = {file: _check_file(file, settings.transaction) for file in files}
    checksums = {file.stem: checksum for file, (_, checksum) in checked.items()}
    problems = [each for found, _ in checked.values() for each in found.problems]
    ordered = settings.order is not None
    squashes, disagreeing = _squashes(files)
    problems += disagreeing
    replaced = {name for names in squashes.values() for name in names}
    problems += name_problems(folder, files, others, no_files, ordered=ordered, replaced=replaced)
    ignored = {file.path: found.ignored for file, (found, _) in checked.items()}
    ignored |= _ignored_by_helpers(problems)
    if base is not None:
        git = read_base(settings.folder, base)
        merged = {f.path for f in files if git.fork.get(f.stem) == checksums[f.stem]}
        # A merged file may have been applied, and nobody should change it any more.
        problems = [p for p in problems if not (p.path in merged and RULES[p.id].style)]
        problems += base_problems(folder, checksums, git, settings.conventions, squashes)
    not_asked = None
    if request is not None:
        from bridge.checks.database import database_problems  # it needs SQLAlchemy

        try:
            problems += database_problems(request, folder, settings)
        except FilesError:  # it is among the problems, and stops a run before it connects
            not_asked = "The database was not asked: correct the names of the files first."
    schema_diff = None
    if schema is not None and any(RULES[each.id].refused for each in problems):
        not_asked = "The files were not run for the schema file: correct them first."
    elif schema is not None:
        found = schema()
        schema_diff = (found.diff or "") if found else ""
        problems += [_of_schema_file(found)] if found else []
    left = [each for each in problems if not _is_silenced(each, ignore, ignored)]
    left = [_as_error(each) for each in left] if strict else left
    paths = tuple(file.path for file in files)
    return Checked(folder, paths, tuple(_in_order(left)), not_asked, schema_diff)


def _of_schema_file(found: Outdated) -> Problem:
    there = found.diff is not None
    what = "This is not what the migrations make." if there else "There is no schema file."
    advice = "Write it: eai migrate dump"
    return problem("schema-file", shown(found.path), None, what, advice)


def shown(folder: str) -> str:
    """Return the path as a person in the working directory would type it."""
    try:
        return str(Path(folder).relative_to(Path.cwd()))
    except (ValueError, OSError):
        return folder


def _refuse_unknown(ignore: Iterable[str]) -> None:
    for each in ignore:
        if each not in RULES:
            near = nearest(each, RULES)
            hint = f" Did you mean {near}?" if near else f" There are: {', '.join(RULES)}."
            raise UsageError(f"--ignore {each}: there is no such problem.{hint}")


def _squashes(files: Sequence[PlainFile]) -> tuple[Mapping[str, Sequence[str]], list[Problem]]:
    """Return what each squash replaces, or that two of them disagree.

    What is wrong with the list of one file, the check of that file says.
    """
    sound = []
    for file in files:
        with suppress(PlainFileError):
            _ = file.replaces
            sound.append(file)
    try:
        return replaced_by(sound), []
    except PlainFileError as error:
        return {}, [problem_of_error("wrong-setting", error.path, error)]


def _check_file(file: PlainFile, mode: Mode) -> tuple[CheckedSource, str]:
    """Check one file, and return its checksum too; an empty one if it cannot be read."""
    try:
        source = file.source()
    except PlainFileError as error:
        return CheckedSource((problem_of_error("unreadable-file", file.path, error),)), ""
    checked = check_source(file.path, source, mode=mode, conventions=file.conventions)
    return checked, text_checksum(source)


def _ignored_by_helpers(problems: Iterable[Problem]) -> dict[str, Ignored]:
    """Read what files silence that would never run: a helper module may say that it should not."""
    helpers = [
        PlainFile(*os.path.split(each.path.removesuffix(".py")))
        for each in problems
        if each.id == "never-run"
    ]
    return {file.path: check_source(file.path, file.source()).ignored for file in helpers}


def _is_silenced(problem: Problem, ignore: Collection[str], ignored: dict[str, Ignored]) -> bool:
    if RULES[problem.id].refused:
        return False  # the run would refuse it all the same
    by_file = ignored.get(problem.path, Ignored())
    return problem.id in ignore or by_file.silences(problem.id, problem.line)


def _as_error(problem: Problem) -> Problem:
    if problem.severity is Severity.WARNING:
        return replace(problem, severity=Severity.ERROR)
    return problem


def _in_order(problems: Iterable[Problem]) -> Iterator[Problem]:
    seen: set[tuple[str, str]] = set()
    for each in sorted(problems, key=lambda each: (os.fsencode(each.path), each.line or 0)):
        if RULES[each.id].once_per_file:
            if (each.path, each.id) in seen:
                continue
            seen.add((each.path, each.id))
        yield each
