"""Write a line as a stream wants it: laid out and coloured for a person, as it is for all else."""

from __future__ import annotations

from bridge.reporting.escaping import escaped
from bridge.reporting.style import Line, Styled, painted


def written(line: Line, *, width: int | None, coloured: bool) -> str:
    """Return the line as it is written to a stream, escaped, without its end.

    `width` is that of the terminal, in cells; None where nobody looks.
    """
    if width is None and not coloured:
        pieces = (line,) if isinstance(line, str) else line
        return "".join(escaped(each.text if isinstance(each, Styled) else each) for each in pieces)
    from bridge.reporting.layout import laid_out  # a run in a container has no use for it

    return "\n".join(
        "".join(painted(each.text, each.style if coloured else None) for each in row)
        for row in laid_out(line, width)
    )
