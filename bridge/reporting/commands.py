"""Name a command in a message as the reader types it: with a program, a section, a target.

Messages say `eai migrate …`, wherever they are made. What goes before the name of the command is
known where it was typed, and is added here.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

#: The commands that work on files, on a whole database, or name their target behind them.
WITHOUT_TARGET = frozenset(
    {"new", "lint", "init", "import", "squash", "dump", "load", "compare", "eject", "provision"}
)

#: A word as `quoted` writes it; a full stop and the like behind it are the sentence's.
_WORD = r"""(?:'[^']*'|"'"|[^\s.,;:`'"]|[.,;:](?=\S))+"""
_NAMED = (
    rf"\beai migrate\b(?P<given>(?: (?:-n|--config|--targets|--target) {_WORD})*)"
    r"(?= (?P<command>[a-z]+)\b)?(?=(?P<all>(?: [\w-]+)* --all\b))?"
)
#: Its commands for one database; those for files are told of bridge's own.
_ALEMBIC = (
    rf"\balembic(?P<options>(?: (?:-c|-n|-x) {_WORD})*)"
    r"(?= (?:upgrade|downgrade|stamp|current|history)\b)"
)
#: Both at once: a name that is written into one may read like the other.
_COMMAND = re.compile(f"(?P<ours>{_NAMED})|{_ALEMBIC}")


@dataclass(frozen=True, slots=True)
class Typed:
    """What a person has typed before the name of a command, but for a URL."""

    program: str = "eai migrate"
    config: str | None = None
    section: str | None = None
    embedded: bool = False
    targets_file: str | None = None
    target: str | None = None

    def __call__(self, message: str) -> str:
        """Return the message with each of its commands as it is typed here."""
        return _COMMAND.sub(self._as_typed, message)

    def _as_typed(self, found: re.Match[str]) -> str:
        if found["ours"]:
            return self._of_bridge(found)
        # Who has named its options meant them.
        return found[0] if found["options"] else self._of_alembic()

    def _of_bridge(self, found: re.Match[str]) -> str:
        command = found["command"]
        takes_target = command not in WITHOUT_TARGET
        options = {
            "--config": self.config,
            "-n": self.section,
            "--targets": self.targets_file if takes_target or command == "provision" else None,
            "--target": self.target if takes_target and found["all"] is None else None,
        }
        said = shlex.split(found["given"])  # which goes before what was typed
        options.update(zip(said[::2], said[1::2], strict=True))
        words = [self.program, *(["--embedded"] if self.embedded else [])]
        for option, value in options.items():
            words += [] if value is None else [option, quoted(value)]
        return " ".join(words)

    def _of_alembic(self) -> str:
        words = ["alembic"]
        if self.config is not None:
            words += ["-c", quoted(self.config)]
        if self.section is not None:
            words += ["-n", quoted(self.section)]
        if self.target is not None:
            words += ["-x", quoted(f"target={self.target}")]
        return " ".join(words)


def quoted(value: str) -> str:
    """Return a word for a shell, whose end nobody takes for the sentence's."""
    word = shlex.quote(value)
    return f"'{value}'" if word.endswith((".", ",", ":")) else word
