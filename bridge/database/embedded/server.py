"""The PostgreSQL that needs no installation: started on demand, stopped by its last user.

One folder holds one server. It listens on a Unix socket that only its owner can open, never
on TCP. Processes agree through two files in that folder: `lock` is held around starting and
stopping; `users` is held, shared, while the server is in use, and whoever can lock it for
itself alone at the end is the last and stops the server. A process that was killed leaves
the server running, and the next one takes it over.

This module does not choose which server a project uses. It never changes the permissions of
a folder it did not make, never creates a user, and sends no signal to a process before it
has checked what that process is. POSIX only.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import re
import shutil
import time
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bridge.config.decoded import decoded
from bridge.database.address import connect_defaults
from bridge.database.embedded.cluster import LOG, PATIENCE, PORT, SUPERUSER, Cluster, Postmaster
from bridge.database.embedded.programs import Owner, find_program, programs_for
from bridge.errors import BridgeError, TryAgain, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Self

    from sqlalchemy.engine import URL

#: The environment variable that moves the server's folder elsewhere.
DATA_VARIABLE = "BRIDGE_EMBEDDED_DATA"
#: Where root's server lives: it must be a place that another system user can reach, which
#: root's home is not, and that survives a restart, which the temporary folder does not.
ROOT_DATA = Path("/var/lib/eai-bridge")
#: The database of whoever works in no project; created on first use.
DATABASE = "app"
#: Extensions that teams use and that the embedded server does not have.
EMBEDDED_LACKS = (
    *("amcheck", "bloom", "btree_gin", "btree_gist", "citext", "cube", "dblink", "dict_int"),
    *("earthdistance", "file_fdw", "fuzzystrmatch", "hstore", "intarray", "isn", "lo", "ltree"),
    *("moddatetime", "pageinspect", "pg_buffercache", "pg_cron", "pg_partman", "pg_prewarm"),
    *("pg_stat_statements", "pg_trgm", "pg_visibility", "pgaudit", "pgcrypto", "pgrowlocks"),
    *("pgstattuple", "plperl", "plpython3u", "pltcl", "postgis", "postgres_fdw", "seg"),
    *("sslinfo", "tablefunc", "timescaledb", "unaccent", "uuid-ossp", "xml2"),
)

#: The file whose presence keeps the server running after its last user.
KEPT = "kept"

_PATIENCE = 2 * PATIENCE  # seconds, for another process that starts or stops the server


class EmbeddedServer:
    """One PostgreSQL server in one folder, shared by all processes of one user.

    A context manager: inside it the server runs, and `url` leads to it. Not for two threads.
    """

    def __init__(self, data_dir: Path, *, options: Mapping[str, str] | None = None) -> None:
        """`options` are settings of PostgreSQL; they count for whoever starts the server."""
        _refuse_windows()
        self.data_dir = data_dir.absolute()
        self.options = dict(options or {})
        self._users: int | None = None  # the open file that says "in use" ...
        self._pid = 0  # ... and the process that opened it

    @classmethod
    def default(cls) -> EmbeddedServer:
        """Return the server of the present user; BRIDGE_EMBEDDED_DATA moves its folder."""
        _refuse_windows()
        if chosen := os.environ.get(DATA_VARIABLE):
            return cls(_textual(Path(chosen).expanduser(), DATA_VARIABLE))
        return cls(ROOT_DATA if os.geteuid() == 0 else _user_data_dir())

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Start the server unless it runs, and keep it running until `close` or exit.

        Raises UsageError when there is nothing to run or nowhere to keep the data, TryAgain
        when another process starts or stops it for too long, BridgeError with the end of
        the server's log when it does not start.
        """
        if self._users is not None and self._pid == os.getpid():
            return
        with self._explained(), self._locked():
            self._users, self._pid = _open(self.data_dir / "users"), os.getpid()
            _flock(self._users, shared=True)
            try:
                self._cluster().ensure_running()
            except BaseException:
                self._leave()
                raise
        atexit.register(self.close)

    def close(self) -> None:
        """Stop using the server; the last user of all processes stops it."""
        atexit.unregister(self.close)
        if self._users is None or self._pid != os.getpid():  # a fork's copy is not a user
            return
        if self.data_dir.is_dir():
            with self._locked():
                self._leave()

    def keep(self) -> None:
        """Let the server run on after the last user, until `stop` or `destroy`."""
        with self._explained(), self._locked():
            (self.data_dir / KEPT).touch()

    def stop(self) -> None:
        """Stop the server; raises TryAgain, and leaves it alone, while others use it."""
        if not self.data_dir.is_dir():
            return
        with self._explained(), self._locked():
            kept = (self.data_dir / KEPT).exists()
            (self.data_dir / KEPT).unlink(missing_ok=True)
            if not self._leave():
                if kept:
                    (self.data_dir / KEPT).touch()
                raise TryAgain(
                    f"The embedded PostgreSQL in {self.data_dir} is in use by another process, "
                    "so it was not stopped. Try again when that has ended."
                )

    def destroy(self) -> None:
        """Stop the server and remove its data; of its folder, only what this class made."""
        self.stop()
        if not self.data_dir.is_dir():
            return
        with self._explained(), self._locked():
            for sign in ("postgresql-*/PG_VERSION", "initdb-*/PG_VERSION", "programs-*/*/*/bin"):
                for found in list(self.data_dir.glob(sign)):
                    shutil.rmtree(self.data_dir / found.relative_to(self.data_dir).parts[0])
            for name in (LOG, KEPT, "users", "lock"):
                (self.data_dir / name).unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # something of another's is in it
                self.data_dir.rmdir()

    def running(self) -> bool:
        """Return whether the server runs and answers; starts nothing."""
        return self.data_dir.is_dir() and self._socket_dir() is not None

    def url(self, database: str = DATABASE) -> URL:
        """Return the address of a database; as text it has %2F, which Alembic's options refuse."""
        from sqlalchemy.engine import URL

        if (directory := self._socket_dir()) is None:
            raise BridgeError(f"The embedded PostgreSQL in {self.data_dir} is not running.")
        return URL.create(
            "postgresql+psycopg2",
            username=SUPERUSER,
            port=PORT,
            database=database,
            query={"host": directory},
        )

    def ensure_database(self, name: str = DATABASE) -> None:
        """Create an empty database unless it is there."""
        import psycopg2

        from bridge.database.creating import create_database
        from bridge.database.url import connection_parameters

        given = connection_parameters(self.url("postgres"))
        defaults: dict[str, Any] = connect_defaults(given)
        try:
            connection = psycopg2.connect(**given, **defaults)
        except psycopg2.Error as error:
            raise BridgeError(
                f"The embedded PostgreSQL in {self.data_dir} runs, but the connection to it "
                f"failed: {str(error).strip()}. Check whether a variable such as PGSERVICE is set "
                "for another server."
            ) from error
        try:
            connection.autocommit = True
            create_database(connection, name, template="template0")
        finally:
            connection.close()

    @staticmethod
    def program(name: str) -> Path:
        """Find `psql`, `pg_dump` and the like; raises UsageError when there is none."""
        return find_program(name)

    def _cluster(self) -> Cluster:
        owner = Owner.choose()
        return Cluster(self.data_dir, owner, programs_for(owner, self.data_dir), self.options)

    def _socket_dir(self) -> str | None:
        for data in self.data_dir.glob("postgresql-*"):
            server = Postmaster.read(data)
            if server and server.status == "ready" and server.answers():
                return server.socket_dir
        return None

    def _leave(self) -> bool:
        """Give up the use of the server and stop it, unless others use it: False then.

        One that is to be kept runs on.
        """
        if self._users is not None:
            os.close(self._users)
            self._users = None
        users = _open(self.data_dir / "users")
        try:
            if not _flock(users):
                return False
            if (self.data_dir / KEPT).exists():
                return True
            for data in self.data_dir.glob("postgresql-*"):
                if (server := Postmaster.read(data)) and server.is_alive():
                    self._cluster().halt(data)
            return True
        finally:
            os.close(users)

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn an error of the folder (read-only, full, another's) into a sentence."""
        try:
            yield
        except OSError as error:
            raise UsageError(
                f"The embedded PostgreSQL cannot use its folder {self.data_dir}: "
                f"{error.strerror or error}. Set {DATA_VARIABLE} to a folder that you can "
                "write to, or DATABASE_URL to the address of a PostgreSQL server."
            ) from error

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Be the only process that starts or stops this server."""
        self._ensure_folder()
        path, deadline = self.data_dir / "lock", time.monotonic() + _PATIENCE
        while True:
            lock = _open(path)
            # A lock on a file that `destroy` has removed meanwhile would exclude nobody.
            if _flock(lock) and path.exists() and os.path.samestat(os.fstat(lock), path.stat()):
                break
            os.close(lock)
            if time.monotonic() > deadline:
                raise TryAgain(
                    "Another process has been starting or stopping the embedded PostgreSQL "
                    f"in {self.data_dir} for {_PATIENCE} seconds. Try again."
                )
            time.sleep(0.02)
        try:
            yield
        finally:
            os.close(lock)

    def _ensure_folder(self) -> None:
        self.data_dir.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            self.data_dir.mkdir(mode=0o700)
            if os.geteuid() == 0:  # the user that runs the server passes through
                self.data_dir.chmod(0o711)
        if self.data_dir.stat().st_uid != os.geteuid():
            raise UsageError(
                f"{self.data_dir} belongs to another user. "
                f"Set {DATA_VARIABLE} to a folder of your own for the embedded PostgreSQL."
            )


def database_for(config_file: str | None) -> str:
    """Return the name of a project's database: two projects of one user share none."""
    if config_file is None:
        return DATABASE
    folder = Path(config_file).resolve().parent
    readable = re.sub(r"\W+", "_", folder.name.lower(), flags=re.ASCII).strip("_")[:40]
    return f"{readable or DATABASE}_{zlib.crc32(os.fsencode(folder)):08x}"


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def _flock(file: int, *, shared: bool = False) -> bool:
    """Take the lock if it is free; it goes with the last copy of the open file."""
    import fcntl

    try:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _user_data_dir() -> Path:
    try:
        import platformdirs
    except ImportError:  # the programs may be the system's, and the extra not installed
        base = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
        folder = Path(base).expanduser() / "eai-bridge"
    else:
        folder = platformdirs.user_data_path("eai-bridge", appauthor=False)
    return _textual(folder, "XDG_DATA_HOME or HOME")


def _textual(folder: Path, where: str) -> Path:
    """Return the folder, whose path the server writes into its files and a URL must hold."""
    decoded(str(folder), where)
    return folder


def _refuse_windows() -> None:
    if os.name != "posix":
        raise UsageError(
            "The embedded PostgreSQL runs on Linux and macOS only. "
            "Set DATABASE_URL to the address of a PostgreSQL server."
        )
