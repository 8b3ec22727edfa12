"""Complete the names of migrations in a shell, from the files alone.

It never fails and never says anything: whoever presses the key is in the middle of a command.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from collections.abc import Callable


def revisions(*others: str) -> Callable[..., list[str]]:
    """Complete the names of migrations and these other words."""

    def complete(ctx: typer.Context, incomplete: str) -> list[str]:
        return [word for word in (*others, *_stems(ctx)) if word.startswith(incomplete)]

    return complete


def _stems(ctx: typer.Context) -> list[str]:
    from bridge.config.settings import Settings
    from bridge.files.folder import listed

    # Whatever is wrong here is told by the command itself.
    try:
        settings = Settings.load(_config(ctx))
        files, _, _ = listed(settings.folder, settings.conventions)
        return [file.stem for file in files]
    except Exception:  # noqa: BLE001
        return []


def _config(ctx: typer.Context) -> str | None:
    """Return the --config of this command, or of one before it."""
    at: typer.Context | None = ctx
    while at is not None:
        if given := at.params.get("config"):
            return str(given)
        at = at.parent  # type: ignore[assignment]  # of Typer's own, which are made as Contexts
    return None
