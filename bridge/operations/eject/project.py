"""Gather the files of an ordinary Alembic project that does what a folder of plain files does.

It reads the folder, and executes and writes nothing.
"""

from __future__ import annotations

import io
import os
import tokenize
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from bridge.config.resources import load_object
from bridge.config.sources import Options, find_config
from bridge.errors import FilesError
from bridge.files.bindings import parse
from bridge.files.edits import Text
from bridge.operations.eject.helper_imports import HELPERS, helper_imports
from bridge.operations.eject.revision_file import SUPPORT, Place, as_revision

if TYPE_CHECKING:
    from bridge.config.settings import Settings
    from bridge.files.plain_file import PlainFile

#: The folder of the revisions, in the project.
VERSIONS: Final = "versions"
#: What is no part of the migrations: what Python leaves, and the environment of a team's own.
_NOT_COPIED: Final = frozenset({"__pycache__", "env.py", "script.py.mako", "alembic.ini"})
#: Options of `context.configure` that may stand in a configuration as true or false.
_SWITCHES: Final = ("compare_type", "compare_server_default", "include_schemas")
_TRUE: Final = frozenset({"true", "yes", "on", "1"})


@dataclass(frozen=True, slots=True)
class Project:
    """An Alembic project, ready to be written."""

    #: The contents of each file, by its path in the project's folder.
    files: Mapping[str, bytes]
    #: The ids of the revisions, the first one first.
    revisions: tuple[str, ...]


def make_project(
    files: Sequence[PlainFile], settings: Settings, *, package: str | None, config: object
) -> Project:
    """Make the project of these files, in this order.

    `package` is the one that their folder is; `config` is where the configuration was asked for.
    Raises FilesError for a file that cannot be a revision, UsageError where the models are not.
    """
    made: dict[str, bytes] = {
        "env.py": _env_py(settings, config),
        "script.py.mako": _template("script.py.mako").encode(),
        f"{SUPPORT}.py": _replaced(
            _template(f"{SUPPORT}.py"),
            {"AUTOFLUSH = False": f"AUTOFLUSH = {settings.session_autoflush}"},
        ).encode(),
    }
    down: str | None = None
    for file in files:
        place = Place(down=down, mode=settings.transaction, package=package)
        made[f"{VERSIONS}/{file.stem}.py"] = _encoded(as_revision(file, place), file.data())
        down = file.revision
    made |= _beside(Path(settings.folder), {f"{file.stem}.py" for file in files}, package)
    return Project(made, tuple(file.revision for file in files))


def _encoded(text: str, data: bytes) -> bytes:
    """Write a text in the encoding that its file declares."""
    encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
    return text.encode(encoding, "surrogatepass" if encoding == "utf-8" else "strict")


def _template(name: str) -> str:
    return (resources.files("bridge") / "environment" / "ejected" / name).read_text("utf-8")


def _replaced(text: str, lines: Mapping[str, str]) -> str:
    for old, new in lines.items():
        if old not in text:
            raise RuntimeError(f"{old!r} is not in the template")  # a bug of ours
        text = text.replace(old, new)
    return text


def _env_py(settings: Settings, config: object) -> bytes:
    schema = settings.version_table_schema
    lines = {
        'VERSION_TABLE = "alembic_version"': f"VERSION_TABLE = {settings.version_table!r}",
        "VERSION_TABLE_SCHEMA: str | None = None": f"VERSION_TABLE_SCHEMA: str | None = {schema!r}",
        'FORMER_LEDGER = "schema_migrations"': f"FORMER_LEDGER = {settings.ledger_table!r}",
        "OPTIONS: dict[str, Any] = {}": f"OPTIONS: dict[str, Any] = {_switches(config)!r}",
    }
    if settings.target_metadata:
        import_, models = _models(settings.target_metadata, settings)
        here = 'target_metadata: Any = config.attributes.get("target_metadata")'
        lines[here] = f'target_metadata: Any = config.attributes.get("target_metadata", {models})'
        last = "from sqlalchemy.pool import NullPool\n"
        lines[last] = f"{last}\n{import_}\n"
    return _replaced(_template("env.py"), lines).encode()


def _models(target: str, settings: Settings) -> tuple[str, str]:
    """Return the import of the models, and the expression for their MetaData."""
    found: Any = load_object(target, setting="target_metadata", sys_path=settings.prepend_sys_path)
    module, _, attribute = target.partition(":")
    name = attribute.partition(".")[0]
    expression = attribute
    if callable(found) and not hasattr(found, "metadata"):
        expression, found = f"{expression}()", found()
    if hasattr(found, "metadata"):
        expression = f"{expression}.metadata"
    return f"from {module} import {name}", expression


def _switches(config: Any) -> dict[str, bool]:
    options = Options.read(find_config(config, environ=os.environ), section="alembic")
    found = {name: options.get(name) for name in _SWITCHES}
    return {
        name: str(each.value).strip().lower() in _TRUE
        for name, each in found.items()
        if each is not None
    }


def _beside(folder: Path, migrations: set[str], package: str | None) -> dict[str, bytes]:
    """Copy what lies beside the migrations: modules into the package of helpers, data to both."""
    modules: dict[str, bytes] = {}
    data: dict[str, bytes] = {}
    for entry in sorted(folder.iterdir()):
        if entry.name in migrations or _is_left(entry.name):
            continue
        found = dict(_contents(entry, folder))
        is_code = any(name.endswith(".py") for name in found)
        (modules if is_code else data).update(found)
    if not any(contents.strip() for contents in modules.values()):
        modules = {}
    elif "__init__.py" not in modules:
        modules["__init__.py"] = b'"""What migrations import that were plain files."""\n'
    moved = {name: _helper(folder, name, each, package) for name, each in modules.items()}
    return {
        **{f"{VERSIONS}/{name}": each for name, each in data.items()},
        # A helper may read what lies beside it.
        **{f"{HELPERS}/{name}": each for name, each in (moved | (data if moved else {})).items()},
    }


def _is_left(name: str) -> bool:
    return name.startswith(".") or name in _NOT_COPIED or name.lower().startswith("readme")


def _contents(entry: Path, folder: Path) -> Iterator[tuple[str, bytes]]:
    """List the files of an entry by their paths in the folder."""
    try:
        if entry.is_dir():
            for inner in sorted(entry.iterdir()):
                if not (inner.name.startswith(".") or inner.name == "__pycache__"):
                    yield from _contents(inner, folder)
        elif entry.is_file() and entry.suffix != ".pyc":
            yield PurePosixPath(entry.relative_to(folder)).as_posix(), entry.read_bytes()
    except OSError as error:
        raise FilesError(
            f"{entry} lies beside the migrations, and cannot be read: {error.strerror}. Nothing "
            "was written."
        ) from error


def _helper(folder: Path, name: str, data: bytes, package: str | None) -> bytes:
    """Let a helper of the folder itself import its neighbours where they are then."""
    if not name.endswith(".py") or "/" in name:
        return data
    path = str(folder / name)
    try:
        source = data.decode()
    except UnicodeDecodeError:
        return data
    text = Text(source := source.replace("\r\n", "\n"))
    edits = [*helper_imports(path, parse(path, source), text, package=package, inside=True)]
    return text.edited(edits).encode() if edits else data
