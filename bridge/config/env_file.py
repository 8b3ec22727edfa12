"""Read the variables that a project keeps in a file, such as `.env`: the setting `env_file`.

Only those that bridge itself knows count, and nothing is put into the environment of the process:
whoever calls bridge, and the files of migrations, go on to see what they have seen. It is read in
the same way whatever is installed.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bridge.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Container, Iterator

#: The variables that count, beside BRIDGE_ and the name of a setting.
_OURS: Final = re.compile(r"MIGRATION_DATABASE_URL|DATABASE_URL|BRIDGE_\w+")
_LINE: Final = re.compile(r"\s*(?:export\s+)?([A-Za-z_]\w*)\s*=[^\S\n]*(.*)")
_SINGLE: Final = re.compile(r"'((?:[^'\\]|\\.)*)'\s*(?:#.*)?")
_DOUBLE: Final = re.compile(r'"((?:[^"\\]|\\.)*)"\s*(?:#.*)?')
_COMMENT: Final = re.compile(r"\s+#.*")


def read_variables(path: str, *, but: Container[str]) -> dict[str, str]:
    """Read the lines `NAME=value` of the file, for the names that are not in `but`.

    A file that is not there has none. Raises UsageError, which shows no value, for one that cannot
    be read, or a value that means something else to other readers.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise UsageError(
            f"The file of variables {path} (env_file) cannot be read: {reason}."
        ) from error
    return {name: value for name, value in _variables(text, path) if name not in but}


def _variables(text: str, path: str) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(text.splitlines(), start=1):
        match = _LINE.fullmatch(line)
        if match is not None and _OURS.fullmatch(match[1]):
            yield match[1], _value(match[2].strip(), f"{match[1]} in {path}, line {number},")


def _value(written: str, where: str) -> str:
    if written[:1] == "'":
        return re.sub(r"\\([\\'])", r"\1", _quoted(_SINGLE, written, where))
    if written[:1] == '"':
        value = re.sub(r'\\([\\"])', r"\1", _quoted(_DOUBLE, written, where))
    else:
        value = _COMMENT.sub("", written).rstrip()
    if "${" in value:
        raise UsageError(
            f"{where} has a ${{…}}, which is not replaced here. Write the value out, or put it "
            "into single quotes if it is meant as it stands."
        )
    return value


def _quoted(form: re.Pattern[str], written: str, where: str) -> str:
    match = form.fullmatch(written)
    if match is None:
        raise UsageError(f"{where} begins with a quotation mark, and does not end with the same.")
    return match[1]
