"""What a person sees at a terminal of 80 columns: nothing breaks that is to be copied."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.terminal import run_on_terminal, screen_of

if TYPE_CHECKING:
    from support.project import Project


def seen(project: Project, *words: str, typed: str = "", prompt: str = "") -> tuple[int, list[str]]:
    env = {"COLUMNS": "80"}
    code, written = run_on_terminal(project, *words, typed=typed, prompt=prompt, env=env)
    return code, screen_of(written)


def test_the_command_for_another_tool_s_word_stands_on_a_line_of_its_own(project: Project) -> None:
    code, lines = seen(project, "migrate", "history")
    assert code == 2
    assert lines == [
        "Usage: eai migrate [OPTIONS] COMMAND [ARGS]...",
        "Try 'eai migrate -h' for help.",
        "Error: No such command 'history'. What is applied and what is pending shows:",
        "    eai migrate status",
    ]


@pytest.mark.parametrize(
    ("words", "last"),
    [
        (("migrate", "wait", "--timeout", "x"), "Error: Invalid value for '--timeout': "),
        (("migrate", "mark"), "Error: Missing argument 'NAME'."),
        (("migrate", "--nothing"), "Error: No such option: --nothing"),
    ],
)
def test_wrong_usage_is_folded_as_every_other_error(
    project: Project, words: tuple[str, ...], last: str
) -> None:
    code, lines = seen(project, *words)
    assert code == 2
    assert any(line.startswith(last) for line in lines)
    assert [line for line in lines if len(line) > 79] == []


def test_the_end_of_what_is_typed_is_a_no(project: Project) -> None:
    """Ctrl-D at a question says what a no says, and nothing is changed."""
    project.write("001_a", "def upgrade(db):\n    db.commit()\n\ndef downgrade(db):\n    pass\n")
    project.eai("migrate", check=True)
    typed = {"typed": "\x04", "prompt": "[y/N]"}
    code, lines = seen(project, "migrate", "downgrade", "base", **typed)
    assert (code, lines[-1]) == (1, "Nothing was reverted.")
    status = project.eai("migrate", "status", check=True)
    assert "Current: 001_a." in status.stdout
