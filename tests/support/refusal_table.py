"""The table of every command by what is found before anything runs: what is right in each cell.

`refuses`: it ends with 4 (2 where the connection only reads), says the id and the sentence, and
nothing was written. `shows`: it says the same, and ends with 0. `tells`: a warning. `changes`: both
tables are written. `runs`: files ran, and all of it was rolled back. `fails N`: for another reason,
which has no id. `goes on`: it has nothing to do with it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from support.scenes import Scene

#: Commands that would apply what is pending.
UPGRADES: Final = ("migrate", "bridge.start", "bridge.upgrade", "alembic upgrade")
#: Commands that tell what is there, and end with 0.
SHOWING: Final = ("status", "status --json", "bridge.status")
#: Commands that look, and end with something else.
CHECKING: Final = ("status --check", "check --database")
#: Commands that come to what is found by different ways through the code.
OF_EACH_KIND: Final = ("migrate", "status", "check --database", "repair", "bridge.start")


@dataclass(frozen=True)
class Row:
    """One thing that is found, in one situation, and what each command does with it."""

    finding: str
    looks: str
    prepare: Callable[[Scene], object]
    #: What the upgrades do, and those that say what it would do.
    upgrade: str = "refuses"
    dry: str = ""
    rehearse: str = ""
    shown: str = ""
    checked: str = ""
    started: str = ""
    repair: str = "refuses"
    applied: str = "refuses"
    pending: str = "refuses"
    downgrade: str = "refuses"
    stamp: str = "refuses"
    current: str = "refuses"
    script: str = "goes on"
    #: What a dump of the database does; None for what `alembic current` does.
    dumped: str | None = None
    #: What else is different, command by command.
    but: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.finding}: {self.looks}"

    def cells(self) -> Mapping[str, str]:
        """What each command does, by its name."""
        dry = self.dry or _looked_at(self.upgrade)
        shown = self.shown or ("shows" if dry == "refuses" else dry)
        return {
            **dict.fromkeys(UPGRADES, self.upgrade),
            "migrate --dry-run": dry,
            "migrate --sql": dry,
            "rehearse": self.rehearse or self.upgrade.replace("changes", "runs"),
            **dict.fromkeys(SHOWING, shown),
            **dict.fromkeys(CHECKING, self.checked or dry),
            "bridge.start, check": self.started or (dry if dry == "refuses" else f"{dry}, fails 3"),
            **_with_dry_run("repair", self.repair),
            **_with_dry_run("mark --applied", self.applied),
            **_with_dry_run("mark --pending", self.pending),
            **_with_dry_run("downgrade", self.downgrade),
            "dump --from-database": self.dumped or self.current,
            "alembic upgrade --sql": self.script,
            "alembic stamp": self.stamp,
            "alembic current": self.current,
            **self.but,
        }


def _looked_at(word: str) -> str:
    """The same for a command that changes nothing."""
    return ", ".join(part for part in word.split(", ") if part != "changes") or "goes on"


def _with_dry_run(command: str, word: str) -> dict[str, str]:
    return {command: word, f"{command} --dry-run": _looked_at(word)}
