"""What a run tells, and how a team's own reporter hears it."""

from __future__ import annotations

import inspect
import io
import json
import logging
import re
import textwrap
from dataclasses import FrozenInstanceError, fields
from types import SimpleNamespace
from typing import Any

import pytest

import bridge
from bridge import events
from bridge.reporting.console import ConsoleReporter
from bridge.reporting.json import JsonReporter
from bridge.reporting.reporter import LogReporter
from bridge.reporting.rollout_events import EVENTS
from bridge.reporting.screen import Screen
from support.pages import page
from support.recording import failed, finished, started

UP = events.Direction.UPGRADE

#: One of each kind that `bridge.upgrade` tells, in the order of a run.
EVERY = [
    events.DatabaseChosen("database app"),
    events.WaitingForServer("nothing listens there.", seconds=3.2),
    events.WaitingForLock("Waiting for the migration lock."),
    events.Note("The ledger is a team's own."),
    events.Working("005_e in a scratch database"),
    events.Warned("005_e.py comes late.", id="late"),
    events.Planned(migrations=("005_e", "006_f"), direction=UP),
    started("005_e", "Add e", UP),
    events.Statement(sql="SELECT 1", parameters=None),
    events.MigrationBlocked("005_e waits for a lock."),
    finished("005_e", UP, 1.5),
    failed("006_f", UP, 0.5),
    events.WaveStarted(wave=1, waves=2, behind=1, targets=3),
    events.TargetStarted(target="acme", wave=1),
    events.TargetRunning(target="acme", wave=1, seconds=60.0),
    events.TargetFinished(
        target="acme", wave=1, seconds=61.0, applied=("005_e",), number=1, of=2, rate=0.1
    ),
    events.TargetFailed(
        target="beta", wave=1, seconds=1.0, number=2, of=2, rate=0.1, exit_code=1, message="No."
    ),
    events.RolloutFinished(counts={"done": 1, "failed": 1}, behind=("beta",), seconds=62.0),
]
BASES = {events.Event, events.Sentence, events.MigrationEvent, events.RolloutEvent}


def test_there_is_one_of_each_kind_in_the_order_of_the_module() -> None:
    kinds = [
        each
        for each in vars(events).values()
        if inspect.isclass(each) and issubclass(each, events.Event) and each not in BASES
    ]
    every: list[type] = [type(each) for each in EVERY]
    assert every == [*kinds[:-1], *EVENTS]
    assert kinds[-1] is events.Result


@pytest.mark.parametrize("event", EVERY, ids=lambda each: type(each).__name__)
def test_each_is_told_by_every_reporter_and_stays_as_it_is(
    event: Any, caplog: pytest.LogCaptureFixture
) -> None:
    lines, screen = io.StringIO(), io.StringIO()
    JsonReporter(stream=lines, verbose=True).tell(event)
    ConsoleReporter(screen=Screen(screen), verbose=True).tell(event)
    with caplog.at_level(logging.DEBUG, logger="bridge"):
        LogReporter().tell(event)
    assert json.loads(lines.getvalue())["event"]
    # What goes on is shown while it does: by a line that moves, or from time to time.
    assert screen.getvalue() or isinstance(
        event, events.Working | events.Planned | events.TargetStarted
    )
    # An application logs the error that is raised after a failure.
    assert len(caplog.records) == (0 if isinstance(event, events.MigrationFailed) else 1)
    name = fields(event)[0].name
    with pytest.raises(FrozenInstanceError):
        setattr(event, name, "another")


def test_sentences_of_different_events_are_different_events() -> None:
    assert len({events.Note("x"), events.Note("x"), events.WaitingForLock("x")}) == 2
    assert repr(events.Note("x")) == "Note(message='x')"


def test_the_page_lists_them_with_what_they_hold() -> None:
    rows = re.findall(r"^\| `([A-Z]\w+)` \| (.+) \|$", page("python"), re.MULTILINE)
    assert [(name, re.findall(r"\w+", held)) for name, held in rows] == [
        (type(each).__name__, [field.name for field in fields(each)])  # type: ignore[arg-type]
        for each in EVERY
    ]


def test_a_reporter_of_a_team_is_told_what_it_asks_for() -> None:
    """As the documentation shows it."""
    found = re.search(
        r"::\n\n(.*?)\n\s+bridge\.upgrade", inspect.getdoc(bridge.Reporter) or "", re.DOTALL
    )
    assert found is not None
    code = textwrap.dedent(found[1]).strip()
    assert code in page("python")
    heard: list[object] = []
    tools = {
        "statsd": SimpleNamespace(timing=lambda *about: heard.append(about)),
        "chat": SimpleNamespace(post=heard.append),
    }
    exec(code, tools)
    reporter = tools["Metrics"]()  # type: ignore[operator]
    for event in EVERY:
        reporter.tell(event)
    assert heard == ["005_e.py comes late.", ("migration.005_e", 1500.0)]


def test_the_events_of_a_rollout_are_sentences_for_a_person() -> None:
    told = [each.sentence for each in EVERY if isinstance(each, events.RolloutEvent)]
    assert told == [
        "Wave 1 of 2: 1 of 3 targets to bring up to date",
        "acme: started",
        "acme  still running (1 min 0 s)",
        "[1/2] acme  done in 1 min 1 s, 1 migration  (0.1/s)",
        "[2/2] beta  failed after 1 s: No.",
        "1 done, 1 failed, in 1 min 2 s",
    ]


def test_there_is_no_event_of_another_name() -> None:
    with pytest.raises(AttributeError, match=r"'bridge.reporting.events' has no attribute 'X'"):
        events.X  # type: ignore[attr-defined]  # noqa: B018
