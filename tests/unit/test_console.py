from __future__ import annotations

import io
import logging
import os
import re
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from bridge.reporting import events, screen
from bridge.reporting.console import ConsoleReporter
from bridge.reporting.events import Direction
from bridge.reporting.screen import Screen
from support.recording import failed, finished, started
from support.terminal import FakeTerminal, screen_of

if TYPE_CHECKING:
    from collections.abc import Callable

UP = Direction.UPGRADE


def plain(*, tell_every: float = 30, **switches: bool) -> tuple[ConsoleReporter, io.StringIO]:
    stream = io.StringIO()
    return ConsoleReporter(screen=Screen(stream, tell_every=tell_every), **switches), stream


def on_terminal(
    monkeypatch: pytest.MonkeyPatch, **switches: bool
) -> tuple[ConsoleReporter, FakeTerminal]:
    """A reporter on a terminal that the process's own output goes to as well."""
    terminal = FakeTerminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "60")
    return ConsoleReporter(screen=Screen(), **switches), terminal


def moved(terminal: FakeTerminal) -> int:
    """How often the moving line was drawn."""
    return len(re.findall(r"001_a  \d+ s", terminal.getvalue()))


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_migration_is_told_in_a_line_at_its_start_and_one_at_its_end() -> None:
    reporter, stream = plain()
    reporter.tell(events.DatabaseChosen("database app on db:5432 as admin (from DATABASE_URL)"))
    reporter.tell(started("001_a", "Adds a", UP))
    reporter.tell(finished("001_a", UP, 0.1234))
    assert stream.getvalue().splitlines() == [
        "Database app on db:5432 as admin (from DATABASE_URL)",
        "  001_a  Adds a",
        "  001_a  done in 0.12 s",
    ]


def test_a_downgrade_is_told_as_such() -> None:
    reporter, stream = plain()
    reporter.tell(started("001_a", "Adds a", Direction.DOWNGRADE))
    reporter.tell(finished("001_a", Direction.DOWNGRADE, 75))
    assert stream.getvalue().splitlines() == [
        "  001_a  reverting: Adds a",
        "  001_a  reverted in 1 min 15 s",
    ]


def test_a_description_of_several_lines_is_told_in_one() -> None:
    reporter, stream = plain()
    reporter.tell(started("001_a", "Adds a\n   and b", UP))
    reporter.close()
    assert stream.getvalue() == "  001_a  Adds a and b\n"


def test_a_failure_is_told_with_its_time() -> None:
    reporter, stream = plain()
    reporter.tell(started("001_a", "", UP))
    reporter.tell(failed("001_a", UP, 2))
    assert stream.getvalue().splitlines() == ["  001_a", "  001_a  failed after 2.00 s"]


def test_a_migration_that_a_signal_ended_is_stopped_and_has_not_failed() -> None:
    reporter, stream = plain()
    reporter.tell(started("001_a", "", UP))
    reporter.tell(failed("001_a", UP, 2, interrupted=True))
    assert stream.getvalue().splitlines()[-1] == "  001_a  stopped after 2.00 s"


def test_quiet_tells_only_of_trouble() -> None:
    reporter, stream = plain(quiet=True)
    reporter.tell(events.DatabaseChosen("database app"))
    reporter.tell(started("001_a", "Adds a", UP))
    reporter.tell(events.Warned("005_e.py comes late."))
    reporter.tell(finished("001_a", UP, 1))
    reporter.tell(failed("002_b", UP, 1))
    assert stream.getvalue().splitlines() == [
        "Warning: 005_e.py comes late.",
        "  002_b  failed after 1.00 s",
    ]


def test_statements_are_told_only_when_verbose() -> None:
    reporter, stream = plain()
    reporter.tell(events.Statement(sql="SELECT 1", parameters=None))
    assert stream.getvalue() == ""


def test_a_statement_is_shown_whole_and_without_the_indentation_of_the_file() -> None:
    reporter, stream = plain(verbose=True)
    written = "\n        CREATE TABLE a (\n            id int\n\n        )\n   "
    reporter.tell(events.Statement(sql=written, parameters=None))
    assert stream.getvalue() == "    CREATE TABLE a (\n        id int\n    )\n"


def test_parameters_are_shown_only_when_asked_for() -> None:
    hidden, stream = plain(verbose=True)
    secret = events.Statement(sql="INSERT INTO a VALUES (%(x)s)", parameters={"x": "secret"})
    hidden.tell(secret)
    assert "secret" not in stream.getvalue()
    shown, stream = plain(verbose=True, show_parameters=True)
    shown.tell(secret)
    assert stream.getvalue().splitlines()[-1] == "    parameters: {'x': 'secret'}"


def test_of_many_sets_of_parameters_the_first_ten_are_shown() -> None:
    reporter, stream = plain(verbose=True, show_parameters=True)
    many = [{"x": number} for number in range(1000)]
    reporter.tell(events.Statement(sql="INSERT INTO a VALUES (%(x)s)", parameters=many))
    assert "{'x': 9}] and 990 more" in stream.getvalue()


def test_a_migration_that_runs_long_is_told_about_again_and_again() -> None:
    reporter, stream = plain(tell_every=0.05)
    reporter.tell(started("004_x", "Long", UP))
    wait_for(lambda: stream.getvalue().count("still running") >= 2)
    reporter.tell(finished("004_x", UP, 0.2))
    told = stream.getvalue().splitlines()
    assert re.fullmatch(r"  004_x  still running \(\d+(\.\d)? s\)", told[1])
    assert told[-1] == "  004_x  done in 0.20 s"
    time.sleep(0.12)
    assert stream.getvalue().splitlines() == told


def test_the_time_between_two_such_lines_is_thirty_seconds() -> None:
    assert Screen(io.StringIO()).tell_every == 30


def test_waiting_is_told_at_once_and_then_only_from_time_to_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reporter, stream = plain(tell_every=30)
    for waited in (0, 1, 29, 30, 59, 61):
        monkeypatch.setattr(time, "monotonic", lambda waited=waited: 1000.0 + waited)
        sentence = f"Waiting for the migration lock (for {waited} s so far)."
        reporter.tell(events.WaitingForLock(sentence))
    assert stream.getvalue().splitlines() == [
        f"Waiting for the migration lock (for {waited} s so far)." for waited in (0, 30, 61)
    ]


def test_another_reason_to_wait_is_told_at_once() -> None:
    reporter, stream = plain()
    told = [
        "Waiting for the migration lock: it is held by one.",
        "Waiting for the rest of an earlier run: its process has ended.",
    ]
    reporter.tell(events.WaitingForLock(told[0]))
    reporter.tell(
        events.WaitingForLock(
            "Waiting for the migration lock (for 5 s so far): it is held by another."
        )
    )
    reporter.tell(events.WaitingForLock(told[1]))
    assert stream.getvalue().splitlines() == told


def test_an_unreachable_server_is_told_with_the_time_it_took_so_far() -> None:
    reporter, stream = plain(tell_every=0)
    reporter.tell(events.WaitingForServer("database app: nothing listens there", seconds=0))
    reporter.tell(events.WaitingForServer("database app: nothing listens there", seconds=12.3))
    assert stream.getvalue().splitlines() == [
        "Database app: nothing listens there. Trying again.",
        "Database app: nothing listens there. Trying again (12 s so far).",
    ]


def test_without_a_terminal_there_are_no_control_codes() -> None:
    reporter, stream = plain(verbose=True)
    reporter.tell(started("001_a", "Adds a", UP))
    reporter.tell(events.Statement(sql="SELECT 1", parameters=None))
    time.sleep(0.4)
    reporter.tell(finished("001_a", UP, 1))
    assert "\x1b" not in stream.getvalue()
    assert "\r" not in stream.getvalue()


def test_a_reader_that_went_away_does_not_stop_the_run() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w", buffering=1) as stream:
        reporter = ConsoleReporter(screen=Screen(stream))
        reporter.tell(started("001_a", "Adds a", UP))
        reporter.tell(finished("001_a", UP, 1))
        # What is left in its buffer would fail again when it is closed.
        os.dup2(os.open(os.devnull, os.O_WRONLY), writing)


def test_a_process_without_standard_error_tells_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    reporter = ConsoleReporter()
    reporter.tell(started("001_a", "Adds a", UP))
    reporter.tell(finished("001_a", UP, 1))


def test_on_a_terminal_a_line_moves_and_is_gone_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    reporter, terminal = on_terminal(monkeypatch)
    reporter.tell(started("001_a", "Adds a", UP))
    wait_for(lambda: moved(terminal))
    assert re.fullmatch(r"  \S 001_a  \d+ s", screen_of(terminal.getvalue())[-1])
    reporter.tell(finished("001_a", UP, 1))
    assert screen_of(terminal.getvalue()) == ["  001_a  Adds a  done in 1.00 s"]


def test_on_a_terminal_each_of_several_migrations_has_its_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reporter, terminal = on_terminal(monkeypatch)
    stems = tuple(f"{number:03}_a" for number in range(1, 13))
    reporter.tell(events.Planned(migrations=stems, direction=UP))
    reporter.tell(started("001_a", "Adds a", UP))
    reporter.tell(finished("001_a", UP, 0.1234))
    reporter.tell(started("012_a", "Adds more", UP))
    reporter.tell(failed("012_a", UP, 3))
    assert screen_of(terminal.getvalue()) == [
        "  [ 1/12] 001_a  Adds a  done in 0.12 s",
        "  [12/12] 012_a  Adds more  failed after 3.00 s",
    ]


def test_the_moving_line_shows_the_statement_and_how_long_it_has_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reporter, terminal = on_terminal(monkeypatch)
    reporter.tell(events.Planned(migrations=("000_z", "001_a"), direction=UP))
    reporter.tell(started("001_a", "Adds a", UP))
    reporter.tell(events.Statement(sql=f"ALTER TABLE a\n  {'ADD b int, ' * 50}", parameters=None))
    wait_for(lambda: "ALTER TABLE" in terminal.getvalue())
    last = screen_of(terminal.getvalue())[-1]
    assert re.fullmatch(r"  \S \[2/2\] 001_a  ALTER TABLE a ADD b int, ADD b.*  \d+ s", last)
    assert len(last) <= 59
    reporter.close()


def test_a_verbose_run_on_a_terminal_says_which_migration_its_statements_are_of(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reporter, terminal = on_terminal(monkeypatch, verbose=True)
    reporter.tell(started("001_a", "Adds a", UP))
    reporter.tell(events.Statement(sql="SELECT 1", parameters=None))
    reporter.tell(finished("001_a", UP, 1))
    assert screen_of(terminal.getvalue()) == [
        "  001_a  Adds a",
        "    SELECT 1",
        "  001_a  done in 1.00 s",
    ]


def test_one_thread_shows_all_migrations_of_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """One of its own for each takes longer than many a migration."""
    reporter, terminal = on_terminal(monkeypatch)
    others = set(threading.enumerate())
    for stem in ("000_z", "001_a"):
        reporter.tell(started(stem, "", UP))
        (thread,) = set(threading.enumerate()) - others
        if stem == "000_z":
            first = thread
            reporter.tell(finished(stem, UP, 0.01))
    assert thread is first
    wait_for(lambda: moved(terminal))
    assert "000_z  0 s" not in terminal.getvalue()
    reporter.close()
    wait_for(lambda: not thread.is_alive())


def test_a_later_migration_that_takes_long_is_told_of_too() -> None:
    reporter, stream = plain(tell_every=0.05)
    reporter.tell(started("000_z", "", UP))
    reporter.tell(finished("000_z", UP, 0.01))
    reporter.tell(started("001_a", "", UP))
    wait_for(lambda: stream.getvalue().count("  001_a  still running (0.") > 1)
    reporter.close()


def test_a_thread_with_nothing_left_to_show_ends_by_itself() -> None:
    reporter, stream = plain(tell_every=0.01)
    others = set(threading.enumerate())
    reporter.tell(started("000_z", "", UP))
    reporter.tell(finished("000_z", UP, 0.01))
    wait_for(lambda: set(threading.enumerate()) <= others)
    reporter.tell(started("001_a", "", UP))
    wait_for(lambda: "  001_a  still running" in stream.getvalue())
    reporter.close()


def test_a_quick_migration_does_not_flicker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screen, "_CALM", 60)
    reporter, terminal = on_terminal(monkeypatch)
    reporter.tell(started("001_a", "Adds a", UP))
    reporter.tell(finished("001_a", UP, 0.01))
    assert "\x1b" not in terminal.getvalue()


def test_the_moving_line_fits_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    reporter, terminal = on_terminal(monkeypatch)
    reporter.tell(started("001_" + "a" * 100, "", UP))
    wait_for(lambda: "\x1b[2K" in terminal.getvalue())
    reporter.close()
    drawn = re.findall(r"\x1b\[2K([^\r\x1b]+)\r", terminal.getvalue())
    assert drawn
    assert {len(line) for line in drawn} == {59}


def test_what_a_migration_prints_stands_above_the_moving_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reporter, terminal = on_terminal(monkeypatch)
    reporter.tell(started("001_a", "Adds a", UP))
    wait_for(lambda: moved(terminal))
    print("from the migration")
    print("to standard error", file=sys.stderr)
    before = moved(terminal)
    wait_for(lambda: moved(terminal) > before)
    *above, last = screen_of(terminal.getvalue())
    assert above == ["from the migration", "to standard error"]
    assert re.search(r"001_a  \d+ s$", last)
    reporter.tell(finished("001_a", UP, 1))
    assert screen_of(terminal.getvalue()) == [*above, "  001_a  Adds a  done in 1.00 s"]


def test_a_line_that_a_migration_has_not_ended_is_not_written_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reporter, terminal = on_terminal(monkeypatch)
    reporter.tell(started("001_a", "", UP))
    print("working ...", end="")
    time.sleep(0.5)
    print(" half", end="")
    reporter.tell(finished("001_a", UP, 1))
    assert screen_of(terminal.getvalue()) == [
        "  001_a",
        "working ... half",
        "  001_a  done in 1.00 s",
    ]


def test_logging_that_was_set_up_before_goes_around_the_moving_line_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reporter, terminal = on_terminal(monkeypatch)
    handler = logging.StreamHandler()
    monkeypatch.setattr(logging.getLogger(), "handlers", [handler])
    reporter.tell(started("001_a", "", UP))
    wait_for(lambda: moved(terminal))
    logging.getLogger("app").warning("logged")
    reporter.tell(finished("001_a", UP, 1))
    assert screen_of(terminal.getvalue()) == ["  001_a", "logged", "  001_a  done in 1.00 s"]
    assert handler.stream is terminal


def test_afterwards_the_streams_are_the_process_s_own_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reporter, terminal = on_terminal(monkeypatch)
    reporter.tell(started("001_a", "", UP))
    assert sys.stdout is not terminal
    reporter.tell(failed("001_a", UP, 1))
    assert sys.stdout is terminal
    assert sys.stderr is terminal


def test_colours_are_left_out_where_no_color_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    reporter, terminal = on_terminal(monkeypatch)
    reporter.tell(events.Warned("late"))
    assert terminal.getvalue() == "Warning: late\n"
    monkeypatch.delenv("NO_COLOR")
    ConsoleReporter().tell(events.Warned("late"))
    assert terminal.getvalue().endswith("\x1b[33mWarning:\x1b[0m late\n")


def test_a_dumb_terminal_gets_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    on_terminal(monkeypatch)
    monkeypatch.setenv("TERM", "dumb")
    assert not Screen().live
