"""The growth over N as a picture: what does nothing, and what does everything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from benchmark.results import Key

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from benchmark.peers import Peer
    from benchmark.results import Results

PANELS: Final = {"noop": "Nothing pending", "apply": "Fresh apply"}
#: Told apart by those who see no colours too: bridge is bold, the floor dashed.
_STYLES: Final[dict[str, dict[str, Any]]] = {
    "floor": {"color": "#555555", "linestyle": "--", "marker": ""},
    "bridge": {"color": "#0a58ca", "linewidth": 3, "marker": "o", "zorder": 5},
    "alembic": {"color": "#b45309", "marker": "s"},
    "old-runner": {"color": "#15803d", "marker": "^"},
    "yoyo": {"color": "#9333ea", "marker": "D"},
}
_LOOK: Final = {
    "svg.hashsalt": "bridge",  # the same figures give the same file
    "svg.fonttype": "path",
    "font.size": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def draw(results: Results, peers: Sequence[Peer], file: Path) -> None:
    """Write an SVG; raises ImportError without matplotlib."""
    import matplotlib as mpl
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter

    with mpl.rc_context(_LOOK):
        figure = Figure(figsize=(9.6, 4.4), facecolor="white", layout="constrained")
        for axes, (scenario, title) in zip(figure.subplots(1, 2), PANELS.items(), strict=True):
            sizes = sorted({key.size for key in results.samples if key.scenario == scenario})
            for peer in peers:
                points = [(size, results.median(Key(scenario, size, peer.name))) for size in sizes]
                there = [(size, seconds) for size, seconds in points if seconds is not None]
                style = {"linewidth": 1.6, "markersize": 5, **_STYLES.get(peer.name, {})}
                axes.plot(*zip(*there, strict=True), label=peer.label, **style) if there else None
            axes.set(title=title, xlabel="migrations", xscale="log", yscale="log", xticks=sizes)
            axes.minorticks_off()
            axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0f}"))
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _duration(value)))
            axes.grid(color="#dddddd", linewidth=0.6)
        handles, labels = figure.axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": "scripts/bench"})


def _duration(seconds: float) -> str:
    return f"{seconds:g} s" if seconds >= 1 else f"{seconds * 1000:g} ms"
