"""`eai migrate` for many targets: `--all`, several `--target`, or a pattern."""

from __future__ import annotations

import shlex
import subprocess
from contextlib import ExitStack
from dataclasses import dataclass, fields
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

from bridge.cli.added_options import with_options
from bridge.errors import LedgerError, MigrationError, TryAgain, UsageError
from bridge.reporting import events
from bridge.reporting.escaping import in_one_line, json_text
from bridge.reporting.numbers import counted, listed
from bridge.reporting.output import result

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bridge.cli.options import Options
    from bridge.database.request import Request
    from bridge.errors import BridgeError
    from bridge.operations.rollout.plan import Plan, Prepared
    from bridge.operations.rollout.results import Rollout, TargetResult

#: Where `taking_many` leaves the options of a rollout.
_META = "bridge.rollout"
#: How many names of targets a sentence has.
_NAMED = 5


def _option(metavar: str, text: str, kind: Any = str | None, name: str | None = None) -> Any:
    names = [] if name is None else [name]
    return Annotated[kind, typer.Option(*names, metavar=metavar, help=text)]


_OPTIONS: dict[str, Any] = {
    "waves": _option(
        "LIST",
        "Many targets: how far into the list each wave reaches; one begins when the one before is "
        "done. Default: 1,100%, so that the first target is a canary.",
    ),
    "concurrency": _option(
        "N", "Many targets: how many are under way at once. Default: 2.", int | None
    ),
    "per_server": _option(
        "N", "Many targets: how many of these on one server (host and port).", int | None
    ),
    "max_failures": _option(
        "N", "Many targets: after so many failures, or so many per cent, none begins. Default: 1."
    ),
    "pause": _option("SECONDS", "Many targets: wait between two waves.", float | None),
    "after_wave": _option(
        "CMD",
        "Many targets: a command to run between two waves; unless it ends with 0 no more begin.",
    ),
    "where": _option(
        "LABEL=VALUE",
        "Many targets: only those with this label. Given again: another value, or another label.",
        list[str] | None,
    ),
    "shard": _option("I/N", "Many targets: only this part of the list, 0/4 to 3/4 of four."),
    "executor": _option(
        "NAME",
        "Many targets: what runs them, such as app.cluster:executor or dask:tcp://host:8786. "
        "Default: the variable BRIDGE_EXECUTOR, then executor in alembic.ini, then processes here.",
    ),
    "report": _option(
        "FILE", "Many targets: write a line of JSON for each into this file.", Path | None
    ),
}


@dataclass(frozen=True, kw_only=True)
class RolloutOptions:
    """What was typed for many targets; None for what was not."""

    waves: str | None = None
    concurrency: int | None = None
    per_server: int | None = None
    max_failures: str | None = None
    pause: float | None = None
    after_wave: str | None = None
    where: list[str] | None = None
    shard: str | None = None
    executor: str | None = None
    report: Path | None = None

    @property
    def given(self) -> list[str]:
        """The names of those that were typed, as they are typed."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return [
            f"--{name.replace('_', '-')}"
            for name, value in values.items()
            if value not in (None, [])
        ]

    def plan(self, options: Options, reporter: Any) -> Plan:
        """Return how the rollout goes on."""
        from bridge.operations.rollout.plan import Plan

        typed: dict[str, Any] = {
            name: value
            for name in ("waves", "concurrency", "per_server", "max_failures", "pause", "shard")
            if (value := getattr(self, name)) is not None
        }
        after = None if self.after_wave is None else _AfterWave(self.after_wave, reporter)
        file = options.targets_file
        return Plan(
            **typed,
            where=self.where or (),
            executor=self.executor,
            after_wave=after,
            targets_file=None if file == "-" else file,
        )


def taking_many(command: Callable[..., None]) -> Callable[..., None]:
    """Return the command with the options of a rollout, which `rollout_of` finds."""

    def take(ctx: typer.Context, typed: dict[str, Any], run: Callable[[], None]) -> None:
        ctx.meta[_META] = RolloutOptions(**typed)
        run()

    return with_options(command, {name: (hint, None) for name, hint in _OPTIONS.items()}, take)


def rollout_of(ctx: typer.Context) -> RolloutOptions:
    """Return what was typed for many targets."""
    found = ctx.meta[_META]
    assert isinstance(found, RolloutOptions)  # noqa: S101 - `taking_many` has put it there
    return found


def roll_out(
    options: Options, rollout: RolloutOptions, *, to: str, sql: bool, dry_run: bool
) -> None:
    """Bring many targets up to date, and write the result; with `dry_run` only what would run."""
    with options.run(many=True) as request:
        from bridge.operations.rollout.plan import prepare
        from bridge.operations.rollout.rollout import run_rollout

        if to != "head" or sql:
            raise UsageError(
                f"{'--sql' if sql else '--to'} is for one target, and several are meant. Nothing "
                "was started. Name one: --target NAME"
            )
        plan = rollout.plan(options, request.reporter)

        def meant() -> Any:
            return options.meant(request)

        if dry_run:
            result(*_planned(prepare(request, plan, meant)))
            return
        with ExitStack() as stack:
            report = _Report.open(rollout.report, stack)
            found = run_rollout(request, plan, listed=meant, on_result=report.write)
            _end(request, found)


def refuse_alone(rollout: RolloutOptions) -> None:
    """Refuse an option for many targets where one is meant, or the database as a whole."""
    if rollout.given:
        raise typer.BadParameter(
            "it is for many targets: add --all, or several --target. Nothing was started.",
            param_hint=rollout.given[0],
        )


class _Report:
    """Writes a line of JSON for each target, as soon as it is over."""

    def __init__(self, file: IO[str] | None) -> None:
        self._file = file

    @classmethod
    def open(cls, path: Path | None, stack: ExitStack) -> _Report:
        """Open the file anew; raises UsageError where that cannot be done."""
        if path is None:
            return cls(None)
        try:
            return cls(stack.enter_context(path.open("w", encoding="utf-8")))
        except OSError as error:
            raise UsageError(
                f"The report {path} cannot be written: {error.strerror}. Nothing was started."
            ) from error

    def write(self, each: TargetResult) -> None:
        """Write the line of a target."""
        if self._file is not None:
            self._file.write(f"{json_text(each.to_json())}\n")
            self._file.flush()


class _AfterWave:
    """Runs a command of the team's between two waves."""

    def __init__(self, command: str, reporter: Any) -> None:
        self._command = command
        self._reporter = reporter

    def __call__(self, wave: int) -> str | None:
        """Return why to stop; None to go on."""
        self._reporter.tell(events.Note(f"After wave {wave}: {self._command}"))
        try:
            done = subprocess.run(shlex.split(self._command), check=False)
        except (OSError, ValueError) as error:
            return f"The command after wave {wave} could not be run: {error}."
        if done.returncode:
            return f"The command after wave {wave} ended with {done.returncode}."
        return None


def _planned(prepared: Prepared) -> Iterator[str]:
    behind = [name for wave in prepared.behind for name in wave]
    if not behind:
        yield f"Nothing to do: {_all(len(prepared.targets))} up to date."
        return
    yield (
        f"Would bring {len(behind)} of {counted(len(prepared.targets), 'target')} up to date, in "
        f"{counted(len(prepared.waves), 'wave')}:"
    )
    for number, wave in enumerate(prepared.behind, 1):
        for name in wave:
            status = prepared.statuses[name]
            what = counted(len(status.pending), "migration") if status.pending else status.state
            yield f"  wave {number}  {in_one_line(name)}  {what}"


def _end(request: Request, found: Rollout) -> None:
    """Write the result; raises a BridgeError unless all targets are up to date."""
    from bridge.operations.rollout.results import Outcome, same_failures

    for each in same_failures(found.results):
        if each.targets[1:]:
            named = listed([in_one_line(name) for name in each.targets], _NAMED)
            first = in_one_line(each.targets[0])
            told = f"{len(each.targets)} targets failed as {first} did: {named}."
            request.reporter.tell(events.Warned(told))
    done = len(found.of(Outcome.DONE))
    if found.exit_code == 0:
        brought = f", {done} of them by this run" if done else ""
        request.reporter.tell(events.Result(f"{_all(len(found.results))} up to date{brought}."))
        return
    raise _kind(found.exit_code)(_summary(found))


def _summary(found: Rollout) -> str:
    from bridge.operations.rollout.results import Outcome

    failed = found.of(Outcome.FAILED)
    parts = [found.stopped] if found.stopped else []
    if failed:
        names = listed([in_one_line(each.target) for each in failed], _NAMED)
        parts.append(f"{counted(len(failed), 'target')} failed: {names}.")
    if left := found.of(Outcome.NOT_STARTED):
        parts.append(f"{counted(len(left), 'target')} not started.")
    told = {each.target for each in (*failed, *left)}
    if others := [name for name in found.behind if name not in told]:
        names = listed([in_one_line(name) for name in others], _NAMED)
        parts.append(
            f"{counted(len(others), 'target')} not up to date when all were read again: {names}."
        )
    current = len(found.of(Outcome.DONE)) + len(found.of(Outcome.UP_TO_DATE))
    name = next((each.target for each in (*failed, *left)), "NAME")
    parts.append(
        f"{current} of {counted(len(found.results), 'target')} up to date. The same command goes "
        f"on with those that are not; one by itself: eai migrate --target {shlex.quote(name)}"
    )
    return " ".join(parts)


def _all(number: int) -> str:
    return "The one target is" if number == 1 else f"All {number} targets are"


def _kind(exit_code: int) -> type[BridgeError]:
    kinds: dict[int, type[BridgeError]] = {4: LedgerError, 75: TryAgain}
    return kinds.get(exit_code, MigrationError)
