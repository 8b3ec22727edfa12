"""Write a command's result to standard output."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import IO, TYPE_CHECKING, Any

from bridge.reporting.escaping import json_text
from bridge.reporting.written import Look

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bridge.reporting.style import Line


def result(*lines: Line) -> None:
    """Write what the command was asked for to standard output, for a person to read."""
    look = Look.of(sys.stdout)
    verbatim(*map(look.written, lines))


def data(value: object, **options: Any) -> None:
    """Write it to standard output as JSON, for a program; `options` are those of `json.dumps`."""
    verbatim(json_text(value, **options))


def verbatim(*lines: str) -> None:
    """Write SQL and the like to standard output, as it stands."""
    with as_long_as_it_is_read(), _names_as_they_are():
        sys.stdout.write("".join(f"{line}\n" for line in lines))
        sys.stdout.flush()


@contextlib.contextmanager
def _names_as_they_are() -> Iterator[None]:
    """Let through bytes of a file's name that are no text, for the program that reads them."""
    stream: Any = sys.stdout
    if getattr(stream, "errors", None) != "strict" or not hasattr(stream, "reconfigure"):
        yield
        return
    stream.reconfigure(errors="surrogateescape")
    try:
        yield
    finally:
        stream.reconfigure(errors="strict")


@contextlib.contextmanager
def as_long_as_it_is_read() -> Iterator[None]:
    """Write to standard output inside; a reader that went away is no reason to fail."""
    try:
        yield
    except BrokenPipeError:
        _discard(sys.stdout)  # or Python complains once more at exit


def _discard(stream: IO[str]) -> None:
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
