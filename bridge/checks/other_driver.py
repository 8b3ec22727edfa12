"""Check what was written for another driver than psycopg2, on which migrations run.

The rules `other-driver` and `cast-of-parameter`. Data in, data out, and nothing is executed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from bridge.checks.rules import Problem, problem
from bridge.execution.psycopg3 import RUNS_ON, imports

if TYPE_CHECKING:
    import ast
    from collections.abc import Iterator, Sequence

    from bridge.checks.control_flow import DatabaseCall

#: What looks like a parameter of `text()` with a cast. SQLAlchemy 2.0 takes all of the name but its
#: last letter for a parameter, and 2.1 none of it.
_CAST: Final = re.compile(r"(?<![:\w\\]):(\w+)::(\w+(?:\[\])*)")


def other_driver_problems(
    path: str, module: ast.Module, calls: Sequence[DatabaseCall]
) -> Iterator[Problem]:
    """Find imports of psycopg 3, and what only its own parameters allow.

    Raises RecursionError for a file that is nested too deeply.
    """
    # The first of those on one line stands for all of them.
    for line, each in {each.line: each for each in reversed(list(imports(module)))}.items():
        message = f"{RUNS_ON}, and `{each.name}` is of psycopg 3."
        yield problem("other-driver", path, line, message, each.instead)
    for call in calls:
        if found := _CAST.search(call.sql or ""):
            name, kind = found.groups()
            yield problem(
                "cast-of-parameter",
                path,
                call.line,
                f"`:{name}::{kind}` is no parameter with a cast: `text()` does not read it so.",
                f"Write `CAST(:{name} AS {kind})`.",
            )
