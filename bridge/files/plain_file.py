"""One plain file: its name, its header, its checksum.

Making a PlainFile opens nothing, so that a folder of thousands can be listed from names alone,
and nothing here ever executes the file.
"""

from __future__ import annotations

import codecs
import errno
import os
import stat
import unicodedata
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Literal

from bridge.errors import PlainFileError
from bridge.files.conventions import OURS, Argument, Conventions
from bridge.files.stems import number_of, revision_id

# What reads a text is imported when there is one to read: most starts have none.
if TYPE_CHECKING:
    from types import CodeType

    from bridge.files.header import Header
    from bridge.files.replaces import Replaces
    from bridge.files.shapes import Shape

#: How a file is opened: what is none, a named pipe say, is not waited for.
_AS_BYTES: Final = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
#: How many bytes of it are read at once; few have more.
_AT_ONCE: Final = 1 << 16

#: The name in a header that is looked for in every file.
_REPLACES: Final = b"replaces"

#: White space that does not count at the end of a line, and how it stands there.
_BLANKS: Final = " \t\f\v"
_BLANK_ENDS: Final = tuple(f"{blank}\n" for blank in _BLANKS)


@lru_cache(maxsize=1)  # the same for each file of a folder, of which there are thousands
def _beginning(folder: str) -> str:
    """Return the path of a folder as those of its files begin."""
    return os.path.join(folder, "")  # noqa: PTH118 - a text


def name_keys(stem: str) -> tuple[str, ...]:
    """Find what a name shares with those that an id, a file system or a merge takes for it.

    Two stems that share any of their keys cannot both be migrations. There are two keys because
    neither covers the other: `é` written as one character or as two gives different ids, and the
    distinct letters `ß` and `ü` give the same.
    """
    key = revision_id(stem).lower()
    if stem.isascii():
        return (key,)
    # Normalise before mapping: afterwards nothing is left to normalise.
    normal = revision_id(unicodedata.normalize("NFC", stem).casefold())
    return (key,) if normal == key else (key, normal)


def text_checksum(source: str) -> str:
    """Hash a text so that an editor's or git's idea of white space does not count.

    64 hexadecimal digits of SHA-256. Line endings, white space at the ends of lines and empty
    lines at the end of the file do not count. The caller who runs a text hashes that very text,
    not the file a moment later.
    """
    import hashlib  # OpenSSL behind it is slow to load, and most starts have nothing to hash

    uniform = source.replace("\r\n", "\n").replace("\r", "\n")
    if any(blank in f"{uniform}\n" for blank in _BLANK_ENDS):  # in few files
        uniform = "\n".join(line.rstrip(_BLANKS) for line in uniform.split("\n"))
    uniform = uniform.rstrip("\n")
    # A file that declares an odd encoding may decode to halves of surrogate pairs.
    return hashlib.sha256(uniform.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True)
class PlainFile:
    """A numbered file by its name; its text is read when something asks for it."""

    #: The folder, as the settings give it.
    folder: str
    #: The file's name without `.py`: the identity of the migration.
    stem: str
    #: What its folder's files have in common.
    conventions: Conventions = field(default=OURS, repr=False, compare=False)
    _header: Header | None = field(default=None, init=False, repr=False, compare=False)
    #: The text that everything goes by since `hold`, and the bytes that it was read from.
    _held: str | None = field(default=None, init=False, repr=False, compare=False)
    _held_data: bytes | None = field(default=None, init=False, repr=False, compare=False)
    #: The bytes in which `replaces` was looked for, for whoever compares them next: to read a
    #: thousand applied files once more takes an eighth of the time of a run with one pending.
    _seen: bytes | None = field(default=None, init=False, repr=False, compare=False)
    #: What it stands for, once that was asked; False until then.
    _replaces: Replaces | Literal[False] | None = field(
        default=False, init=False, repr=False, compare=False
    )

    @property
    def path(self) -> str:
        """Where the file is, as messages name it."""
        return f"{_beginning(self.folder)}{self.stem}.py"

    @property
    def revision(self) -> str:
        """The Alembic revision id of this migration."""
        return revision_id(self.stem)

    @property
    def number(self) -> str:
        """The digits the name begins with, leading zeros included; empty if there are none."""
        return number_of(self.stem)

    @property
    def place(self) -> tuple[int, str]:
        """What sorts it among the files of its folder."""
        return self.conventions.order.place(self.stem)

    @property
    def header(self) -> Header:
        """What the file says about itself; the text is read and parsed the first time only.

        Raises PlainFileError if the file cannot be a migration as it stands.
        """
        return self._header or self._parse(self.source())

    @property
    def replaces(self) -> Replaces | None:
        """What it stands for; None for nearly every file. The text is read the first time only.

        A file that cannot be read stands for nothing: that is told where it is to run. Raises
        PlainFileError for a list that does not name migrations.
        """
        if self._replaces is False:
            object.__setattr__(self, "_replaces", self._read_replaces())
        return self._replaces or None

    def _read_replaces(self) -> Replaces | None:
        try:
            data = _contents(self.path)
            object.__setattr__(self, "_seen", data)
            # Few files have the word, and what is not parsed costs little.
            if _REPLACES not in data:
                return None
            source = self._text_of(data)
        except (OSError, PlainFileError):
            return None
        from bridge.files.replaces import replaces_in

        return replaces_in(self.path, self.stem, source)

    @property
    def runnable(self) -> Header:
        """The header of a file that could run as it stands.

        Raises as `header`, and where nobody has written yet what the file does.
        """
        return _written(self.header)

    def takes(self, direction: str) -> tuple[Argument, str | None]:
        """Return what the function for "upgrade" or "downgrade" takes, and the annotation's class.

        Raises as `header`.
        """
        header = self.header
        said = header.upgrade_takes if direction == "upgrade" else header.downgrade_takes
        return (said.argument, said.name) if said else (self.conventions.argument, None)

    @property
    def description(self) -> str:
        """The description in the header, for a listing.

        Where it stands above the first function, the rest is not parsed: what is wrong there is
        for those who are about to run the file. Else as `header`.
        """
        from bridge.files.header import quick_description

        if self._header is not None:
            return self._header.description
        source = self.source()
        found = quick_description(self.path, self.stem, source)
        return found or self._parse(source).description

    def hold(self) -> Header:
        """Read the file now, and keep this text from here on.

        Its header says how it is run, its checksum is recorded and itself is executed, even if
        another release puts another text into the file meanwhile. Raises as `runnable`.
        """
        object.__setattr__(self, "_held", None)
        object.__setattr__(self, "_seen", None)
        data = self._data()
        source = self._text_of(data)
        header = _written(self._parse(source))
        object.__setattr__(self, "_held", source)
        object.__setattr__(self, "_held_data", data)
        return header

    def code(self) -> CodeType:
        """Return the file compiled; raises what Python has to say about its text."""
        if self._held is not None and self._header and self._header.code:
            return self._header.code
        return compile(self.source(), self.path, "exec", dont_inherit=True)

    def _parse(self, source: str) -> Header:
        from bridge.files.header import read_header

        header = read_header(self.path, self.stem, source, self.conventions)
        object.__setattr__(self, "_header", header)
        return header

    def shape(self) -> Shape:
        """Find what the text holds of a migration, whatever the file's name says.

        Raises PlainFileError if the text cannot be read or is not Python.
        """
        from bridge.files.shapes import shape_of

        return shape_of(self.path, self.source())

    def checksum(self) -> str:
        """Hash the file's text, as `text_checksum`."""
        return text_checksum(self.source())

    def has(self, checksum: str) -> bool:
        """Return whether this is its checksum; raises as `source`.

        Nearly every file is as it was applied, and has nothing in it that does not count: then its
        bytes are those that were hashed, and need not be made into text.
        """
        import hashlib

        if self._held is None:
            data = self._data() if self._seen is None else self._seen
            object.__setattr__(self, "_seen", None)
            if _is_plain(data) and hashlib.sha256(data.rstrip(b"\n")).hexdigest() == checksum:
                return True
        return self.checksum() == checksum

    def source(self) -> str:
        r"""The text that is held, else what is on disk; `\n` ends each line, and a BOM is left out.

        Raises PlainFileError if the file cannot be read, or not in the encoding it declares.
        """
        return self._held if self._held is not None else self._text_of(self._data())

    def data(self) -> bytes:
        """The bytes of the text that is held, else of what is on disk; raises as `source`."""
        return self._data() if self._held is None or self._held_data is None else self._held_data

    def _text_of(self, data: bytes) -> str:
        try:
            return _decoded(data)
        except (SyntaxError, LookupError, ValueError) as error:
            raise PlainFileError(
                self.path,
                None,
                f"this file cannot be decoded: {error}. Save it as UTF-8, or name its encoding "
                "in the first line: # -*- coding: latin-1 -*-",
            ) from error

    def _data(self) -> bytes:
        path = self.path
        try:
            return _contents(path)
        except OSError as error:
            from bridge.files.unreadable import why_not_read

            raise PlainFileError(path, None, why_not_read(path, error)) from error


def _written(header: Header) -> Header:
    if header.unwritten is not None:
        raise header.unwritten
    return header


def _contents(path: str) -> bytes:
    """Read all of a file, at two thirds of the price of a file object; an OSError if it is none."""
    descriptor = os.open(path, _AS_BYTES)
    try:
        more = data = os.read(descriptor, _AT_ONCE)
        # A pipe has nothing for us, and a device perhaps no end; to ask each time costs as much
        # as all the rest.
        if len(data) in {0, _AT_ONCE} and not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        while len(more) == _AT_ONCE:
            data += (more := os.read(descriptor, _AT_ONCE))
        return data
    finally:
        os.close(descriptor)


def _is_plain(data: bytes) -> bool:
    """Return whether Python would read these bytes as they stand, as it does nearly always."""
    return b"coding" not in data and b"\r" not in data and not data.startswith(codecs.BOM_UTF8)


def _decoded(data: bytes) -> str:
    """Decode as Python would, at a tenth of the price for what is plain."""
    if _is_plain(data):
        with suppress(UnicodeDecodeError):  # Python's own message is better
            return data.decode()
    from importlib.util import decode_source

    return decode_source(data)
