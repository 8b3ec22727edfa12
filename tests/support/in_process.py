"""The commands `eai` and `alembic`, and scripts, run in the process of the test.

This saves the second that a Python takes to start and import. A command has its own streams, none
of them a terminal, its own folder and its own variables; what it changes in the process is put
back. A warning is an error, as in every test. It needs the main thread, and cannot show what
signals, exits and crashes do to a process, nor what the interpreter makes of its variables.
"""

from __future__ import annotations

import contextlib
import copy
import importlib
import io
import logging
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import warnings
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import IO, TYPE_CHECKING, Any
from unittest.mock import patch
from weakref import WeakValueDictionary

from alembic import config

from bridge import cli

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

#: What the console scripts call.
ENTRY_POINTS = {"alembic": config.main, "eai": cli.main}

#: Modules of these folders stay loaded; all others are of the project that the command ran in.
_KEPT = (sys.prefix, sys.base_prefix, str(Path(__file__).parents[2]))


def run_in_process(
    name: str,
    *arguments: str,
    cwd: Path,
    env: Mapping[str, str],
    merged: bool = False,
) -> subprocess.CompletedProcess[str]:
    """Run `eai`, `alembic` or a script of that folder.

    `merged` puts what it writes to standard error into its output, as `2>&1` does.
    """
    main = ENTRY_POINTS.get(name) or partial(_run_script, name)
    with ExitStack() as stack:
        out = stack.enter_context(tempfile.TemporaryFile())
        err = out if merged else stack.enter_context(tempfile.TemporaryFile())
        with _state_put_back(), contextlib.chdir(cwd), patch.dict(os.environ, env, clear=True):
            sys.argv = [name, *arguments]
            with _streams(out, err):
                code = _exit_code(main)
        written = [_read(out), None if merged else _read(err)]
    return subprocess.CompletedProcess([name, *arguments], code, *written)


def _run_script(name: str) -> None:
    # As the interpreter does for a script.
    sys.path.insert(0, str(Path(name).resolve().parent))
    runpy.run_path(name, run_name="__main__")


def _exit_code(main: Callable[[], object]) -> int:
    """Run it, and end as the interpreter does."""
    try:
        main()
    except SystemExit as ended:
        if ended.code is None or isinstance(ended.code, int):
            return (ended.code or 0) & 0xFF
        sys.stderr.write(f"{ended.code}\n")
    except Exception as error:  # noqa: BLE001 - the interpreter shows any
        trace = error.__traceback__
        sys.excepthook(type(error), error, trace and trace.tb_next)
    else:
        return 0
    return 1


@contextmanager
def _streams(out: IO[bytes], err: IO[bytes]) -> Iterator[None]:
    """Have all that is written go there, by the programs that the command starts, too."""
    sys.stdout.flush()
    sys.stderr.flush()
    with ExitStack() as stack:
        nothing = stack.enter_context(Path(os.devnull).open("rb"))
        for number, file in enumerate((nothing, out, err)):
            saved = os.dup(number)
            stack.callback(os.close, saved)
            stack.callback(os.dup2, saved, number)
            os.dup2(file.fileno(), number)
        # As the interpreter makes them where none is a terminal.
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
        sys.stdout = _text(1)
        sys.stderr = _text(2, errors="backslashreplace", line_buffering=True)
        stack.callback(sys.stderr.flush)
        stack.callback(sys.stdout.flush)
        stack.enter_context(_output_of_alembic())
        yield


def _text(number: int, **options: Any) -> io.TextIOWrapper:
    return io.TextIOWrapper(open(number, "wb", closefd=False), encoding="utf-8", **options)


@contextmanager
def _output_of_alembic() -> Iterator[None]:
    """Make the present standard output Config's, which has kept that of its import."""
    function: Any = config.Config.__init__
    defaults = tuple(sys.stdout if hasattr(x, "write") else x for x in function.__defaults__)
    with patch.object(function, "__defaults__", defaults):
        yield


def _read(file: IO[bytes]) -> str:
    file.seek(0)
    return os.fsdecode(file.read())


@contextmanager
def _state_put_back() -> Iterator[None]:
    """Put back what a command may change in the process and not put back itself."""
    names = ("argv", "stdin", "stdout", "stderr", "excepthook")
    of_sys = {name: getattr(sys, name) for name in names}
    path, others = sys.path[:], _taken_out()
    handlers = {each: signal.getsignal(each) for each in signal.valid_signals()}
    importlib.invalidate_caches()  # the test has just written files
    # Else a command would be called `python -m pytest` where the tests are.
    pytests_main, sys.modules["__main__"] = sys.modules["__main__"], ModuleType("__main__")
    try:
        with warnings.catch_warnings(), _logging_put_back():
            yield
    finally:
        sys.modules["__main__"] = pytests_main
        _taken_out()
        sys.modules.update(others)
        sys.path[:] = path
        for name, value in of_sys.items():
            setattr(sys, name, value)
        for signum, handler in handlers.items():
            if signal.getsignal(signum) is not handler:
                signal.signal(signum, handler)


def _taken_out() -> dict[str, ModuleType]:
    """Forget the modules of all projects, as a process of its own knows none; gives them."""
    others = {name: module for name, module in sys.modules.items() if not _is_kept(module)}
    for name in others:
        del sys.modules[name]
    return others


def _is_kept(module: object) -> bool:
    # A namespace package has no file, and what is built in has no path either.
    places = [getattr(module, "__file__", None), *getattr(module, "__path__", ())]
    return not any(places) or any(place and place.startswith(_KEPT) for place in places)


@contextmanager
def _logging_put_back() -> Iterator[None]:
    """Let the command meet a logging that nobody has configured, without pytest's handlers."""
    root = logging.getLogger()
    before = {each: _configuration(each) for each in _loggers()}
    root.handlers = []
    root.setLevel(logging.WARNING)
    try:
        # Whoever configures logging anew closes all handlers that these two know.
        with (
            patch.object(logging, "_handlers", WeakValueDictionary()),
            patch.object(logging, "_handlerList", []),
        ):
            yield
    finally:
        for each in _loggers():
            new = logging.Logger(each.name)  # noqa: LOG001 - as it is when nobody has touched it
            vars(each).update(before.get(each) or _configuration(new))
        root.setLevel(root.level)  # which makes every logger forget what it has found out


def _loggers() -> list[logging.Logger]:
    known = logging.Logger.manager.loggerDict.values()
    return [logging.getLogger(), *(each for each in known if isinstance(each, logging.Logger))]


def _configuration(logger: logging.Logger) -> dict[str, Any]:
    names = ("level", "handlers", "filters", "propagate", "disabled")
    return {name: copy.copy(getattr(logger, name)) for name in names}
