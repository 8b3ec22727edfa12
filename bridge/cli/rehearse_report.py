"""Tell a rehearsal as Markdown, for a comment on a pull request."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bridge.reporting.escaping import escaped, in_one_line
from bridge.reporting.numbers import counted

if TYPE_CHECKING:
    from bridge.operations.rehearsal.locks import Lock
    from bridge.operations.rehearsal.rehearse import Rehearsal, Rehearsed

#: Whom a lock keeps waiting; the others keep nobody from reading and writing.
_BLOCKS: Final = {
    "ACCESS EXCLUSIVE": "**blocks reads and writes**",
    "EXCLUSIVE": "blocks writes",
    "SHARE ROW EXCLUSIVE": "blocks writes",
    "SHARE": "blocks writes",
}


def markdown(found: Rehearsal | None) -> Iterator[str]:
    """Return the lines of the report; None is a rehearsal of nothing."""
    yield "### Migrations"
    yield ""
    if found is None:
        yield "No migration is pending."
        return
    if found.done:
        yield "| File | Took | Statements | Locks | Loses data |"
        yield "| --- | --- | --- | --- | --- |"
        yield from map(_row, found.done)
        yield ""
    if found.left:
        first, *rest = found.left
        after = f" The files after it were not rehearsed either: {_listed(rest)}." if rest else ""
        yield f"**Not rehearsed:** {_code(first)}, because {_plain(found.reason)}.{after}"
        yield ""
    done = counted(len(found.done), "migration")
    yield (
        f"Rehearsed {done} with `eai migrate rehearse`, and rolled all of it back. Times are those "
        "of the database on which this ran. A lock is held from its statement to the next commit."
    )
    for file in found.done:
        yield from _sql(file)


def _row(file: Rehearsed) -> str:
    locks = "<br>".join([*map(_lock, file.locks), *map(_held, file.held)]) or "none"
    losses = "<br>".join(f"**{_plain(each)}**" for each in file.losses) or "no"
    took = f"{file.seconds:.2f} s"
    cells = (_code(Path(file.path).name), took, str(file.statements), locks, losses)
    return f"| {' | '.join(cells)} |"


def _lock(lock: Lock) -> str:
    blocks = f", {_BLOCKS[lock.mode]}" if lock.mode in _BLOCKS else ""
    return f"{_code(lock.table)} {lock.mode} for {lock.seconds:.2f} s{blocks}"


def _held(lock: Lock) -> str:
    return f"{_code(lock.table)} {lock.mode} held since {_code(lock.file)}"


def _sql(file: Rehearsed) -> Iterator[str]:
    sql = escaped(file.sql)
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", sql)), default=0))
    name = html.escape(in_one_line(Path(file.path).name))
    yield ""
    yield f"<details><summary>SQL of {name}</summary>"
    yield ""
    yield f"{fence}sql"
    yield sql
    yield fence
    yield ""
    yield "</details>"


def _listed(names: list[str]) -> str:
    return ", ".join(map(_code, names))


def _code(name: str) -> str:
    """Return the name as code in a cell of a table, whatever it holds."""
    name = in_one_line(name).replace("|", r"\|")
    ticks = "`" * (1 + max(map(len, re.findall("`+", name)), default=0))
    space = " " if name[:1] == "`" or name[-1:] == "`" else ""
    return f"{ticks}{space}{name}{space}{ticks}"


def _plain(text: str) -> str:
    """Return the text such that nothing in it is Markdown or HTML."""
    return re.sub(r"([\\`*_{}\[\]<>#|~!&])", r"\\\1", in_one_line(text))
