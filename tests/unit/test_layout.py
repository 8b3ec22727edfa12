"""Messages laid out for a terminal: folded at words, styled, with what to type on its own line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.reporting.layout import NARROWEST, WIDEST, laid_out
from bridge.reporting.style import Line, Style, Styled, wants_colours
from bridge.reporting.written import Look

ERROR = Styled("Error:", Style.RED)
CATALOGUE = Path(__file__).parent.parent / "catalogue" / "errors.txt"
#: The sentences that people meet, with something in place of what is filled in.
SENTENCES = [
    line.strip(" -").replace("{…}", "001_one")
    for line in CATALOGUE.read_text(encoding="utf-8").splitlines()
    if line.startswith("    - ")
]
ANSI = re.compile(r"\x1b\[[\d;]*m")


def shown(line: Line, width: int = 80) -> list[str]:
    return ["".join(each.text for each in row) for row in laid_out(line, width)]


def commands(line: Line) -> list[str]:
    rows = list(laid_out(line, 80))
    return [row[1].text for row in rows if len(row) == 2 and row[0].text == "    "]


def test_a_message_is_folded_at_its_words() -> None:
    words = "The target gone has no schema gone in this database. Nothing was run, and no more."
    assert shown((ERROR, f" {words}"), 50) == [
        "Error: The target gone has no schema gone in this",
        "  database. Nothing was run, and no more.",
    ]


def test_what_to_type_has_a_line_of_its_own_that_can_be_copied() -> None:
    command = "eai migrate --config " + "deploy/" * 20 + "alembic.ini provision acme"
    assert shown(f"To make it, type: {command}", 50) == ["To make it, type:", f"    {command}"]


def test_another_way_follows_on_the_next_line() -> None:
    assert shown("Type this: GRANT USAGE ON SCHEMA a TO b; or set a variable. Or wait.") == [
        "Type this:",
        "    GRANT USAGE ON SCHEMA a TO b",
        "or set a variable. Or wait.",
    ]
    assert shown((ERROR, " No. Type: GRANT a TO b; or set a variable."))[1:] == [
        "    GRANT a TO b",
        "or set a variable.",
    ]
    assert shown((Styled("   = ", Style.DIM), "Name it: mv a b; if not, leave it."))[1:] == [
        "    mv a b",
        "   if not, leave it.",
    ]


def test_a_sentence_after_a_command_is_one_of_its_own() -> None:
    assert shown("Type: eai migrate repair. Then go on.") == [
        "Type:",
        "    eai migrate repair",
        "Then go on.",
    ]


def test_a_statement_that_failed_is_not_something_to_type() -> None:
    assert commands("  statement: SELECT 1") == []


def test_commands_of_other_programs_are_something_to_type_too() -> None:
    assert shown("Name it: mv a.py 001_a.py, and write `upgrade(db)`; if not, leave it.") == [
        "Name it:",
        "    mv a.py 001_a.py",
        "and write `upgrade(db)`; if not, leave it.",
    ]
    assert commands("Pending shows: python manage.py migrate status") == [
        "python manage.py migrate status"
    ]


def test_how_long_it_took_is_never_folded() -> None:
    done: Line = ("  ", Styled("001_one", Style.BOLD), "  Add widgets for all of us  ")
    for word, after in (("done", " in 0.05 s"), ("failed", " after 1 min 5 s")):
        first, *rest = shown((*done, Styled(word, Style.GREEN), after), 50)
        assert first == "  001_one  Add widgets for all of us"
        assert [row.strip() for row in rest] == [f"{word}{after}"]


def test_a_few_words_to_type_are_never_folded() -> None:
    assert shown("The first file is the one to write with `eai migrate new`, here.", 50) == [
        "The first file is the one to write with",
        "  `eai migrate new`, here.",
    ]


@pytest.mark.parametrize("width", [50, 80, 120])
def test_a_long_line_of_source_is_cut_with_the_mark_under_it(width: int) -> None:
    code = "    " + "db.execute(...) " * 12
    source: Line = (Styled("12 | ", Style.DIM), Styled(code, Style.SOURCE))
    blanks, carets = Styled("    ", Style.SOURCE), Styled("^" * (len(code) - 4), Style.RED)
    mark: Line = (Styled("   | ", Style.DIM), blanks, carets)
    (row,), (under,) = shown(source, width), shown(mark, width)
    assert (len(row), row[-1], row[:22]) == (width, "…", "12 |     db.execute(..")
    assert under == f"   | {'^' * (width - 9):>{width - 5}}"


def test_lines_that_are_there_stay_with_their_indentation() -> None:
    assert shown(f"one\n    {'word ' * 12}", 50) == [
        "one",
        "    word word word word word word word word word",
        "      word word word",
    ]


@pytest.mark.parametrize("width", [1, 50, 79, 80, 120, 200])
@pytest.mark.parametrize("sentence", SENTENCES)
def test_nothing_of_a_message_is_lost_and_only_what_is_long_sticks_out(
    sentence: str, width: int
) -> None:
    rows = shown((ERROR, f" {sentence}"), width)
    limit = max(NARROWEST, min(width, WIDEST))
    for row in rows:
        assert len(row) <= limit or row.startswith("    ") or " " not in row.strip()
    left = re.sub(r"\s|[;,.]", "", "".join(rows))
    assert left == re.sub(r"\s|[;,.]", "", f"Error: {sentence}")


@pytest.mark.parametrize("sentence", SENTENCES)
def test_a_pipe_gets_the_sentence_as_it_is(sentence: str) -> None:
    assert Look(live=False, coloured=False).written(sentence) == sentence


@pytest.mark.parametrize("sentence", SENTENCES)
def test_colours_change_no_letter(sentence: str) -> None:
    assert ANSI.sub("", Look(live=False, coloured=True).written(sentence)) == sentence


@given(st.text(max_size=300), st.integers(0, 250))
def test_no_text_breaks_the_layout(text: str, width: int) -> None:
    for row in shown(text, width):
        assert "\n" not in row
        assert "\x1b" not in row


@pytest.mark.parametrize(
    ("text", "marked"),
    [
        ("/srv/a/migrations/001_one.py:7: no", ("/srv/a/migrations/001_one.py:7", Style.CYAN)),
        ("read alembic.ini first", ("alembic.ini", Style.CYAN)),
        ("no upgrade [no-upgrade]", ("[no-upgrade]", Style.DIM)),
        ("first `eai migrate status`, then", ("`eai migrate status`", Style.BOLD)),
    ],
)
def test_places_ids_and_commands_have_a_style(text: str, marked: tuple[str, Style]) -> None:
    (row,) = laid_out(text, None)
    assert Styled(*marked) in row


def test_wide_letters_take_two_cells() -> None:
    rows = shown("漢字 " * 20, 50)
    assert [row.count("漢字") for row in rows] == [10, 9, 1]


@pytest.mark.parametrize(
    ("able", "environ", "coloured"),
    [
        (True, {}, True),
        (False, {}, False),
        (True, {"NO_COLOR": "1"}, False),
        (False, {"FORCE_COLOR": "1"}, True),
        (True, {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        (False, {"FORCE_COLOR": ""}, False),
    ],
)
def test_the_environment_says_whether_there_are_colours(
    able: bool, environ: dict[str, str], coloured: bool
) -> None:
    assert wants_colours(able=able, environ=environ) is coloured
