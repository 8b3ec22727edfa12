"""Scenarios in which a command is started, from its beginning to its end."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmark import floor
from benchmark.checking import WrongResultError
from benchmark.folders import migrations, set_url
from benchmark.peers import ALEMBIC, BRIDGE, BRIDGE_WITH_OPTIONS, OLD_RUNNER
from benchmark.results import Key
from support import old_runner

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from benchmark.bench import Bench, Rounds
    from benchmark.folders import Project
    from benchmark.peers import Peer
    from benchmark.server import Database

PROCESS_ROUNDS: Final[Rounds] = {0: 11}
APPLY_ROUNDS: Final[Rounds] = {0: 9}
HISTORY_ROUNDS: Final[Rounds] = {0: 21}
BIN: Final = Path(sys.executable).parent


@dataclass(frozen=True)
class Ran:
    """A process that has ended."""

    #: By the clock, and of the processor.
    seconds: float
    cpu: float
    status: int
    output: str


def run(command: Sequence[str], cwd: Path, environ: Mapping[str, str]) -> Ran:
    """Run it to its end; nothing is asked in between, which would take time from it."""
    with tempfile.TemporaryFile("w+") as output:
        began = time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            process.wait()
            raise
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        cpu = usage.ru_utime + usage.ru_stime
        return Ran(seconds, cpu, process.returncode, output.read())


def no_op(bench: Bench, size: int) -> None:
    """Nothing is pending, and the peer's command is run; bridge's with options too."""
    runs = [("process", peer) for peer in bench.peers]
    if BRIDGE in bench.peers:
        runs.append(("process-options", BRIDGE_WITH_OPTIONS))
    bench.measure_no_op(runs, size, PROCESS_ROUNDS, partial(_run, bench))


def one_pending(bench: Bench, size: int) -> None:
    """All but the last are applied, and the command is run on a copy of such a database."""

    def prepared(peer: Peer) -> Database:
        database = bench.databases.create(bench.applied(peer, size - 1))
        bench.state(peer, size - 1, database, "the preparation")
        return database

    _measure(bench, "process-pending", size, PROCESS_ROUNDS, prepared)


def fresh_apply(bench: Bench, size: int) -> None:
    """The command is run on an empty database."""
    _measure(bench, "process-apply", size, APPLY_ROUNDS, lambda _: bench.databases.create())


def _measure(
    bench: Bench, scenario: str, size: int, rounds: Rounds, prepared: Callable[[Peer], Database]
) -> None:
    """Run the commands that a team may have to choose from, on such databases."""

    def measure(peer: Peer) -> float:
        database = prepared(peer)
        seconds = _run(bench, peer, bench.project(peer, size), database)
        bench.state(peer, size, database, scenario)
        return seconds

    peers = [peer for peer in bench.peers if peer in {BRIDGE, ALEMBIC, OLD_RUNNER}]
    for peer in peers:
        measure(peer)
    bench.say(f"{scenario}, N={size}")
    for peer in bench.each_round(peers, rounds, size):
        bench.results.add(Key(scenario, size, peer.name), measure(peer))


def _run(bench: Bench, peer: Peer, project: Project, database: Database) -> float:
    """Run a peer's command to its end, and return the seconds that it took."""
    environ = {**bench.environ, "DATABASE_URL": database.url}
    if peer is ALEMBIC:
        set_url(project, database.url)
    if peer.without_bridge:
        environ["PYTHONPATH"] = str(bench.without_bridge)
    values = {
        "python": sys.executable,
        "bin": str(BIN),
        "floor": floor.__file__,
        "old_runner": old_runner.__file__,
        "url": database.url,
        "dsn": database.dsn,
        "folder": str(project.folder),
        "ini": str(project.ini),
    }
    command = [word.format_map(values) for word in peer.command]
    return _ended_well(run(command, project.path, environ), peer.name).seconds


def history(bench: Bench, size: int) -> None:
    """`alembic history` on bridge's files and on Alembic's own, many and few."""
    few = min(bench.sizes)
    wanted = [(BRIDGE, size), (ALEMBIC, few), (ALEMBIC, size)]
    runs = [(peer, count) for peer, count in dict.fromkeys(wanted) if peer in bench.peers]

    def measure(peer: Peer, count: int) -> float:
        command = [str(BIN / "alembic"), "history"]
        ran = _ended_well(run(command, bench.project(peer, count).path, bench.environ), peer.name)
        told = [line for line in ran.output.splitlines() if " -> " in line]
        last = peer.points_to(migrations(count))[0]
        if len(told) != count or f" -> {last} (head)" not in told[0]:
            raise WrongResultError(f"{peer.name} tells of {len(told)} migrations, not {count}.")
        return ran.seconds

    for each in runs:
        measure(*each)
    bench.say(f"history, N={size}")
    for peer, count in bench.each_round(runs, HISTORY_ROUNDS, size):
        bench.results.add(Key("history", count, peer.name), measure(peer, count))


def _ended_well(ran: Ran, name: str) -> Ran:
    if ran.status:
        raise WrongResultError(f"{name} ended with status {ran.status}: {ran.output}")
    return ran
