"""The lines of `eai migrate status` for many targets. Text out; nothing is asked here."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from bridge.cli.status_table import harmless
from bridge.operations.targets.target_status import TargetState, TargetStatus
from bridge.reporting.numbers import counted, listed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bridge.operations.targets.shapes import Shape
    from bridge.operations.targets.status_all import StatusOfAll

#: How many targets that are behind in the same way have a line each.
_LINES = 20
#: How many names of a shape are shown, and how many migrations that are pending.
_NAMES, _PENDING = 5, 3
_NOTHING = "-"
_BEHIND = frozenset({TargetState.NEW, TargetState.PENDING})


def histogram(found: StatusOfAll) -> str:
    """Say how many are where.

    `1000 targets: 994 up to date at 020_x, 5 at 019_x (1 pending), 1 new (20 pending).`
    """
    count = counted(len(found.targets), "target")
    groups = ", ".join(harmless(str(group)) for group in found.groups)
    return f"{count}: {groups}." if groups else "No target is listed."


def differing(targets: Iterable[TargetStatus]) -> list[str]:
    """Return a line for each that is not up to date: name, state, last applied, what is pending.

    Of those that are behind in the same way only the first have one, and a line with their number.
    """
    shown: list[tuple[str, str, str, str]] = []
    alike: Counter[tuple[str | None, tuple[str, ...]]] = Counter()
    for each in targets:
        if each.state is TargetState.UP_TO_DATE:
            continue
        if each.state in _BEHIND:
            alike[each.at, each.pending] += 1
            if alike[each.at, each.pending] > _LINES:
                continue
        shown.append(_cells(each))
    widths = [max(map(len, column)) for column in list(zip(*shown, strict=True))[:3]]
    lines = [
        "  ".join([*(c.ljust(w) for c, w in zip(row, widths, strict=False)), row[3]]).rstrip()
        for row in shown
    ]
    more = {key: count - _LINES for key, count in alike.items() if count > _LINES}
    return lines + [
        f"… and {rest} more {f'at {harmless(at)}' if at else 'new ones'}, with "
        f"{len(pending)} pending; --json names all of them."
        for (at, pending), rest in more.items()
    ]


def _cells(each: TargetStatus) -> tuple[str, str, str, str]:
    told = each.message or f"to apply: {listed(each.pending, _PENDING)}"
    return (
        harmless(each.target),
        str(each.state),
        harmless(each.at) if each.at else _NOTHING,
        harmless(told),
    )


def shape_lines(shapes: Iterable[Shape]) -> list[str]:
    """Say how many have one shape, and how those with another one differ from it."""
    found = list(shapes)
    if not found:
        return ["No target is up to date, so that no shapes were compared."]
    usual, *others = found
    if not others:
        return [f"Shapes: all {len(usual.targets)} are alike."]
    lines = [f"Shapes: {len(usual.targets)} have one, and others another:"]
    for shape in others:
        told = "; ".join(shape.differences) or "not looked into"
        names = listed(shape.targets, _NAMES)
        lines.append(harmless(f"{len(shape.targets)}: {names} ({told})"))
    return lines
