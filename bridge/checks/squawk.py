"""Find and run the program squawk, and read what it finds in a script.

It takes SQL on its standard input and answers with JSON. Nothing here knows which file the SQL
came from.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bridge.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

#: What squawk says of SQL that it cannot read; of a script with such a statement it says nothing
#: else.
SYNTAX_ERROR: Final = "syntax-error"

#: Seconds; it takes some hundredths of one.
_TIMEOUT: Final = 120
#: The exit codes of a run that has looked: nothing found, something found.
_LOOKED: Final = (0, 1)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that squawk has found in a script."""

    rule: str
    #: "warning" or "error".
    level: str
    #: Line and column of the script, both counted from 0.
    line: int
    column: int
    message: str
    #: What to do about it; empty where squawk does not say.
    help: str = ""


@dataclass(frozen=True, kw_only=True)
class Squawk:
    """The program, and how this project wants it to look."""

    program: str
    #: Where it begins to look for a `.squawk.toml`, upwards.
    folder: str
    #: Rules that are not looked for, besides those that a `.squawk.toml` names.
    exclude: tuple[str, ...] = ()

    def check_rules(self) -> None:
        """Raise UsageError if squawk does not know a rule of `exclude`."""
        if self.exclude:
            self._run("", "the rules in lint_exclude and --ignore", self._excluding())

    def look(self, sql: str, *, name: str, in_transaction: bool) -> list[Finding]:
        """Return what it finds in a script of this name, in the order of the lines."""
        options = ["--assume-in-transaction"] if in_transaction else []
        found = self._run(sql, name, options)
        if not (self.exclude and found):
            return found
        # --exclude replaces what a .squawk.toml excludes, so each counts in a run of its own.
        kept = set(self._run(sql, name, [*options, *self._excluding()]))
        return [each for each in found if each in kept]

    def _excluding(self) -> list[str]:
        return [f"--exclude={','.join(self.exclude)}"]

    def _run(self, sql: str, name: str, options: Sequence[str]) -> list[Finding]:
        command = [self.program, "--reporter=json", f"--stdin-filepath={name}", *options]
        try:
            done = subprocess.run(
                command,
                input=sql.encode("utf-8", "replace"),
                cwd=self.folder,
                capture_output=True,
                check=False,
                timeout=_TIMEOUT,
            )
        except OSError as error:
            raise UsageError(
                f"squawk cannot be run: {self.program}: {error.strerror or error}. Install it "
                "anew: pip install --force-reinstall squawk-cli"
            ) from error
        except subprocess.TimeoutExpired:
            raise UsageError(
                f"squawk did not answer within {_TIMEOUT} seconds about {name}."
            ) from None
        if done.returncode not in _LOOKED:
            raise UsageError(_refusal(done.stderr, name))
        try:
            return parsed(done.stdout.decode())
        except (ValueError, KeyError, TypeError) as error:
            raise UsageError(_refusal(done.stderr or done.stdout, name)) from error


def find_squawk() -> str:
    """Find squawk beside this Python, or on the PATH; raises UsageError without one."""
    beside = shutil.which("squawk", path=str(Path(sys.executable).parent))
    found = beside or shutil.which("squawk")
    if found is None:
        raise UsageError(
            "squawk, which looks for what is dangerous in SQL, is not installed. Nothing was "
            "started. Type: pip install 'eai-bridge[lint]'"
        )
    return str(Path(found).absolute())


def parsed(output: str) -> list[Finding]:
    """Read what squawk has written as JSON; ValueError, KeyError or TypeError if it is not that."""
    found = [_finding(each) for each in json.loads(output)]
    return sorted(found, key=lambda each: (each.line, each.column))


def _finding(written: dict[str, Any]) -> Finding:
    return Finding(
        rule=str(written["rule_name"]),
        level="error" if str(written["level"]).lower() == "error" else "warning",
        line=int(written["line"]),
        column=int(written["column"]),
        message=" ".join(str(written["message"]).split()),
        help=" ".join(str(written["help"] or "").split()),
    )


def _refusal(output: bytes, name: str) -> str:
    lines = [line.strip() for line in output.decode(errors="replace").splitlines()]
    first = next(filter(None, lines), "it did not say why")
    return (
        f"squawk refused {name}: {first.removeprefix('error: ')}. Correct lint_exclude, --ignore "
        "or .squawk.toml."
    )
