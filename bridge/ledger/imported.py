"""Find what a database has applied of an Alembic history whose revisions are plain files now.

`eai migrate import` leaves the old ids in the files. A database in which no row is recorded, and
whose version table names only such ids, has applied those files and what they follow. That is as
good as recorded, for every command; it is written down with the first change that bridge makes
there, so that releases which know Alembic alone run beside this one until then.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from bridge.errors import FilesError
from bridge.files.imported import Origin, ancestry, origin_of, with_ancestors
from bridge.files.plain_file import PlainFile
from bridge.ledger.drift import row_of
from bridge.ledger.messages import pointer as messages
from bridge.ledger.state import Imported, State


def with_imported(files: Sequence[PlainFile], state: State) -> State:
    """Return the state as it will be recorded; the same if nothing here is an imported history.

    Reads the files, where the version table holds what is none of theirs and no row is recorded.
    Where nobody can tell what has run, the state says why.
    """
    if state.rows or not state.pointers or state.blank_pointer:
        return state
    if not {file.revision for file in files}.isdisjoint(state.pointers):
        return state  # bridge, or a person, has moved it
    found, unread = _read_all(files)
    parents = ancestry([each.origin for each in found])
    if not all(pointer in parents for pointer in state.pointers):
        return state
    applied = with_ancestors(state.pointers, parents)
    if why := unread or _shared(found) or _gap(applied, parents):
        return replace(state, imported_unclear=messages.imported_unclear(state, why))
    rows = tuple(
        replace(row_of(each.file), key=state.new_key(each.file.stem))
        for each in found
        if each.origin.ids[0] in applied
    )
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


def _read_all(files: Sequence[PlainFile]) -> tuple[list[_Read], str | None]:
    """Return the files that were revisions; and why one of all files cannot be read."""
    found: list[_Read] = []
    unread: str | None = None
    for file in files:
        try:
            origin = origin_of(file.path, file.source())
            if origin is not None:
                _ = file.header
                found.append(_Read(file, origin))
        except FilesError as error:
            unread = unread or str(error)
    return found, unread


def _shared(found: Sequence[_Read]) -> str | None:
    """Say which two files were the same revision."""
    files: dict[str, PlainFile] = {}
    for each in found:
        for id_ in each.origin.ids:
            if id_ in files:
                return (
                    f"{each.file.path} and {files[id_].path} both say that they were the revision "
                    f"{id_}. Take `revision` out of the one that is new."
                )
            files[id_] = each.file
    return None


def _gap(applied: Collection[str], parents: Mapping[str, Sequence[str]]) -> str | None:
    """Say which revision is followed, and was no file of this folder: others may be before it."""
    for id_ in sorted(applied):
        if gone := [each for each in parents.get(id_, ()) if each not in parents]:
            return (
                f"`follows` says that the revision {id_} follows {', '.join(gone)}, and no file of "
                "this folder was that. Put its file back."
            )
    return None
