"""Every error a user can meet, each a sentence that says what to do next.

The classes are sorted by the exit code they lead to. Nothing of bridge is imported here,
so that every module can raise from it.
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, ClassVar, Final

if TYPE_CHECKING:
    from bridge.findings import Finding

#: Every exit status of `eai`, and what it means to whoever reads it.
EXIT_STATUSES: Final = {
    0: "Done, or nothing to do.",
    1: "A migration failed.",
    2: "Wrong usage, configuration or URL, or a connection that no waiting cures: a wrong "
    "password, a role or a database that is not there, certificates, `sslmode` or "
    "`channel_binding` that do not fit the server, a service file, an option that the server "
    "refuses. Nothing was started.",
    3: "`eai migrate status --check`, `eai migrate check --database`: migrations are pending.",
    4: "A problem in the files or in the ledger, which were left as they are; or something that "
    "`check`, `lint`, `compare` or the proof of `squash` has found.",
    75: "Try again later: another process migrates, the server cannot be reached, others keep a "
    "table locked, or the connection broke in the middle of a migration of which nothing stays.",
    130: "Ended by Ctrl-C: the running statement was cancelled and rolled back.",
    143: "Ended by SIGTERM: the running statement was cancelled and rolled back.",
}


class BridgeError(Exception):
    """Anything that bridge refuses or fails at, in words that a person can act on."""

    #: The exit status of a command that ends with this error.
    exit_code: ClassVar[int] = 4
    #: What was found before anything ran, each with a stable id; none where it is something else.
    findings: tuple[Finding, ...] = ()


class UsageError(BridgeError):
    """A command, a setting or a URL that cannot be followed; nothing was started."""

    exit_code = 2


class FilesError(BridgeError):
    """Something is wrong in the folder of migrations; nothing was run."""


class SchemaMissing(UsageError):
    """The schema of a target is not there, and nothing was run in another one."""


class LedgerError(BridgeError):
    """The ledger and the folder do not fit together; nothing was changed."""


class MigrationError(BridgeError):
    """A migration began and did not end well."""

    exit_code = 1


class Pending(BridgeError):
    """Migrations are pending, and the application that starts is not to apply them."""

    exit_code = 3


class TryAgain(BridgeError):
    """Nothing is wrong, but it cannot be done at this moment; nothing was changed."""

    exit_code = 75


class PlainFileError(FilesError):
    """One file of the folder cannot be read as a migration; nothing of it was run."""

    def __init__(self, path: str, line: int | None, sentence: str) -> None:
        super().__init__(f"{path}:{line}: {sentence}" if line else f"{path}: {sentence}")
        #: The file as the message names it.
        self.path = path
        #: The message without the place.
        self.sentence = sentence
        #: The line to look at, counted from 1; None when no single line is to blame.
        self.line = line


class FolderMissing(FilesError):
    """The folder of migrations is not there."""


class ServerUnreachable(TryAgain):
    """The server of the database does not answer, or takes no connection at this moment."""

    #: What happened, without what to type to wait for it: for a message that says it was waited
    #: for; "" where nobody knows.
    reason: str = ""


class TableLocked(TryAgain):
    """One of the two tables is locked by another session, and the wait for it is over."""


class LockNotObtained(TryAgain):
    """Another process is migrating this database, and the wait for it is over."""


class StillBlocked(TryAgain):
    """A migration met a lock timeout each time it was tried; nothing of it stayed."""


class LockLost(TryAgain):
    """The migration lock is lost; no further migration was started."""


class Disturbed(TryAgain):
    """A migration was cut off by the network or the server; its message says what stayed."""


class Interrupted(SystemExit):
    """A signal asked this process to end.

    Not an Exception, so that `except Exception` in a migration does not swallow it; and a
    SystemExit, so that a process in which nobody catches it ends with the right status.
    """

    def __init__(self, signum: int) -> None:
        super().__init__(128 + signum)
        #: The signal's number.
        self.signum = signum

    @property
    def exit_code(self) -> int:
        """The exit status a shell gives to a process that this signal ended."""
        return 128 + self.signum

    def __str__(self) -> str:
        return f"Interrupted by {signal.Signals(self.signum).name}."
