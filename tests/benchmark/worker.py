"""A process in which one peer lives: a line on its input is one timed run.

Each answer is a line of JSON on what was standard output at the beginning; what the peer itself
prints goes nowhere.

As a process: python -m benchmark.worker MODULE:FUNCTION
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import time
import traceback
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.calls import Job

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager

TESTS = Path(__file__).parents[1]


class WorkerError(Exception):
    """The call raised something, or its process ended."""


class Worker:
    """The process, seen from the one who measures."""

    def __init__(self, call: str, environ: Mapping[str, str]) -> None:
        path = os.pathsep.join(filter(None, (str(TESTS), environ.get("PYTHONPATH"))))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmark.worker", call],
            cwd=TESTS,  # which comes first on its path, whatever folder the caller is in
            env={**environ, "PYTHONPATH": path},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,  # Ctrl-C is for the one who measures, who then ends this
        )

    def run(self, job: Job) -> float:
        """Let it run once, and give the seconds that the call took."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(asdict(job)) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise WorkerError(f"the process ended with status {self._process.wait()}")
        answer = json.loads(line)
        if "error" in answer:
            raise WorkerError(answer["error"])
        return float(answer["seconds"])

    def close(self) -> None:
        """End it, whatever it is doing."""
        self._process.kill()
        self._process.communicate()


def main() -> None:
    channel = os.fdopen(os.dup(1), "w")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    module, _, function = sys.argv[1].partition(":")
    prepare = getattr(import_module(module), function)
    for line in sys.stdin:
        try:
            answer: dict[str, object] = {"seconds": _timed(prepare, Job(**json.loads(line)))}
        except Exception:  # noqa: BLE001 - whatever it is, the one who measures tells it
            answer = {"error": traceback.format_exc()}
        channel.write(json.dumps(answer) + "\n")
        channel.flush()


def _timed(
    prepare: Callable[[Job], AbstractContextManager[Callable[[], object]]], job: Job
) -> float:
    with prepare(job) as call:
        gc.collect()
        began = time.perf_counter()
        call()
        return time.perf_counter() - began


if __name__ == "__main__":
    main()
