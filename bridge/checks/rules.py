"""List the rules of `check` by their ids, and make the problems that it reports.

The ids are documented and stay as they are: people write them into comments and scripts.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from bridge.errors import PlainFileError


class Severity(StrEnum):
    """How much a problem matters."""

    ERROR = "error"
    WARNING = "warning"
    #: No problem of the files: a migration that the database does not have yet.
    PENDING = "pending"


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that `check` looks for."""

    id: str
    severity: Severity
    #: Whether a run would refuse it before it starts, so that no comment can silence it.
    refused: bool = False
    #: Whether it is about how a file is written. Nobody can change that in an applied file.
    style: bool = False
    #: Whether the first problem in a file stands for all of them.
    once_per_file: bool = False


_E, _W = Severity.ERROR, Severity.WARNING

RULES: Final = {
    rule.id: rule
    for rule in (
        # one file
        Rule("syntax-error", _E, refused=True),
        Rule("unreadable-file", _E, refused=True),
        Rule("no-upgrade", _E, refused=True),
        Rule("wrong-upgrade", _E, refused=True),
        Rule("not-written", _E, refused=True),
        Rule("wrong-downgrade", _W, style=True),
        Rule("not-a-session", _W, style=True),
        Rule("other-driver", _W, style=True),
        Rule("cast-of-parameter", _W, style=True),
        Rule("misspelled-name", _E, refused=True),
        Rule("wrong-setting", _E, refused=True),
        Rule("no-description", _W, style=True),
        # its commits
        Rule("commit-in-the-middle", _W, style=True, once_per_file=True),
        Rule("needs-autocommit", _E, style=True),
        Rule("autocommit-other-work", _W, style=True, once_per_file=True),
        # the names of all
        Rule("no-migration", _E, refused=True),
        Rule("no-number", _E, refused=True),
        Rule("never-run", _W),
        Rule("same-name", _E, refused=True),
        Rule("unreadable-name", _E, refused=True),
        Rule("name-too-long", _E, refused=True),
        Rule("number-order", _E),
        Rule("shared-number", _W, style=True),
        # compared with another branch
        Rule("sorts-before-base", _E),
        Rule("changed-since-base", _E),
        Rule("renamed-since-base", _E),
        Rule("deleted-since-base", _E),
        # compared with a database
        Rule("pending", Severity.PENDING),
        Rule("late", _W),
        Rule("changed-since-applied", _W),
        Rule("file-missing", _W),
        Rule("ledger", _E, refused=True),
        # compared with the schema file
        Rule("schema-file", _E),
    )
}

#: What `lint` calls a file that it could not rehearse, beside the rules of squawk.
NOT_LINTED: Final = "not-linted"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that was found."""

    id: str
    severity: Severity
    #: The file to look at, as a person would type it; the folder where it is no single file.
    path: str
    #: Counted from 1; None where no single line is to blame.
    line: int | None
    #: What is wrong, as a sentence.
    message: str
    #: What to do about it; empty where the message says it.
    advice: str = ""

    @property
    def place(self) -> str:
        """The file and the line, in the form that editors jump to."""
        return f"{self.path}:{self.line}" if self.line else self.path

    def to_json(self) -> dict[str, Any]:
        """Return the documented form; its keys stay as they are."""
        return {
            "id": self.id,
            "severity": str(self.severity),
            "file": self.path,
            "line": self.line,
            "message": self.message,
            "mend": self.advice,
        }


def problem(rule: str, path: str, line: int | None, message: str, advice: str = "") -> Problem:
    """Make a problem of this rule, as severe as the rule says."""
    return Problem(rule, RULES[rule].severity, path, line, message, advice)


def problem_in_words(rule: str, path: str, line: int | None, sentences: str) -> Problem:
    """Make a problem of these sentences, the last of which says what to do."""
    message, _, advice = sentences.rpartition(". ")
    if not message:
        return problem(rule, path, line, sentences)
    return problem(rule, path, line, f"{message}.", advice)


def problem_of_error(rule: str, path: str, error: PlainFileError) -> Problem:
    """Make a problem of this rule in the words of the error."""
    return problem_in_words(rule, path, error.line, error.sentence)
