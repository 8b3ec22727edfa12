"""Check settings: the spelling of their names, and their values as they were written.

All functions raise UsageError, which says where the value stands and what it must be.
"""

from __future__ import annotations

import keyword
import math
import re
from typing import TYPE_CHECKING

from bridge import SWITCHED_ON
from bridge.config.resources import is_object_name
from bridge.config.sources import absolute
from bridge.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from bridge.config.sources import Found

#: The options Alembic reads itself; never taken for a misspelling of one of ours.
ALEMBIC_OPTIONS = frozenset(
    {
        *("databases", "file_template", "output_encoding", "path_separator", "post_write_hooks"),
        *("prepend_sys_path", "recursive_version_locations", "revision_environment"),
        *("script_location", "sourceless", "sqlalchemy.url", "timezone", "truncate_slug_length"),
        *("version_locations", "version_path_separator"),
    }
)

_SWITCHED_OFF = frozenset({"false", "f", "no", "n", "off", "0"})

#: PostgreSQL cuts longer names off silently, and would then not find the table again. In bytes.
_NAME_LIMIT = 63


def check_name(name: str, known: Collection[str], *, where: str) -> None:
    """Refuse a name that is a misspelling of a known one: it would silently do nothing.

    ``where`` is the phrase the message names it by. Raises UsageError.
    """
    if (right := meant(name, known)) is not None:
        raise UsageError(f"{where} is not a setting; did you mean {right}?")


def meant(name: str, known: Collection[str]) -> str | None:
    """Return the known name of which this is a misspelling; None if it is none."""
    if name in known or name in ALEMBIC_OPTIONS:
        return None
    from bridge.spelling import nearest  # most configurations hold only names that are known

    plain = {_plain(each): each for each in known}
    found = nearest(_plain(name), plain)
    return None if found is None else plain[found]


def _plain(name: str) -> str:
    return re.sub(r"\W", "_", name).lower()


def one_of(*allowed: str) -> Callable[[Found], str]:
    """Return one of the allowed words, spelled as in `allowed`."""

    def parse(found: Found) -> str:
        for each in allowed:
            if each == found.value:
                return each
        raise wrong(found, f"it must be one of {', '.join(allowed)}")

    return parse


def yes_or_no(found: Found) -> bool:
    """Return a switch, as people spell it, as a bool."""
    if isinstance(found.value, bool):
        return found.value
    word = str(found.value).lower()
    if word in SWITCHED_ON:
        return True
    if word in _SWITCHED_OFF:
        return False
    raise wrong(found, "it must be true or false")


def seconds(found: Found) -> float:
    """Return a time, in seconds."""
    expected = "it must be a number of seconds, 0 or more, such as 300"
    if isinstance(found.value, bool) or not isinstance(found.value, str | int | float):
        raise wrong(found, expected)
    try:
        number = float(found.value)
    except (ValueError, OverflowError):
        raise wrong(found, expected) from None
    if not (math.isfinite(number) and number >= 0):
        raise wrong(found, expected)
    return number


def tries(found: Found) -> int:
    """Return how often something is tried."""
    try:
        number = int(str(found.value))
    except ValueError:
        number = 0
    if isinstance(found.value, bool) or number < 1:
        raise wrong(found, "it must be a whole number, 1 or more, such as 10")
    return number


def text(found: Found) -> str:
    """Return a string. No error shows the value: this also reads sqlalchemy.url."""
    if not isinstance(found.value, str):
        raise UsageError(f"{found.where} must be a string, in quotes.")
    return found.value


def name(found: Found) -> str:
    """Return the name of a table or of a schema, without the other."""
    if "." in text(found):
        raise wrong(found, "it must be a bare name; name a schema with version_table_schema")
    return column(found)


def function(found: Found) -> str:
    """Return the name of a function."""
    value = text(found)
    if not value.isidentifier() or keyword.iskeyword(value):
        raise wrong(found, "it must be the name of a function, such as up")
    return value


def column(found: Found) -> str:
    """Return the name of a column, which may have a dot."""
    value = text(found)
    if len(value.encode()) > _NAME_LIMIT or '"' in value or not value.isprintable():
        raise wrong(found, f"it must be a name of at most {_NAME_LIMIT} bytes, without quotes")
    return value


def object_name(found: Found) -> str:
    """Return the name of a Python object: `module:attribute`."""
    value = text(found)
    if not is_object_name(value):
        raise wrong(found, "it must be a module and an attribute, such as app.models:Base.metadata")
    return value


def path(found: Found) -> str:
    """Return a path; a relative one starts where the setting is written."""
    return str(absolute(text(found), found.base))


def target_search_path(found: Found) -> str:
    """Return a search_path that begins with a target's schema, where tables are then made."""
    value = text(found).strip()
    if not re.match(r"\{target\}\s*(,|$)", value) or value.count("{target}") > 1:
        raise wrong(found, "it must begin with {target}, once: {target}, public")
    return value


def words(found: Found) -> tuple[str, ...]:
    """Return several words, from a list or with commas; `none` is no word at all."""
    if isinstance(found.value, list | tuple):
        listed = [str(each).strip() for each in found.value]
    else:
        listed = re.split(r"[\s,]+", text(found))
    return tuple(word for word in listed if word not in {"", "none"})


def wrong(found: Found, expected: str) -> UsageError:
    """Return the error for a value that is not what is expected."""
    return UsageError(f"{found.where} is {found.value!r}; {expected}.")
