"""Recognise files that are migrations in all but their shape, and say what to write in them.

Home-made runners agree on little: they number with `v001_` or `V1__`, and call
`up(conn)`. Such a file is nothing that bridge would run, and must not be passed over in silence.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bridge.files.bindings import Binding, bindings_of, last_assigned, parse, too_deep

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

#: What other runners call the function that upgrades; of several, the first one is meant.
OTHER_NAMES: Final = ("up", "forward", "forwards", "migrate", "apply", "run")
#: Those that a helper module is not likely to have.
_EVIDENT_NAMES: Final = frozenset({"upgrade", "up", "forward", "forwards"})

#: A number with a `v` before it, and the rest of the name.
_V_NUMBERED: Final = re.compile(r"[vV][-_.]?([0-9]+)(.*)", re.DOTALL)

_FUNCTIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True, slots=True)
class Shape:
    """What a file holds of a migration, whatever its name."""

    #: Where it defines `upgrade`.
    upgrade: Binding | None
    #: Where it defines what another runner would call.
    other: Binding | None
    #: Whether it gives itself a `description`, which no helper module has a use for.
    described: bool

    @property
    def function(self) -> Binding | None:
        """What would run, if its name were the right one."""
        return self.upgrade or self.other

    @property
    def holds_something(self) -> bool:
        """Whether anything in it is of a migration."""
        return self.described or self.function is not None

    @property
    def is_evident(self) -> bool:
        """Whether it looks like a migration without a look at its name."""
        function = self.function
        return function is not None and (self.described or function.name in _EVIDENT_NAMES)


def shape_of(path: str, source: str) -> Shape:
    """Find what the text holds of a migration; an imported `upgrade` does not make one."""
    try:
        bindings = bindings_of(parse(path, source))
    except (RecursionError, MemoryError):
        too_deep(path)
    own = [
        binding
        for binding in bindings
        if binding.name == "upgrade"
        and binding.may_be_called
        and binding.kind in ("function", "assigned")
    ]
    description = last_assigned("description", bindings)
    return Shape(
        upgrade=own[-1] if own else None,
        other=other_function(bindings),
        described=description is not None and isinstance(description.literal(), str),
    )


def other_function(bindings: Sequence[Binding], upgrade: str = "upgrade") -> Binding | None:
    """Find the function that another runner would call, in a file without `upgrade`."""
    for name in ("upgrade", *OTHER_NAMES):
        for binding in reversed(bindings):
            if binding.name == name != upgrade and isinstance(binding.node, _FUNCTIONS):
                return binding
    return None


def to_write(shape: Shape) -> str | None:
    """Say what to write in the file, as a part of a sentence; None where it has all it needs."""
    function = shape.function
    if function is None:
        return "write a function `upgrade(db)` in it"
    return in_place_of(function)


def in_place_of(
    function: Binding, instead: str = "upgrade(db)", name: str = "upgrade"
) -> str | None:
    """Say what to write in place of the head of this function; None where it can stay.

    `instead` is what a migration of this folder has, `name` how that begins.
    """
    node = function.node
    if not isinstance(node, _FUNCTIONS):
        return None
    is_async = isinstance(node, ast.AsyncFunctionDef)
    if function.name == name and not is_async:
        return None
    head = f"{'async ' if is_async else ''}def {function.name}({ast.unparse(node.args)}):"
    return f"write `def {instead}:` in place of `{head}`"


def is_v_numbered(stem: str) -> bool:
    """Return whether a number with a `v` before it begins the name, as Flyway's do."""
    return _V_NUMBERED.fullmatch(stem) is not None


def v_parts(stem: str) -> tuple[str, str] | None:
    """Split a name into the number behind the `v`, without leading zeros, and the rest."""
    match = _V_NUMBERED.fullmatch(stem)
    return match and (match[1].lstrip("0") or "0", re.sub("^__+", "_", match[2]))


def v_width(stems: Iterable[str]) -> int:
    """Count the digits of the greatest number with a `v` before it; 0 without any."""
    return max((len(parts[0]) for parts in map(v_parts, stems) if parts), default=0)
