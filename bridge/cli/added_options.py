"""Give a command options that others have too, and take them before the command itself runs."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import typer


def with_options(
    command: Callable[..., None],
    options: Mapping[str, tuple[Any, Any]],
    take: Callable[[typer.Context, dict[str, Any], Callable[[], None]], None],
) -> Callable[..., None]:
    """Return the command with more options, each with its annotation and its default by its name.

    `take` is given the context, what was typed of them, and what runs the command without them.
    """

    @functools.wraps(command)
    def run(ctx: typer.Context, *arguments: Any, **given: Any) -> None:
        typed = {name: given.pop(name) for name in options}
        take(ctx, typed, lambda: command(ctx, *arguments, **given))

    signature = inspect.signature(command, eval_str=True)
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=hint)
        for name, (hint, default) in options.items()
    ]
    taking: Any = run
    parameters = [*signature.parameters.values(), *added]
    taking.__signature__ = signature.replace(parameters=parameters)
    taking.__annotations__ = {each.name: each.annotation for each in parameters}
    return run
