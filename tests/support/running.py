"""Commands that run in the background, and what a test sees of them in the database."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from sqlalchemy import event, text

from bridge.locking.holder import LOCK_CLASS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from sqlalchemy import Connection, Engine

    from support.project import Project

#: Seconds until what must happen hangs; no test measures how quick it is.
PATIENCE = 60.0

#: The key of the advisory lock at which a migration stops; see Gate.
GATE = 4711
#: What a migration says to stop there.
PASS_GATE = f"SELECT pg_advisory_xact_lock({GATE})"

#: A table without any constraint, so that what was done twice shows.
CREATE_LOG = "CREATE UNLOGGED TABLE log (stem text, at timestamptz DEFAULT clock_timestamp())"

#: For the beginning of a program: `opened` has the path of each file that it opens from then on.
NOTE_OPENED = """\
import json, os, sys

opened = []
def note(name, arguments):
    if name == "open" and isinstance(arguments[0], (str, bytes, os.PathLike)):
        opened.append(os.fsdecode(arguments[0]))
sys.addaudithook(note)
"""

_HERE = "(SELECT oid FROM pg_database WHERE datname = current_database())"


def poll(condition: Callable[[], Any], *, within: float = PATIENCE) -> None:
    """Wait until it is true."""
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def free_port() -> int:
    """A TCP port of this machine's that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def ask(engine: Engine, query: str, **values: Any) -> Any:
    """The one value that a query gives."""
    with engine.connect() as connection:
        return connection.scalar(text(query), values)


def advisory_locks(engine: Engine) -> int:
    """How many locks of bridge's are held on this database, of the server's many."""
    query = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = :lock_class"
    return int(ask(engine, f"{query} AND database = {_HERE}", lock_class=LOCK_CLASS))


@contextmanager
def listened(target: Any, name: str, listener: Callable[..., Any]) -> Iterator[None]:
    """Listen to an event of SQLAlchemy's, inside."""
    event.listen(target, name, listener)
    try:
        yield
    finally:
        event.remove(target, name, listener)


def column(engine: Engine, query: str) -> list[Any]:
    """The one column that a query gives."""
    with engine.connect() as connection:
        return list(connection.execute(text(query)).scalars())


def do(engine: Engine, *statements: str) -> None:
    """Run statements in one transaction."""
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


@dataclass
class Running:
    """A command under way; its lines are read while it runs."""

    process: subprocess.Popen[str]
    _out: list[str] = field(default_factory=list)
    _err: list[str] = field(default_factory=list)
    _readers: list[threading.Thread] = field(default_factory=list)

    @classmethod
    def start(
        cls, project: Project, *command: str, env: Mapping[str, str | None] | None = None
    ) -> Running:
        """Start `eai` or `alembic`, or `python`, with its arguments."""
        name, *arguments = command
        running = cls(
            subprocess.Popen(
                [Path(sys.executable).parent / name, *arguments],
                cwd=project.path,
                env=project.environ(env),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        running._read(running.process.stdout, running._out)
        running._read(running.process.stderr, running._err)
        return running

    def _read(self, stream: IO[str] | None, lines: list[str]) -> None:
        assert stream is not None
        reader = threading.Thread(target=lambda: lines.extend(stream), daemon=True)
        reader.start()
        self._readers.append(reader)

    @property
    def lines(self) -> int:
        """How many lines it has written to standard error so far."""
        return len(self._err)

    @property
    def ended(self) -> bool:
        return self.process.poll() is not None

    def has_told(self, fragment: str) -> bool:
        """Whether a line on standard error holds this by now."""
        return any(fragment in line for line in self._err)

    def told(self, fragment: str) -> str:
        """Wait for a line on standard error that holds this, and give it."""
        poll(lambda: any(fragment in line for line in self._err) or self.ended)
        if self.ended:
            self._readers[1].join(PATIENCE)
        found = [line for line in self._err if fragment in line]
        assert found, f"ended without {fragment!r}:\n{''.join(self._err)}"
        return found[0].rstrip("\n")

    def kill(self) -> None:
        """End it as `kill -9` does, and return when it is gone."""
        self.process.kill()
        self.end()

    def end(self, *, within: float = PATIENCE) -> Ended:
        """Wait for its end."""
        code = self.process.wait(within)
        for reader in self._readers:
            reader.join(PATIENCE)
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()
        return Ended(code, "".join(self._out), "".join(self._err))


class Starter:
    """`start("eai", "migrate")` in one project; nothing it started outlives the test."""

    def __init__(self, project: Project, stack: ExitStack) -> None:
        self._project = project
        self._stack = stack

    def __call__(self, *command: str, env: Mapping[str, str | None] | None = None) -> Running:
        running = Running.start(self._project, *(command or ("eai", "migrate")), env=env)
        self._stack.callback(self._end, running)
        return running

    @staticmethod
    def _end(running: Running) -> None:
        if not running.ended:
            running.kill()


@contextmanager
def starting(project: Project) -> Iterator[Starter]:
    """Give what starts commands in this project, and end them all."""
    with ExitStack() as stack:
        yield Starter(project, stack)


class Gate:
    """An advisory lock, held by the test, at which a migration stops until it is opened."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def shut(self) -> None:
        self._connection.execute(text(f"SELECT pg_advisory_lock({GATE})"))
        self._connection.commit()

    def open(self) -> None:
        self._connection.execute(text(f"SELECT pg_advisory_unlock({GATE})"))
        self._connection.commit()

    def waiting(self) -> list[int]:
        """The backends that wait at the gate."""
        query = (
            "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND NOT granted "
            f"AND classid = 0 AND objid = {GATE} AND database = {_HERE}"
        )
        found = list(self._connection.execute(text(query)).scalars())
        self._connection.commit()
        return found

    def reached(self) -> int:
        """Wait until a migration stands at the gate, and give its backend."""
        poll(self.waiting)
        return self.waiting()[0]


@contextmanager
def gate_of(engine: Engine) -> Iterator[Gate]:
    """A gate that is shut."""
    with engine.connect() as connection:
        gate = Gate(connection)
        gate.shut()
        yield gate


def is_alive(engine: Engine, pid: int) -> bool:
    """Whether this backend is there."""
    return bool(ask(engine, "SELECT count(*) FROM pg_stat_activity WHERE pid = :pid", pid=pid))


def terminate(engine: Engine, pid: int) -> None:
    """End a backend, as an administrator does, and wait until it is gone."""
    assert ask(engine, "SELECT pg_terminate_backend(:pid)", pid=pid)
    poll(lambda: not is_alive(engine, pid))


def recorded(engine: Engine) -> list[str]:
    """The stems that the ledger holds, in the order in which they were applied."""
    return column(engine, "SELECT version FROM schema_migrations ORDER BY applied_at")


def pointer(engine: Engine) -> list[str]:
    """What Alembic's table says."""
    return column(engine, "SELECT version_num FROM alembic_version")


def logged(engine: Engine) -> list[str]:
    """What the migrations have written, in that order, each as often as it was done."""
    return column(engine, "SELECT stem FROM log ORDER BY at")


def assert_applied(engine: Engine, *stems: str) -> None:
    """Each of these was done once and is recorded, in this order, and nothing else is."""
    assert (recorded(engine), logged(engine), pointer(engine)) == (
        list(stems),
        list(stems),
        list(stems[-1:]),
    )


def migration(stem: str, *before: str, commit: bool = True, head: str = "") -> str:
    """A file that writes a row into `log`, then runs these statements."""
    statements = [f"INSERT INTO log (stem) VALUES ('{stem}')", *before]
    lines = [f"    db.execute(text({statement!r}))" for statement in statements]
    return "\n".join(
        [
            "from sqlalchemy import text",
            head,
            "def upgrade(db):",
            *lines,
            *(["    db.commit()"] if commit else []),
            "",
        ]
    )
