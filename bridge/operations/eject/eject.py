"""The way out: `eai migrate eject` writes an ordinary Alembic project from plain files.

Everything is looked at and proved before anything is written: first on disk, then in databases.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bridge.config.sources import absolute
from bridge.database.address import named
from bridge.database.connected import described, opened
from bridge.errors import BridgeError, FilesError, UsageError
from bridge.execution.loading import package_of
from bridge.files.folder import scan
from bridge.ledger.history import counting
from bridge.operations.eject.configuration import Lines, lines_for
from bridge.operations.eject.pointers import Pointer, find_pointer, set_to
from bridge.operations.eject.project import Project, make_project
from bridge.operations.eject.proof import prove

if TYPE_CHECKING:
    from bridge.config.settings import Settings
    from bridge.database.request import Request
    from bridge.operations.schema.build import Scratch


@dataclass(frozen=True, slots=True, kw_only=True)
class Ejected:
    """What was written, or would be."""

    #: Absolute path of the project's folder.
    folder: str
    #: Paths in it.
    files: tuple[str, ...]
    #: How many of them are revisions.
    revisions: int
    #: Whether all of it was there already.
    was_there: bool
    pointers: tuple[Pointer, ...]
    lines: Lines
    #: The env.py of the team's own, whose options nobody has carried over.
    own_env_py: bool
    #: Whether it was written, and pointers were set; None for a dry run.
    done: bool | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the documented form; its keys stay as they are."""
        return {
            "folder": self.folder,
            "files": list(self.files),
            "revisions": self.revisions,
            "was_there": self.was_there,
            "databases": [each.to_json() for each in self.pointers],
            "config": self.lines.path,
            "to_write": list(self.lines.write),
            "to_remove": list(self.lines.remove),
            "done": bool(self.done),
        }


#: Told the pointers that are to be set; says whether to set them.
Agree = Callable[[Sequence[Pointer]], bool]


def run_eject(
    request: Request,
    scratch: Scratch,
    *,
    into: Path | None,
    urls: Sequence[str] = (),
    agree: Agree,
    dry_run: bool = False,
) -> Ejected:
    """Write the project into a folder that is new or empty, and set pointers in databases.

    `into` is that folder; None for `alembic` beside the configuration. `urls` are the databases; if
    there are none, the configured one, if there is one. Nothing is written where anything raises
    before `agree` is asked, nor where that says no. Raises UsageError for a folder that holds
    something else, FilesError or LedgerError for files or databases that cannot go on without
    bridge, and what a run raises.
    """
    plan = _plan(request, into, urls)
    folder = Path(plan.ejected.folder)
    with _staged(folder, plan.project, needed=not plan.ejected.was_there) as staged:
        if staged is not None:
            prove(request, scratch, staged)
        if dry_run:
            return plan.ejected
        if plan.moves and not agree([pointer for _, pointer in plan.moves]):
            return replace(plan.ejected, done=False)
        if staged is not None:
            _put_in_place(staged, folder)
    for each, pointer in plan.moves:
        try:
            set_to(each, pointer)
        except BridgeError as error:
            went_on = f"The project is in {folder}. To go on, type the same command again."
            error.args = (f"{error} {went_on}", *error.args[1:])
            raise
    return replace(plan.ejected, done=True)


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is to be written, and where pointers are to be set."""

    ejected: Ejected
    project: Project
    moves: tuple[tuple[Request, Pointer], ...]


def _plan(request: Request, into: Path | None, urls: Sequence[str]) -> _Plan:
    """Look at the files, at the folder and at the databases; writes nothing."""
    settings = request.settings()
    files = scan(settings.folder, settings.conventions).files
    if not files:
        raise FilesError(f"{settings.folder} holds no migration yet. Nothing was written.")
    for file in files:
        file.hold()
    package = package_of(settings.folder, settings.prepend_sys_path)
    project = make_project(counting(files), settings, package=package, config=request.config)
    usual = Path(settings.config_file).parent if settings.config_file else Path.cwd()
    folder = absolute(into, Path.cwd()) if into else usual / "alembic"
    was_there = _is_there(folder, project, settings)
    found = []
    for each in _requests(request, settings, urls):
        with opened(each, settings) as here:
            found.append((each, find_pointer(here, settings, files, described(here))))
    ejected = Ejected(
        folder=str(folder),
        files=tuple(project.files),
        revisions=len(project.revisions),
        was_there=was_there,
        pointers=tuple(pointer for _, pointer in found),
        lines=lines_for(settings, folder, request.config),
        own_env_py=not settings.own_environment,
    )
    return _Plan(ejected, project, tuple(each for each in found if each[1].moves))


def _requests(request: Request, settings: Settings, urls: Sequence[str]) -> Iterator[Request]:
    """List the databases to look at; the configured one only if one is named."""
    if urls:
        yield from (replace(request, database=url, embedded=False) for url in urls)
        return
    given = request.database
    if given is not None or request.embedded or settings.embedded or named(settings):
        yield request


def _is_there(folder: Path, project: Project, settings: Settings) -> bool:
    """Return whether the folder holds this very project; raises UsageError for anything else."""
    plain = Path(settings.folder)
    if folder == plain or plain in folder.parents:
        raise UsageError(
            f"{folder} is in the folder of the plain files. Nothing was written. Name another one: "
            "--into FOLDER"
        )
    if not folder.parent.is_dir():
        raise UsageError(f"There is no folder {folder.parent}. Nothing was written. Make it first.")
    if not folder.exists():
        return False
    if not folder.is_dir():
        raise UsageError(
            f"{folder} is a file. Nothing was written. Name another one: --into FOLDER"
        )
    others = [
        path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts
    ]
    if not others:
        return False
    there = {path.relative_to(folder).as_posix(): path.read_bytes() for path in others}
    if there == project.files:
        return True
    other = next(
        name for name in (*there, *project.files) if there.get(name) != project.files.get(name)
    )
    raise UsageError(
        f"{folder} is there, and is not what would be written ({other}). Nothing was written. "
        "Name another folder, or move this one away: --into FOLDER"
    )


@contextmanager
def _staged(folder: Path, project: Project, *, needed: bool) -> Iterator[Path | None]:
    """Write the project beside the folder, where its files find what they look for near them."""
    if not needed:
        yield None
        return
    try:
        place = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        place.chmod(0o755)
    except OSError as error:
        raise _unwritable(error) from error
    try:
        _write(place, project)
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _write(place: Path, project: Project) -> None:
    try:
        for name, data in project.files.items():
            file = place / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
    except OSError as error:
        raise _unwritable(error) from error


def _put_in_place(staged: Path, folder: Path) -> None:
    try:
        if folder.exists():  # without a file in it
            shutil.rmtree(folder)
        staged.rename(folder)
    except OSError as error:
        raise _unwritable(error) from error


def _unwritable(error: OSError) -> UsageError:
    return UsageError(
        f"{error.filename} cannot be written: {error.strerror}. Nothing was written. Correct that, "
        "then type the same command again."
    )
