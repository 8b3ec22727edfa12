"""What a terminal would obey is written out, and nothing else is touched."""

from __future__ import annotations

import io
import json
import logging
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bridge.reporting import events
from bridge.reporting.console import ConsoleReporter
from bridge.reporting.escaping import escaped, in_one_line, json_text
from bridge.reporting.output import result, verbatim
from bridge.reporting.reporter import LogReporter, log
from bridge.reporting.screen import Screen
from bridge.reporting.style import Style, Styled
from support.obeyed import OBEYED, obeyed
from support.recording import finished, started

#: Among ordinary letters, and often enough to find what only a pair of them does.
texts = st.text(st.sampled_from(f"{OBEYED}\n\t é٣\\u00") | st.characters())
CLEAR = "\x1b[2J"


@given(texts)
@example("\r\n\r")
def test_nothing_that_a_terminal_obeys_is_left(text: str) -> None:
    assert obeyed(escaped(text)) == ""
    assert obeyed(in_one_line(text) + json_text(text)) == ""
    assert not set("\n\t") & set(in_one_line(text))


@given(texts)
def test_all_else_stays_as_it_is_in_its_place(text: str) -> None:
    words = escaped(text)
    for character in text.replace("\r\n", "\n"):
        written = escaped(character)
        assert words.startswith(written)
        assert (written == character) is (character not in OBEYED)
        words = words.removeprefix(written)
    assert words == ""


@given(texts)
def test_an_escaped_text_is_escaped_already(text: str) -> None:
    assert escaped(escaped(text)) == escaped(text)


@given(texts)
def test_json_says_what_was_said(text: str) -> None:
    assert json.loads(json_text({text: [text]})) == {text: [text]}
    assert json_text(text).isascii()


def test_it_is_written_as_python_writes_it() -> None:
    assert escaped("a\x1b[2J\r\x07\x9b\u202eb\u2028\x7f") == (
        r"a\x1b[2J\r\x07\x9b\u202eb\u2028\x7f"
    )
    assert in_one_line("a\nb\tc") == r"a\nb\tc"
    # The byte of C1 in the name of a file that is not text.
    assert escaped("a\udc9b\udce9") == "a\\x9b\udce9"


def test_every_control_and_every_direction_that_unicode_knows_is_among_them() -> None:
    characters = map(chr, range(0x110000))
    directions = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
    for each in characters:
        if unicodedata.category(each) in {"Cc", "Zl", "Zp"} or (
            unicodedata.bidirectional(each) in directions
        ):
            assert (each in OBEYED) is (each not in "\n\t")


def test_a_screen_writes_its_own_colours_and_nobody_elses() -> None:
    stream = io.StringIO()
    screen = Screen(stream, live=False, coloured=True)
    screen.say(f"a{CLEAR}\nb", (Styled(CLEAR, Style.RED), CLEAR))
    assert stream.getvalue() == "a\\x1b[2J\nb\n\x1b[1;31m\\x1b[2J\x1b[0m\\x1b[2J\n"


def test_a_result_is_for_a_person_and_sql_for_a_program(capsys: pytest.CaptureFixture[str]) -> None:
    result(CLEAR)
    verbatim(CLEAR)
    assert capsys.readouterr().out == f"\\x1b[2J\n{CLEAR}\n"


def test_the_name_of_a_migration_has_one_line() -> None:
    stream = io.StringIO()
    reporter = ConsoleReporter(screen=Screen(stream))
    name = f"001_a\nApplied all.{CLEAR}"
    reporter.tell(started(name, f"it{CLEAR}", events.Direction.UPGRADE))
    reporter.tell(finished(name, events.Direction.UPGRADE, 1))
    assert stream.getvalue().splitlines() == [
        r"  001_a\nApplied all.\x1b[2J  it\x1b[2J",
        r"  001_a\nApplied all.\x1b[2J  done in 1.00 s",
    ]


def test_a_log_gets_nothing_that_a_terminal_obeys(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, logger="bridge"):
        LogReporter().tell(events.Warned(f"row{CLEAR}\nsecond"))
        LogReporter().tell(started(f"001_a{CLEAR}", "", events.Direction.UPGRADE))
        log.error("%s", ValueError(f"a message{CLEAR}"))
        log.info("no text: %.1f and %s", 1.25, 7)
    assert caplog.messages == [
        "row\\x1b[2J\nsecond",
        r"upgrade 001_a\x1b[2J: ",
        r"a message\x1b[2J",
        "no text: 1.2 and 7",
    ]
