"""Each event of a run as its line of JSON."""

from __future__ import annotations

import io
import json
import logging
import re
import threading
import warnings
from typing import Any

import pytest

from bridge.reporting import events
from bridge.reporting.events import Direction
from bridge.reporting.json import JsonReporter
from support.recording import failed, finished, started

UP, DOWN = Direction.UPGRADE, Direction.DOWNGRADE


class Told:
    """A reporter, and the events that it has written."""

    def __init__(self, **options: Any) -> None:
        self.stream = io.StringIO()
        self.reporter = JsonReporter(stream=self.stream, **options)

    @property
    def events(self) -> list[dict[str, Any]]:
        found = [json.loads(line) for line in self.stream.getvalue().splitlines()]
        for each in found:
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", each.pop("ts"))
        return found


def test_every_event_has_its_name_and_its_fields() -> None:
    told = Told()
    reporter = told.reporter
    reporter.tell(events.DatabaseChosen("database app on db:5432 as app (from DATABASE_URL)"))
    reporter.tell(events.WaitingForServer("nothing listens there", seconds=2.51234))
    reporter.tell(events.WaitingForLock("Waiting for the migration lock."))
    reporter.tell(events.MigrationBlocked("001_a waits for a lock."))
    reporter.tell(events.Note("  found "))
    reporter.tell(events.Warned("changed"))
    reporter.tell(started("001_a", "Add\n  things", UP))
    reporter.tell(events.Statement(sql="SELECT 1", parameters=None))
    reporter.tell(finished("001_a", UP, 1.23456))
    reporter.tell(started("001_a", "Add things", DOWN))
    reporter.tell(failed("001_a", DOWN, 0.5))
    assert told.events == [
        {
            "level": "info",
            "event": "run.database",
            "message": "database app on db:5432 as app (from DATABASE_URL)",
        },
        {
            "level": "warning",
            "event": "server.unreachable",
            "message": "nothing listens there",
            "seconds": 2.512,
        },
        {"level": "info", "event": "lock.waiting", "message": "Waiting for the migration lock."},
        {"level": "warning", "event": "migration.blocked", "message": "001_a waits for a lock."},
        {"level": "info", "event": "note", "message": "found"},
        {"level": "warning", "event": "warning", "message": "changed"},
        {
            "level": "info",
            "event": "migration.started",
            "migration": "001_a",
            "direction": "upgrade",
            "description": "Add things",
        },
        {
            "level": "info",
            "event": "migration.finished",
            "migration": "001_a",
            "direction": "upgrade",
            "seconds": 1.235,
        },
        {
            "level": "info",
            "event": "migration.started",
            "migration": "001_a",
            "direction": "downgrade",
            "description": "Add things",
        },
        {
            "level": "error",
            "event": "migration.failed",
            "migration": "001_a",
            "direction": "downgrade",
            "seconds": 0.5,
            "interrupted": False,
        },
    ]


def test_a_run_ends_with_what_it_has_done() -> None:
    told = Told()
    for stem, direction in (("001_a", UP), ("002_b", UP), ("002_b", DOWN)):
        told.reporter.tell(started(stem, "", direction))
        told.reporter.tell(finished(stem, direction, 1.0))
    told.reporter.tell(events.Result("Applied 2.\nReverted 1."))
    told.reporter.ended(0)
    event = told.events[-1]
    assert event.pop("seconds") >= 0
    assert event == {
        "level": "info",
        "event": "run.finished",
        "exit_code": 0,
        "message": "Applied 2.\nReverted 1.",
        "applied": ["001_a", "002_b"],
        "reverted": ["002_b"],
    }


def test_an_error_names_the_migration_that_failed_last() -> None:
    told = Told()
    told.reporter.error("No database is named.", 2)
    told.reporter.tell(failed("001_a", UP, 0.1))
    told.reporter.error("001_a failed.", 1, trace="Traceback")
    told.reporter.tell(started("001_a", "", UP))
    told.reporter.tell(finished("001_a", UP, 0.1))
    told.reporter.error("Interrupted by SIGTERM.", 143)
    errors = [each for each in told.events if each["event"] == "error"]
    assert [(e["exit_code"], e.get("migration"), e.get("traceback")) for e in errors] == [
        (2, None, None),
        (1, "001_a", "Traceback"),
        (143, None, None),
    ]
    assert errors[-1]["applied"] == ["001_a"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, []),
        ({"show_parameters": True}, []),
        ({"verbose": True}, [{"message": "SELECT :mail"}]),
        (
            {"verbose": True, "show_parameters": True},
            [{"message": "SELECT :mail", "parameters": "{'mail': 'ada@example.org'}"}],
        ),
    ],
)
def test_statements_and_their_parameters_are_told_only_where_that_is_asked_for(
    options: dict[str, bool], expected: list[dict[str, str]]
) -> None:
    told = Told(**options)
    told.reporter.tell(
        events.Statement(sql="\n  SELECT :mail\n", parameters={"mail": "ada@example.org"})
    )
    assert told.events == [{"level": "debug", "event": "statement", **each} for each in expected]


def test_what_is_logged_is_an_event_and_so_are_warnings() -> None:
    told = Told()
    logger = logging.getLogger("their.migration")
    with told.reporter.logging_as_events() as handler:
        for each in (logger, logging.getLogger("py.warnings")):
            each.addHandler(handler)
        logger.warning("halfway through %s", "users")
        try:
            int("odd")
        except ValueError:
            logger.exception("failed")
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.warn("an old name", DeprecationWarning, stacklevel=1)
        for each in (logger, logging.getLogger("py.warnings")):
            each.removeHandler(handler)
    first, second, third = told.events
    assert first == {
        "level": "warning",
        "event": "log",
        "logger": "their.migration",
        "message": "halfway through users",
    }
    assert "ValueError: invalid literal" in second["traceback"]
    assert "DeprecationWarning: an old name" in third["message"]


def test_a_bug_is_told_without_what_its_message_may_hold() -> None:
    told = Told()
    try:
        json.loads("{" + "customer")
    except ValueError as error:
        told.reporter.unexpected(error)
    (event,) = told.events
    assert (event["message"], event["exit_code"]) == ("Unexpected JSONDecodeError.", 1)
    assert "json.loads(" in event["traceback"]
    assert "Expecting" not in told.stream.getvalue()


def test_lines_of_several_threads_do_not_mix() -> None:
    told = Told()

    def work() -> None:
        for _ in range(200):
            told.reporter.tell(events.Note("x" * 100))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(told.events) == 800


def test_a_reader_that_went_away_does_not_stop_the_run() -> None:
    stream = io.StringIO()
    stream.close()
    JsonReporter(stream=stream).tell(events.Note("unheard"))
