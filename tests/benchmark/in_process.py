"""Scenarios in which a service calls the peer's API: nothing pending, all pending, one pending."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Final

from benchmark.peers import BRIDGE, FLOOR
from benchmark.results import Key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmark.bench import Bench, Rounds
    from benchmark.folders import Project
    from benchmark.peers import Peer
    from benchmark.server import Database

NO_OP_ROUNDS: Final[Rounds] = {0: 25}
APPLY_ROUNDS: Final[Rounds] = {0: 9, 5000: 2}
PENDING_ROUNDS: Final[Rounds] = {0: 11}
#: What bridge sends and reads for one pending, without bridge.
MESSAGES: Final = "pending-messages"
#: Migrations that are applied untimed by a process that is then timed.
WARM_UP: Final = 10


def no_op(bench: Bench, size: int) -> None:
    """Nothing is pending, and the peer is given a URL."""
    with bench.workers({peer.name: peer.call for peer in bench.peers}) as workers:

        def measure(peer: Peer, project: Project, database: Database) -> float:
            return bench.run(workers[peer.name], peer, project, database)

        runs = [("noop", peer) for peer in bench.peers]
        bench.measure_no_op(runs, size, NO_OP_ROUNDS, measure)


def no_op_warm(bench: Bench, size: int) -> None:
    """Nothing is pending, and the peer is given a connection that is open."""
    calls = {peer.name: peer.warm_call for peer in bench.peers if peer.warm_call}
    with bench.workers(calls) as workers:

        def measure(peer: Peer, project: Project, database: Database) -> float:
            return bench.run(workers[peer.name], peer, project, database)

        runs = [("noop-warm", peer) for peer in bench.peers if peer.warm_call]
        bench.measure_no_op(runs, size, NO_OP_ROUNDS, measure)


def fresh_apply(bench: Bench, size: int) -> None:
    """All are pending, and the database is empty; those of the last round serve other scenarios."""
    for peer, database in _fresh_apply(bench, "apply", size, length=3):
        bench.keep(peer, size, database)


def fresh_apply_of_one_each(bench: Bench, size: int) -> None:
    """The same with one statement in each, where what a runner adds to them weighs most."""
    _fresh_apply(bench, "apply-one", size, length=1)


def fresh_apply_without_byte_code(bench: Bench, size: int) -> None:
    """The same where nobody has compiled them before, and nobody keeps what he compiles.

    So it is in an image that was built with PYTHONDONTWRITEBYTECODE, as many are.
    """
    for peer in bench.peers:
        for folder in [*bench.project(peer, size, 1).path.rglob("__pycache__")]:
            shutil.rmtree(folder)
    _fresh_apply(bench, "apply-cold", size, length=1, environ={"PYTHONDONTWRITEBYTECODE": "1"})


def _fresh_apply(
    bench: Bench,
    scenario: str,
    size: int,
    length: int,
    environ: Mapping[str, str] | None = None,
) -> list[tuple[Peer, Database]]:
    calls = {peer.name: peer.call for peer in bench.peers}
    with bench.workers(calls, environ) as workers:
        for peer in bench.peers:
            few = bench.project(peer, min(size, WARM_UP), length)
            bench.run(workers[peer.name], peer, few, bench.databases.create())
        last: dict[str, Database] = {}
        for peer in bench.each_round(bench.peers, APPLY_ROUNDS, size):
            bench.say(f"{scenario}, N={size}: {peer.name}")
            last[peer.name] = bench.databases.create()
            project = bench.project(peer, size, length)
            seconds = bench.run(workers[peer.name], peer, project, last[peer.name])
            bench.state(peer, size, last[peer.name], scenario)
            bench.results.add(Key(scenario, size, peer.name), seconds)
        return [(peer, last[peer.name]) for peer in bench.peers]


def one_pending(bench: Bench, size: int) -> None:
    """All but the last are applied; each run is on a copy of a database with that many.

    And what bridge sends and reads for that, without bridge: shown beside the floor.
    """
    scenario = "pending"
    calls = {peer.name: peer.call for peer in bench.peers}
    figures = {peer.name: (peer, Key(scenario, size, peer.name)) for peer in bench.peers}
    if BRIDGE in bench.peers:
        calls[MESSAGES] = "benchmark.calls:bridge_messages"
        figures[MESSAGES] = (BRIDGE, Key(MESSAGES, size, FLOOR.name))
    with bench.workers(calls) as workers:

        def measure(name: str, peer: Peer) -> float:
            database = bench.databases.create(bench.applied(peer, size - 1))
            # Looking at it also lets the server write what speeds up the first connection.
            bench.state(peer, size - 1, database, "the preparation")
            seconds = bench.run(workers[name], peer, bench.project(peer, size), database)
            bench.state(peer, size, database, scenario)
            return seconds

        for name, (peer, _) in figures.items():
            measure(name, peer)
        bench.say(f"{scenario}, N={size}")
        for name in bench.each_round(list(figures), PENDING_ROUNDS, size):
            peer, key = figures[name]
            bench.results.add(key, measure(name, peer))
