"""Lay a message out for a person at a terminal: folded at words, and what to type on its own line.

The sentences are those of every log and pipe, where they stay as they are. Here the places of
files, and the ids of what was found, are given a style, and a command that the sentence ends with
gets a line of its own that is never folded, so that it can be copied.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final

from bridge.reporting.escaping import escaped
from bridge.reporting.style import Line, Style, Styled

#: Wider, a line is hard to read; narrower, nothing can be laid out. In cells.
WIDEST, NARROWEST = 100, 50
#: How far what to type stands from the left.
_COMMAND: Final = "    "

#: A command, or a statement, behind a colon, to the end of its sentence or of the text.
_TO_TYPE: Final = re.compile(
    r"(?<=:)(?<!statement:) "
    r"(?P<command>(?:eai|alembic|python|pip|git|mv|SELECT|GRANT|CREATE|ALTER|UPDATE|DELETE|INSERT)"
    r"\s.*?)(?P<end>[;,]? or (?=[a-z])|, and (?=[a-z])|; (?=[a-z])|\. (?=[A-Z])|\.?$)"
)
#: The file, with its line, in which something is; and the id of a finding at the end.
_MARKED: Final = re.compile(
    r"(?P<file>(?<![\w./-])[\w./-]*[\w-]\.(?:py|ini|toml|sql|txt)(?::\d+)?(?![\w/]))"
    r"|(?P<id>\[[a-z][a-z-]*\]$)|(?P<typed>`[^`]+`)"
)
#: What is read, or copied, in one piece: how long something took, and a few words to type.
_TOGETHER: Final = re.compile(
    r"(?:(?:done|reverted) in |(?:failed|stopped) after )?(?<![\w.])\d[\d.]* (?:ms|s|min|h)(?!\w)"
    r"|`[^`\n]{1,40}`"
)
_STYLES: Final = {"file": Style.CYAN, "id": Style.DIM, "typed": Style.BOLD}


def laid_out(line: Line, width: int | None) -> Iterator[tuple[Styled, ...]]:
    """Yield the lines of a terminal of this width in which to show a line, escaped.

    None for a stream that is no terminal, where only styles are given. Ends of lines in it stay. A
    word that is longer than a line is left whole: the terminal breaks it, and it can be copied. A
    line of source code is cut, so that the mark under it stays there.
    """
    if width is None:
        yield from (tuple(each for piece in row for each in _marked(piece)) for row in _rows(line))
        return
    room, width = max(NARROWEST, width), max(NARROWEST, min(width, WIDEST))
    for row in _rows(line):
        if any(each.style is Style.SOURCE for each in row):
            yield _cut(row, room)
            continue
        for part in _parts(row):
            yield from _folded(part, width)


def _rows(line: Line) -> Iterator[list[Styled]]:
    """Divide a line at the ends of lines in it."""
    row: list[Styled] = []
    for each in (line,) if isinstance(line, str) else line:
        piece = each if isinstance(each, Styled) else Styled(each)
        first, *rest = escaped(piece.text).split("\n")
        row.append(Styled(first, piece.style))
        for text in rest:
            yield row
            row = [Styled(text, piece.style)]
    yield row


def _parts(row: Sequence[Styled]) -> Iterator[list[Styled]]:
    """Divide a row before and after what to type, where it ends in plain text."""
    *before, last = row
    match = _TO_TYPE.search(last.text) if last.style is None else None
    if match is None:
        yield [*before, *_marked(last)]
        return
    yield [*before, *_marked(Styled(last.text[: match.start()]))]
    yield [Styled(_COMMAND), Styled(match["command"], Style.BOLD)]
    rest = last.text[match.end() :]
    if rest:
        word = "".join(re.findall(r"(?:or|and) $", match["end"]))
        whole = "".join(each.text for each in row)
        indent = " " * (len(whole) - len(whole.lstrip()))
        yield from _parts([Styled(f"{indent}{word}{rest}")])


def _marked(piece: Styled) -> Iterator[Styled]:
    """Divide plain text at what has a style of its own."""
    if piece.style is not None:
        yield piece
        return
    done = 0
    for match in _MARKED.finditer(piece.text):
        yield Styled(piece.text[done : match.start()])
        yield Styled(match[0], _STYLES[str(match.lastgroup)])
        done = match.end()
    yield Styled(piece.text[done:])


def _folded(part: Sequence[Styled], width: int) -> Iterator[tuple[Styled, ...]]:
    """Fold a part at its words; the rest hangs two cells behind its beginning."""
    text = "".join(each.text for each in part)
    if part[0].text == _COMMAND or _cells(text) <= width:
        yield tuple(each for each in part if each.text)
        return
    hanging = " " * (len(text) - len(text.lstrip()) + 2)
    shown: list[Styled] = []
    used, empty = 0, True
    for word in _words(part):
        cells = sum(_cells(each.text) for each in word)
        if not word[0].text.isspace():
            if used + cells > width and not empty:
                yield _joined(shown)
                shown, used = [Styled(hanging)], len(hanging)
            empty = False
        shown += word
        used += cells
    yield _joined(shown)


def _words(part: Sequence[Styled]) -> Iterator[list[Styled]]:
    """Divide a part into words and the space between them; a word may have several styles."""
    whole = "".join(each.text for each in part)
    kept = {at for match in _TOGETHER.finditer(whole) for at in range(*match.span())}
    word: list[Styled] = []
    at = 0
    for each in part:
        for text in re.findall(r"\s+|\S+", each.text):
            ends = text.isspace() and at not in kept
            if word and (ends or word[0].text.isspace()):
                yield word
                word = []
            word.append(Styled(text, each.style))
            at += len(text)
    if word:
        yield word


def _cut(row: Sequence[Styled], room: int) -> tuple[Styled, ...]:
    """Return a row without what has no room, which a sign says if it is source code."""
    if _cells("".join(each.text for each in row)) <= room:
        return tuple(each for each in row if each.text)
    shown: list[Styled] = []
    for text, style in row:
        end = "…" if style is Style.SOURCE and text.strip() else ""
        left = room - sum(_cells(each.text) for each in shown)
        if _cells(text) > left:
            fitting = text[: max(0, left - len(end))]
            while _cells(fitting) > max(0, left - len(end)):
                fitting = fitting[:-1]
            return (*shown, Styled(f"{fitting}{end}", style))
        shown.append(Styled(text, style))
    return tuple(shown)


def _joined(shown: list[Styled]) -> tuple[Styled, ...]:
    """Return the pieces without space at the end, those of one style in one."""
    while shown and shown[-1].text.isspace():
        shown.pop()
    pieces = groupby(shown, key=lambda each: each.style)
    return tuple(Styled("".join(each.text for each in same), style) for style, same in pieces)


def _cells(text: str) -> int:
    """Return how many cells of a terminal a text takes."""
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(each) in "WF" for each in text)
    return len(text) + wide - sum(map(bool, map(unicodedata.combining, text)))
