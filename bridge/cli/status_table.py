"""Print the migrations as a table: drawn by Rich on a terminal, else one plain line for each.

It decides what is shown and how wide, and asks nobody anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import IO, TYPE_CHECKING

from bridge.operations.status import Migration, MigrationState
from bridge.reporting.escaping import in_one_line
from bridge.reporting.numbers import counted, duration
from bridge.reporting.screen import Screen
from bridge.reporting.style import Style

if TYPE_CHECKING:
    from rich.table import Table

    from bridge.operations.overview import Overview

_STYLES = {
    MigrationState.APPLIED: Style.GREEN,
    MigrationState.PENDING: Style.YELLOW,
    MigrationState.LATE: Style.YELLOW,
    MigrationState.MISSING: Style.DIM,
    MigrationState.CHANGED: Style.RED,
    MigrationState.UNKNOWN: Style.DIM,
}
_TO_DO = frozenset({MigrationState.PENDING, MigrationState.LATE})
#: What a mark alone says.
_PLAIN = frozenset({MigrationState.APPLIED, MigrationState.PENDING})
#: The same as Rich calls them.
_NAMES = {Style.GREEN: "green", Style.YELLOW: "yellow", Style.DIM: "dim", Style.RED: "bold red"}
#: Shown where nothing is known, so that each line has the same columns.
_NOTHING = "-"
_SECOND = 1000  # milliseconds
#: Narrower, a description is a column of single words.
_LEAST_DESCRIPTION = 24
#: Cells between two columns.
_GAP = 2
#: Rich takes about a millisecond for each row; more than these are drawn without it.
_MANY = 300
_HEADS = ("Version", "State", "Applied (UTC)", "Took", "Description")
#: In place of that where the ledger's column has no time zone, so that nobody knows which it is.
_AS_STORED = "Applied (as stored)"
_VERSION, _STATE, _AT, _TOOK, _DESCRIPTION = range(5)


def plain_lines(migrations: Sequence[Migration], encoding: str = "utf-8") -> list[str]:
    """Return a line for each: version, state, when applied, how long it took, description.

    The columns are aligned, and at least two spaces apart. Times end with Z, for UTC; one without
    is as it is stored, in a column that has no time zone.
    """
    rows = [_cells(each, encoding, at=_iso(each.applied_at)) for each in migrations]
    widths = [max(map(len, column)) for column in list(zip(*rows, strict=True))[:-1]]
    return [
        "  ".join(
            [*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]
        ).rstrip()
        for row in rows
    ]


def checklist_lines(migrations: Sequence[Migration], encoding: str = "utf-8") -> list[str]:
    """Return a line for each: whether it is applied, its version, and what is special about it."""
    return [
        f"[{' ' if each.state in _TO_DO else 'X'}] {harmless(in_one_line(each.version), encoding)}"
        + ("" if each.state in _PLAIN else f" ({each.state})")
        for each in migrations
    ]


def draw(migrations: Sequence[Migration], stream: IO[str], *, width: int, coloured: bool) -> None:
    """Draw the table on a terminal of this width; versions are never broken.

    Where it is narrow, the columns that matter least are left out.
    """
    encoding = getattr(stream, "encoding", None) or "utf-8"
    if len(migrations) > _MANY:
        screen = Screen(stream, coloured=coloured)
        for each, line in zip(migrations, plain_lines(migrations, encoding), strict=True):
            stream.write(f"{screen.styled(line, _STYLES[each.state])}\n")
        return
    from rich.console import Console

    table, needed = _table(migrations, width, encoding)
    console = Console(
        file=stream,
        width=max(width, needed),
        force_terminal=True,
        color_system="standard" if coloured else None,
        highlight=False,
        legacy_windows=False,
    )
    console.print(table)


def summary(found: Overview) -> list[str]:
    """Return the lines below the table: the current revision, and who migrates now."""
    known = found.status
    if found.lock is None:
        files = counted(len(known.migrations), "file")
        return [
            (
                f"{files} in {harmless(found.folder)}. No database was asked, so nothing shows "
                "which are applied."
            )
        ]
    line = f"Current: {harmless(known.current) if known.current else 'none'}."
    if known.up_to_date:
        line += " The database is up to date."
    if known.pending:
        line += f" To apply: {len(known.pending)}."
    if known.problems:
        line += f" {counted(len(known.problems), 'problem')}."
    held = found.lock.holder is not None or found.lock.worker is not None
    return [line, *([found.lock.lines[0]] if held else [])]


def harmless(text: str, encoding: str = "utf-8") -> str:
    """Return the text in one line, with escapes for what a terminal would obey."""
    words = " ".join(text.split())
    if not words.isprintable():
        words = "".join(
            c if c.isprintable() else c.encode("unicode_escape").decode() for c in words
        )
    if words.isascii():
        return words
    return words.encode(encoding, "backslashreplace").decode(encoding)


def _cells(each: Migration, encoding: str, *, at: str) -> tuple[str, str, str, str, str]:
    return (
        harmless(in_one_line(each.version), encoding),
        str(each.state),
        at,
        _took(each.execution_ms),
        harmless(each.description, encoding) + _replacing(each),
    )


def _replacing(each: Migration) -> str:
    return f" (replaces {counted(each.replaces, 'migration')})" if each.replaces else ""


def _table(migrations: Sequence[Migration], width: int, encoding: str) -> tuple[Table, int]:
    """Return the table for this width, and its smallest width."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    rows = [_cells(each, encoding, at=_readable(each.applied_at)) for each in migrations]
    heads = _heads(migrations)
    widths = _widths(heads, rows)
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, _GAP, 0, 0))
    shown = _columns_that_fit(widths, width)
    for number in shown:
        if number == _DESCRIPTION:
            table.add_column(heads[number], overflow="fold")
        else:
            least = widths[number]
            table.add_column(heads[number], no_wrap=True, min_width=least, overflow="ignore")
    for each, row in zip(migrations, rows, strict=True):
        styles = {_VERSION: "", _STATE: _NAMES[_STYLES[each.state]], _DESCRIPTION: ""}
        # Text, and not str: a description is no markup.
        table.add_row(*(Text(row[number], style=styles.get(number, "dim")) for number in shown))
    return table, widths[_VERSION] + widths[_STATE] + 2 * (_GAP + 1)


def _columns_that_fit(widths: Sequence[int], width: int) -> list[int]:
    """Return the numbers of the columns to show; version and state are always among them."""
    shown = [_VERSION, _STATE, _AT, _TOOK, _DESCRIPTION]
    for leaving in (_TOOK, _AT, _DESCRIPTION):
        least = [min(widths[_DESCRIPTION], _LEAST_DESCRIPTION), *(widths[n] for n in shown[:-1])]
        if sum(least) + (_GAP + 1) * len(least) <= width:
            break
        shown.remove(leaving)
    return shown


def _heads(migrations: Sequence[Migration]) -> tuple[str, ...]:
    """Return the heads of the columns; a time without its zone is not called UTC."""
    times = [each.applied_at for each in migrations if each.applied_at is not None]
    zoned = all(isinstance(at, datetime) and at.tzinfo is not None for at in times)
    return _HEADS if zoned else tuple(_AS_STORED if h == _HEADS[_AT] else h for h in _HEADS)


def _widths(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int]:
    """Return the width of each column, in cells of a terminal."""
    from rich.cells import cell_len

    return [max(map(cell_len, column)) for column in zip(heads, *rows, strict=True)]


def _iso(at: date | None) -> str:
    """Return the time as a program reads it, without a space."""
    if not isinstance(at, datetime):
        return at.isoformat() if at else _NOTHING
    if at.tzinfo is None:
        return at.isoformat(timespec="seconds")
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _readable(at: date | None) -> str:
    return _iso(at).removesuffix("Z").replace("T", " ")


def _took(milliseconds: int | None) -> str:
    if milliseconds is None:
        return _NOTHING
    return f"{milliseconds} ms" if milliseconds < _SECOND else duration(milliseconds / _SECOND)
