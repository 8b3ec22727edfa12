"""What is told, or refused, of the files of a folder before the first of them is run."""

from __future__ import annotations

from collections.abc import Sequence

from bridge import disagreements as say
from bridge.drift import changed, renamed
from bridge.errors import LedgerError
from bridge.line import Entry, Line
from bridge.reporting import Reporter
from bridge.settings import Settings
from bridge.site import Site
from bridge.state import State


def announce(site: Site, entries: Sequence[Entry]) -> None:
    """Tell of files that come late, before any of these is run, or refuse them; and of changes."""
    # With drift = refuse there are none: that was found out before.
    if entries and site.settings.drift == "warn" and (found := changed(site.script.line)):
        site.reporter.warning(say.changed_warning([entry.stem for entry in found]))
    behind = {entry.stem for entry in site.script.line.late}
    late = [entry for entry in entries if entry.stem in behind]
    if not late:
        return
    last = max(entry.stem for entry in site.script.line.applied if entry.file is not None)
    names = ", ".join(f"{entry.stem}.py" for entry in late)
    came = "comes" if len(late) == 1 else "come"
    if site.settings.out_of_order == "refuse":
        raise LedgerError(
            f"{names} {came} late: {last} was applied already, and out_of_order = refuse is set. "
            f"Nothing was run. Give {'it' if len(late) == 1 else 'them'} a number after {last}, "
            "or set out_of_order = run."
        )
    site.reporter.warning(
        f"{names} {came} late: {last} was applied before. "
        f"{'It is' if len(late) == 1 else 'They are'} run now, after it."
    )


def refuse_drift(settings: Settings, state: State, line: Line) -> None:
    """Files that would run a second time under another name; and changed ones, if so set."""
    for each in renamed(line):
        raise say.same_text(state, each.old.stem, each.new[0].stem)
    if settings.drift == "refuse" and (found := changed(line)):
        raise say.changed_refusal([entry.stem for entry in found])


def warn_of_missing(reporter: Reporter, line: Line) -> None:
    """Tell of applied migrations whose files are gone, or come from a newer release."""
    for entries, sentence in ((line.holes, say.hole), (line.newer, say.newer)):
        if entries:
            reporter.warning(sentence([entry.stem for entry in entries]))
