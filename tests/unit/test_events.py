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
]
BASES = {events.Event, events.Sentence, events.MigrationEvent}


def test_there_is_one_of_each_kind_in_the_order_of_the_module() -> None:
    kinds = [
        each
        for each in vars(events).values()
        if inspect.isclass(each) and issubclass(each, events.Event) and each not in BASES
    ]
    assert [type(each) for each in EVERY] + [events.Result] == kinds


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
    assert screen.getvalue() or isinstance(event, events.Working | events.Planned)
    # An application logs the error that is raised after a failure.
    assert len(caplog.records) == (0 if isinstance(event, events.MigrationFailed) else 1)
    name = "message" if isinstance(event, events.Sentence) else "sql"
    name = "migration" if isinstance(event, events.MigrationEvent) else name
    name = "migrations" if isinstance(event, events.Planned) else name
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
