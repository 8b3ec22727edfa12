"""Check a folder of migrations before anything runs, and report all that is wrong.

No migration is executed, no database is asked unless one is given, and nothing is written. Each
file is read and parsed once.
"""

from __future__ import annotations

import difflib
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bridge.checks.git_base import read_base
from bridge.checks.git_changes import base_problems
from bridge.checks.ignore_comments import Ignored
from bridge.checks.names import name_problems
from bridge.checks.rules import RULES, Problem, Severity, problem_of_error
from bridge.checks.source import check_source
from bridge.errors import PlainFileError, UsageError
from bridge.files.folder import listed
from bridge.files.plain_file import PlainFile, text_checksum

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from bridge.config.settings import Settings
    from bridge.operations.request import Request

#: Exit codes of `check`.
FINE: Final = 0
PENDING: Final = 3
PROBLEMS: Final = 4


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
    """Check the folder; against a branch of git if `base` names one, a database if one is given.

    With a base, nothing is said about how its own files are written. `strict` turns warnings into
    errors; `ignore` are ids of rules to leave out. Raises UsageError for an unknown id or a base
    that cannot be read, FilesError if there is no folder.
    """
    _refuse_unknown(ignore)
    folder = shown(settings.folder)
    files, others = listed(settings.folder)
    files = tuple(PlainFile(folder, file.stem) for file in files)
    texts = _Texts.of(files, settings.transaction)
    problems = [*texts.problems, *name_problems(folder, files, others)]
    ignored = texts.ignored | _ignored_by_helpers(problems)
    if base is not None:
        git = read_base(settings.folder, base)
        merged = {f.path for f in files if git.fork.get(f.stem) == texts.checksums[f.stem]}
        # A merged file may have been applied, and nobody should change it any more.
        problems = [p for p in problems if not (p.path in merged and RULES[p.id].style)]
        problems += base_problems(folder, texts.checksums, git)
    not_asked = None
    if request is not None and any(RULES[each.id].before_database for each in problems):
        not_asked = "The database was not asked: correct the names of the files first."
    elif request is not None:
        from bridge.checks.database import database_problems  # it needs SQLAlchemy

        problems += database_problems(request, folder, settings)
    left = [
        each
        for each in problems
        if RULES[each.id].refused  # a run would refuse it all the same
        or not (each.id in ignore or _silences(ignored, each))
    ]
    if strict:
        left = [_as_error(each) for each in left]
    return Checked(folder, len(files), tuple(_in_order(left)), not_asked)


def shown(folder: str) -> str:
    """Return the path as a person in the working directory would type it."""
    try:
        return str(Path(folder).relative_to(Path.cwd()))
    except (ValueError, OSError):
        return folder


def _refuse_unknown(ignore: Iterable[str]) -> None:
    for each in ignore:
        if each not in RULES:
            near = difflib.get_close_matches(each, RULES, n=1)
            hint = f" Did you mean {near[0]}?" if near else f" There are: {', '.join(RULES)}."
            raise UsageError(f"--ignore {each}: there is no such problem.{hint}")


@dataclass(frozen=True, slots=True)
class _Texts:
    """What was found in the texts of all files."""

    problems: list[Problem]
    #: What its comments silence, by the path of the file.
    ignored: dict[str, Ignored]
    #: By the stem of the file; empty for one that cannot be read.
    checksums: dict[str, str]

    @classmethod
    def of(cls, files: Sequence[PlainFile], mode: str) -> _Texts:
        """Read and check each file."""
        texts = cls([], {}, {})
        for file in files:
            try:
                source = file.source()
            except PlainFileError as error:
                texts.problems.append(problem_of_error("unreadable-file", file.path, error))
                texts.checksums[file.stem] = ""
                continue
            found = check_source(file.path, source, mode=mode)
            texts.problems.extend(found.problems)
            texts.ignored[file.path] = found.ignored
            texts.checksums[file.stem] = text_checksum(source)
        return texts


def _ignored_by_helpers(problems: Iterable[Problem]) -> dict[str, Ignored]:
    """Read what files silence that would never run: a helper module may say that it should not."""
    helpers = [
        PlainFile(*os.path.split(each.path.removesuffix(".py")))
        for each in problems
        if each.id == "never-run"
    ]
    return {file.path: check_source(file.path, file.source()).ignored for file in helpers}


def _silences(ignored: dict[str, Ignored], problem: Problem) -> bool:
    return problem.path in ignored and ignored[problem.path].silences(problem.id, problem.line)


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
