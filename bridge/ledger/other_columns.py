"""Understand the columns of a ledger that are not bridge's: times, checksums, what a row needs.

Data in, data out, but for the files whose checksums another team has recorded: these are read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Final

from bridge.errors import FilesError
from bridge.files.plain_file import PlainFile
from bridge.ledger.checksum_forms import ChecksumForm, recognised, recognised_among
from bridge.ledger.filling import Filling, Told, filling, is_checksum, needs_value
from bridge.ledger.history import NO_FILE, Row
from bridge.ledger.layout import TIMES
from bridge.ledger.state import State
from bridge.ledger.table_facts import Column
from bridge.ledger.time_forms import read_times

#: How many files tell the form of checksums that nothing is compared with.
_ENOUGH: Final = 3


def understood(files: Sequence[PlainFile], state: State) -> State:
    """The state with what another team's columns say, and with what a new row says in them.

    `state` is a named one.
    """
    table = state.table
    if table is None:
        return state
    state = _with_times(state)
    written, readable = {*state.layout.columns.values()}, {*state.others}
    if state.words_column is None:
        written |= state.layout.key_columns
    else:
        readable |= state.layout.key_columns
    columns = [
        column
        for column in table.columns.values()
        if column.name not in written and (column.name in readable or needs_value(column))
    ]
    if not columns:
        return state
    by_stem = {file.stem: file for file in files}
    told = _Rows(state, by_stem)
    checksums = [each for each in columns if is_checksum(each) and each.name in state.others]
    state, forms = _with_checksums(state, told, checksums)
    found = {column.name: _filling(column, state, told, forms) for column in columns}
    fillings = tuple(each for each in found.values() if each is not None)
    unfilled = tuple(each for each in columns if needs_value(each) and not found[each.name])
    layout = replace(state.layout, fillings=fillings)
    return replace(state, layout=layout, unfilled=unfilled, checksums=forms)


class _Rows:
    """What the rows say, in the order in which they were applied."""

    def __init__(self, state: State, files: Mapping[str, PlainFile]) -> None:
        self.files = files
        self._ordered = state.in_order
        self._places = {row.name: place for place, row in enumerate(state.rows)}
        self._others = state.others

    def told(self, column: str) -> Told:
        """What they say in one column."""
        values = self._others.get(column)
        if values is None:
            return Told(())
        pairs = [(row.version, values[self._places[row.name]]) for row in self._ordered]
        return Told(pairs, self.files)

    def form(self, column: str, *, compares: bool) -> ChecksumForm | None:
        """The form of the checksums in one column, told by the files.

        Where nothing is to be compared with them, few files are read.
        """
        values = self.told(column).all
        own = [pair for pair in values if pair[0] in self.files]
        if not compares:
            latest = self._read(own[-_ENOUGH:])
            form = recognised(latest)
            if form is not None and all(form.of(data) == checksum for checksum, data in latest):
                return form
        form = recognised(self._read(own))
        if form is None and compares:
            # The files may all have been renamed.
            every = self._read([(stem, "") for stem in self.files])
            form = recognised_among([value for _, value in values], [data for _, data in every])
        return form

    def _read(self, values: Sequence[tuple[str, str]]) -> list[tuple[str, bytes]]:
        found = []
        for stem, checksum in values:
            with suppress(FilesError):  # a finding of its own
                found.append((checksum, self.files[stem].data()))
        return found


def _with_times(state: State) -> State:
    """Take times from a column of text or of numbers, where none has a type for them."""
    if state.layout.time is not None:
        return state
    column = next((name for name in TIMES if name in state.others), None)
    times = read_times(state.others[column]) if column else None
    if times is None:
        return state
    rows = zip(state.rows, times, strict=True)
    return replace(state, rows=tuple(replace(row, applied_at=time) for row, time in rows))


def _with_checksums(
    state: State, rows: _Rows, columns: Sequence[Column]
) -> tuple[State, Mapping[str, ChecksumForm]]:
    """Take another team's checksum, in a form that is known, for a row without one of bridge's."""
    forms: dict[str, ChecksumForm] = {}
    for column in columns:
        values = state.others[column.name]
        pairs = list(zip(state.rows, values, strict=True))
        lacking = any(value and _is_unknown(row) for row, value in pairs)
        form = rows.form(column.name, compares=lacking)
        if form is not None:
            forms[column.name] = form
            taken = tuple(_taking(row, value, form) for row, value in pairs)
            state = replace(state, rows=taken)
    return state, forms


def _is_unknown(row: Row) -> bool:
    return row.form is None and row.lacks_checksum and row.checksum != NO_FILE


def _taking(row: Row, checksum: str | None, form: ChecksumForm) -> Row:
    if checksum and _is_unknown(row) and form.fits(checksum):
        return replace(row, checksum=checksum, form=form)
    return row


def _filling(
    column: Column, state: State, rows: _Rows, forms: Mapping[str, ChecksumForm]
) -> Filling | None:
    """What a new row says in this column; None for nothing, or where nobody can tell."""
    keys = state.keys
    if state.words_column is not None and keys is not None and column.name == state.key_column:
        return Filling.of_name(column.name, lambda stem: keys.parts(stem)[0])
    if keys is not None and column.name == state.words_column:
        return Filling.of_name(column.name, lambda stem: keys.parts(stem)[1])
    if column.identity or column.generated or column.numbers_rows:
        return None
    if is_checksum(column):
        form = forms.get(column.name)
        return None if form is None else Filling.of_text(column.name, form.of)
    return filling(column, rows.told(column.name), table=state.ledger)
