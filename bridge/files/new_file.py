"""Write a new plain file from its template, and refuse what cannot be asked of one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

from mako.exceptions import MakoException  # type: ignore[import-untyped]
from mako.template import Template  # type: ignore[import-untyped]

from bridge.errors import FilesError, PlainFileError, UsageError
from bridge.files.conventions import OURS as CONVENTIONS
from bridge.files.conventions import Argument, Conventions
from bridge.files.functions import CALLED_WITH, PLACEHOLDER
from bridge.files.header import read_header, storable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bridge.files.plain_file import PlainFile

#: The template of a project that names none of its own.
OURS: Final = Path(__file__).parent.parent / "environment" / "script.py.mako"

#: The body of a function by what it takes, and its placeholder.
_BODIES: Final = {
    Argument.SESSION: "from sqlalchemy import text\n\n{work}\ndb.commit()",
    Argument.CONNECTION: "from sqlalchemy import text\n\n{work}",
    Argument.ENGINE: ("from sqlalchemy import text\n\nwith engine.begin() as conn:\n    {work}"),
    Argument.DBAPI: "with conn.cursor() as cur:\n    {work}",
    Argument.CURSOR: "{work}",
}
_PLACEHOLDERS: Final = {
    Argument.SESSION: f'db.execute(text("{PLACEHOLDER}"))',
    Argument.CONNECTION: f'conn.execute(text("{PLACEHOLDER}"))',
    Argument.ENGINE: f'conn.execute(text("{PLACEHOLDER}"))',
    Argument.DBAPI: f'cur.execute("{PLACEHOLDER}")',
    Argument.CURSOR: f'cur.execute("{PLACEHOLDER}")',
}

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
    conventions: Conventions = CONVENTIONS,
) -> dict[str, Any]:
    """Prepare what a template gets: our own names, then those of Alembic's that make sense.

    `previous` is the revision before the new one.
    """
    # What is generated is written for a Session, which in some folders has to be asked for.
    asks = generated is not None and conventions.argument is not Argument.SESSION
    head = "db: Session" if asks else CALLED_WITH[conventions.argument][1]
    argument = Argument.SESSION if asks else conventions.argument
    bodies = (generated.upgrades, generated.downgrades) if generated else ("", "")
    text = storable((message or "").strip()) or NO_MESSAGE
    return {
        "docstring": _in_docstring(text),
        # A listing has one line for each migration.
        "description": literal(text.splitlines()[0].strip()),
        "upgrades": generated.upgrades if generated else "",
        "downgrades": generated.downgrades if generated else "",
        "autocommit": generated is not None and generated.autocommit,
        "upgrade_function": conventions.upgrade,
        "downgrade_function": conventions.downgrade,
        "upgrade_head": f"{conventions.upgrade}({head})",
        "downgrade_head": f"{conventions.downgrade}({head})",
        "upgrade_body": _body(argument, bodies[0]),
        "downgrade_body": _body(argument, bodies[1], f"  # or remove {conventions.downgrade}()"),
        "stem": stem,
        "message": text,
        "up_revision": stem,
        "down_revision": previous,
        "create_date": datetime.now(tz=UTC),
        "imports": "from sqlalchemy.orm import Session" if asks else "",
    }


def _body(argument: Argument, generated: str, remark: str = "") -> str:
    """Write the body of a function, behind the indentation of its first line."""
    work = generated or _PLACEHOLDERS[argument] + remark
    lines = _BODIES[argument].format(work="\0").splitlines()
    return "\n".join(f"    {line}" if line else "" for line in lines).lstrip().replace("\0", work)


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
        read_header(file.path, file.stem, source, file.conventions)
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
