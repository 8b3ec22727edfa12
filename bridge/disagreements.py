"""The sentences about a ledger, a pointer and a folder that do not agree.

Which of them is true is decided in `bridge.reconcile`. Each refusal names the ways on, as commands
or statements that can be typed as they stand.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from bridge.errors import LedgerError
from bridge.line import in_applied_order
from bridge.plainfile import revision_id
from bridge.state import State, samples


def empty_folder(state: State) -> LedgerError:
    """Something is recorded, and there is not one file."""
    recorded = (
        f"{state.ledger} records {_migrations(len(state.rows))}, the last of them {_last(state)}"
        if state.rows
        else f"{state.version_table} says that this database is at {_and(state.pointers)}"
    )
    return LedgerError(
        f"The folder holds no migration at all, but {recorded}. Nothing was changed. "
        "Most likely this release was built without its migrations: check that the folder "
        "is part of the image, and version_locations in alembic.ini."
    )


def twins(state: State, one: str, other: str, gone: str) -> LedgerError:
    """Two rows with one revision id, of which `gone` has no file."""
    mend = f"DELETE FROM {state.ledger} WHERE {state.condition(gone)};"  # noqa: S608
    return LedgerError(
        f"{state.ledger} records both '{one}' and '{other}', which are one revision to Alembic, "
        f"{revision_id(one)}: most likely a file was renamed, and ran under either name. Nothing "
        f"was changed. Remove the row of the name that is no longer used: {mend}"
    )


def renamed(state: State, old: str, new: str) -> LedgerError:
    """A row and a file whose names differ only in spelling."""
    mend = (
        f"UPDATE {state.ledger} SET {state.condition(new)} "  # noqa: S608
        f"WHERE {state.condition(old)};"
    )
    return LedgerError(
        f"{state.ledger} records '{old}' as applied, and the folder holds {new}.py: the names "
        f"differ only in {_difference(old, new)}, so the file was most likely renamed. Nothing was "
        "run, because it could do its work a second time. Either name the file "
        f"{old}.py again, or, if it is the same migration, correct the row: {mend}"
    )


def same_text(state: State, old: str, new: str) -> LedgerError:
    """A file that is gone, and a pending one with the very text that was applied."""
    return LedgerError(
        f"{state.ledger} records {old} as applied, whose file is gone, and {new}.py has the very "
        "text that was applied: most likely the file was renamed. Nothing was changed, because "
        f"{new} would do its work a second time. Either name the file {old}.py again, or record "
        "the new name: eai migrate repair. (If it is another migration with the same text, "
        "change a comment in it.)"
    )


def changed(stems: Sequence[str]) -> str:
    """Files that are not what was applied any more."""
    names = ", ".join(f"{stem}.py" for stem in stems)
    was, it = ("was", "it is") if len(stems) == 1 else ("were", "they are")
    return (
        f"{names} {was} changed after having been applied to this database, where {it} not run "
        "again"
    )


def changed_warning(stems: Sequence[str]) -> str:
    """As `changed`, where the run goes on."""
    return (
        f"{changed(stems)}. Put a further change into a new migration. To accept the present "
        "text, type: eai migrate repair."
    )


def changed_refusal(stems: Sequence[str]) -> LedgerError:
    """As `changed`, where the settings want it refused."""
    return LedgerError(
        f"{changed(stems)}, and drift = refuse is set. Nothing was changed in the database. Put "
        "back the text that was applied, and further changes into a new migration; or accept the "
        "present text: eai migrate repair."
    )


def foreign_ledger(state: State) -> LedgerError:
    """Rows of which none is a file, in a table that bridge has never written to."""
    other_columns = (
        f" {samples(state)} If one of these columns names this application's migrations, say "
        "which with mirror_key = COLUMN, and how with mirror_key_form = stem, file or number."
        if state.candidates
        else ""
    )
    return LedgerError(
        f"{state.ledger} records {_migrations(len(state.rows))}, the last of them {_last(state)}, "
        "and none of them is a file of this folder: it looks like another application's "
        "ledger. Nothing was changed. Give this application a table of its own with "
        "mirror_table = NAME (and version_table = NAME) in alembic.ini, or correct "
        f"version_locations if the folder is the wrong one.{other_columns}"
    )


def foreign_version_table(state: State, unknown: tuple[str, ...]) -> LedgerError:
    """Pointers that mean nothing here, and no column of bridge's."""
    return LedgerError(
        f"{state.version_table} holds {_and(unknown)}, which is neither a file of this folder nor "
        f"a row of {state.ledger}: it looks like the version table of another Alembic "
        "environment. Nothing was changed. Give this application a table of its own with "
        "version_table = NAME in alembic.ini, or correct version_locations if the folder is the "
        "wrong one."
    )


def lost(state: State, pointer: str) -> LedgerError:
    """A pointer whose rows are gone."""
    at = f"{state.version_table} says that this database is at {pointer}, but {state.ledger}"
    ran = f"If every migration up to {pointer} did run, type: alembic stamp {pointer}."
    if not state.exists:
        return LedgerError(
            f"{at}, which tells which migrations ran, does not exist. Nothing was changed, because "
            f"a file that came late would be taken for applied. {ran} "
            f"Otherwise restore {state.ledger} from a backup."
        )
    return LedgerError(
        f"{at} is empty, and nobody can tell whether its rows were lost or removed on purpose. "
        f"Nothing was changed. {ran} If they are all to run again, type: alembic stamp base."
    )


def lost_without_trace(state: State, unknown: tuple[str, ...]) -> LedgerError:
    """No row in a ledger of bridge's, and a pointer that no file explains either."""
    return LedgerError(
        f"{state.ledger} is empty, and {state.version_table} holds {_and(unknown)}, which is not a "
        "file of this folder: something was applied to this database, and nothing says what. "
        "Nothing was changed, because every migration would run again. If migrations did run, "
        "type with the name of the last one that did: alembic stamp --purge REV. If they are all "
        "to run again, type: alembic stamp --purge base."
    )


def elsewhere(state: State) -> LedgerError:
    """No ledger where this connection looks, and one where it does not."""
    schema = state.elsewhere[0]
    holds = "the schema" if len(state.elsewhere) == 1 else "each of the schemas"
    return LedgerError(
        f"This connection finds no {state.ledger}, but {holds} {_and(state.elsewhere)} of the "
        "same database holds one: most likely the search_path is not the usual one, or this role "
        f"may not use that schema (GRANT USAGE ON SCHEMA {schema}), and every migration would run "
        "again in another schema. Nothing was changed. "
        f"Set version_table_schema = {schema} in alembic.ini to use that one, or set it to the "
        "schema in which a new one is wanted."
    )


def moved(state: State, last: str | None) -> str:
    """A pointer that is not the migration applied last."""
    return (
        f"{state.version_table} says {_and(state.pointers)}, but the migration that "
        f"{state.ledger} records as applied last is {last}. The rows are believed: "
        f"{state.version_table} is set to {last}."
    )


def removed(state: State, first: str) -> str:
    """A pointer at the first migration, and no row."""
    return (
        f"{state.version_table} says {first}, but {state.ledger} holds no row: its row was "
        "removed, so it is run again."
    )


def drifted(state: State, unknown: tuple[str, ...], last: str | None) -> str:
    """A pointer that is neither a row nor a file."""
    return (
        f"{state.version_table} says {_and(unknown)}, which is neither a file nor a row of "
        f"{state.ledger}. The rows are believed: {state.version_table} is set to {last}."
    )


def hole(stems: Sequence[str]) -> str:
    """Applied migrations whose file is gone although files remain on either side of it."""
    return (
        f"{', '.join(stems)}: applied to this database, but the file is gone from the middle of "
        "the folder. The run goes on past it."
    )


def newer(stems: Sequence[str]) -> str:
    """Applied migrations whose name comes after the last file of this folder."""
    return (
        f"Applied to this database, and not in this folder: {', '.join(stems)}. Most likely a "
        "newer release has migrated it. The run goes on."
    )


def breaking(state: State, stems: Sequence[str]) -> LedgerError:
    """Applied migrations that say `breaking = True`, and are not in this folder."""
    which = " OR ".join(state.condition(stem) for stem in stems)
    mend = f"UPDATE {state.ledger} SET breaking = false WHERE {which};"  # noqa: S608
    was, it = ("was", "it") if len(stems) == 1 else ("were", "them")
    return LedgerError(
        f"{_and(stems)} {was} applied to this database, not in this folder, and declared with "
        f"breaking = True: releases without {it} cannot work on this database any more. Nothing "
        f"was changed. Deploy the release that has {it}, or a newer one. To start this one all the "
        f"same, type first: {mend}"
    )


def forgetting(state: State, gone: Sequence[str]) -> LedgerError:
    """A stamp that would remove rows of migrations that are not in this folder."""
    row, it = ("row", "it") if len(gone) == 1 else ("rows", "they")
    them, files = ("it", "file is") if len(gone) == 1 else ("them", "files are")
    return LedgerError(
        f"This stamp would remove from {state.ledger} the {row} of {', '.join(gone)}, whose "
        f"{files} not in this folder: {it} may belong to a newer release, or to another "
        f"application, which would then run {them} a second time. Nothing was changed. If {it} "
        "must go all the same, add --purge."
    )


def _difference(one: str, other: str) -> str:
    if unicodedata.normalize("NFC", one) == unicodedata.normalize("NFC", other):
        # On a screen they look the same.
        return "how an accented letter is encoded (as one character, or as two)"
    return "spelling"


def _last(state: State) -> str:
    return in_applied_order(state.rows, certain=state.certain, pointers=state.pointers)[-1].version


def _migrations(count: int) -> str:
    return "1 migration" if count == 1 else f"{count} migrations"


def _and(names: Sequence[str]) -> str:
    return " and ".join(names) if len(names) < 3 else ", ".join(names)  # noqa: PLR2004
