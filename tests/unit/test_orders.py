"""The orders in which databases may meet a branch's new migrations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.checks.git_base import GitBase
from bridge.testing.orders import Order, folders, orders_of

if TYPE_CHECKING:
    from pathlib import Path


def base(fork: str, tip: str) -> GitBase:
    return GitBase("main", dict.fromkeys(fork, ""), dict.fromkeys(tip, ""))


def sequences(now: str, fork: str, tip: str) -> list[str]:
    return ["".join(order.sequence()) for order in orders_of(now, base(fork, tip)).orders]


def test_new_files_that_sort_last_have_one_order() -> None:
    assert sequences("123", "12", "12") == ["123"]


def test_a_new_file_in_the_middle_runs_there_or_last() -> None:
    assert sequences("123", "13", "13") == ["123", "132"]


def test_files_that_came_since_run_before_or_after_the_new_ones() -> None:
    assert sequences("1234", "1", "13") == ["1234", "1324", "1243"]


def test_files_of_the_base_that_are_not_here_take_part() -> None:
    found = orders_of("13", base("1", "12"))
    assert (found.new, found.elsewhere) == (("3",), frozenset("2"))
    assert ["".join(order.sequence()) for order in found.orders] == ["123", "132"]


def test_a_file_that_was_deleted_here_takes_no_part() -> None:
    assert sequences("23", "12", "12") == ["23"]


def test_without_a_new_file_there_is_nothing_to_order() -> None:
    assert orders_of("12", base("12", "123")).new == ()


def test_a_round_without_a_migration_has_nothing_to_run(tmp_path: Path) -> None:
    """A folder of helper modules alone would be refused."""
    for name in ("001_a.py", "helpers.py"):
        (tmp_path / name).write_text("")
    order = Order("all files are new", (frozenset(), frozenset({"001_a"})))
    with folders(str(tmp_path), order, (), "main") as growing:
        rounds = [sorted(path.name for path in growing.place.iterdir()) for _ in growing]
    assert rounds == [["001_a.py", "helpers.py"]]
