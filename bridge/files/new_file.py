"""What goes into a new plain file, and what cannot be asked of one.

Pure: text in, text out. The file is written by `bridge.files.template`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NoReturn

from bridge.errors import UsageError

#: What stands in a file that was asked for without a message.
UNTOLD = "Say here what this migration does"


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
    """What a template is given: our own names, then those of Alembic's that make sense here.

    `previous` is the revision before the new one.
    """
    told = (message or "").strip() or UNTOLD
    return {
        "docstring": _in_docstring(told),
        # A listing has one line for each migration.
        "description": literal(told.splitlines()[0].strip()),
        "upgrades": generated.upgrades if generated else "",
        "downgrades": generated.downgrades if generated else "",
        "autocommit": generated is not None and generated.autocommit,
        "stem": stem,
        "message": told,
        "up_revision": stem,
        "down_revision": previous,
        "create_date": datetime.now(tz=UTC),
        "imports": "",
    }


def literal(text: str) -> str:
    """A Python literal of this text, in double quotes where that costs no more escapes."""
    quote = '"' if text.count('"') <= text.count("'") else "'"
    body = "".join(f"\\{c}" if c == quote else _printable(c) for c in text)
    return f"{quote}{body}{quote}"


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
        "two heads. Nothing was written. Two files may share a number, and a late file is next in "
        'line. For a new file, type: alembic revision -m "what it does"'
    )


def _in_docstring(text: str) -> str:
    """The text as it must be written between three double quotes to be read back the same."""
    lines = ["".join(map(_printable, line)).rstrip() for line in text.splitlines()]
    return "\n".join(lines).replace('"""', '\\"\\"\\"')


def _printable(character: str) -> str:
    return character if character in "'\"" else repr(character)[1:-1]
