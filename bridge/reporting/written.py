"""Write a line as a stream wants it: laid out and coloured for a person, as it is for all else."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import IO

from bridge.reporting.escaping import escaped
from bridge.reporting.style import Line, Styled, painted, wants_colours


@dataclass(frozen=True, slots=True)
class Look:
    """How lines look on a stream."""

    #: Whether a person is looking, at a terminal that knows control codes.
    live: bool
    coloured: bool

    @classmethod
    def of(cls, stream: IO[str] | None) -> Look:
        """Find out from the stream, and from TERM, NO_COLOR and FORCE_COLOR."""
        able = _is_able_terminal(stream)
        return cls(able, wants_colours(able=able))

    @property
    def width(self) -> int:
        """The width of the terminal, in cells, without its last."""
        import shutil  # takes long to load for the runs that nobody looks at

        return shutil.get_terminal_size().columns - 1

    def written(self, line: Line) -> str:
        """Return the line as it is written, escaped, without its end."""
        if not (self.live or self.coloured):
            pieces = (line,) if isinstance(line, str) else line
            return "".join(
                escaped(each.text if isinstance(each, Styled) else each) for each in pieces
            )
        from bridge.reporting.layout import laid_out  # a run in a container has no use for it

        return "\n".join(
            "".join(painted(each.text, each.style if self.coloured else None) for each in row)
            for row in laid_out(line, self.width if self.live else None)
        )


def _is_able_terminal(stream: IO[str] | None) -> bool:
    if stream is None or stream.closed or not stream.isatty():
        return False
    return os.environ.get("TERM", "dumb") != "dumb"
