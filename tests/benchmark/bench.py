"""What all scenarios share: peers, their projects, databases and workers, and the rounds."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, TypeVar

from benchmark.calls import Job
from benchmark.checking import State, WrongResultError, check, check_unchanged, read_state
from benchmark.environments import environment
from benchmark.folders import WRITERS, Project, migrations
from benchmark.results import Key, Results
from benchmark.worker import Worker, WorkerError
from support.project import Project as TestProject

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from benchmark.peers import Peer
    from benchmark.server import Database, Databases

T = TypeVar("T")

#: How often a scenario is measured, by the number of migrations from which on.
Rounds = dict[int, int]


@dataclass
class Bench:
    """One run of the benchmark."""

    peers: Sequence[Peer]
    databases: Databases
    #: A folder for projects.
    home: Path
    sizes: Sequence[int]
    #: In place of each scenario's own number.
    rounds: int | None = None
    say: Callable[[str], None] = lambda _: None
    results: Results = field(default_factory=Results)
    #: Of the order in each round.
    chance: Random = field(default_factory=Random)
    _projects: dict[tuple[str, int, int], Project] = field(default_factory=dict)
    _applied: dict[tuple[str, int], Database] = field(default_factory=dict)

    @property
    def main_size(self) -> int:
        """With how many migrations that is measured which is measured with one number only."""
        return 1000 if 1000 in self.sizes else max(self.sizes)

    @cached_property
    def environ(self) -> dict[str, str]:
        """What workers and commands see: nothing that the caller has set for them."""
        return TestProject(self.home).environ({"PYTHONPATH": None})

    @cached_property
    def without_bridge(self) -> Path:
        """An environment in which bridge is not installed."""
        return environment(self.home / "not-installed", with_bridge=False)

    def project(self, peer: Peer, count: int, length: int = 3) -> Project:
        """This peer's folder of so many migrations, of so many statements each."""
        key = (peer.name, count, length)
        if key not in self._projects:
            path = self.home / peer.name / f"{count}-of-{length}"
            project = Project(path, count, length)
            WRITERS[peer.layout](project)
            self._projects[key] = project
        return self._projects[key]

    def job(self, project: Project, database: Database) -> Job:
        return Job(
            database.url,
            database.dsn,
            str(project.folder),
            str(project.ini),
            project.count,
            project.length,
        )

    @contextmanager
    def workers(
        self, calls: dict[str, str], environ: Mapping[str, str] | None = None
    ) -> Iterator[dict[str, Worker]]:
        """A process for each of these calls, by the name of its peer; all see this as well."""
        with ExitStack() as stack:
            workers = {}
            for name, call in calls.items():
                workers[name] = Worker(call, {**self.environ, **(environ or {})})
                stack.callback(workers[name].close)
            yield workers

    def run(self, worker: Worker, peer: Peer, project: Project, database: Database) -> float:
        """One run, without looking at what came of it."""
        try:
            return worker.run(self.job(project, database))
        except WorkerError as error:
            raise WrongResultError(f"{peer.name} failed: {error}") from error

    def state(self, peer: Peer, count: int, database: Database, scenario: str) -> State:
        """What the database holds, which must be all that the first `count` of them do."""
        state = read_state(database, peer)
        check(state, peer, migrations(count), scenario)
        return state

    def keep(self, peer: Peer, count: int, database: Database) -> None:
        """For `applied`: in this database that many are applied."""
        self._applied[peer.name, count] = database

    def applied(self, peer: Peer, count: int) -> Database:
        """A database in which so many are applied, by the peer itself."""
        if (peer.name, count) not in self._applied:
            self.say(f"{peer.name} applies {count}, untimed")
            database = self.databases.create()
            with self.workers({peer.name: peer.call}) as workers:
                self.run(workers[peer.name], peer, self.project(peer, count), database)
            self.state(peer, count, database, "the preparation")
            self.keep(peer, count, database)
        return self._applied[peer.name, count]

    def each_round(self, peers: Sequence[T], rounds: Rounds, size: int) -> Iterator[T]:
        """The peers, or their names, round by round, in another order each time.

        So nobody always runs after the same one, who may leave the machine quick or slow.
        """
        count = self.rounds or rounds[max(least for least in rounds if least <= size)]
        for _ in range(count):
            yield from self.chance.sample(peers, len(peers))

    def measure_no_op(
        self,
        runs: Sequence[tuple[str, Peer]],
        size: int,
        rounds: Rounds,
        measure: Callable[[Peer, Project, Database], float],
    ) -> None:
        """Time what must change nothing, once untimed and then in rounds; scenarios and peers."""
        before: dict[tuple[str, str], State] = {}
        for scenario, peer in runs:
            database = self.applied(peer, size)
            measure(peer, self.project(peer, size), database)
            before[scenario, peer.name] = self.state(peer, size, database, scenario)
        self.say(f"{runs[0][0]}, N={size}")
        for scenario, peer in self.each_round(runs, rounds, size):
            database = self.applied(peer, size)
            seconds = measure(peer, self.project(peer, size), database)
            after = self.state(peer, size, database, scenario)
            check_unchanged(before[scenario, peer.name], after, peer, scenario)
            self.results.add(Key(scenario, size, peer.name), seconds)
