"""Read which revisions of an Alembic history a plain file was, as `eai migrate import` wrote.

    revision = "ae1027a6acf0"
    revision = ("ae1027a6acf0", "27c6a30d7c24")
    follows = {"27c6a30d7c24": ("ae1027a6acf0", "1975ea83b712")}

The first id is the file's own. Those after it are of merges that did nothing. An id follows the
one before it, of the same file or of the imported file before, unless `follows` says otherwise.
Data in, data out: nothing is executed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bridge.files.bindings import Binding, bindings_of, last_assigned, parse

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Origin:
    """The revisions that a plain file was."""

    #: Its own id, then those of merges that came to nothing.
    ids: tuple[str, ...]
    #: What an id follows, where that is not the id before it.
    follows: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def origin_of(path: str, source: str) -> Origin | None:
    """Read what the file at `path`, whose text is `source`, was; None for no revision of Alembic's.

    A `revision` that is no constant is somebody's own affair. Raises PlainFileError if the text is
    not Python.
    """
    if "revision" not in source:
        return None
    bindings = bindings_of(parse(path, source))
    ids = _names(_literal(last_assigned("revision", bindings)))
    if not ids:
        return None
    follows = _literal(last_assigned("follows", bindings))
    found = follows if isinstance(follows, dict) else {}
    return Origin(ids, {str(each): _names(before) for each, before in found.items()})


def ancestry(origins: Sequence[Origin]) -> dict[str, tuple[str, ...]]:
    """Return what each id follows, of files in their order, none of which has an id of another."""
    parents: dict[str, tuple[str, ...]] = {}
    before: tuple[str, ...] = ()
    for origin in origins:
        for each in origin.ids:
            parents[each] = origin.follows.get(each, before)
            before = (each,)
    return parents


def with_ancestors(ids: Sequence[str], parents: Mapping[str, tuple[str, ...]]) -> frozenset[str]:
    """Return these ids and all that they follow."""
    found: set[str] = set()
    left = list(ids)
    while left:
        each = left.pop()
        if each not in found:
            found.add(each)
            left += parents.get(each, ())
    return frozenset(found)


def _literal(binding: Binding | None) -> object:
    return binding.literal() if binding is not None and not binding.conditional else None


def _names(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    if isinstance(value, tuple | list) and all(isinstance(each, str) for each in value):
        return tuple(value)
    return ()
