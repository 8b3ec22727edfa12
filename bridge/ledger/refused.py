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


def refused(findings: Sequence[Finding]) -> BridgeError:
    """The error for these refusals, one or more of them, in their own words.

    A connection that cannot write is a matter of how it was configured, and a file that cannot be
    run one of the files; neither is one of the ledger.
    """
    kind = _KINDS.get(findings[0].id, LedgerError)
    error = kind("\n".join(map(str, findings)))
    error.findings = tuple(findings)
    return error
