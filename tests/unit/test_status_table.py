"""How a status is shown, on a terminal and elsewhere."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from bridge.cli.status_table import draw, harmless, plain_lines, summary
from bridge.locking.holder import Holder
from bridge.operations.lock_status import LockStatus
from bridge.operations.overview import Overview
from bridge.operations.status import Migration, MigrationState, Status
from support.terminal import FakeTerminal

AT = datetime(2026, 3, 1, 9, 30, 5, tzinfo=UTC)
FREE = LockStatus(holder=None, worker=None)


def migration(
    version: str,
    description: str = "Adds a table",
    state: MigrationState = MigrationState.APPLIED,
    *,
    at: date | None = AT,
    ms: int | None = 12,
) -> Migration:
    return Migration(version, description, state, at, ms)


APPLIED = migration("001_a")
WAITING = migration("0002_long_name", "Later", MigrationState.PENDING, at=None, ms=None)


def drawn(*migrations: Migration, width: int = 100, coloured: bool = False) -> str:
    terminal = FakeTerminal()
    draw(migrations, terminal, width=width, coloured=coloured)
    return terminal.getvalue()


def test_a_plain_line_has_everything_and_the_columns_are_aligned() -> None:
    assert plain_lines([APPLIED, WAITING]) == [
        "001_a           applied  2026-03-01T09:30:05Z  12 ms  Adds a table",
        "0002_long_name  pending  -                     -      Later",
    ]
    assert plain_lines([]) == []


@pytest.mark.parametrize(
    ("at", "told"),
    [
        (datetime(2026, 3, 1, 11, 30, 5, tzinfo=timezone(timedelta(hours=2))), "T09:30:05Z  "),
        (AT.replace(tzinfo=None, microsecond=999), "2026-03-01T09:30:05  "),
        (date(2026, 3, 1), "2026-03-01  "),
    ],
)
def test_times_are_in_utc_as_far_as_they_are_known(at: date, told: str) -> None:
    assert told in plain_lines([migration("001_a", at=at)])[0]


def test_a_time_without_its_zone_is_never_called_utc() -> None:
    for at, told in (
        (AT.replace(tzinfo=None), "2026-03-01 09:30:05  "),
        (date(2026, 3, 1), "2026-03-01  "),
    ):
        head, *rows = drawn(migration("001_a", at=at)).splitlines()
        assert "Applied (as stored)" in head
        assert "UTC" not in head
        assert told in "".join(rows)


def test_long_durations_are_told_in_seconds_and_minutes() -> None:
    took = [plain_lines([migration("1_a", ms=ms)])[0].split("  ")[3] for ms in (0, 1500, 125_000)]
    assert took == ["0 ms", "1.5 s", "2 min 5 s"]


def test_what_a_terminal_would_obey_is_shown_and_not_done() -> None:
    bad = "red\x1b[31m\rback\nline \u202eflip \udc80"
    assert harmless(bad) == r"red\x1b[31m back line \u202eflip \udc80"
    assert harmless("Größe", "ascii") == r"Gr\xf6\xdfe"
    evil = migration("001_\x1b[2J", f"[bold]{bad}")
    for text in (*plain_lines([evil]), drawn(evil, width=200)):
        assert r"001_\x1b[2J" in text
        assert "[bold]red" in text
        assert "\x1b[2J" not in text
        assert "\r" not in text


def test_without_colours_nothing_but_text_is_drawn() -> None:
    told = drawn(APPLIED, WAITING)
    assert "\x1b" not in told
    head, rule, *rows = [line.rstrip() for line in told.splitlines()]
    assert head.split() == ["Version", "State", "Applied", "(UTC)", "Took", "Description"]
    assert set(rule) == {"─"}
    assert [re.split(r" {2,}", row) for row in rows] == [
        ["001_a", "applied", "2026-03-01 09:30:05", "12 ms", "Adds a table"],
        ["0002_long_name", "pending", "-", "-", "Later"],
    ]
    assert "\x1b[32mapplied" in drawn(APPLIED, coloured=True)


@pytest.mark.parametrize("width", [10, 25, 40, 50, 60, 80])
def test_on_a_narrow_terminal_no_version_and_no_word_is_broken(width: int) -> None:
    long = migration("001_a_rather_long_name_here", "Adds words that can be folded well enough")
    told = drawn(long, WAITING, width=width)
    rows = [re.split(r" {2,}", line.strip()) for line in told.splitlines()[2:]]
    assert [long.version, "applied"] in [row[:2] for row in rows]
    assert [WAITING.version, "pending"] in [row[:2] for row in rows]
    words = set(" ".join(" ".join(row) for row in rows).split())
    assert words <= set(f"{' '.join(plain_lines([long, WAITING]))} 2026-03-01 09:30:05".split())
    assert max(map(len, told.splitlines())) <= max(width, len(long.version) + 3 + 10)


def test_thousands_are_drawn_as_lines_because_they_have_to_be_quick() -> None:
    many = [migration(f"{number:04}_m") for number in range(5000)]
    plain = drawn(*many).splitlines()
    assert plain == plain_lines(many)
    first = drawn(*many, coloured=True).splitlines()[0]
    assert first == f"\x1b[32m{plain[0]}\x1b[0m"


def test_the_summary_never_says_the_name_of_a_state() -> None:
    """Or it would be found by whoever looks for the lines of that state."""

    def told(*migrations: Migration, problems: tuple[str, ...] = ()) -> list[str]:
        current = "001_a" if APPLIED in migrations else None
        return summary(Overview("m", Status(current, migrations, problems), FREE))

    assert told(APPLIED) == ["Current: 001_a. The database is up to date."]
    assert told(APPLIED, WAITING) == ["Current: 001_a. To apply: 1."]
    assert told(WAITING, problems=("No.", "No.")) == ["Current: none. To apply: 1. 2 problems."]
    assert summary(Overview("m", Status(None, (APPLIED,)), None)) == [
        "1 file in m. No database was asked, so nothing shows which are applied."
    ]


def test_the_summary_names_who_migrates_now() -> None:
    holder = Holder(
        pid=4711,
        worker_pid=None,
        role="app",
        application_name="bridge: 002_b",
        client="10.0.0.5",
        since=None,
        held=None,
        statement=None,
    )
    found = Overview("m", Status(None, ()), LockStatus(holder=holder, worker=None))
    assert summary(found)[1:] == [
        "The migration lock is held by backend 4711 (role app, from 10.0.0.5), running 002_b."
    ]


def test_a_problem_goes_before_what_is_pending() -> None:
    codes = [
        Overview("m", Status(None, migrations, problems), FREE).exit_code
        for migrations in ((APPLIED,), (WAITING,))
        for problems in ((), ("No.",))
    ]
    assert codes == [0, 4, 3, 4]
