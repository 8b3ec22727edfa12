"""The header of an ordinary migration, found in its code object.

A file that is about to run is compiled anyway, and to parse it for its header as well takes as
long again. What is found here is what `bridge.files.header` finds in the same text; of a file that
says more about itself than what it is called nothing is, and it is left to the parser.
"""

from __future__ import annotations

import inspect
import unicodedata
import warnings
from types import CodeType

from bridge.files.functions import PLACEHOLDER
from bridge.files.header import Header, meant_for, quick_head

#: What else a file may say about itself.
_SAID = frozenset({"transaction", "breaking"})
#: A generator, a coroutine and the like do no work when they are called.
_IDLE = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR


def compiled(path: str, source: str) -> CodeType | None:
    """The code of a module; None where Python refuses the text, or has something to say about it.

    That is to be said when the file is run, and by whoever runs it.
    """
    try:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            code = compile(source, path, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return None if said else code


def header_in(code: CodeType, path: str, stem: str, source: str) -> Header | None:
    """What the text says about itself; None where it takes the parser to tell."""
    names = code.co_names
    if not _SAID.isdisjoint(names) or any(map(meant_for, names)):
        return None
    if "__main__" in source:
        return None  # a block that never happens
    if PLACEHOLDER in source:
        return None  # perhaps a file that nobody has written yet
    has_downgrade = "downgrade" in names
    if not _defines("upgrade", code, source):
        return None
    if has_downgrade and not _defines("downgrade", code, source):
        return None
    head = quick_head(path, stem, source)
    if head is None:
        return None
    description, docstring = head
    return Header(
        docstring=docstring,
        description=description,
        transaction=None,
        has_downgrade=has_downgrade,
        breaking=False,
    )


def _defines(name: str, code: CodeType, source: str) -> bool:
    """Whether the name stands once in the whole text, for a function that takes a Session."""
    # Python takes letters of other widths and styles for the ordinary ones.
    text = source if source.isascii() else unicodedata.normalize("NFKD", source)
    return text.count(name) == 1 and any(
        isinstance(each, CodeType)
        and each.co_name == name
        and each.co_argcount == 1
        and not (each.co_kwonlyargcount or each.co_flags & _IDLE)
        for each in code.co_consts
    )
