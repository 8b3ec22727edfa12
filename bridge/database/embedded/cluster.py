"""One PostgreSQL data directory: create it whole or not at all, start it, stop it.

Nothing here keeps two processes apart; that is `bridge.database.embedded.server`, which holds its
lock around every call. No signal is sent to a process before it was checked what that process is.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from bridge.database.embedded.programs import Owner, major_version
from bridge.errors import BridgeError, TryAgain, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: The superuser of the server, whoever runs it.
SUPERUSER = "postgres"
#: Part of the socket's name only.
PORT = 5432
_SOCKET = f".s.PGSQL.{PORT}"
_LONGEST_SOCKET = 103  # bytes; the shortest limit of the systems served, macOS
_SAFE_SOCKET = re.compile(r"[\w./ +@-]+")  # PostgreSQL and libpq split a path at a comma
LOG = "postgresql.log"
#: Seconds for a start or a stop.
PATIENCE = 60
_SETTINGS = {
    "listen_addresses": "",  # no TCP at all
    "unix_socket_permissions": "0700",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


@dataclass(frozen=True)
class Postmaster:
    """The content of `postmaster.pid`; its server may have ended."""

    data: Path
    pid: int
    socket_dir: str
    status: str

    @classmethod
    def read(cls, data: Path) -> Postmaster | None:
        """Read it; None when no server was started on this data, or the last one ended well."""
        try:
            lines = (data / "postmaster.pid").read_text().splitlines()
        except OSError:
            return None
        lines += [""] * 8  # it is written line by line
        pid = int(lines[0].lstrip("-")) if lines[0].lstrip("-").isdigit() else 0
        return cls(data, pid, socket_dir=lines[4], status=lines[7].strip())

    def answers(self) -> bool:
        """Return whether something listens at the socket; a killed server's socket refuses."""
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(5)
            try:
                client.connect(f"{self.socket_dir}/{_SOCKET}")
            except OSError:
                return False
            return True

    def is_alive(self) -> bool:
        """Return whether its process is a PostgreSQL server, not another with its number."""
        if not self.pid:
            return False
        if Path("/proc/self").exists():
            try:
                return (Path(f"/proc/{self.pid}/comm").read_text().strip() == "postgres") and (
                    Path(f"/proc/{self.pid}/cwd").samefile(self.data)
                )
            except OSError:
                return False
        shown = subprocess.run(
            ["ps", "-p", str(self.pid), "-o", "command="],
            capture_output=True,
            text=True,
            check=False,
        )
        return "/bin/postgres" in shown.stdout


@dataclass(frozen=True)
class Cluster:
    """The data directory of one major version in the folder `home`, and its system user."""

    home: Path
    owner: Owner
    programs: Path
    options: Mapping[str, str]

    @property
    def data(self) -> Path:
        """The folder of the data; a major version cannot read another's, so it is in the name."""
        return self.home / f"postgresql-{major_version(self.programs)}"

    def ensure_running(self) -> None:
        """Create and start the server if needed; returns when it takes connections.

        Raises BridgeError with the end of the server's log.
        """
        data = self.data
        if not data.is_dir():
            self._initialise(data)
        for _ in range(3):
            if self._ready(data):
                return
            self._clear_stale(data)
            with (self.home / LOG).open("w") as log:
                started = self.owner.run(
                    *(self.programs / "pg_ctl", "start", "-w", "-t", str(PATIENCE)),
                    *("-o", self._arguments(data)),
                    output=log.fileno(),
                    PGDATA=str(data),  # not -D: pg_ctl hands that to a shell
                )
            if started.returncode == 0:
                return
            time.sleep(0.3)  # the processes of a killed server need a moment to notice
        raise BridgeError(f"The embedded PostgreSQL did not start.{log_tail(self.home)}")

    def _initialise(self, data: Path) -> None:
        """Create the data beside its place, so that it is whole or absent."""
        for leftover in self.home.glob("initdb-*"):
            with _held(leftover):
                shutil.rmtree(leftover, ignore_errors=True)
        fresh = Path(tempfile.mkdtemp(prefix="initdb-", dir=self.home))
        if self.owner.switch:
            os.chown(fresh, self.owner.uid, self.owner.gid)
        with (self.home / LOG).open("w") as log, _held(fresh) as held:
            made = self.owner.run(
                *(self.programs / "initdb", "-U", SUPERUSER, "-E", "UTF8", "--locale=C"),
                *("--auth-local=trust", "--auth-host=reject", "-D", fresh),
                *(["--no-sync"] if self.options.get("fsync") == "off" else []),
                output=log.fileno(),
                held=held,
            )
        if made.returncode != 0:
            shutil.rmtree(fresh, ignore_errors=True)
            raise BridgeError(f"The embedded PostgreSQL's initdb failed.{log_tail(self.home)}")
        fresh.rename(data)

    def _arguments(self, data: Path) -> str:
        settings = {**_SETTINGS, **self.options}
        settings["unix_socket_directories"] = str(self._new_socket_dir(data))
        return " ".join(shlex.quote(f"--{key}={value}") for key, value in settings.items())

    def _new_socket_dir(self, data: Path) -> Path:
        """Return a folder for the socket: with the data, or a private one with a shorter name."""
        if _fits(data):
            return data
        name = f"eai-bridge-{self.owner.uid}-{sha256(os.fsencode(data)).hexdigest()[:12]}"
        roots = (Path(tempfile.gettempdir()), Path("/tmp"))  # noqa: S108, checked below
        short = next((root / name for root in roots if _fits(root / name)), roots[-1] / name)
        with contextlib.suppress(FileExistsError):
            short.mkdir(mode=0o700)
            if self.owner.switch:
                os.chown(short, self.owner.uid, self.owner.gid)
        found = short.lstat()
        if short.is_symlink() or found.st_uid != self.owner.uid or found.st_mode & 0o077:
            raise UsageError(
                f"{short}, the folder for the embedded PostgreSQL's socket, belongs to "
                "somebody else or is open to others. Remove it, or set "
                "BRIDGE_EMBEDDED_DATA to a folder with a short path."
            )
        return short

    def _ready(self, data: Path) -> bool:
        """Return whether the server takes connections; waits while it is starting or stopping."""
        deadline = time.monotonic() + PATIENCE
        while (server := Postmaster.read(data)) and server.answers():
            if server.status == "ready":
                return True
            if time.monotonic() > deadline:
                raise TryAgain(f"The embedded PostgreSQL is still starting.{log_tail(self.home)}")
            time.sleep(0.05)
        return False

    def _clear_stale(self, data: Path) -> None:
        """Make way for a start: put aside what holds the data but does not answer."""
        if (server := Postmaster.read(data)) is None:
            return
        if server.is_alive():  # its socket was removed, or it is only beginning
            self.halt(data)
            return
        # PostgreSQL does this itself unless some process has the dead server's number now.
        (data / "postmaster.pid").unlink(missing_ok=True)
        if server.socket_dir:
            (Path(server.socket_dir) / f"{_SOCKET}.lock").unlink(missing_ok=True)

    def halt(self, data: Path) -> None:
        """Stop the server on this data, which was seen alive; ends its clients' sessions."""
        halted = self.owner.run(
            *(self.programs / "pg_ctl", "stop", "-w", "-m", "fast", "-t", str(PATIENCE)),
            PGDATA=str(data),
        )
        if halted.returncode != 0 and Postmaster.read(data):
            raise BridgeError(f"The embedded PostgreSQL did not stop.{log_tail(self.home)}")


def log_tail(home: Path) -> str:
    """Return the last lines of the server's log, to end a message with."""
    log = home / LOG
    try:
        lines = log.read_text(errors="replace").splitlines()[-8:]
    except OSError:
        return ""
    return "\n".join([f" The end of {log}:", *(f"    {line}" for line in lines)])


@contextlib.contextmanager
def _held(folder: Path) -> Iterator[int]:
    """Wait until nobody else works in a folder, and keep others out.

    The lock goes with the last copy of the open file that this yields: a program that got one
    holds it when the process that started it was killed. That program is waited for, because it
    would go on writing into a folder that is being removed.
    """
    import fcntl

    file = os.open(folder, os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file
    finally:
        os.close(file)


def _fits(directory: Path) -> bool:
    """Return whether PostgreSQL and libpq can use a socket in this folder."""
    path = directory / _SOCKET
    return len(os.fsencode(path)) <= _LONGEST_SOCKET and bool(_SAFE_SOCKET.fullmatch(str(path)))
