"""The ids of what is found before anything runs: each is documented, and each is used."""

from __future__ import annotations

import re
from pathlib import Path

import bridge
from bridge.errors import LedgerError
from bridge.findings import MEANINGS, refusal, warning
from bridge.ledger.refused import in_own_words, refused
from support.pages import page

SOURCE = Path(str(bridge.__file__)).parent


def test_the_page_lists_every_id_with_what_it_means() -> None:
    listed = re.findall(r"^\| `([a-z-]+)` \| (.+)\. \|$", page("refusals"), re.MULTILINE)
    assert [(name, told[0].lower() + told[1:]) for name, told in listed] == list(MEANINGS.items())


def test_every_id_that_is_told_has_a_meaning_and_every_meaning_is_told() -> None:
    told = set()
    for path in SOURCE.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        told |= set(re.findall(r'\b(?:refusal|warning)\(\s*"([a-z-]+)"', text))
    assert told == MEANINGS.keys()


def test_an_error_has_the_words_of_all_that_is_refused_and_their_ids() -> None:
    found = [refusal("late", "One came late.", "Type this."), refusal("changed", "Two changed.")]
    error = refused(found)
    assert str(error) == (
        "One came late. Type this.\nTwo changed.\nNothing was changed in the database."
    )
    assert [each.id for each in error.findings] == ["late", "changed"]
    assert error.exit_code == 4
    assert refused([refusal("read-only", "It only reads.")]).exit_code == 2


def test_of_one_it_says_that_nothing_was_changed_before_what_to_do() -> None:
    def told(message: str, next_: str = "") -> str:
        return str(refused([refusal("late", message, next_)]))

    nothing = "Nothing was changed in the database."
    assert told("One came late.", "Type this.") == f"One came late. {nothing} Type this."
    assert told("One came late.") == f"One came late. {nothing}"
    shown = "line 3:\n    if x\n       ^"
    assert told(shown) == f"{shown}\n{nothing}"


def test_a_command_that_goes_on_tells_what_is_wrong_and_not_that_it_was_refused() -> None:
    error = refused([refusal("late", "One came late.", "Type this."), refusal("changed", "Two.")])
    assert in_own_words(error) == "One came late. Type this.\nTwo."
    assert in_own_words(LedgerError("Another one.")) == "Another one."


def test_no_finding_says_what_a_command_has_done() -> None:
    """The same finding refuses a run, warns in another and stands in the status."""
    written = (SOURCE.parent / "tests" / "catalogue" / "errors.txt").read_text(encoding="utf-8")
    kinds = re.split(r"^  (?=\S)", written, flags=re.MULTILINE)
    findings = [each for each in kinds if re.match(r"(refusal|warning), ", each)]
    assert len(findings) > 30
    assert [each for each in findings if "Nothing was" in each] == []


def test_the_form_for_json_is_the_documented_one() -> None:
    found = warning("newer", "A newer one.", "Go on.", migration="009_x", file="migrations/x.py")
    assert found.to_json() == {
        "id": "newer",
        "severity": "warning",
        "migration": "009_x",
        "file": "migrations/x.py",
        "message": "A newer one.",
        "next": "Go on.",
    }
