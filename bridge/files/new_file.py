"""Write a new plain file from its template, and refuse what cannot be asked of one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

from mako.exceptions import MakoException  # type: ignore[import-untyped]
from mako.template import Template  # type: ignore[import-untyped]

from bridge.errors import FilesError, PlainFileError, UsageError
from bridge.files.header import read_header

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bridge.files.plain_file import PlainFile

#: The template of a project that names none of its own.
OURS: Final = Path(__file__).parent.parent / "environment" / "script.py.mako"

#: What stands in a file that was asked for without a message.
NO_MESSAGE: Final = "Say here what this migration does"


@dataclass(frozen=True, slots=True)
class Generated:
    """What a comparison with the models has made: the bodies of both functions."""

    #: The code behind the indentation of its first line; "" for none.
    upgrades: str
    downgrades: str
    #: Whether a statement is among them that refuses a transaction.
    autocommit: bool = False


def template_arguments(
    message: str | None,
    generated: Generated | None = None,
    *,
    stem: str = "",
    previous: str | None = None,
) -> dict[str, Any]:
    """Prepare what a template gets: our own names, then those of Alembic's that make sense.

    `previous` is the revision before the new one.
    """
    text = (message or "").strip() or NO_MESSAGE
    return {
        "docstring": _in_docstring(text),
        # A listing has one line for each migration.
        "description": literal(text.splitlines()[0].strip()),
        "upgrades": generated.upgrades if generated else "",
        "downgrades": generated.downgrades if generated else "",
        "autocommit": generated is not None and generated.autocommit,
        "stem": stem,
        "message": text,
        "up_revision": stem,
        "down_revision": previous,
        "create_date": datetime.now(tz=UTC),
        "imports": "",
    }


def literal(text: str) -> str:
    """Write a Python literal of this text, in double quotes where that costs no more escapes."""
    quote = '"' if text.count('"') <= text.count("'") else "'"
    body = "".join(f"\\{c}" if c == quote else _printable(c) for c in text)
    return f"{quote}{body}{quote}"


def _in_docstring(text: str) -> str:
    """Write the text as it must be between three double quotes to be read back the same."""
    lines = ["".join(map(_printable, line)).rstrip() for line in text.splitlines()]
    return "\n".join(lines).replace('"""', '\\"\\"\\"')


def _printable(character: str) -> str:
    return character if character in "'\"" else repr(character)[1:-1]


def render(template: str | None, file: PlainFile, arguments: Mapping[str, Any]) -> str:
    """Render the text of `file` from the template with this path, or from bridge's own.

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
        reason = error.strerror if isinstance(error, OSError) else None
        raise UsageError(
            f"The template {path}, which template in alembic.ini names, cannot be read: "
            f"{reason or error}. Nothing was written."
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


def _failed(path: Path, reason: str) -> UsageError:
    return UsageError(f"The template {path} failed: {reason.rstrip('.')}. Nothing was written.")


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
            f"{path} exists already, and was not changed. Rename or remove it."
        ) from error
    except OSError as error:
        raise FilesError(
            f"{path} cannot be written: {error.strerror or error}. Give the user that you are the "
            "right to write into this folder, or correct version_locations in alembic.ini."
        ) from error


def refuse_branches(
    head: Any, current_head: str | None, *, splice: Any, labels: Any, depends_on: Any
) -> None:
    """Refuse what only a graph with branches could do; `head` is what ``--head`` said."""
    if head not in (None, "head", "heads", current_head):
        _refuse(f"--head {head} cannot be followed")
    for option, value in (
        ("--splice", splice),
        ("--branch-label", labels),
        ("--depends-on", depends_on),
    ):
        if value:
            _refuse(f"{option} has no meaning here")


def refuse_merge() -> NoReturn:
    """Refuse ``alembic merge``."""
    _refuse("There is nothing to merge")


def _refuse(reason: str) -> NoReturn:
    raise UsageError(
        f"{reason}: plain files form one history, in the order of their names, so there are never "
        "two heads. Nothing was written. Two files may share a number, and a late file still runs. "
        'For a new file, type: alembic revision -m "what it does"'
    )
