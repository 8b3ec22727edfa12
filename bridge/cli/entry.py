"""Start the command `eai`: a plain `eai migrate` by itself, everything else through Typer.

Most deployments type `eai migrate`, some with an option or two, and most of these runs have nothing
to do. Loading Typer would take longer than all the rest, and Pydantic, which Typer loads to read
the value of an option, as long again. So the words that are usual there are read here. Whatever is
not plain is left to Typer: with it must agree what is read here, and it says what is wrong.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bridge.cli.options import Options

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def _seconds(value: str) -> float:
    """Return a time as people write it; a ValueError for what else may be a number."""
    if not value.replace(".", "", 1).isdecimal() or not value.isascii():
        raise ValueError(value)
    return float(value)


def _target(value: str) -> tuple[str, ...]:
    """Return the one target; a ValueError for a pattern, which may mean several."""
    if any(each in value for each in "*?["):
        raise ValueError(value)
    return (value,)


#: Options with a value, the field of Options that each sets, and how it is read.
_VALUES: dict[str, tuple[str, Callable[[str], object]]] = {
    "-c": ("config", Path),
    "-n": ("section", str),
    "--name": ("section", str),
    "--target": ("target", _target),
    "--config": ("config", Path),
    "--database-url": ("database_url", str),
    "--log-format": ("log_format", str),
    "--wait-for-lock": ("wait_for_lock", _seconds),
    "--wait-for-server": ("wait_for_server", _seconds),
    "--ddl-lock-timeout": ("ddl_lock_timeout", _seconds),
}
#: Options without one.
_SWITCHES = {
    "-v": "verbose",
    "--verbose": "verbose",
    "--embedded": "embedded",
    "--show-parameters": "show_parameters",
}


def main() -> None:
    """Run `eai`; the console script."""
    options = plain_options(sys.argv[1:], program=_program())
    if options is None or any(name.endswith("_COMPLETE") for name in os.environ):
        from bridge.cli.eai import app

        app()
        return
    try:
        from bridge.cli.applying import apply

        apply(options)
    except KeyboardInterrupt:  # before the run listens to signals, or after it
        sys.exit(130)


def plain_options(words: Sequence[str], *, program: str) -> Options | None:
    """Return what these words after the program's name ask of `migrate`; None to ask Typer."""
    if words[:1] != ["migrate"]:
        return None
    given: dict[str, Any] = {}
    rest = iter(words[1:])
    for word in rest:
        if word in _SWITCHES:
            given[_SWITCHES[word]] = True
            continue
        name, equals, value = word.partition("=")
        if name not in _VALUES or (equals and not name.startswith("--")):
            return None
        field, read = _VALUES[name]
        value = value if equals else next(rest, "")
        # Bytes that are no text, and what may be the next option, are told apart by Typer.
        if field in given or value.startswith("-") or not (value and value.isprintable()):
            return None
        try:
            given[field] = read(value)
        except ValueError:
            return None
    if "config" in given and not os.access(given["config"], os.R_OK):
        return None
    return Options(program=f"{program} migrate", **given)


def _program() -> str:
    """Return what was typed to start this, as Typer calls it too."""
    path = Path(sys.argv[0])
    package = getattr(sys.modules["__main__"], "__package__", None)
    if not package:
        return path.name
    return f"python -m {package if path.stem == '__main__' else f'{package}.{path.stem}'}"
