"""The results as one table in Markdown."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Final

from benchmark.results import Key

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmark.peers import Peer
    from benchmark.results import Results

#: What the rows are called, in their order.
SCENARIOS: Final = {
    "noop": "Nothing pending, given a URL",
    "noop-warm": "Nothing pending, open connection",
    "process": "Nothing pending, whole process",
    "process-options": "the same, with `-c` and `--database-url`",
    "pending": "One pending",
    "pending-messages": "What bridge sends and reads for that, without bridge",
    "process-pending": "One pending, whole process",
    "apply": "Fresh apply",
    "apply-one": "Fresh apply, one statement each",
    "apply-cold": "the same, without byte code of the migrations",
    "process-apply": "Fresh apply, whole process",
    "history": "`alembic history`, whole process",
    "import": "`import alembic` without and with bridge",
    "import-cpu": "the same, processor time",
}
#: Where peers differ by less than the machine does from one round to another, and are compared in
#: each of them.
BY_ROUND: Final = frozenset({"import", "import-cpu"})


def lines(results: Results, peers: Sequence[Peer]) -> Iterator[str]:
    """A row for each scenario and number of migrations, a column for each peer."""
    yield f"| | N | {' | '.join(peer.label for peer in peers)} |"
    yield f"| --- | ---: | {' | '.join('---:' for _ in peers)} |"
    for scenario, label in SCENARIOS.items():
        sizes = {key.size for key in results.samples if key.scenario == scenario}
        for size in sorted(sizes):
            cells = [_cell(results, Key(scenario, size, peer.name)) for peer in peers]
            yield f"| {label} | {size or ''} | {' | '.join(cells)} |"


def _cell(results: Results, key: Key) -> str:
    samples = results.samples.get(key)
    if not samples:
        return ""
    shown = f"{milliseconds(median(samples))} ms"
    floor = key._replace(peer="floor")
    if key.peer == "floor":
        return shown
    if key.scenario in BY_ROUND:
        ratio, digits = results.by_round(key, floor), 3
    else:
        ratio, digits = results.quotient([key], [floor]), 2
    return shown if ratio is None else f"{shown}, {ratio:.{digits}f}\N{MULTIPLICATION SIGN}"


def milliseconds(seconds: float) -> str:
    """Three digits, or as many as there are before the point."""
    value = seconds * 1000
    digits = 2 if value < 10 else 1 if value < 100 else 0
    return f"{value:.{digits}f}"
