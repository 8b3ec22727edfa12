"""Who is compared: what each peer works on, how it is called, and what it has to leave behind."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmark.folders import Migration


@dataclass(frozen=True, kw_only=True)
class Peer:
    """A way to apply N migrations."""

    name: str
    #: At the head of its column.
    label: str
    #: How its migrations are written: a key of `folders.WRITERS`.
    layout: str
    #: What runs it in a process of its own, as `module:function`; see `calls`.
    call: str
    #: The same with a connection that is open already, if that can be.
    warm_call: str | None = None
    #: Its command that applies what is pending; {python}, {bin}, {dsn} and the like are filled in.
    command: tuple[str, ...]
    #: Whether this command is run where bridge is not installed.
    without_bridge: bool = False
    #: Which attribute of a migration its ledger holds, and the query for all of them.
    recorded: str | None = None
    ledger: str | None = None
    #: Which attribute of the last migration `alembic_version` holds; None if there is no pointer.
    pointer: str | None = None
    #: The distribution that it is, whose version is told; without it there is no such peer.
    distribution: str | None = None
    module: str | None = None

    def is_there(self) -> bool:
        """Whether it is installed."""
        return self.module is None or importlib.util.find_spec(self.module) is not None

    def described(self) -> str | None:
        """Its distribution and version."""
        return self.distribution and f"{self.distribution} {version(self.distribution)}"

    def records(self, done: list[Migration]) -> list[str]:
        """What its ledger holds when these are applied."""
        return [str(getattr(each, self.recorded)) for each in done] if self.recorded else []

    def points_to(self, done: list[Migration]) -> list[str]:
        """What `alembic_version` holds when these are applied."""
        return [str(getattr(done[-1], self.pointer))] if self.pointer else []


STEMS = "SELECT version FROM schema_migrations"

FLOOR = Peer(
    name="floor",
    label="psycopg2",
    layout="plain",
    call="benchmark.calls:floor",
    warm_call="benchmark.calls:floor_warm",
    command=("{python}", "{floor}", "{dsn}", "{folder}"),
    recorded="stem",
    ledger=STEMS,
    pointer="stem",
    distribution="psycopg2-binary",
)
BRIDGE = Peer(
    name="bridge",
    label="bridge",
    layout="plain",
    call="benchmark.calls:bridge_url",
    warm_call="benchmark.calls:bridge_warm",
    command=("{bin}/eai", "migrate"),
    recorded="stem",
    ledger=STEMS,
    pointer="stem",
)
#: With the options that a deployment may give.
BRIDGE_WITH_OPTIONS = replace(
    BRIDGE, command=(*BRIDGE.command, "-c", "{ini}", "--database-url", "{url}")
)
ALEMBIC = Peer(
    name="alembic",
    label="stock Alembic",
    layout="alembic",
    call="benchmark.calls:alembic",
    # As where bridge was never installed; -S takes a few milliseconds less, to its advantage.
    command=("{python}", "-S", "-m", "alembic", "upgrade", "head"),
    without_bridge=True,
    pointer="revision",
    distribution="alembic",
)
OLD_RUNNER = Peer(
    name="old-runner",
    label="old runner",
    layout="plain",
    call="benchmark.calls:old_runner",
    command=("{python}", "{old_runner}", "{url}", "{folder}"),
    recorded="stem",
    ledger=STEMS,
)
YOYO = Peer(
    name="yoyo",
    label="yoyo",
    layout="yoyo",
    call="benchmark.calls:yoyo",
    command=(
        *("{bin}/yoyo", "apply", "--batch", "--no-config-file"),
        *("--database", "{dsn}", "{folder}"),
    ),
    recorded="stem",
    ledger="SELECT migration_id FROM _yoyo_migration",
    distribution="yoyo-migrations",
    module="yoyo",
)

#: In the order of the columns.
PEERS = (FLOOR, BRIDGE, ALEMBIC, OLD_RUNNER, YOYO)
