"""Find what a database has applied of an Alembic history whose revisions are plain files now.

`eai migrate import` leaves the old ids in the files. A database in which no row is recorded, and
whose version table names only such ids, has applied those files and what they follow. That is as
good as recorded, for every command; it is written down with the first change that bridge makes
there, so that releases which know Alembic alone run beside this one until then.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from bridge.errors import FilesError
from bridge.files.imported import Origin, ancestry, origin_of, with_ancestors
from bridge.files.plain_file import PlainFile
from bridge.ledger.drift import row_of
from bridge.ledger.state import Imported, State


def with_imported(files: Sequence[PlainFile], state: State) -> State:
    """Return the state as it will be recorded; the same if nothing here is an imported history.

    Reads the files, where the version table holds what is none of theirs and no row is recorded.
    """
    if state.rows or not state.pointers or state.blank_pointer:
        return state
    if not {file.revision for file in files}.isdisjoint(state.pointers):
        return state  # bridge, or a person, has moved it
    found = [each for file in files if (each := _read(file)) is not None]
    parents = ancestry([each.origin for each in found])
    if not all(pointer in parents for pointer in state.pointers):
        return state
    applied = with_ancestors(state.pointers, parents)
    rows = tuple(
        replace(row_of(each.file), key=state.new_key(each.file.stem))
        for each in found
        if each.origin.ids[0] in applied
    )
    if not rows:
        return state
    return replace(
        state,
        rows=rows,
        pointers=(rows[-1].revision,),
        imported=Imported(state.pointers, rows),
    )


@dataclass(frozen=True, slots=True)
class _Read:
    file: PlainFile
    origin: Origin


def _read(file: PlainFile) -> _Read | None:
    # One that cannot be read counts as pending, and is refused as such.
    with suppress(FilesError):
        origin = origin_of(file.path, file.source())
        if origin is not None:
            _ = file.header
            return _Read(file, origin)
    return None
