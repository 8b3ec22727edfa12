"""The words of a driver's error, in one line."""

from __future__ import annotations

import psycopg2
import pytest

from bridge.database.driver_errors import first_line

LIMIT = " (no sign of the server for as long as tcp_user_timeout says, 30 s by default)"


@pytest.mark.parametrize(
    "text",
    [
        "could not receive data from server: Connection timed out",
        "could not send data to server: Connection timed out",
        "SSL SYSCALL error: Connection timed out",
    ],
)
def test_a_connection_that_the_system_has_given_up_is_told_with_its_limit(text: str) -> None:
    assert first_line(psycopg2.OperationalError(f"{text}\n")) == text + LIMIT


@pytest.mark.parametrize(
    "text",
    [
        "server closed the connection unexpectedly",
        'could not connect to server "far": could not receive data: Connection timed out',
    ],
)
def test_other_words_are_left_alone(text: str) -> None:
    assert first_line(psycopg2.OperationalError(f"{text}\n\tmore of it")) == text


def test_an_error_without_words_is_told_by_its_name() -> None:
    assert first_line(psycopg2.OperationalError()) == "OperationalError"
