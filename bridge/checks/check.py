"""The use case: look at a folder of migrations before anything runs, and tell all that is wrong.

No migration is executed, no database is asked unless one is handed in, and nothing is written.
Each file is read and parsed once.
"""

from __future__ import annotations

import difflib
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bridge.checks.git_base import read_base
from bridge.checks.ignore_comments import Ignored
from bridge.checks.names import base_problems, name_problems
from bridge.checks.rules import RULES, Problem, Severity, of_error
from bridge.checks.source import check_source
from bridge.errors import PlainFileError, UsageError
from bridge.files.folder import listed
from bridge.files.plain_file import PlainFile, text_checksum

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from bridge.config.settings import Settings
    from bridge.operations.request import Request

#: Exit codes of `check`.
FINE: Final = 0
PENDING: Final = 3
PROBLEMS: Final = 4

#: Told of every commit in one file, they would be noise: the first one says it.
_ONCE_PER_FILE: Final = frozenset({"commit-in-the-middle", "autocommit-other-work"})
#: A run would not look at a database before these are mended, and cannot tell files apart.
_BEFORE_A_DATABASE: Final = frozenset(
    {"no-migration", "no-number", "same-name", "unreadable-name", "name-too-long"}
)


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check has found."""

    #: The folder, as a person in the working directory would type it.
    folder: str
    #: How many migrations it holds.
    files: int
    #: By file and line; those that are silenced are left out.
    problems: tuple[Problem, ...]
    #: Why the database was not asked although it should have been; None if it was, or was not to.
    not_asked: str | None = None

    @property
    def errors(self) -> int:
        """How many problems there are that should stop a merge."""
        return self._count(Severity.ERROR)

    @property
    def warnings(self) -> int:
        """How many problems there are that a person should know."""
        return self._count(Severity.WARNING)

    @property
    def pending(self) -> tuple[str, ...]:
        """The stems of the migrations that the database does not have yet."""
        waiting = [each for each in self.problems if each.severity is Severity.PENDING]
        return tuple(Path(each.path).stem for each in waiting)

    @property
    def exit_code(self) -> int:
        """0 if nothing is wrong, 3 if something is pending, 4 for errors."""
        if self.errors:
            return PROBLEMS
        return PENDING if self.pending else FINE

    def to_json(self) -> dict[str, Any]:
        """The documented form; its keys stay as they are."""
        return {
            "folder": self.folder,
            "files": self.files,
            "errors": self.errors,
            "warnings": self.warnings,
            "pending": list(self.pending),
            "problems": [each.to_json() for each in self.problems],
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
) -> Checked:
    """Look at the folder; at a branch of git if `base` names one, at a database if one is given.

    With a base, how the files are written that it has already is not told. `strict` makes errors
    of warnings; `ignore` are ids of rules that are not told. Raises UsageError for an unknown id
    or a base that cannot be read, FilesError if there is no folder.
    """
    _refuse_unknown(ignore)
    folder = shown(settings.folder)
    files, others = listed(settings.folder)
    files = tuple(PlainFile(folder, file.stem) for file in files)
    problems, ignored, texts = _sources(files, settings.transaction)
    problems += name_problems(folder, files, others)
    ignored |= _ignored_by_helpers(problems)
    if base is not None:
        theirs = read_base(settings.folder, base)
        merged = {file.path for file in files if theirs.fork.get(file.stem) == texts[file.stem]}
        # What was merged may have been applied, and to mend it would be to change it.
        problems = [p for p in problems if not (p.path in merged and RULES[p.id].style)]
        problems += base_problems(folder, texts, theirs)
    not_asked = None
    if request is not None and any(each.id in _BEFORE_A_DATABASE for each in problems):
        not_asked = "The database was not asked: mend the names of the files first."
    elif request is not None:
        from bridge.checks.database import database_problems  # it needs SQLAlchemy

        problems += database_problems(request, folder, settings)
    told = [each for each in problems if not _is_silenced(each, ignore, ignored)]
    if strict:
        told = [_strict(each) for each in told]
    return Checked(folder, len(files), tuple(_in_order(told)), not_asked)


def shown(folder: str) -> str:
    """The path as a person in the working directory would type it."""
    try:
        return str(Path(folder).relative_to(Path.cwd()))
    except (ValueError, OSError):
        return folder


def _refuse_unknown(ignore: Iterable[str]) -> None:
    for each in ignore:
        if each not in RULES:
            near = difflib.get_close_matches(each, RULES, n=1)
            meant = f" Is {near[0]} meant?" if near else f" There are: {', '.join(RULES)}."
            raise UsageError(f"--ignore {each}: there is no such problem.{meant}")


def _sources(
    files: Sequence[PlainFile], mode: str
) -> tuple[list[Problem], dict[str, Ignored], dict[str, str]]:
    """What is wrong in the files, what each of them silences, and the checksum of each."""
    problems: list[Problem] = []
    ignored: dict[str, Ignored] = {}
    texts: dict[str, str] = {}
    for file in files:
        try:
            source = file.source()
        except PlainFileError as error:
            problems.append(of_error("unreadable-file", file.path, error))
            texts[file.stem] = ""
            continue
        found = check_source(file.path, source, mode=mode)
        problems += found.problems
        ignored[file.path] = found.ignored
        texts[file.stem] = text_checksum(source)
    return problems, ignored, texts


def _ignored_by_helpers(problems: Iterable[Problem]) -> dict[str, Ignored]:
    """What the files silence that are told to be no migrations: a helper module may say so."""
    told = [
        PlainFile(*os.path.split(p.path.removesuffix(".py")))
        for p in problems
        if p.id == "never-run"
    ]
    return {file.path: check_source(file.path, file.source()).ignored for file in told}


def _is_silenced(problem: Problem, ignore: Collection[str], ignored: Mapping[str, Ignored]) -> bool:
    if RULES[problem.id].refused:
        return False  # the run would refuse it all the same
    by_file = ignored.get(problem.path, Ignored())
    return problem.id in ignore or by_file.silences(problem.id, problem.line)


def _strict(problem: Problem) -> Problem:
    if problem.severity is Severity.WARNING:
        return replace(problem, severity=Severity.ERROR)
    return problem


def _in_order(problems: Iterable[Problem]) -> Iterator[Problem]:
    seen: set[tuple[str, str]] = set()
    for each in sorted(problems, key=lambda each: (os.fsencode(each.path), each.line or 0)):
        if each.id in _ONCE_PER_FILE:
            if (each.path, each.id) in seen:
                continue
            seen.add((each.path, each.id))
        yield each
