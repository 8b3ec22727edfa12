"""The checksum of a file as another team's runner has recorded it.

A team's own column may hold the MD5 or the SHA-256 of the file's bytes, or of its text, in digits
or in base64. Which of them is told by the files themselves: a checksum that equals one of these is
no accident. Data in, data out.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final


def _text(data: bytes) -> bytes:
    r"""The text as Python reads it, in which `\n` ends each line."""
    return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def _stripped(data: bytes) -> bytes:
    """The same without white space before and after it."""
    # Whatever is no UTF-8 comes out as it went in.
    text = _text(data).decode("utf-8", "surrogateescape")
    return text.strip().encode("utf-8", "surrogateescape")


#: What is hashed, in the order in which it is tried: of most files all three are the same.
SOURCES: Final[Mapping[str, Callable[[bytes], bytes]]] = {
    "bytes": lambda data: data,
    "text": _text,
    "stripped text": _stripped,
}

#: How it is hashed, and to how many bytes.
ALGORITHMS: Final[Mapping[str, int]] = {"md5": 16, "sha1": 20, "sha256": 32, "sha512": 64}

_NAMES: Final = {"md5": "MD5", "sha1": "SHA-1", "sha256": "SHA-256", "sha512": "SHA-512"}

#: How the digest is written.
SPELLINGS: Final[Mapping[str, Callable[[bytes], str]]] = {
    "hex": bytes.hex,
    "HEX": lambda digest: digest.hex().upper(),
    "base64": lambda digest: base64.b64encode(digest).decode(),
}

#: What may stand before it: the algorithm, and a sign.
_PREFIX: Final = re.compile(r"(md5|sha-?(?:1|256|512))[:=-]", re.IGNORECASE)
#: How many digits are left of a digest that was cut; fewer could be equal by accident.
_SHORTEST: Final = 8


@dataclass(frozen=True, slots=True)
class ChecksumForm:
    """One way to write the checksum of a file."""

    #: Keys of the tables above.
    source: str
    algorithm: str
    spelling: str
    prefix: str = ""
    #: How many characters of it are kept after the prefix; None for all.
    length: int | None = None

    def of(self, data: bytes) -> str:
        """The checksum of a file with these bytes."""
        hashed = hashlib.new(self.algorithm, SOURCES[self.source](data), usedforsecurity=False)
        return self.prefix + SPELLINGS[self.spelling](hashed.digest())[: self.length]

    def fits(self, checksum: str) -> bool:
        """Whether a checksum could be one of this form, by its looks."""
        return self in forms_of(checksum)

    def __str__(self) -> str:
        cut = f", cut to {self.length} characters" if self.length else ""
        return f"the {_NAMES[self.algorithm]} of each file's {self.source}{cut}"


def forms_of(checksum: str) -> Iterator[ChecksumForm]:
    """The forms that a checksum may have, by its looks."""
    for form in _looking_like(checksum):
        for source in SOURCES:
            yield replace(form, source=source)


def recognised(recorded: Sequence[tuple[str, bytes]]) -> ChecksumForm | None:
    """The form in which most of these checksums are those of their files; None if there is none.

    Each comes with the bytes of its file. One that is not that of its file has the form
    nevertheless, or there is none that all of them could have: then the file was changed.
    """
    if not recorded:
        return None
    forms = set.intersection(*(set(forms_of(checksum)) for checksum, _ in recorded))
    best, most = None, len(recorded) // 2
    for form in forms_of(recorded[0][0]):  # in their order
        if form in forms:
            count = sum(form.of(data) == checksum for checksum, data in recorded)
            if count > most:
                best, most = form, count
    return best


def recognised_among(checksums: Sequence[str], files: Sequence[bytes]) -> ChecksumForm | None:
    """The same, where nobody knows which checksum is that of which file.

    As in a folder whose files were all renamed.
    """
    if not checksums:
        return None
    forms = set.intersection(*(set(forms_of(checksum)) for checksum in checksums))
    best, most = None, len(checksums) // 2
    for form in forms_of(checksums[0]):
        if form in forms:
            count = len({form.of(data) for data in files}.intersection(checksums))
            if count > most:
                best, most = form, count
    return best


def _looking_like(checksum: str) -> Iterator[ChecksumForm]:
    """The forms that these characters may have, whatever was hashed."""
    found = _PREFIX.match(checksum)
    prefix = found.group() if found else ""
    named = found[1].lower().replace("-", "") if found else ""
    digits = checksum[len(prefix) :]
    for algorithm, size in ALGORITHMS.items():
        if named in {"", algorithm}:
            for spelling, written in SPELLINGS.items():
                whole = len(written(bytes(size)))
                cut = spelling != "base64" and _SHORTEST <= len(digits) < whole
                if (len(digits) == whole or cut) and _DIGITS[spelling].fullmatch(digits):
                    length = len(digits) if cut else None
                    yield ChecksumForm("bytes", algorithm, spelling, prefix, length)


_DIGITS: Final = {
    "hex": re.compile("[0-9a-f]+"),
    "HEX": re.compile("[0-9A-F]+"),
    "base64": re.compile("[A-Za-z0-9+/]+={0,2}"),
}
