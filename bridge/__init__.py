"""Plain numbered migration files in, the whole of Alembic out.

Everything is imported when it is first used: this package is loaded by every process
that imports Alembic in an environment where bridge is installed.
"""

from __future__ import annotations

#: The release; the package on an index has its number from here.
__version__ = "0.1.0"

TYPE_CHECKING = False  # `typing` would take longer to load than all the rest
if TYPE_CHECKING:
    from typing import Any

    from bridge.alembic.environment import run_environment as run_environment
    from bridge.alembic.left_out import without_ledger as without_ledger
    from bridge.config.target import Target as Target
    from bridge.errors import BridgeError as BridgeError
    from bridge.operations.aio import provision_async as provision_async
    from bridge.operations.aio import status_async as status_async
    from bridge.operations.aio import upgrade_async as upgrade_async
    from bridge.operations.provision import provision as provision
    from bridge.operations.rollout.results import Rollout as Rollout
    from bridge.operations.rollout.results import TargetResult as TargetResult
    from bridge.operations.rollout.rollout import upgrade_all as upgrade_all
    from bridge.operations.rollout.worker import run_target as run_target
    from bridge.operations.status import Status as Status
    from bridge.operations.status import status as status
    from bridge.operations.targets.status_all import StatusOfAll as StatusOfAll
    from bridge.operations.targets.status_all import status_all as status_all
    from bridge.operations.targets.target_status import TargetStatus as TargetStatus
    from bridge.operations.upgrade import Report as Report
    from bridge.operations.upgrade import upgrade as upgrade
    from bridge.reporting import events as events
    from bridge.reporting.reporter import Reporter as Reporter
    from bridge.startup.asgi import Startup as Startup
    from bridge.startup.gate import Gate as Gate
    from bridge.startup.start import start as start
    from bridge.startup.start import start_async as start_async

__all__ = [
    "BridgeError",
    "Gate",
    "Report",
    "Reporter",
    "Rollout",
    "Startup",
    "Status",
    "StatusOfAll",
    "Target",
    "TargetResult",
    "TargetStatus",
    "events",
    "provision",
    "provision_async",
    "run_environment",
    "run_target",
    "start",
    "start_async",
    "status",
    "status_all",
    "status_async",
    "upgrade",
    "upgrade_all",
    "upgrade_async",
    "without_ledger",
]

#: The ``script_location`` with which a project asks for plain files.
ENVIRONMENT = "bridge:environment"

#: How people say in a configuration that something is switched on; case does not count.
SWITCHED_ON = frozenset({"true", "t", "yes", "y", "on", "1"})

#: The module that has each public name.
_HOME = {
    "BridgeError": "bridge.errors",
    "Gate": "bridge.startup.gate",
    "Report": "bridge.operations.upgrade",
    "Reporter": "bridge.reporting.reporter",
    "Rollout": "bridge.operations.rollout.results",
    "Startup": "bridge.startup.asgi",
    "Status": "bridge.operations.status",
    "StatusOfAll": "bridge.operations.targets.status_all",
    "Target": "bridge.config.target",
    "TargetResult": "bridge.operations.rollout.results",
    "TargetStatus": "bridge.operations.targets.target_status",
    "events": "bridge.reporting.reporter",
    "provision": "bridge.operations.provision",
    "provision_async": "bridge.operations.aio",
    "run_environment": "bridge.alembic.environment",
    "run_target": "bridge.operations.rollout.worker",
    "start": "bridge.startup.start",
    "start_async": "bridge.startup.start",
    "status": "bridge.operations.status",
    "status_all": "bridge.operations.targets.status_all",
    "status_async": "bridge.operations.aio",
    "upgrade": "bridge.operations.upgrade",
    "upgrade_all": "bridge.operations.rollout.rollout",
    "upgrade_async": "bridge.operations.aio",
    "without_ledger": "bridge.alembic.left_out",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        message = f"module 'bridge' has no attribute {name!r}"
        raise AttributeError(message)
    from importlib import import_module

    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
