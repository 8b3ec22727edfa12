"""What `import alembic` costs those who have bridge installed and do not use it.

Two folders stand for two environments. Both have every package of the present one, and bridge can
be imported in both; in one of them its distribution is missing, so that Alembic finds no plugin.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmark.checking import WrongResultError
from benchmark.environments import environment
from benchmark.processes import run
from benchmark.results import Key

if TYPE_CHECKING:
    from benchmark.bench import Bench

PAIRS: Final = 150
ROOT: Final = Path(__file__).parents[2]
#: Asked once for each of the two; whether bridge is loaded must be what the name says.
_LOADED: Final = "import alembic, sys; print('bridge.plugin' in sys.modules)"


def importing(bench: Bench) -> None:
    """Time both in turns; the clock and the processor's own time are told apart."""
    environments = {
        "floor": environment(bench.home / "without", with_bridge=False),
        "bridge": environment(bench.home / "with", with_bridge=True),
    }
    empty = bench.home / "empty"
    empty.mkdir()

    def python(code: str, name: str) -> tuple[float, float, str]:
        path = os.pathsep.join((str(environments[name]), str(ROOT)))
        # -S: the present environment's own packages must not be seen beside these.
        ran = run([sys.executable, "-S", "-c", code], empty, {**bench.environ, "PYTHONPATH": path})
        if ran.status:
            raise WrongResultError(f"import alembic failed: {ran.output}")
        return ran.seconds, ran.cpu, ran.output.strip()

    for name in environments:
        told = python(_LOADED, name)[2]
        if told != str(name == "bridge"):
            raise WrongResultError(f"import alembic, {name}: bridge is loaded: {told}.")
    bench.say("import")
    for number in range(bench.rounds or PAIRS):
        names = list(environments) if number % 2 else list(environments)[::-1]
        for name in names:
            seconds, cpu, _ = python("import alembic", name)
            bench.results.add(Key("import", 0, name), seconds)
            bench.results.add(Key("import-cpu", 0, name), cpu)
