"""The sentences about a ledger, a pointer and a folder that do not agree.

Which of them is true is decided in `bridge.ledger.reconcile` and `bridge.ledger.preflight`. Each
refusal names the ways on, as commands or statements that can be typed as they stand.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from bridge.errors import LedgerError
from bridge.files.plain_file import revision_id
from bridge.findings import Finding, refusal, warning
from bridge.ledger.history import Entry, in_applied_order
from bridge.ledger.names import canonical, number_of, readings
from bridge.ledger.state import Elsewhere, State, samples
from bridge.ledger.table_facts import Table

#: What no file's name should have, or what ends would not be seen.
_IN_NO_NAME = re.compile(r"""[/\\:"'`]|^\s|\s$""")
#: How many migrations a sentence names at the most.
_SHOWN = 5


def empty_folder(state: State) -> Finding:
    """Something is recorded, and there is not one file."""
    recorded = (
        f"{state.ledger} records {_migrations(len(state.rows))}, the last of them {_last(state)}"
        if state.rows
        else f"{state.version_table} says that this database is at {_and(state.pointers)}"
    )
    return refusal(
        "empty-folder",
        f"The folder holds no migration at all, but {recorded}. Nothing was changed.",
        "Most likely this release was built without its migrations: check that the folder "
        "is part of the image, and version_locations in alembic.ini.",
    )


def twins(state: State, one: str, other: str, gone: str) -> Finding:
    """Two rows with one revision id, of which `gone` has no file."""
    mend = f"DELETE FROM {state.ledger} WHERE {state.condition(gone)};"  # noqa: S608
    return refusal(
        "two-rows",
        f"{state.ledger} records both '{one}' and '{other}', which are one revision to Alembic, "
        f"{revision_id(one)}: most likely a file was renamed, and ran under either name. Nothing "
        "was changed.",
        f"Remove the row of the name that is no longer used: {mend}",
        migration=gone,
    )


def names_differ(state: State, name: str, entries: Sequence[Entry]) -> Finding:
    """A row that a person would read as the name of a pending file, or of one of several."""
    file = entries[0]
    forms = readings(name)
    is_number = canonical(file.stem) not in forms and str(number_of(file.stem)) in forms
    if len(entries) > 1:
        which = " and ".join(f"{entry.stem}.py" for entry in entries)
        told = f"which may be either of {which}: nobody can tell which of them is applied"
    elif file.row is not None:
        told = (
            f"which is {file.stem}.py, but the other rows have another form, in which it is "
            f"'{state.new_key(file.stem)}'"
        )
    elif is_number:
        told = f"which is the number of {file.stem}.py, but not its name"
    else:
        told = (
            f"and the folder holds {file.stem}.py: the names differ only in "
            f"{_difference(name, file.stem)}, so the file was most likely renamed"
        )
    correct = f"correct the row: {state.correction(file.stem, name)}"
    recorded = [entry for entry in entries if entry.row is not None]
    if len(entries) > 1:
        mend = f"Put the whole name into the row, for example: {state.correction(file.stem, name)}"
        if recorded:
            remove = f"DELETE FROM {state.ledger} WHERE {state.condition_of(name)};"  # noqa: S608
            mend += (
                f" {recorded[0].stem}.py is recorded by its own name as well: if it is that one, "
                f"remove the row: {remove}"
            )
    elif is_number or file.row or canonical(name) != canonical(file.stem) or not _can_name(name):
        mend = f"If it is the same migration, type eai migrate repair, or {correct}"
    else:
        mend = f"Either name the file {name}.py again, or, if it is the same migration, {correct}"
    return refusal(
        "names-differ",
        f"{state.ledger} records '{name}' as applied, {told}. Nothing was run, because it could "
        "do its work a second time.",
        mend,
        migration=name,
        file=file.path,
    )


def same_text(state: State, old: Entry, new: Entry) -> Finding:
    """A pending file with the very text that was applied under a name that no longer has it."""
    gone = "whose file is gone" if old.file is None else "whose file has another text now"
    mend = (
        f"Either name the file {old.stem}.py again, or record the new name: eai migrate repair."
        if old.file is None
        else "Either give the files their old names again, or record the new ones: eai migrate "
        "repair."
    )
    return refusal(
        "renamed",
        f"{state.ledger} records {old.stem} as applied, {gone}, and {new.stem}.py has the very "
        "text that was applied: most likely the file was renamed. Nothing was changed, because "
        f"{new.stem} would do its work a second time.",
        f"{mend} (If it is another migration with the same text, change a comment in it.)",
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
            f"{gone}; {_and([f'{each.stem}.py' for each in new])}, which are not recorded, have "
            "its number or the words after that. Nobody can tell whether one of them is that "
            "migration under another name. Nothing was changed, because it could do its work a "
            "second time.",
            f"If one of them is that migration, type which: eai migrate repair {old.stem} "
            f"{one.stem}. If all of them are new ones, type: eai migrate mark {one.stem} "
            "--pending.",
            migration=old.stem,
            file=one.path,
        )
    return refusal(
        "maybe-renamed",
        f"{gone}; {one.stem}.py, which is not recorded, has the same {same}. Nobody can tell "
        "whether it is that migration under another name. Nothing was changed, because it could do "
        "its work a second time.",
        f"If it is that migration, type: eai migrate repair {old.stem}. If it is a new one, type: "
        f"eai migrate mark {one.stem} --pending.",
        migration=old.stem,
        file=one.path,
    )


def changed(stems: Sequence[str]) -> str:
    """Files that are not what was applied any more."""
    names = ", ".join(f"{stem}.py" for stem in stems)
    was, it = ("was", "it is") if len(stems) == 1 else ("were", "they are")
    return (
        f"{names} {was} changed after having been applied to this database, where {it} not run "
        "again"
    )


def changed_warning(entries: Sequence[Entry]) -> Finding:
    """As `changed`, where the run goes on."""
    return warning(
        "changed",
        f"{changed(_stems(entries))}.",
        "Put a further change into a new migration. To accept the present text, type: eai migrate "
        "repair.",
        **_first(entries),
    )


def changed_refusal(entries: Sequence[Entry]) -> Finding:
    """As `changed`, where the settings want it refused."""
    return refusal(
        "changed",
        f"{changed(_stems(entries))}, and drift = refuse is set. Nothing was changed in the "
        "database.",
        "Put back the text that was applied, and further changes into a new migration; or accept "
        "the present text: eai migrate repair.",
        **_first(entries),
    )


def no_checksum(entries: Sequence[Entry]) -> Finding:
    """Rows of an adopted table of which nobody knows what was applied."""
    which = _and(_stems(entries[:_SHOWN])) + _more(len(entries) - _SHOWN)
    was, it = ("was", "it") if len(entries) == 1 else ("were", "they")
    return warning(
        "no-checksum",
        f"{which} {was} recorded without a checksum, so that drift = refuse cannot tell whether "
        f"{it} {was} changed.",
        "The next run that writes records the present texts; eai migrate repair does it now.",
        **_first(entries),
    )


def late_refusal(entries: Sequence[Entry], last: str) -> Finding:
    """Files that come late, where the settings want them refused."""
    names = ", ".join(f"{entry.stem}.py" for entry in entries)
    came, them = ("comes", "it") if len(entries) == 1 else ("come", "them")
    return refusal(
        "late",
        f"{names} {came} late: {last} was applied already, and out_of_order = refuse is set. "
        "Nothing was run.",
        f"Give {them} a number after {last}, or set out_of_order = run.",
        **_first(entries),
    )


def late_warning(entries: Sequence[Entry], last: str) -> Finding:
    """Files that come late, and run all the same."""
    names = ", ".join(f"{entry.stem}.py" for entry in entries)
    one = len(entries) == 1
    return warning(
        "late",
        f"{names} {'comes' if one else 'come'} late: {last} was applied before.",
        f"{'It is' if one else 'They are'} run now, after it.",
        **_first(entries),
    )


def unreadable(entry: Entry, sentence: str) -> Finding:
    """A pending file that cannot be run as it stands."""
    return refusal(
        "unreadable-file",
        sentence,
        migration=entry.stem,
        file=entry.path,
    )


def foreign_ledger(state: State) -> Finding:
    """Rows of which none is a file."""
    other_columns = (
        f" {samples(state)} If one of these columns names this application's migrations, say "
        "which with ledger_key = COLUMN, and how with ledger_key_form = stem, file, path or number."
        if state.candidates
        else ""
    )
    return refusal(
        "foreign-ledger",
        f"{state.ledger} records {_migrations(len(state.rows))}, the last of them {_last(state)}, "
        "and none of them is a file of this folder: it looks like another application's "
        "ledger. Nothing was changed.",
        "Give this application a table of its own with "
        "ledger_table = NAME (and version_table = NAME) in alembic.ini, or correct "
        "version_locations if the folder is the wrong one. If it is this project's own ledger, "
        "whose files were all replaced, type: eai migrate repair --adopt."
        f"{other_columns}",
    )


def foreign_version_table(state: State, unknown: tuple[str, ...]) -> Finding:
    """Pointers that mean nothing here, and no column of bridge's."""
    return refusal(
        "foreign-version-table",
        f"{state.version_table} holds {_and(unknown)}, which is neither a file of this folder nor "
        f"a row of {state.ledger}: it looks like the version table of another Alembic "
        "environment. Nothing was changed.",
        "Give this application a table of its own with "
        "version_table = NAME in alembic.ini, or correct version_locations if the folder is the "
        "wrong one.",
    )


def lost(state: State, pointer: str) -> Finding:
    """A pointer whose rows are gone."""
    at = f"{state.version_table} says that this database is at {pointer}, but {state.ledger}"
    ran = f"If every migration up to {pointer} did run, type: alembic stamp {pointer}."
    if not state.exists:
        return refusal(
            "lost-ledger",
            f"{at}, which tells which migrations ran, does not exist. Nothing was changed, because "
            "a file that came late would be taken for applied.",
            f"{ran} Otherwise restore {state.ledger} from a backup.",
        )
    return refusal(
        "lost-ledger",
        f"{at} is empty, and nobody can tell whether its rows were lost or removed on purpose. "
        "Nothing was changed.",
        f"{ran} If they are all to run again, type: alembic stamp base.",
    )


def lost_without_trace(state: State, unknown: tuple[str, ...]) -> Finding:
    """No row in a ledger of bridge's, and a pointer that no file explains either."""
    return refusal(
        "lost-ledger",
        f"{state.ledger} is empty, and {state.version_table} holds {_and(unknown)}, which is not a "
        "file of this folder: something was applied to this database, and nothing says what. "
        "Nothing was changed, because every migration would run again.",
        "If migrations did run, "
        "type with the name of the last one that did: alembic stamp --purge REV. If they are all "
        "to run again, type: alembic stamp --purge base.",
    )


def elsewhere(state: State, schemas: Sequence[Elsewhere]) -> Finding:
    """No row where this connection looks, and a table of that name where it does not."""
    here = state.session.here
    names = [each.schema for each in schemas]
    found = "no" if not state.exists else "an empty"
    holds = "the schema" if len(names) == 1 else "each of the schemas"
    closed = next((each.schema for each in schemas if not each.usable), None)
    role = state.session.role
    grant = (
        f" This role may not use it: GRANT USAGE ON SCHEMA {closed} TO {role};" if closed else ""
    )
    at, again = (f" in {here}", f"in {here}") if here else ("", "in another schema")
    return refusal(
        "other-schema",
        f"This connection finds {found} {state.ledger}{at}, but {holds} {_and(names)} of the "
        "same database holds one: most likely the search_path is not the usual one, and every "
        f"migration would run again {again}. Nothing was changed.{grant}",
        _either_schema(state, names),
    )


def other_schema(state: State, table: Table, name: str) -> Finding:
    """A table that is found behind the schema in which the files would make theirs."""
    here = state.session.here
    return refusal(
        "other-schema",
        f"The table {name} that this connection finds is in the schema {table.schema}, but "
        f"migrations would make their tables in the schema {here}, which comes before it in the "
        f"search_path: what is recorded in {table.schema} would be taken for applied in {here}. "
        "Nothing was changed.",
        _either_schema(state, [table.schema]),
    )


def _either_schema(state: State, found: Sequence[str]) -> str:
    """The lines that may be meant: the schema that is first, and the one that has the ledger."""
    here, usual = state.session.here, state.session.usual
    lines = []
    if here:
        lines.append(
            f"If {here} is a schema of its own, in which the migrations are to run, set in "
            f"alembic.ini: version_table_schema = {here}."
        )
    if usual in found and usual != here:
        lines.append(
            f"Only if the tables are there, in {usual}, set: version_table_schema = {usual}."
        )
    return " ".join(lines) or "Correct the search_path, or set version_table_schema in alembic.ini."


def other_table(state: State) -> Finding:
    """A table of another name that holds the name of the first file, where nothing is recorded."""
    empty = "is empty" if state.exists else "does not exist"
    return refusal(
        "other-table",
        f"{state.ledger} {empty}, but the table {state.other_table} holds the name of the first "
        "file: most likely another runner has recorded there what it has applied, and every "
        "migration would run a second time. Nothing was changed.",
        f"If it is this project's ledger, set in alembic.ini: ledger_table = {state.other_table}. "
        f"If it is not, set: ledger_table = {_bare(state.ledger)}.",
    )


def not_a_table(name: str, table: Table, setting: str) -> Finding:
    """A view, or something else, under the name of one of the two tables."""
    shown = f" on {table.view_of}" if table.view_of else ""
    mend = (
        f"Name the table itself in alembic.ini: {setting} = {table.view_of}."
        if table.view_of and "," not in table.view_of
        else f"Name a table in alembic.ini: {setting} = NAME."
    )
    return refusal(
        "not-a-table",
        f"{name} is {table.other_kind}{shown}, and no table: bridge could not add its columns to "
        "it, nor be sure that what it records is kept. Nothing was changed.",
        mend,
    )


def hidden_rows(state: State, name: str, acts: Sequence[str]) -> Finding:
    """Row level security that keeps rows from this role."""
    what = _and([act.lower() for act in acts])
    so = "nobody can tell what is applied" if "SELECT" in acts else "a record may not be kept"
    return refusal(
        "hidden-rows",
        f"Row level security hides rows of {name} from this role, or may refuse them: no policy "
        f"USING (true) lets it {what} every row, so {so}. Nothing was changed.",
        f"Type this once as the table's owner: CREATE POLICY migrations ON {name} TO "
        f"{state.session.role} USING (true) WITH CHECK (true); or set MIGRATION_DATABASE_URL to a "
        "role with BYPASSRLS.",
    )


def moved(state: State, last: str | None) -> Finding:
    """A pointer that is not the migration applied last."""
    return warning(
        "pointer-moved",
        f"{state.version_table} says {_and(state.pointers)}, but the migration that "
        f"{state.ledger} records as applied last is {last}.",
        f"The rows are believed: {state.version_table} is set to {last}.",
        migration=last,
    )


def removed(state: State, first: str) -> Finding:
    """A pointer at the first migration, and no row."""
    return warning(
        "rerun",
        f"{state.version_table} says {first}, but {state.ledger} holds no row: its row was "
        "removed.",
        "It is run again.",
        migration=first,
    )


def drifted(state: State, unknown: tuple[str, ...], last: str | None) -> Finding:
    """A pointer that is neither a row nor a file."""
    return warning(
        "pointer-moved",
        f"{state.version_table} says {_and(unknown)}, which is neither a file nor a row of "
        f"{state.ledger}.",
        f"The rows are believed: {state.version_table} is set to {last}.",
        migration=last,
    )


def hole(entries: Sequence[Entry]) -> Finding:
    """Applied migrations whose file is gone although files remain on either side of it."""
    return warning(
        "file-missing",
        f"{', '.join(_stems(entries))}: applied to this database, but the file is gone from the "
        "middle of the folder.",
        "The run goes on past it.",
        **_first(entries),
    )


def newer(entries: Sequence[Entry]) -> Finding:
    """Applied migrations whose name comes after the last file of this folder."""
    return warning(
        "newer",
        f"Applied to this database, and not in this folder: {', '.join(_stems(entries))}. Most "
        "likely a newer release has migrated it.",
        "The run goes on.",
        **_first(entries),
    )


def breaking(state: State, entries: Sequence[Entry]) -> Finding:
    """Applied migrations that say `breaking = True`, and are not in this folder."""
    stems = _stems(entries)
    which = " OR ".join(state.condition(stem) for stem in stems)
    mend = f"UPDATE {state.ledger} SET breaking = false WHERE {which};"  # noqa: S608
    was, it = ("was", "it") if len(stems) == 1 else ("were", "them")
    return refusal(
        "breaking",
        f"{_and(stems)} {was} applied to this database, not in this folder, and declared with "
        f"breaking = True: releases without {it} cannot work on this database any more. Nothing "
        "was changed.",
        f"Deploy the release that has {it}, or a newer one. To start this one all the "
        f"same, type first: {mend}",
        **_first(entries),
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


def not_kept(table: str, name: str, found: Sequence[object]) -> LedgerError:
    """A record that was written, and is not what the table has afterwards."""
    has = f"has {_and([str(each) for each in found])}" if found else "does not have it"
    return LedgerError(
        f"{table} was told {name}, and afterwards {has}: a trigger, a rule or a policy of the "
        f"table keeps records back, or changes them. Look at it with \\d {table} in psql, and "
        "disable what does that."
    )


def not_moved(table: str, rows: int) -> LedgerError:
    """A pointer that was to be changed, where not exactly one row was."""
    return LedgerError(
        f"{rows or 'No'} rows of {table} were changed where one was to be: this file or another "
        "process has written into it, or a trigger, a rule or a policy of the table keeps it as it "
        f"is (\\d {table} in psql shows those)."
    )


def not_forgotten(table: str, left: Sequence[str]) -> LedgerError:
    """Rows that were deleted, and are there all the same."""
    return LedgerError(
        f"The rows of {_and(list(left))} were deleted from {table}, and afterwards are there all "
        "the same: a trigger, a rule or a policy of the table keeps them. Look at it with "
        f"\\d {table} in psql, and disable what does that."
    )


def _can_name(name: str) -> bool:
    """Whether a file can be named so by a person who sees the name on a screen."""
    return name.isprintable() and not _IN_NO_NAME.search(name)


def _difference(one: str, other: str) -> str:
    if unicodedata.normalize("NFC", one) == unicodedata.normalize("NFC", other):
        # On a screen they look the same.
        return "how an accented letter is encoded (as one character, or as two)"
    if canonical(one) == canonical(other):
        return "spelling"
    return "what stands before or after it"


def _stems(entries: Sequence[Entry]) -> list[str]:
    return [entry.stem for entry in entries]


def _first(entries: Sequence[Entry]) -> dict[str, str | None]:
    """The first of several migrations, which a program is pointed at."""
    entry = entries[0]
    return {"migration": entry.stem, "file": entry.path}


def _more(count: int) -> str:
    return f" and {count} more" if count > 0 else ""


def _bare(name: str) -> str:
    """The name of a table without its schema, as the settings take it."""
    return name.rpartition(".")[2].strip('"')


def _last(state: State) -> str:
    return in_applied_order(state.rows, certain=state.certain, pointers=state.pointers)[-1].version


def _migrations(count: int) -> str:
    return "1 migration" if count == 1 else f"{count} migrations"


def _and(names: Sequence[str]) -> str:
    return " and ".join(names) if len(names) < 3 else ", ".join(names)  # noqa: PLR2004
