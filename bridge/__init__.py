"""Plain numbered migration files in, the whole of Alembic out.

Everything is imported when it is first used: this package is loaded by every process
that imports Alembic in an environment where bridge is installed.

Where to look, from the ground up:

* What all may use: errors, findings, decoded, reporting, output, pausing, plugin (Alembic's entry
  point).
* Plain files: plainfile (one file), header (what it says), bindings and spelling (how that is
  read), glance (its description at once), compiled (its code, and a header in it), folder (all of
  them), unnumbered and shapes (what would never run), placeholder (what nobody has written yet),
  loading (executing one).
* What a database records: sqlstate, quoting, ledger (the tables), catalog, table_facts, layout, keys, names and
  filling (as other runners made them), state (what was read), reading and other_tables (how),
  line (the order), drift (files that changed), reconcile and disagreements (what follows),
  ledger_limits (what can be recorded), preflight (what may run).
* One migration: session (what a file gets), work and mode (its transactions), hints (what its
  statements tell), runner and attempt (running it), baseline (putting back what it changed),
  forgetting (taking back its record), indexes, deadlock, sqltext, outside, failure, blame, advice,
  refusedrecord and timelimits (what went wrong).
* One at a time: lock, claim, pooled (the claim behind a pooler), polling, queueing, holder,
  exclusive; locktimeout, lockerrors, lockwaits, blockers and retrying (tables that others hold);
  signals, cancelling, silence (whether a connection was cut).
* Where and how: configured, settings, setting_values, config_files, option_names, resources; address,
  plain_url, database, database_url, connect_causes and connect_errors, opening, ahead; handed_in,
  other_drivers, connect_arguments; embedded, cluster, programs.
* Alembic's side: revisions, plainscript, targets, newfile, drafting, alembic_errors, environment,
  logs, autogenerate, autogenerate_sql, autogenerate_facts, autogenerate_types, autogenerate_order,
  autogenerate_names, autogenerate_notes, autogenerate_text, autogenerate_defaults,
  autogenerate_dialect, configuring, connecting, site, announcing, pointer,
  sealing, writing, online (a live database).
* SQL scripts: offline, offline_session, offline_driver, offline_books, offline_checks, literals.
* What the files alone tell: rules, ignoring, constants, flow and wishes (what a file does, and
  what it wants), check_work, check_argument, check_source, check_names, git_base, checks (all of
  them together).
* Use cases: request, opened, migrator, answering and fastpath, standing and looking (where a database
  stands), lock_status (who migrates), overview (both, for a person), asynchronous; downgrading,
  repair, mark, scripting, creating; rehearsal, rehearsal_driver, rehearsal_locks, rehearsal_script;
  sent, squawk, own_database, linting; check_database, plain_folders, initialise, recognising.
* Start-up: starting (`start`), startup (the life of an ASGI application), gate, stopping.
* The command line: cli, cli_options, cli_check, cli_completion, cli_db, cli_downgrade, cli_init,
  cli_lint, cli_lock, cli_mark, cli_new, cli_rehearse, cli_repair, cli_status, status_table,
  command_line, console, json_reporter, screen.
* In pytest: testing (fixtures of migrated databases, and tests for a team's migrations).

When it is imported, a module imports from its own group and those above it only.
"""

from __future__ import annotations

TYPE_CHECKING = False  # `typing` would take longer to load than all the rest
if TYPE_CHECKING:
    from typing import Any

    from bridge.asynchronous import status_async as status_async
    from bridge.asynchronous import upgrade_async as upgrade_async
    from bridge.errors import BridgeError as BridgeError
    from bridge.gate import Gate as Gate
    from bridge.migrator import upgrade as upgrade
    from bridge.online import run_environment as run_environment
    from bridge.request import Report as Report
    from bridge.standing import Status as Status
    from bridge.standing import status as status
    from bridge.starting import start as start
    from bridge.starting import start_async as start_async
    from bridge.startup import Startup as Startup

__all__ = [
    "BridgeError",
    "Gate",
    "Report",
    "Startup",
    "Status",
    "run_environment",
    "start",
    "start_async",
    "status",
    "status_async",
    "upgrade",
    "upgrade_async",
]

#: The ``script_location`` with which a project asks for plain files.
ENVIRONMENT = "bridge:environment"

#: The module that defines each public name.
_HOME = {
    "BridgeError": "bridge.errors",
    "Gate": "bridge.gate",
    "Report": "bridge.request",
    "Startup": "bridge.startup",
    "Status": "bridge.standing",
    "run_environment": "bridge.online",
    "start": "bridge.starting",
    "start_async": "bridge.starting",
    "status": "bridge.standing",
    "status_async": "bridge.asynchronous",
    "upgrade": "bridge.migrator",
    "upgrade_async": "bridge.asynchronous",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        message = f"module 'bridge' has no attribute {name!r}"
        raise AttributeError(message)
    from importlib import import_module

    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
