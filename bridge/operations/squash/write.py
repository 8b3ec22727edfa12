"""Put the new file into the folder, and take the replaced ones out of it."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bridge.errors import FilesError
from bridge.files.new_file import write_new

if TYPE_CHECKING:
    from bridge.files.plain_file import PlainFile


def write_squash(new: PlainFile, source: str, *, delete: Sequence[PlainFile]) -> None:
    """Write the new file, and then remove these; where one stays, all stay and the new one goes.

    Raises FilesError if a file cannot be written or removed; then the folder is as it was.
    """
    write_new(new.path, source)
    if not delete:
        return
    # A name that no scan looks at: where this process ends here, nothing runs twice.
    aside = Path(new.folder) / f".squashed-{secrets.token_hex(4)}"
    moved: list[Path] = []
    try:
        aside.mkdir()
        for file in delete:
            Path(file.path).rename(aside / f"{file.stem}.py")
            moved.append(Path(file.path))
    except OSError as error:
        for path in moved:
            (aside / path.name).rename(path)
        Path(new.path).unlink()
        if aside.is_dir():
            aside.rmdir()
        raise FilesError(
            f"{error.filename} cannot be removed: {error.strerror or error}. Nothing was changed. "
            "Give the user that you are the right to it, or leave --delete out."
        ) from error
    for path in moved:
        (aside / path.name).unlink()
    aside.rmdir()
