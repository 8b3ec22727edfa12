"""Asking psycopg2 for connections of another class."""

from __future__ import annotations

import threading
from typing import Any

import psycopg2
import pytest

from bridge.database import driver_class
from bridge.database.driver_class import asking


@pytest.fixture(autouse=True)
def made(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The classes that psycopg2 was asked for, without a server."""
    made: list[Any] = []

    def connect(_dsn: Any, connection_factory: Any = None, **_options: Any) -> None:
        made.append(connection_factory)

    monkeypatch.setattr(driver_class, "_real", connect)
    # Put back with it: the last who asks leaves what is "real" then.
    monkeypatch.setattr(psycopg2, "_connect", connect)
    return made


def test_who_asked_last_is_given_what_it_asks_for(made: list[Any]) -> None:
    with asking(lambda: int), asking(lambda: str):
        psycopg2.connect("")
    assert made == [str]


def test_who_asks_for_nothing_leaves_it_to_the_one_before(made: list[Any]) -> None:
    asked = []
    with asking(lambda: int), asking(lambda: asked.append("asked")):
        psycopg2.connect("")
    assert (made, asked) == ([int], ["asked"])


def test_a_class_that_the_caller_names_is_kept(made: list[Any]) -> None:
    with asking(lambda: int):
        psycopg2.connect("", connection_factory=float)
    assert made == [float]


def test_two_threads_may_end_in_any_order_and_leave_nothing_behind() -> None:
    real = psycopg2._connect
    both, first_is_done = threading.Barrier(2), threading.Event()

    def first() -> None:
        with asking(lambda: int):
            both.wait(timeout=60)
        first_is_done.set()

    thread = threading.Thread(target=first)
    thread.start()
    with asking(lambda: str):
        both.wait(timeout=60)
        assert first_is_done.wait(timeout=60)
        assert psycopg2._connect is not real
    thread.join()
    assert psycopg2._connect is driver_class._real
