"""Which cases of a big table run each time, and which only with --all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from _pytest.mark import ParameterSet


def few(
    cases: Iterable[Any], *, quick: Callable[[Any], bool] | None = None, count: int = 1
) -> list[ParameterSet]:
    """Give all cases as parameters; all but the quick ones, or the first so many, are long."""
    return [
        pytest.param(
            *(case if isinstance(case, tuple) else (case,)),
            marks=() if (quick(case) if quick else number < count) else pytest.mark.long,
        )
        for number, case in enumerate(cases)
    ]
