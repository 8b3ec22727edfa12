"""Every command of bridge's and of Alembic's, run in this process, and what each has told."""

from __future__ import annotations

import io
import json
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from unittest.mock import patch

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool
from typer.testing import CliRunner

import bridge
from bridge.alembic.invocation import KEY, Invocation
from bridge.cli import app
from bridge.database.request import Request
from bridge.errors import BridgeError
from bridge.reporting import events
from support.recording import Recording

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import URL

    from bridge.findings import Finding
    from support.project import Project


@dataclass(frozen=True)
class Told:
    """How a command has ended."""

    #: The exit code, or that of the error that was raised.
    code: int
    #: The id and the sentences of what was refused, or shown as what an upgrade would refuse.
    refusals: tuple[tuple[str, str], ...] = ()
    #: The same of what was told although it goes on.
    warnings: tuple[tuple[str, str], ...] = ()
    #: All that was said, for whoever looks at a failure.
    text: str = ""


@dataclass(frozen=True)
class Place:
    """A folder and a database as a command meets them."""

    project: Project
    #: With the role and the settings of the session.
    url: URL
    #: What `mark` is asked about: to be applied, and to be pending.
    applied: str = "003_c"
    pending: str = "002_b"

    @property
    def ini(self) -> str:
        return str(self.project.path / "alembic.ini")


class _Heard(Recording):
    """Keeps the ids of warnings too."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[tuple[str, str]] = []

    def tell(self, event: events.Event) -> None:
        super().tell(event)
        if isinstance(event, events.Warned):
            self.heard.append((event.id or "", event.message))


def _pairs(findings: tuple[Finding, ...], severity: str) -> tuple[tuple[str, str], ...]:
    return tuple((each.id, str(each)) for each in findings if each.severity == severity)


def eai(place: Place, *args: str) -> Told:
    """`eai migrate` with events as JSON."""
    url = place.url.render_as_string(hide_password=False)
    given = ["migrate", "--log-format", "json", "-c", place.ini, "--database-url", url, *args]
    done = CliRunner().invoke(app, given)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    events = [json.loads(line) for line in done.stderr.splitlines()]
    told = [(e["event"], e.get("id", ""), _untyped(place, e.get("message") or "")) for e in events]
    return Told(
        done.exit_code,
        tuple((i, s) for event, i, s in told if event == "error"),
        tuple((i, s) for event, i, s in told if event == "warning"),
        done.stdout + done.stderr,
    )


def _untyped(place: Place, message: str) -> str:
    """Return what other commands say, to whom no configuration was typed."""
    typed = message.replace(f"eai migrate --config {place.ini}", "eai migrate")
    return typed.replace(f"alembic -c {place.ini}", "alembic")


def _status(place: Place, *args: str) -> Told:
    """What `status` says on standard error, of which some says that it would be refused."""
    told, prefix = eai(place, "status", *args), "An upgrade would be refused. "
    return Told(
        told.code,
        told.refusals
        + tuple((i, s.removeprefix(prefix)) for i, s in told.warnings if s.startswith(prefix)),
        tuple((i, s) for i, s in told.warnings if not s.startswith(prefix)),
        told.text,
    )


def _status_json(place: Place) -> Told:
    told = eai(place, "status", "--json")
    if told.refusals:
        return told
    found = json.loads(told.text[: told.text.rindex("\n}") + 2])
    for each in found["findings"]:
        assert list(each) == ["id", "severity", "migration", "file", "message", "next"]
    texts = [
        (each["severity"], each["id"], f"{each['message']} {each['next']}".rstrip())
        for each in found["findings"]
    ]
    errors = tuple((i, s) for severity, i, s in texts if severity == "error")
    assert found["problems"] == [sentence for _, sentence in errors]
    warnings = tuple((i, s) for severity, i, s in texts if severity == "warning")
    return Told(told.code, errors, warnings, told.text)


def _check_database(place: Place) -> Told:
    """With the ids of the rules of `check`."""
    told = eai(place, "check", "--database", "--json")
    if told.refusals:
        return told
    found = json.loads(told.text[: told.text.rindex("\n}") + 2])
    texts = [
        (each["severity"], each["id"], f"{each['message']} {each['mend']}".rstrip())
        for each in found["problems"]
    ]
    return Told(
        told.code,
        tuple((i, s) for severity, i, s in texts if severity == "error"),
        tuple((i, s) for severity, i, s in texts if severity == "warning"),
        told.text,
    )


def _called(run: Callable[[Recording], object]) -> Told:
    heard = _Heard()
    try:
        run(heard)
    except CommandError as error:
        if not isinstance(error.__cause__, BridgeError):
            raise
        return _raised(error.__cause__, heard)
    except BridgeError as error:
        return _raised(error, heard)
    return Told(0, (), tuple(heard.heard), "\n".join(heard.notes))


def _raised(error: BridgeError, heard: _Heard) -> Told:
    refusals = _pairs(error.findings, "error") or (("", str(error)),)
    return Told(error.exit_code, refusals, tuple(heard.heard), str(error))


def _start(place: Place) -> Told:
    return _called(lambda heard: bridge.start(place.url, config=place.ini, reporter=heard))


def _start_check(place: Place) -> Told:
    with patch.dict(os.environ, BRIDGE_STARTUP="check"):
        return _start(place)


def _bridge_upgrade(place: Place) -> Told:
    return _called(lambda heard: bridge.upgrade(place.url, config=place.ini, reporter=heard))


def _bridge_status(place: Place) -> Told:
    try:
        found = bridge.status(place.url, config=place.ini)
    except BridgeError as error:
        return _raised(error, _Heard())
    assert found.problems == tuple(s for _, s in _pairs(found.findings, "error"))
    return Told(0, _pairs(found.findings, "error"), _pairs(found.findings, "warning"), str(found))


@dataclass(frozen=True)
class _Alembic:
    """A command of Alembic's, called as a program calls it."""

    run: Callable[..., None]
    args: tuple[str, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)
    asks: bool = True

    def __call__(self, place: Place) -> Told:
        def run(heard: Recording) -> None:
            config = Config(place.ini, stdout=io.StringIO(), output_buffer=io.StringIO())
            config.attributes[KEY] = Invocation(request=Request(reporter=heard))
            if self.asks:
                config.attributes["connection"] = create_engine(place.url, poolclass=NullPool)
            self.run(config, *self.args, **self.options)

        return _called(run)


#: Each column of the table.
COMMANDS: Final[dict[str, Callable[[Place], Told]]] = {
    "migrate": eai,
    "migrate --dry-run": lambda p: eai(p, "--dry-run"),
    "migrate --sql": lambda p: eai(p, "--sql"),
    "rehearse": lambda p: eai(p, "rehearse", "--yes"),
    "status": _status,
    "status --check": lambda p: _status(p, "--check"),
    "status --json": _status_json,
    "check --database": _check_database,
    "repair --dry-run": lambda p: eai(p, "repair", "--dry-run"),
    "repair": lambda p: eai(p, "repair", "--yes"),
    "mark --applied --dry-run": lambda p: eai(p, "mark", p.applied, "--applied", "--dry-run"),
    "mark --applied": lambda p: eai(p, "mark", p.applied, "--applied", "--yes"),
    "mark --pending --dry-run": lambda p: eai(p, "mark", p.pending, "--pending", "--dry-run"),
    "mark --pending": lambda p: eai(p, "mark", p.pending, "--pending", "--yes"),
    "downgrade --dry-run": lambda p: eai(p, "downgrade", "--steps", "1", "--dry-run"),
    "downgrade": lambda p: eai(p, "downgrade", "--steps", "1", "--yes"),
    "dump --from-database": lambda p: eai(p, "dump", "--from-database", "--output", "-"),
    "bridge.start": _start,
    "bridge.start, check": _start_check,
    "bridge.status": _bridge_status,
    "bridge.upgrade": _bridge_upgrade,
    "alembic upgrade": _Alembic(command.upgrade, ("head",)),
    "alembic upgrade --sql": _Alembic(command.upgrade, ("head",), {"sql": True}, asks=False),
    "alembic stamp": _Alembic(command.stamp, ("head",)),
    "alembic current": _Alembic(command.current),
}
