"""What goes into a new plain file, and what cannot be asked of one.

Pure: text in, text out. The file is written by `bridge.revisions` from `script.py.mako`.
"""

from __future__ import annotations

import re
from typing import Any, NoReturn

from bridge.errors import UsageError

#: What stands in a file that was asked for without a message.
UNTOLD = "Say here what this migration does"

#: What Alembic renders for an operation list with nothing in it, apart from comments.
_NOTHING = frozenset({"", "pass"})


def template_arguments(message: str | None, rendered: dict[str, Any]) -> dict[str, Any]:
    """What `script.py.mako` is given; `rendered` is what autogenerate made, if it ran."""
    told = (message or "").strip() or UNTOLD
    upgrades, downgrades = _code(rendered.get("upgrades")), _code(rendered.get("downgrades"))
    return {
        "docstring": _in_docstring(told),
        # A listing has one line for each migration.
        "description": literal(told.splitlines()[0].strip()),
        "generated": bool(upgrades or downgrades),
        "upgrades": upgrades or "pass",
        "downgrades": downgrades or "pass",
        "imports": "\n".join(_imports(rendered.get("imports"), f"{upgrades}\n{downgrades}")),
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
        f"{reason}: plain files form one line, in the order of their names, so there are never "
        "two heads. Nothing was written. Two files may share a number, and a file that comes "
        'late is simply next in line. For a new file, type: alembic revision -m "what it does"'
    )


def _code(rendered: str | None) -> str | None:
    """The operations that autogenerate rendered; None if there are none."""
    lines = [line.strip() for line in (rendered or "").splitlines()]
    if all(line in _NOTHING or line.startswith("#") for line in lines):
        return None
    return (rendered or "").rstrip()


def _imports(rendered: str | None, code: str) -> list[str]:
    """The import statements that the generated code needs, and no more of ours than that."""
    ours = {"sa": "import sqlalchemy as sa", "op": "from alembic import op"}
    needed = [line for name, line in ours.items() if re.search(rf"\b{name}\.", code)]
    return [*needed, rendered.strip()] if rendered and rendered.strip() else needed


def _in_docstring(text: str) -> str:
    """The text as it must be written between three double quotes to be read back the same."""
    lines = ["".join(map(_printable, line)).rstrip() for line in text.splitlines()]
    return "\n".join(lines).replace('"""', '\\"\\"\\"')


def _printable(character: str) -> str:
    return character if character in "'\"" else repr(character)[1:-1]
