"""The workflows on the page about CI: their YAML, and the commands in them."""

from __future__ import annotations

import re
import shlex
from typing import Any

import pytest
import typer
import yaml

from bridge.cli import app
from support.pages import page


def workflows() -> list[dict[Any, Any]]:
    section = page("check-and-lint").partition("\n## In CI\n")[2].partition("\n## ")[0]
    return [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", section, re.DOTALL)]


def commands() -> list[str]:
    github, gitlab = workflows()
    steps = github["jobs"]["migrations"]["steps"]
    lines = [line for step in steps for line in step.get("run", "").splitlines()]
    return [line for line in (*lines, *gitlab["migrations"]["script"]) if line.startswith("eai ")]


def test_the_workflows_have_the_history_that_a_base_needs() -> None:
    github, gitlab = workflows()
    checkout = github["jobs"]["migrations"]["steps"][0]
    assert checkout["uses"].startswith("actions/checkout@")
    assert checkout["with"]["fetch-depth"] == 0
    assert gitlab["migrations"]["variables"]["GIT_DEPTH"] == 0


def test_they_check_lint_and_rehearse() -> None:
    named = " ".join(commands())
    assert len(commands()) == 5
    for each in ("check --base", "lint --base", "rehearse --yes", "--format gitlab"):
        assert each in named


@pytest.mark.parametrize("line", commands())
def test_each_command_in_them_is_one_that_eai_takes(line: str) -> None:
    words = shlex.split(re.split(r"\s>+\s", line)[0])[1:]
    command: Any = typer.main.get_command(app)
    context = command.make_context("eai", words)
    while rest := [*context._protected_args, *context.args]:
        name, command, arguments = context.command.resolve_command(context, rest)
        context = command.make_context(name, arguments, parent=context)
