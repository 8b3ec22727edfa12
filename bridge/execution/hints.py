"""Guess from the words of a file's statements what they may do, without the server.

Where they tell of nothing, questions to the server can be saved. What no statement shows, such as
the work of a trigger, is not known from here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

#: What a statement says that changes a setting, or runs something that may: a function, or a view
#: that calls one. The SET of an UPDATE, or of a column, does not stand where a statement begins.
_ABOUT_SETTINGS = re.compile(
    r"(?:^|[;/\r\n])\s*(?:re)?set\b|set_config|pg_settings|\b(?:do|call|execute|discard)\b"
)
#: Behind it a function may be called, or a view be read.
_MAY_CALL = re.compile(r"select|\bset\b")
#: What does so for certain, or decides which tables names mean.
_CHANGES_SETTINGS = re.compile(
    r"(?:^|;)\s*(?:set|reset|discard)\b|set_config|search_path|authorization|\brole\b"
)
_SETS_ROLE = re.compile(r"\bset\s+(?:(?:session|local)\s+)?(?:role|session\s+authorization)\b")
#: What a COMMIT may fail for, besides what was deferred: that is for it alone to find out.
_HOLDS = re.compile(r"\b(?:with\s+hold|declare)\b")
_ISOLATES = re.compile(r"serializable|isolation")
#: After which the server ends the whole session. Zero is no limit.
_LIMITS_SESSION = re.compile(
    r"\b(?:transaction|idle_session|idle_in_transaction_session)_timeout\W+(?:to\W+)?[1-9]"
)
#: What lets go of locks that are the session's. RESET ALL does not, and what has to come before any
#: query may come after it.
_LETS_GO = re.compile(r"advisory_unlock|\bdiscard\s+all\b")


@dataclass(slots=True, kw_only=True)
class Hints:
    """The hints from the statements of one file so far."""

    #: Whether something may be left for the COMMIT to check.
    may_defer: bool = True
    #: Whether a transaction may be serializable, or a cursor may live on after it.
    isolates: bool = False
    holds: bool = False
    #: Whether it has a cursor whose statements are not seen.
    blind: bool = False
    #: The statements that speak of an index.
    about_indexes: list[str] = field(default_factory=list)
    #: Whether one may have changed a setting, and whether one has.
    about_settings: bool = False
    changes_settings: bool = False
    #: Whether one has changed the role.
    sets_role: bool = False
    #: Whether one has set a time limit after which the server ends the session.
    limits_session: bool = False
    #: Whether one may let go of the session's locks, until whoever has seen to that says so.
    lets_go: bool = False

    def note(self, statement: str) -> None:
        """Note a statement that is about to be sent."""
        lowered = statement.lower()
        if "index" in lowered:
            self.about_indexes.append(statement)
        self.may_defer = self.may_defer or "deferr" in lowered
        self.isolates = self.isolates or _ISOLATES.search(lowered) is not None
        self.holds = self.holds or _HOLDS.search(lowered) is not None
        if _calls(lowered) or _ABOUT_SETTINGS.search(lowered):
            self.about_settings = True
            self.changes_settings |= _CHANGES_SETTINGS.search(lowered) is not None
            self.sets_role |= _SETS_ROLE.search(lowered) is not None
            self.limits_session |= _LIMITS_SESSION.search(lowered) is not None
            self.lets_go |= _LETS_GO.search(lowered) is not None

    @property
    def may_fail(self) -> bool:
        """Whether a COMMIT may fail although no statement has."""
        return self.may_defer or self.isolates or self.holds or self.blind


def _calls(lowered: str) -> bool:
    """Return whether a statement may call a function, itself or by a view that it reads."""
    found = _MAY_CALL.search(lowered)
    return found is not None and max(lowered.rfind("("), lowered.rfind("from")) > found.start()
