"""Each command on a page is one that the real program takes."""

from __future__ import annotations

import pytest

from support.typed import UnknownWordsError, blocks, hold_to_parser, in_manifests, named, words

SHOWN = [command for block in blocks() for command in block.commands]
NAMED = named()
MANIFESTS = in_manifests()


def test_there_are_commands_to_hold() -> None:
    assert len(SHOWN) > 60
    assert len(NAMED) > 100
    assert len(MANIFESTS) >= 4


@pytest.mark.parametrize("command", sorted({each for each in SHOWN if words(each)}))
def test_what_is_shown_as_typed_is_taken(command: str) -> None:
    hold_to_parser(command, whole=True)


@pytest.mark.parametrize("command", MANIFESTS)
def test_what_a_manifest_runs_is_taken(command: str) -> None:
    hold_to_parser(command, whole=True)


@pytest.mark.parametrize(("page", "command"), sorted(set(NAMED)))
def test_what_a_sentence_names_is_there(page: str, command: str) -> None:
    hold_to_parser(command, whole=False)


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("eai migrate --dry-runs", "dry-runs"),
        ("eai migrate forwards", "there is no command forwards"),
        ("eai migrate status --yes", "--yes"),
        ("eai migrate downgrade --steps two", "two"),
        ("alembic upgrades head", "upgrades"),
        ("alembic upgrade", "required"),
        ("eai migrate mark --applied", "required"),
    ],
)
def test_what_the_program_would_not_take_is_found(command: str, told: str) -> None:
    with pytest.raises(UnknownWordsError, match=told):
        hold_to_parser(command, whole=True)


def test_a_command_in_a_sentence_may_lack_what_has_to_follow() -> None:
    hold_to_parser("eai migrate mark NAME --applied", whole=False)
    hold_to_parser("eai migrate repair [NAME…]", whole=False)
    hold_to_parser("alembic stamp", whole=False)
    with pytest.raises(UnknownWordsError):
        hold_to_parser("eai migrate repairs", whole=False)


def test_what_stands_around_a_command_is_no_part_of_it() -> None:
    assert words("A=b eai migrate --sql > upgrade.sql  # and more") == ["eai", "migrate", "--sql"]
    assert words("eai migrate status | grep pending") == ["eai", "migrate", "status"]
    assert words("export A=b") == ["export", "A=b"]
