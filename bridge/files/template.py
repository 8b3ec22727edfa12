"""A new plain file: rendered from its template, checked, and put on disk, never over another.

What goes into it is decided by `bridge.files.new_file`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from mako.exceptions import MakoException  # type: ignore[import-untyped]
from mako.template import Template  # type: ignore[import-untyped]

from bridge.errors import FilesError, PlainFileError, UsageError
from bridge.files.header import read_header
from bridge.files.plain_file import PlainFile

#: The template of a project that names none of its own.
#: The folder of env.py and of the template.
ENVIRONMENT_FOLDER: Final = Path(__file__).parent.parent / "environment"

OURS: Final = ENVIRONMENT_FOLDER / "script.py.mako"


def render(template: str | None, file: PlainFile, arguments: Mapping[str, Any]) -> str:
    """The text of `file`, from the template with this path, or from bridge's own.

    Raises UsageError if the template is not there, fails, or makes no migration.
    """
    path = Path(template) if template else OURS
    try:
        source = str(
            Template(  # noqa: S702 - this makes Python, and no HTML
                text=path.read_text(encoding="utf-8"),
                uri=path.name,
                strict_undefined=True,
            ).render_unicode(**arguments)
        )
        read_header(file.path, file.stem, source)
    except (OSError, UnicodeError) as error:
        told = error.strerror if isinstance(error, OSError) else None
        raise UsageError(
            f"The template {path}, which template in alembic.ini names, cannot be read: "
            f"{told or error}. Nothing was written."
        ) from error
    except PlainFileError as error:
        raise UsageError(
            f"What the template {path} makes is no migration: {error} Nothing was written."
        ) from error
    except MakoException as error:
        raise _failed(path, str(error)) from error
    except Exception as error:
        # A template is code, and may raise anything.
        raise _failed(path, f"{type(error).__name__}: {error}") from error
    return source


def _failed(path: Path, told: str) -> UsageError:
    return UsageError(f"The template {path} failed: {told.rstrip('.')}. Nothing was written.")


def write_new(path: str, source: str) -> None:
    """Write a file that is not there yet.

    Raises FilesError if something of this name is there, which is left as it is, or if it
    cannot be written.
    """
    try:
        with Path(path).open("x", encoding="utf-8", newline="\n") as out:
            out.write(source)
    except FileExistsError as error:
        raise FilesError(
            f"{path} is there already, and was left as it is. Rename or remove it."
        ) from error
    except OSError as error:
        raise FilesError(
            f"{path} cannot be written: {error.strerror or error}. Give the user that you are the "
            "right to write into this folder, or correct version_locations in alembic.ini."
        ) from error
