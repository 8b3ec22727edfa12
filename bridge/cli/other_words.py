"""Point from what other tools call their commands to the command that does it here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection

_APPLIES: Final = "{0} does that: it applies what is pending. Up to one of them: {0} --to NAME"
_SHOWS: Final = "What is applied and what is pending shows: {0} status"
_STARTS: Final = "To write the next file, type: {0} new MESSAGE"
_REVERTS: Final = "To take back what was applied last, type: {0} downgrade NAME"
_RECORDS: Final = "To record a migration without running it, type: {0} mark NAME --applied"

#: What was typed, and what to type, after the name of the group.
_MEANT: Final = {
    **dict.fromkeys(("upgrade", "up", "apply", "run", "deploy", "latest"), _APPLIES),
    **dict.fromkeys(("history", "current", "info", "list", "heads", "show"), _SHOWS),
    "showmigrations": "Type: {0} status --checklist",
    "pending": "Type: {0} status --pending",
    **dict.fromkeys(("stamp", "fake", "baseline"), _RECORDS),
    **dict.fromkeys(("revision", "makemigrations", "generate", "create", "add"), _STARTS),
    **dict.fromkeys(("down", "rollback", "undo", "revert"), _REVERTS),
    **dict.fromkeys(("verify", "validate"), "Type: {0} check"),
    "squashmigrations": "Type: {0} squash",
    "sqlmigrate": "Type: {0} --sql, or {0} rehearse",
    "version": "The current migration shows: {0} status. The release of bridge: eai --version",
}


def other_word(word: str, *, group: str, commands: Collection[str] = ()) -> str | None:
    """Return what to type in place of a word of another tool; None for any other word.

    `group` is what is typed for the group of commands, which has these `commands`: they count
    where somebody has left the name of the group out.
    """
    if word in commands:
        return f"Type: {group} {word}"
    told = _MEANT.get(word)
    return told.format(group) if told else None
