"""Make the error of a command from the findings that stop it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bridge.errors import BridgeError, FilesError, LedgerError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.findings import Finding

_KINDS: Final[dict[str, type[BridgeError]]] = {
    "read-only": UsageError,
    "unreadable-file": FilesError,
}


#: What is true of every command that is refused.
_NOTHING: Final = "Nothing was changed in the database."


def refused(findings: Sequence[Finding]) -> BridgeError:
    """The error for these refusals, one or more of them, in their own words.

    A connection that cannot write is a matter of how it was configured, and a file that cannot be
    run one of the files; neither is one of the ledger.
    """
    kind = _KINDS.get(findings[0].id, LedgerError)
    error = kind(_message(findings))
    error.findings = tuple(findings)
    return error


def in_own_words(error: BridgeError) -> str:
    """What is wrong, where the command is not refused for it."""
    return "\n".join(map(str, error.findings)) or str(error)


def _message(findings: Sequence[Finding]) -> str:
    """Say what is wrong, that nothing was changed, and what to do; the middle once for all."""
    if len(findings) > 1:
        return "\n".join([*map(str, findings), _NOTHING])
    (one,) = findings
    # Below a line of the file that is shown, it would be taken for a part of that.
    before = "\n" if "\n" in one.message else " "
    return f"{one.message}{before}{_NOTHING} {one.next}".rstrip()
