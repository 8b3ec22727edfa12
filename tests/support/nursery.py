"""A process that has imported everything and forks children on demand; see support.replicas.

It is started as ``python -m support.nursery``, obeys one line of JSON after the other, and ends,
with all its children, when its standard input does.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from importlib import import_module
from typing import Any, NoReturn

#: What most children need, so that none of them has to load it.
PRELOADED = (
    "alembic.command",
    "alembic.runtime.environment",
    "bridge.cli",
    "bridge.operations.upgrade",
    "bridge.alembic.environment",
    "psycopg2",
    "rich.console",
    "sqlalchemy.dialects.postgresql.psycopg2",
    "sqlalchemy.orm",
    "support.replicas",
)


class Nursery:
    """The children that live, and those whose end nobody has asked for yet."""

    def __init__(self) -> None:
        self._codes: dict[int, int | None] = {}

    def fork(self, order: dict[str, Any]) -> list[int]:
        """Fork so many children; none of them begins before all are there."""
        barrier, gate = os.pipe()
        pids = []
        for number in range(order["count"]):
            if (pid := os.fork()) == 0:
                os.close(gate)
                _live(order, number, barrier)
            pids.append(pid)
        os.close(barrier)
        os.close(gate)  # and so all of them begin
        self._codes.update(dict.fromkeys(pids))
        return pids

    def code(self, pid: int) -> int | None:
        """The exit code of a child, negative for a signal; None while it lives."""
        if self._codes[pid] is None:
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                self._codes[pid] = os.waitstatus_to_exitcode(status)
        return self._codes[pid]

    def kill(self) -> None:
        """End all that still live."""
        for pid in self._codes:
            if self.code(pid) is None:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)


def _live(order: dict[str, Any], number: int, barrier: int) -> NoReturn:
    """A child's whole life."""
    code = 1
    try:
        files = [
            os.open("/dev/null", os.O_RDONLY),
            *(
                os.open(f"{order['folder']}/{number}.{name}", os.O_WRONLY | os.O_CREAT, 0o600)
                for name in ("out", "err", "value")
            ),
        ]
        for standard, opened in enumerate(files[:3]):
            os.dup2(opened, standard)
        os.environ.clear()
        os.environ.update(order["environ"])
        os.chdir(order["cwd"])
        os.read(barrier, 1)
        os.close(barrier)
        value, code = _call(order["function"], order["arguments"])
        os.write(files[3], json.dumps(value).encode())
        sys.stdout.flush()
    except BaseException:  # noqa: BLE001 - a fork must not return into its parent's code
        traceback.print_exc()
        code = 1
    finally:
        os._exit(code)


def _call(name: str, arguments: list[Any]) -> tuple[Any, int]:
    """What the function gives, and the exit code that Python would make of its end."""
    module, _, function = name.partition(":")
    try:
        return getattr(import_module(module), function)(*arguments), 0
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return None, end.code or 0
        print(end.code, file=sys.stderr)
        return None, 1
    except BaseException:  # noqa: BLE001 - Interrupted too
        traceback.print_exc()
        return None, 1


def main() -> None:
    """Obey until the input ends."""
    for module in PRELOADED:
        import_module(module)
    nursery = Nursery()
    try:
        # Not by iterating, which reads ahead: a child would inherit what belongs to others.
        while line := sys.stdin.readline():
            order = json.loads(line)
            told = nursery.code(order["pid"]) if "pid" in order else nursery.fork(order)
            print(json.dumps(told), flush=True)
    finally:
        nursery.kill()


if __name__ == "__main__":
    main()
