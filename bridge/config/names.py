"""Tell which options are Alembic's, and which are a misspelling of bridge's."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bridge.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Collection

#: The options Alembic reads itself; never taken for a misspelling of one of ours.
ALEMBIC_OPTIONS = frozenset(
    {
        *("databases", "file_template", "output_encoding", "path_separator", "post_write_hooks"),
        *("prepend_sys_path", "recursive_version_locations", "revision_environment"),
        *("script_location", "sourceless", "sqlalchemy.url", "timezone", "truncate_slug_length"),
        *("version_locations", "version_path_separator"),
    }
)


def check_name(name: str, known: Collection[str], *, where: str) -> None:
    """Refuse a name that is a misspelling of a known one: it would silently do nothing.

    ``where`` is the phrase the message names it by. Raises UsageError.
    """
    if name in known or name in ALEMBIC_OPTIONS:
        return
    from bridge.spelling import nearest  # most configurations hold only names that are known

    plain = {_plain(each): each for each in known}
    meant = nearest(_plain(name), plain)
    if meant is not None:
        raise UsageError(f"{where} is not a setting; did you mean {plain[meant]}?")


def _plain(name: str) -> str:
    return re.sub(r"\W", "_", name).lower()
