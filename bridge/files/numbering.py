"""Number migrations: the next number, the name of a new file, and whether numbers are in order.

Data in, data out: nothing is opened.
"""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from bridge.errors import FilesError, UsageError
from bridge.files.conventions import Order
from bridge.files.stems import behind_number, letter_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.files.plain_file import PlainFile

#: Digits of a number in a folder that does not show another width.
USUAL_WIDTH: Final = 3
#: Most file systems end a name after 255 bytes, `.py` included.
_LONGEST_NEW_STEM: Final = 252


def next_number(files: Sequence[PlainFile]) -> str:
    """Choose the number after the greatest one, in the folder's width, that sorts after all others.

    Raises FilesError where there is none: `1000_y` sorts before `999_x`, unless the files are in
    the order of their numbers.
    """
    if not files:
        return "1".zfill(USUAL_WIDTH)
    newest = max(files, key=lambda file: file.place)
    last, width = newest.stem, len(newest.number)
    greatest = max(int(file.number) for file in files)
    if newest.conventions.order is Order.NUMBER:
        return str(greatest + 1).zfill(width)
    # A folder that counts 1, 2, 3 goes on with 4, for 004 would sort before them.
    letter = letter_of(last)
    for digits in (max(width, USUAL_WIDTH), width):
        number = str(greatest + 1).zfill(digits)
        if f"{letter}{number}_" > last:
            return number
    raise FilesError(
        f"There is no next number: migrations run in alphabetical order, and {greatest + 1} sorts "
        f"before {last}.py. Name the file yourself so that it sorts last, for example "
        f"{last}_then_add_widgets.py: two files may share a number."
    )


def new_stem(files: Sequence[PlainFile], message: str, number: str | None = None) -> str:
    """Name a new migration about `message`, with the next number or the one given.

    Raises UsageError if the number given is not one, is taken, or would give the file a place in
    alphabetical order that is not its place by number.
    """
    if number is not None:
        _check_number(files, number)
    return next_name(files, slugify(message), number)


def next_name(files: Sequence[PlainFile], slug: str, number: str | None = None) -> str:
    """Name the next file as the newest is named, with the next number or this one.

    Raises as `next_number`.
    """
    newest = max(files, key=lambda file: file.place, default=None)
    return name_like(newest.stem if newest else "", slug, number or next_number(files))


def name_like(stem: str, slug: str, number: str) -> str:
    """Name a file as the one of this stem is named, with another number and slug."""
    between = "__" if behind_number(stem).startswith("__") else "_"
    return f"{letter_of(stem)}{number}{between}{slug}"[:_LONGEST_NEW_STEM].rstrip("_")


def _check_number(files: Sequence[PlainFile], number: str) -> None:
    if not re.fullmatch("[0-9]{1,64}", number):
        raise UsageError(f"{number!r} is not a number for a migration. Write digits only, as 010.")
    for file in files:
        if int(file.number) == int(number):
            raise UsageError(
                f"The number {number} is taken by {file.stem}.py. Choose another, or leave the "
                "number out to get the next free one."
            )
    for file in files:
        if not is_in_place([file], number):
            raise UsageError(
                f"A file numbered {number} would be out of place: migrations run in alphabetical "
                f"order, in which {number} and {file.stem}.py are the other way round than by "
                f"number. Write the number with {len(file.number)} digits, or leave it out to get "
                "the next free one."
            )


def is_in_place(files: Sequence[PlainFile], number: str) -> bool:
    """Return whether a name with this number stands between the others where its number does."""
    own = int(number)
    # Two files may share a number.
    return all(
        own == int(file.number) or (_place(file, number) < file.place) == (own < int(file.number))
        for file in files
    )


def _place(beside: PlainFile, number: str) -> tuple[int, str]:
    return beside.conventions.order.place(f"{letter_of(beside.stem)}{number}_")


def slugify(message: str) -> str:
    """Make a part of a file name of a message: `Add  new-feature!` gives `add_new_feature`."""
    plain = unicodedata.normalize("NFKD", message).encode("ascii", "ignore").decode()
    return re.sub("[^a-z0-9]+", "_", plain.lower()).strip("_") or "migration"


def order_disagreements(files: Sequence[PlainFile]) -> list[tuple[str, str]]:
    """Find neighbours in the folder's order whose numbers are the other way round.

    An empty list means that this order and that by number agree on all files.
    """
    ordered = sorted(files, key=lambda file: file.place)
    return [
        (file.stem, following.stem)
        for file, following in pairwise(ordered)
        if int(file.number) > int(following.number)
    ]
