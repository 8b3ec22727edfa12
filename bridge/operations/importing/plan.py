"""Decide which plain files an Alembic project becomes. It writes nothing, and asks no database."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import decode_source
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bridge.errors import FilesError, PlainFileError, UsageError
from bridge.files.header import read_header
from bridge.files.numbering import USUAL_WIDTH, slugify
from bridge.files.stems import is_looked_at, number_of
from bridge.operations.importing.order import Place, follows, in_line
from bridge.operations.importing.rewrite import Old, Plain, read_old, rewritten

if TYPE_CHECKING:
    from bridge.alembic.foreign import ForeignProject, Revision

#: Longer slugs are cut, as Alembic's own are.
_LONGEST_SLUG = 60


@dataclass(frozen=True, slots=True)
class NewFile:
    """A plain file to be written, and the revisions that it was."""

    stem: str
    description: str
    plain: Plain
    place: Place

    def to_json(self) -> dict[str, Any]:
        """Return the documented form; its keys stay as they are."""
        return {
            "file": f"{self.stem}.py",
            "description": self.description,
            "revisions": list(self.place.ids),
            "from": [each.path for each in self.place.revisions],
            "downgrade": self.plain.has_downgrade,
            "autocommit": self.plain.autocommit,
        }


@dataclass(frozen=True, slots=True)
class Import:
    """A project of Alembic's, and the files that it becomes."""

    project: ForeignProject
    folder: Path
    files: tuple[NewFile, ...]
    #: What the project's env.py says that alembic.ini has to say then.
    settings: dict[str, str]
    #: What else is beside the revisions, where one of them looks for files beside itself.
    beside: tuple[Path, ...] = ()


def plan_import(project: ForeignProject, folder: Path) -> Import:
    """Read a project, and decide on the files for this folder.

    Raises FilesError, or PlainFileError, for what no line of plain files can be, and UsageError
    where the folder has migrations already.
    """
    _refuse_filled(folder)
    revisions = project.revisions()
    if not revisions:
        raise FilesError(f"There is no revision in {project.env_py.parent}. Nothing was written.")
    texts = {each.id: _text(each) for each in revisions}
    old = _read_all(revisions, texts)
    places = in_line(
        revisions,
        dates={id_: each.created for id_, each in old.items()},
        empty=[id_ for id_, each in old.items() if each.is_empty],
    )
    width = max(USUAL_WIDTH, len(str(len(places))))
    files = []
    faults: list[PlainFileError] = []
    for number, (place, before) in enumerate(zip(places, follows(places), strict=True), 1):
        try:
            files.append(_file(place, before, texts[place.revision.id], str(number).zfill(width)))
        except PlainFileError as error:
            faults.append(error)
    _raise_all(faults)
    beside = _beside(revisions) if any("__file__" in text for text in texts.values()) else ()
    return Import(project, folder, tuple(files), _settings(project.env_py), beside)


def _file(place: Place, before: dict[str, tuple[str, ...]], source: str, number: str) -> NewFile:
    revision = place.revision
    name = Path(revision.path).stem.removeprefix(f"{revision.id}_").replace("_", " ")
    description = revision.message if _says_something(revision) else name
    slug = slugify(description)[:_LONGEST_SLUG].rstrip("_")
    stem = f"{number}_{slug}"
    plain = rewritten(revision.path, source, description=description, ids=place.ids, follows=before)
    # What would be refused is found here, under the name of the file that a person can correct.
    read_header(revision.path, stem, plain.text)
    return NewFile(stem, description, plain, place)


def _says_something(revision: Revision) -> bool:
    return bool(revision.message) and revision.message != "empty message"


def _text(revision: Revision) -> str:
    try:
        return decode_source(Path(revision.path).read_bytes())
    except (OSError, SyntaxError, UnicodeDecodeError) as error:
        raise PlainFileError(
            revision.path, None, f"this file cannot be read: {error}. Nothing was written."
        ) from error


def _read_all(revisions: Sequence[Revision], texts: dict[str, str]) -> dict[str, Old]:
    found: dict[str, Old] = {}
    faults: list[PlainFileError] = []
    for each in revisions:
        try:
            found[each.id] = read_old(each.path, texts[each.id])
        except PlainFileError as error:
            faults.append(error)
    _raise_all(faults)
    return found


def _raise_all(faults: Sequence[PlainFileError]) -> None:
    if faults:
        lines = "\n".join(sorted(map(str, faults)))
        raise FilesError(f"{lines}\nNothing was written.")


def _refuse_filled(folder: Path) -> None:
    """Refuse a folder in which new files would stand among others."""
    try:
        names = sorted(each.name for each in folder.iterdir())
    except FileNotFoundError:
        return
    except OSError as error:
        raise UsageError(
            f"{folder} cannot be read: {error.strerror}. Nothing was written. Name another folder: "
            "--folder PATH"
        ) from error
    found = [each for each in names if is_looked_at(each) and number_of(each)]
    if found:
        raise UsageError(
            f"{folder} has migrations already: {found[0]}. Nothing was written. Name a folder for "
            "the imported ones: --folder PATH"
        )


def _beside(revisions: Sequence[Revision]) -> tuple[Path, ...]:
    """Find what is beside the revisions and is none: SQL, data, folders of these."""
    paths = {Path(each.path) for each in revisions}
    found: dict[str, Path] = {}
    for folder in sorted({path.parent for path in paths}):
        for each in sorted(folder.iterdir()):
            if each not in paths and each.name[0] not in "._":
                found.setdefault(each.name, each)
    return tuple(found.values())


def _settings(env_py: Path) -> dict[str, str]:
    """Find what env.py says of the version table, where alembic.ini has to say it then."""
    try:
        module = ast.parse(decode_source(env_py.read_bytes()))
    except (OSError, SyntaxError, ValueError):
        return {}
    found: dict[str, str] = {}
    for node in ast.walk(module):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", None) == "configure":
            for each in node.keywords:
                value = each.value
                if each.arg in _TABLES and isinstance(value, ast.Constant) and value.value:
                    found[each.arg] = str(value.value)
    return found


_TABLES = ("version_table", "version_table_schema")
