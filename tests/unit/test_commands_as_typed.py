"""The commands that a message names, as the reader types them."""

from __future__ import annotations

import shlex
from typing import Any

import pytest
import typer
from hypothesis import example, given
from hypothesis import strategies as st

from bridge.cli.eai import migrate
from bridge.errors import Interrupted, PlainFileError
from bridge.reporting.commands import WITHOUT_TARGET, Typed
from bridge.reporting.wording import raised_as_typed

ALL = Typed(
    program="shop db",
    config="x",
    section="tenants",
    embedded=True,
    targets_file="l",
    target="acme",
)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("Nothing to say.", "Nothing to say."),
        ("type: eai migrate", "type: {} --targets l --target acme"),
        (
            "If not, type: eai migrate mark 004_x --applied\nThen go on.",
            "If not, type: {} --targets l --target acme mark 004_x --applied\nThen go on.",
        ),
        ("Write it: eai migrate dump", "Write it: {} dump"),
        ("type: eai migrate provision acme", "type: {} --targets l provision acme"),
        (
            "`eai migrate status` tells, eai migrate: 2.",
            "`{0} --targets l --target acme status` tells, {0} --targets l --target acme: 2.",
        ),
        ("`eai migrate status --all` lists", "`{} --targets l status --all` lists"),
        (
            "type: alembic stamp 004, or alembic_version",
            "type: alembic -c x -n tenants -x target=acme stamp 004, or alembic_version",
        ),
        # What a message says itself is meant.
        (
            "type: eai migrate -n others --target 'a b' repair",
            "type: shop db --embedded --config x -n others --targets l --target 'a b' repair",
        ),
        ("type: the eai migrated", "type: the eai migrated"),
    ],
)
def test_a_command_gets_what_was_typed_before_its_name(message: str, expected: str) -> None:
    words = "shop db --embedded --config x -n tenants"
    assert ALL(message) == expected.format(words)


def test_a_message_stays_where_nothing_was_typed() -> None:
    message = "Type: eai migrate status, or: eai migrate -n x mark 004 --applied"
    assert Typed()(message) == message


@example("alembic history")
@example("eai migrate status")
@given(st.text(min_size=1).filter(lambda name: "\0" not in name))
def test_a_name_reads_in_a_shell_as_it_was_typed(name: str) -> None:
    told = Typed(section=name, target=name)("eai migrate status")
    assert shlex.split(told) == ["eai", "migrate", "-n", name, "--target", name, "status"]
    told = Typed(section=name, target=name)("alembic current")
    assert shlex.split(told) == ["alembic", "-n", name, "-x", f"target={name}", "current"]


@example(".")
@example("a,")
@example("alembic history")
@example("eai migrate status")
@given(st.text(min_size=1).filter(lambda name: "\0" not in name))
def test_what_a_worker_has_named_is_named_once(name: str) -> None:
    """A worker says for which target, and the command that waits for it says the rest."""
    of_worker = Typed(section=name, target=name)("eai migrate mark 004 --applied")
    told = Typed(program="shop db", section=name, targets_file="l", config="x")(of_worker)
    words = ["shop", "db", "--config", "x", "-n", name, "--targets", "l", "--target", name]
    assert shlex.split(told) == [*words, "mark", "004", "--applied"]
    of_worker = Typed(section=name, target=name)("alembic current")
    assert Typed(program="shop db", section=name, config="x")(of_worker) == of_worker


def test_the_commands_without_a_target_are_those_that_take_none() -> None:
    group: Any = typer.main.get_command(migrate)
    found = {
        name
        for name, command in group.commands.items()
        if not any("--target" in param.opts for param in command.params)
    }
    assert found == WITHOUT_TARGET


def test_an_error_and_the_notes_of_an_interruption_are_told_as_typed() -> None:
    as_typed = Typed(section="tenants", target="acme")
    with pytest.raises(PlainFileError) as raised, raised_as_typed(as_typed):
        raise PlainFileError("001_a.py", 3, "To leave it out, type: eai migrate mark 001_a")
    told = "type: eai migrate -n tenants --target acme mark 001_a"
    assert str(raised.value) == f"001_a.py:3: To leave it out, {told}"
    assert (raised.value.path, raised.value.line) == ("001_a.py", 3)
    stopped = Interrupted(15)
    stopped.add_note("To go on, type: eai migrate")
    with pytest.raises(Interrupted) as interrupted, raised_as_typed(as_typed):
        raise stopped
    assert interrupted.value.__notes__ == ["To go on, type: eai migrate -n tenants --target acme"]
    assert (interrupted.value.code, str(interrupted.value)) == (143, "Interrupted by SIGTERM.")
