"""The messages about a row and a file that may be one migration under two names.

Each names the ways on, as commands or statements that can be typed as they stand.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from bridge.files.stems import revision_id
from bridge.findings import Finding, refusal
from bridge.ledger.history import Entry
from bridge.ledger.messages.wording import joined, typed
from bridge.ledger.names import canonical, number_of, readings
from bridge.ledger.state import State

#: What no file's name should have, or what ends would not be seen.
_IN_NO_NAME = re.compile(r"""[/\\:"'`]|^\s|\s$""")


def twins(state: State, one: str, other: str, gone: str) -> Finding:
    """Two rows with one revision id, of which `gone` has no file."""
    remedy = f"DELETE FROM {state.ledger} WHERE {state.condition(gone)};"  # noqa: S608
    return refusal(
        "two-rows",
        f"{state.ledger} records both '{one}' and '{other}', which are one revision to Alembic, "
        f"{revision_id(one)}: most likely a file was renamed, and ran under both names.",
        f"Remove the row of the name that is no longer used: {remedy}",
        migration=gone,
    )


def names_differ(state: State, name: str, entries: Sequence[Entry]) -> Finding:
    """A row that a person would read as the name of a pending file, or of one of several."""
    file = entries[0]
    forms = readings(name)
    is_number = canonical(file.stem) not in forms and str(number_of(file.stem)) in forms
    if len(entries) > 1:
        which = " and ".join(f"{entry.stem}.py" for entry in entries)
        meaning = f"which may be either of {which}: nobody can tell which of them is applied"
    elif file.row is not None:
        meaning = (
            f"which is {file.stem}.py, but the other rows have another form, in which it is "
            f"'{state.new_key(file.stem)}'"
        )
    elif file.file is None:
        meaning = f"and a file of this folder replaces {file.stem}, which may be the same migration"
    elif is_number:
        meaning = f"which is the number of {file.stem}.py, but not its name"
    else:
        meaning = (
            f"and the folder holds {file.stem}.py: the names differ only in "
            f"{_difference(name, file.stem)}, so the file was most likely renamed"
        )
    correct = f"correct the row: {state.correction(file.stem, name)}"
    recorded = [entry for entry in entries if entry.row is not None]
    if len(entries) > 1:
        remedy = (
            f"Put the whole name into the row, for example: {state.correction(file.stem, name)}"
        )
        if recorded:
            remove = f"DELETE FROM {state.ledger} WHERE {state.condition_of(name)};"  # noqa: S608
            remedy += (
                f" {recorded[0].stem}.py is recorded by its own name as well: if it is that one, "
                f"remove the row: {remove}"
            )
    elif file.file is None:
        remedy = f"If it is the same migration, {correct}"
    elif is_number or file.row or canonical(name) != canonical(file.stem) or not _can_name(name):
        remedy = f"If it is the same migration, type: eai migrate repair; or {correct}"
    else:
        remedy = f"Either name the file {name}.py again, or, if it is the same migration, {correct}"
    return refusal(
        "names-differ",
        f"{state.ledger} records '{name}' as applied, {meaning}. If the file ran, it could do its "
        "work a second time.",
        remedy,
        migration=name,
        file=file.path,
    )


def same_text(state: State, old: Entry, new: Entry) -> Finding:
    """A pending file with the very text that was applied under a name that no longer has it."""
    gone = "whose file is gone" if old.file is None else "whose file has another text now"
    remedy = (
        f"Either name the file {old.stem}.py again, or record the new name: eai migrate repair."
        if old.file is None
        else "Either give the files their old names again, or record the new ones: eai migrate "
        "repair."
    )
    return refusal(
        "renamed",
        f"{state.ledger} records {old.stem} as applied, {gone}, and {new.stem}.py has the very "
        "text that was applied: most likely the file was renamed. If it ran, it would "
        "do its work a second time.",
        f"{remedy} (If it is another migration with the same text, change a comment in it.)",
        migration=old.stem,
        file=new.path,
    )


def maybe_renamed(state: State, old: Entry, new: Sequence[Entry], *, same: str) -> Finding:
    """A row of which nothing but the name is known, and pending files that have a part of it."""
    one = new[0]
    gone = f"{state.ledger} records {old.stem} as applied, without a checksum, and its file is gone"
    if len(new) > 1:
        return refusal(
            "maybe-renamed",
            f"{gone}; {joined([f'{each.stem}.py' for each in new])}, which are not recorded, have "
            "its number or the words after that. Nobody can tell whether one of them is that "
            "migration under another name; if it is, it would do its work a second time.",
            f"If one of them is that migration, type which: eai migrate repair {typed(old.stem)} "
            f"{typed(one.stem)}. If all of them are new ones, type: eai migrate mark "
            f"{typed(one.stem)} --pending.",
            migration=old.stem,
            file=one.path,
        )
    return refusal(
        "maybe-renamed",
        f"{gone}; {one.stem}.py, which is not recorded, has the same {same}. Nobody can tell "
        "whether it is that migration under another name; if it is, it would do its work a second "
        "time.",
        f"If it is that migration, type: eai migrate repair {typed(old.stem)}. If it is a new one, "
        f"type: eai migrate mark {typed(one.stem)} --pending.",
        migration=old.stem,
        file=one.path,
    )


def _can_name(name: str) -> bool:
    """Return whether a file can be named so by a person who sees the name on a screen."""
    return name.isprintable() and not _IN_NO_NAME.search(name)


def _difference(one: str, other: str) -> str:
    if unicodedata.normalize("NFC", one) == unicodedata.normalize("NFC", other):
        # On a screen they look the same.
        return "how an accented letter is encoded (as one character, or as two)"
    if canonical(one) == canonical(other):
        return "spelling"
    return "what stands before or after it"
