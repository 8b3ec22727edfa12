"""Find out which columns of a ledger name migrations, and how. Data in, data out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from bridge.errors import LedgerError
from bridge.files.plain_file import PlainFile
from bridge.files.replaces import replaced_by
from bridge.ledger.history import Row, order_of
from bridge.ledger.keys import Form, Keys
from bridge.ledger.layout import KEYS
from bridge.ledger.state import State, samples


def named(files: Sequence[PlainFile], state: State) -> State:
    """The state with the stems of its migrations, whatever the ledger calls them.

    Raises LedgerError if nobody can tell what the ledger calls them, or which file a row means.
    """
    if state.keys is not None:
        return state
    files = _with_replaced(files)
    state, keys = _recognised(files, state)
    if shared := keys.shared():
        words = "" if keys.form is Form.NUMBER else " and the same words"
        texts = any(not state.layout.numeric(name) for name in state.layout.others)
        settled = (
            " If another column has their names, take ledger_key and ledger_key_form out of "
            "alembic.ini."
            if state.form is not None and texts
            else ""
        )
        same = ", ".join(f"{' and '.join(stems)} have the same number{words}" for stems in shared)
        raise LedgerError(
            f"{state.ledger} records numbers, not names, and {same}: nobody can tell which of "
            "them is applied. Nothing was changed. Give all but one of them another number, or "
            f"put whole names into {state.ledger}.{settled}"
        )
    rows = tuple(_by_stem(row, keys) for row in state.rows)
    # A name in the form of the others goes before one that a person has written beside it.
    in_form_last = sorted(rows, key=lambda row: keys.fits(row.name))
    return replace(
        state,
        rows=rows,
        order=order_of(files),
        keys=keys,
        recorded={row.version: row.name for row in in_form_last},
    )


def _with_replaced(files: Sequence[PlainFile]) -> Sequence[PlainFile]:
    """Add what is replaced and has no file any more: its rows have a name in the same form."""
    stems = {file.stem for file in files}
    listed = dict.fromkeys(name for names in replaced_by(files).values() for name in names)
    gone = [name for name in listed if name not in stems]
    return [*files, *(replace(files[0], stem=name) for name in gone)]


def _by_stem(row: Row, keys: Keys) -> Row:
    stem = keys.stem(row.name)
    # To make a row anew takes longer than all else here, and nearly all have their stem.
    return row if stem == row.version else replace(row, version=stem, key=row.name)


def _recognised(files: Sequence[PlainFile], state: State) -> tuple[State, Keys]:
    """Which columns name migrations, and how: by the settings, their names, or what they hold."""
    recorded = [row.version for row in state.rows]
    if state.words_column is not None:
        return state, Keys.of_parts(recorded, files)  # as it was recognised before in this run
    if state.key_column is not None:
        keys = _form(recorded, files, state)
        stems = {file.stem for file in files}
        told = bool(recorded and state.candidates)
        if not told or any(keys.stem(key) in stems for key in recorded):
            return _with_names_beside(files, state, keys)
    fitting = {
        name: match
        for name in state.candidates
        if (match := _match(state, name, files)) is not None
    }
    if fitting and (name := _one_of(fitting, state)):
        return _with_names_beside(files, _keyed(state, name), fitting[name])
    if state.key_column is None:
        raise _unrecognised(state, [f"{name} as {keys.form}" for name, keys in fitting.items()])
    return state, _form(recorded, files, state)


def _form(recorded: Sequence[str], files: Sequence[PlainFile], state: State) -> Keys:
    if state.form is None:
        return Keys.recognise(recorded, files, numeric=state.numeric)
    try:
        return Keys.in_form(state.form, recorded, files, numeric=state.numeric)
    except ValueError as error:
        raise LedgerError(
            f"ledger_key_form is {state.form}, but {state.ledger}.{state.key_column} holds "
            f"'{error}', which does not have that form. Nothing was changed. Correct "
            "ledger_key_form (or "
            "ledger_key) in alembic.ini, or that row."
        ) from None


def _match(state: State, name: str, files: Sequence[PlainFile]) -> Keys | None:
    """How this column names migrations, if its values are numbers of files, or mostly names."""
    values = _whole(state.candidates[name])
    keys = Keys.matching(values, files, numeric=state.layout.numeric(name))
    return keys if keys is None or state.form in {None, keys.form} else None


def _whole(values: Sequence[str | None]) -> list[str]:
    """Return the values of a column; none at all if a row has none."""
    return [value for value in values if value] if all(values) else []


def _one_of(fitting: Mapping[str, Keys], state: State) -> str | None:
    """The column to go by, of those that name files; None if they disagree.

    Where all of them name the same file in each row, a whole name goes before a number.
    """
    meant = [
        [set(keys.meant_by(key)) for key in _whole(state.candidates[name])]
        for name, keys in fitting.items()
    ]
    if not all(set.intersection(*filter(None, of_row)) for of_row in zip(*meant, strict=True)):
        return None
    return min(fitting, key=lambda name: (fitting[name].form is Form.NUMBER, _usual(name)))


def _usual(name: str) -> int:
    return KEYS.index(name) if name in KEYS else len(KEYS)


def _keyed(state: State, name: str) -> State:
    """The state whose rows are named by this column."""
    values = state.candidates[name]
    rows = tuple(
        replace(row, version=str(value)) for row, value in zip(state.rows, values, strict=True)
    )
    return replace(state, key_column=name, numeric=state.layout.numeric(name), rows=rows)


def _with_names_beside(
    files: Sequence[PlainFile], state: State, numbers: Keys
) -> tuple[State, Keys]:
    """Go by the names in another column, where this one has only numbers.

    By a whole name, or else by the number and the words after it together: what most of the rows
    hold whose number is that of a file.
    """
    if numbers.form is not Form.NUMBER or state.form is not None or not state.candidates:
        return state, numbers
    texts = {
        name: values
        for name in sorted(state.candidates, key=_usual)
        if name != state.key_column and not state.layout.numeric(name)
        if (values := _whole(state.candidates[name]))
    }
    meant = [set(numbers.meant_by(row.version)) for row in state.rows]
    for name, values in texts.items():
        keys = Keys.recognise(values, files)
        if keys.form is not Form.NUMBER and _are_most(keys, values, meant):
            return _keyed(state, name), keys
    for name, values in texts.items():
        both = [f"{row.version} {value}" for row, value in zip(state.rows, values, strict=True)]
        keys = Keys.of_parts(both, files)
        if _are_most(keys, both, meant):
            rows = tuple(
                replace(row, version=key) for row, key in zip(state.rows, both, strict=True)
            )
            return replace(state, words_column=name, rows=rows), keys
    return state, numbers


def _are_most(keys: Keys, recorded: Sequence[str], meant: Sequence[set[str]]) -> bool:
    """Return whether most of the rows whose number is that of a file name it like this."""
    known = [(key, stems) for key, stems in zip(recorded, meant, strict=True) if stems]
    agreeing = sum(not stems.isdisjoint(keys.meant_by(key)) for key, stems in known)
    return 2 * agreeing > len(known)


def _unrecognised(state: State, fitting: Sequence[str]) -> LedgerError:
    why = (
        f"more than one of them names files of this folder ({', '.join(fitting)})"
        if fitting
        else "none of them names in most rows a file of this folder"
    )
    return LedgerError(
        f"The table {state.ledger} is not a ledger that bridge knows: its columns are "
        f"{state.columns}, and {why}. {samples(state)} Nothing was changed. If this is the "
        "ledger, set ledger_key = COLUMN in alembic.ini, and ledger_key_form = stem, file, "
        "path or number; if not, name another table with ledger_table = NAME."
    )
