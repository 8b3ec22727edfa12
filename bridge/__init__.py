"""Plain numbered migration files in, the whole of Alembic out.

Everything is imported when it is first used: this package is loaded by every process
that imports Alembic in an environment where bridge is installed.

Where to look, from the ground up:

* What all may use: errors, reporting, plugin (Alembic's entry point).
* Plain files: plainfile (one file), header (what it says), bindings and spelling (how that is
  read), folder (all of them), loading (executing one).
* What a database records: ledger (the tables), layout, keys and catalog (as other runners made
  them), state (what was read), line (the order), reconcile and disagreements (what follows),
  drift (files that changed).
* One migration: session (what a file gets), work and mode (its transactions), runner and
  attempt (running it), baseline (putting back what it changed), indexes, deadlock, sqltext,
  failure and advice (what went wrong).
* One at a time: lock, claim, holder, exclusive; signals, cancelling.
* Where and how: settings, setting_values, config_files, option_names, resources; database,
  database_url, connect_errors, opening; embedded, cluster, programs.
* Alembic's side: revisions, plainscript, targets, newfile, alembic_errors, environment, logs,
  configuring, connecting, site, writing, online (a live database).
* SQL scripts: offline, offline_session, offline_driver, offline_books, offline_checks, literals.
* Use cases: migrator, fastpath, downgrading, repair, scripting; rehearsal, rehearsal_driver,
  rehearsal_locks, rehearsal_script.
* The command line: cli, cli_options, cli_db, cli_downgrade, cli_rehearse, cli_repair,
  command_line, console, screen.

When it is imported, a module imports from its own group and those above it only.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bridge.errors import BridgeError as BridgeError
    from bridge.migrator import Report as Report
    from bridge.migrator import upgrade as upgrade
    from bridge.online import run_environment as run_environment

__all__ = ["BridgeError", "Report", "run_environment", "upgrade"]

#: The module that defines each public name.
_HOME = {
    "BridgeError": "bridge.errors",
    "Report": "bridge.migrator",
    "run_environment": "bridge.online",
    "upgrade": "bridge.migrator",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        message = f"module 'bridge' has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
