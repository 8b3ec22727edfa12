"""Read the ``-x name=value`` of an Alembic command, and say which of them nobody knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.config.places import TARGET_ARGUMENTS
from bridge.config.values import meant
from bridge.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from alembic.config import Config


def x_arguments(config: Config) -> Sequence[str]:
    """Return what was typed behind each ``-x``, or what a program passes on as such."""
    return getattr(config.cmd_opts, "x", None) or ()


def read_arguments(arguments: Iterable[str], settable: Collection[str]) -> dict[str, str]:
    """Return the values by their names, those that are no settings among them.

    Raises UsageError for the name of a setting without a value.
    """
    x: dict[str, str] = {}
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if name in settable and not equals:
            raise UsageError(f"-x {name} needs a value: write -x {name}=VALUE.")
        x[name] = value
    return x


def unknown_arguments(
    arguments: Iterable[str], settable: Collection[str], *, own_environment: bool
) -> Iterator[str]:
    """Yield a sentence on each argument of which bridge makes nothing.

    An env.py of the team's may read any of them: there only what looks like a setting is told.
    """
    known = {*settable, "database_url", "target"}
    if own_environment:
        known |= {*TARGET_ARGUMENTS}
    for name in dict.fromkeys(argument.partition("=")[0] for argument in arguments):
        if name in known:
            continue
        if own_environment:
            yield (
                f"-x {name} is not a setting, and bridge does nothing with it. A migration can "
                "read it with context.get_x_argument()."
            )
        elif right := meant(name, known):
            yield (
                f"-x {name} is not a setting of bridge. If {right} is meant, write -x {right}; as "
                "it is, only env.py can read it."
            )
