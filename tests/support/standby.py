"""A primary and its hot standby, made for the tests on two loopback ports."""

from __future__ import annotations

import os
import tempfile
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import create_engine, text
from sqlalchemy.engine import URL
from sqlalchemy.pool import NullPool

from bridge.database.embedded.programs import Owner, programs_for
from support.running import ask, free_port, poll

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Engine

#: Nothing of these servers has to survive.
_SETTINGS = ("fsync=off", "unix_socket_directories=", "listen_addresses=127.0.0.1")
#: Seconds until a slow machine has done what the standby must follow.
_PATIENCE = 60.0


@dataclass(frozen=True)
class Pair:
    """Two servers that run; the standby follows the primary."""

    primary: URL
    standby: URL

    @property
    def writer(self) -> Engine:
        return create_engine(self.primary, poolclass=NullPool)

    @property
    def reader(self) -> Engine:
        return create_engine(self.standby, poolclass=NullPool)

    def caught_up(self) -> None:
        """Wait until the standby shows what the primary has committed by now."""
        at = ask(self.writer, "SELECT pg_current_wal_lsn()::text")
        followed = "SELECT pg_last_wal_replay_lsn() >= CAST(:at AS pg_lsn)"
        poll(lambda: ask(self.reader, followed, at=at), within=_PATIENCE)


@contextmanager
def replicated() -> Iterator[Pair]:
    """Make both, run both, and leave nothing behind."""
    owner = Owner.choose()
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bridge-standby-")))
        if owner.switch:
            os.chown(home, owner.uid, owner.gid)
        programs = programs_for(owner, home)
        primary, standby = (home / "primary", free_port()), (home / "standby", free_port())

        def run(program: str, *arguments: str | Path) -> None:
            log = home / f"{program}.out"
            with log.open("wb") as out:
                done = owner.run(programs / program, *arguments, output=out.fileno())
            assert done.returncode == 0, log.read_text()

        def start(data: Path, port: int) -> URL:
            options = " ".join(f"-c {each}" for each in (*_SETTINGS, f"port={port}"))
            log = home / f"{data.name}.log"
            stack.callback(owner.run, programs / "pg_ctl", "stop", "-D", data, "-m", "immediate")
            run("pg_ctl", "start", "-w", "-D", data, "-l", log, "-o", options)
            return URL.create(
                "postgresql+psycopg2", "postgres", None, "127.0.0.1", port, "postgres"
            )

        auth = "--auth=trust"
        run("initdb", "-D", primary[0], "-U", "postgres", auth, "--no-sync", "-E", "UTF8")
        first = start(*primary)
        where = f"host=127.0.0.1 port={primary[1]} user=postgres"
        run("pg_basebackup", "-d", where, "-D", standby[0], "-R", "--no-sync", "-c", "fast")
        second = start(*standby)
        pair = Pair(first, second)
        with pair.reader.connect() as connection:
            assert connection.scalar(text("SELECT pg_is_in_recovery()"))
        yield pair
