"""Find out what the files of a folder have in common: for `init`, and never for a run.

What functions are called, what they take, and in which order their own runner sorts them. Files
are read and not executed. What it finds becomes settings, which a person looks at; a run goes by
those and by annotations alone.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bridge.checks.argument import first_evidence
from bridge.checks.rules import RULES
from bridge.checks.runner import find_runner
from bridge.checks.source import check_source
from bridge.checks.syntax import Function, top_level_function
from bridge.errors import FolderMissing, PlainFileError
from bridge.files.argument import annotated
from bridge.files.bindings import bindings_of, parse
from bridge.files.conventions import OURS, Argument, Conventions, Order
from bridge.files.folder import listed
from bridge.files.numbering import order_disagreements
from bridge.files.plain_file import PlainFile
from bridge.files.shapes import OTHER_NAMES

#: What runners call the function that takes a migration back; of several, the first is meant.
_BACK: Final = ("downgrade", "down", "backward", "backwards", "rollback", "revert", "undo")
#: What `check` finds that would keep a file from running, or have it fail.
_FATAL: Final = frozenset({"not-a-session"})


@dataclass(frozen=True, slots=True)
class SurveyedFile:
    """One file, as it would run with the settings that were found."""

    stem: str
    #: What its function takes.
    takes: Argument
    #: Whether an annotation says so.
    annotated: bool
    #: Why it could not run, and where; None where nothing is known against it.
    problem: str | None = None
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Survey:
    """What was found out about a folder."""

    conventions: Conventions = OURS
    files: tuple[SurveyedFile, ...] = ()
    #: Whether the order of the names is another one than that of the numbers.
    orders_differ: bool = False
    #: The file that is the folder's own runner; None if none shows to be.
    runner: str | None = None
    #: What is to be set, by the names of the settings.
    settings: dict[str, str] = field(default_factory=dict)


def survey(folder: Path, root: Path) -> Survey:
    """Look at the files of a folder, and in the project at `root` for their runner.

    Raises FilesError if the folder cannot be read; one that is not there yet holds nothing.
    """
    try:
        files, _, _ = listed(str(folder))
    except FolderMissing:
        return Survey()
    modules = dict(_parsed(files))
    names = _common(("upgrade", *OTHER_NAMES), modules.values()), _common(_BACK, modules.values())
    argument = _argument(names[0], modules.values())
    differ = bool(order_disagreements(files))
    runner = find_runner(root, folder) if files else None
    order = runner.order if runner and differ else None
    flushes = runner is not None and runner.autoflush is True and argument is Argument.SESSION
    conventions = Conventions(names[0], names[1], argument, order or Order.NAME)
    settings = {
        "upgrade_function": names[0] if names[0] != OURS.upgrade else None,
        "downgrade_function": names[1] if names[1] != OURS.downgrade else None,
        "argument": str(argument) if argument is not OURS.argument else None,
        "order": str(order) if order else None,
        "session_autoflush": "true" if flushes else None,
    }
    ordered = sorted(files, key=lambda file: conventions.order.place(file.stem))
    return Survey(
        conventions,
        tuple(_surveyed(file, modules.get(file), conventions) for file in ordered),
        differ,
        runner.path if runner else None,
        {name: value for name, value in settings.items() if value is not None},
    )


def _parsed(files: Sequence[PlainFile]) -> Iterator[tuple[PlainFile, ast.Module]]:
    for file in files:
        try:
            yield file, parse(file.path, file.source())
        except (PlainFileError, RecursionError, MemoryError):
            continue  # told with the file


def _common(names: Sequence[str], modules: Iterable[ast.Module]) -> str:
    """Choose the name that the most files give to a function; the first of several."""
    counts = Counter(
        binding.name
        for module in modules
        for binding in {b.name: b for b in bindings_of(module)}.values()
        if binding.name in names and isinstance(binding.node, Function)
    )
    return max(names, key=lambda name: counts[name])


def _argument(name: str, modules: Iterable[ast.Module]) -> Argument:
    """Choose what most functions are content with that have no annotation; the first of several."""
    content: Counter[Argument] = Counter()
    for module in modules:
        function = top_level_function(name, module)
        if function is None or annotated(function, module):
            continue
        content.update(each for each in Argument if not first_evidence(function, module, each))
    return max(Argument, key=lambda argument: content[argument])


def _surveyed(file: PlainFile, module: ast.Module | None, conventions: Conventions) -> SurveyedFile:
    function = top_level_function(conventions.upgrade, module) if module else None
    said = annotated(function, module) if module else None
    takes = said.argument if said else conventions.argument
    try:
        source = file.source()
    except PlainFileError as error:
        return SurveyedFile(file.stem, takes, said is not None, error.sentence, error.line)
    found = check_source(file.path, source, conventions=conventions).problems
    for each in found:
        if RULES[each.id].refused or each.id in _FATAL:
            problem = f"{each.message} {each.advice}" if each.advice else each.message
            return SurveyedFile(file.stem, takes, said is not None, problem, each.line)
    return SurveyedFile(file.stem, takes, said is not None)
