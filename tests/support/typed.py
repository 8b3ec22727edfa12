"""The commands that pages show, for tests that type them or hold them against the real parsers."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import typer
from alembic.config import CommandLine

from bridge.cli import app
from support.pages import PAGES, ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: Whatever shows a command to a person.
TEXTS = (
    ROOT / "README.md",
    ROOT / "migrations" / "README.md",
    *sorted(PAGES.glob("*.md")),
)
_BLOCK = re.compile(r"^ *```(?P<language>\w+)\n(?P<body>.*?)^ *```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^## (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """Commands that are typed one after the other."""

    page: str
    #: The heading above it, of the second level; empty above the first.
    heading: str
    commands: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.page}: {self.heading}: {self.commands[0]}"


def blocks() -> list[Block]:
    """What is shown as typed: the lines of bash, and those behind a prompt."""
    return [block for path in TEXTS for block in _blocks(path)]


def _blocks(path: Path) -> Iterator[Block]:
    text = path.read_text(encoding="utf-8")
    page = str(path.relative_to(ROOT)).removeprefix("docs/pages/").removesuffix(".md")
    for found in _BLOCK.finditer(text):
        lines = re.sub(r"^ +", "", found["body"], flags=re.MULTILINE).splitlines()
        if found["language"] == "bash":
            typed = [line for line in lines if line and not line.startswith("#")]
        else:
            typed = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
        above = _HEADING.findall(text[: found.start()])
        if typed:
            yield Block(page, above[-1] if above else "", tuple(typed))


def named() -> list[tuple[str, str]]:
    """Each command of eai or Alembic that stands within a sentence or a manifest, and its page."""
    found = []
    for path in TEXTS:
        text = path.read_text(encoding="utf-8")
        page = str(path.relative_to(ROOT))
        found += [(page, each) for each in re.findall(r"`([^`\n]+)`", _BLOCK.sub("", text))]
        for listed in re.findall(r"^ *command: \[(.*)\]$", text, re.MULTILINE):
            found.append((page, shlex.join(listed.replace(",", " ").replace('"', "").split())))
        found += [(page, each) for each in re.findall(r"^ *entry: (.*)$", text, re.MULTILINE)]
    known = ((page, re.sub(r"^kubectl exec .* -- ", "", command)) for page, command in found)
    return [each for each in known if re.match(r"(?:scripts/)?(?:eai|alembic) [^/]", each[1])]


def words(command: str) -> list[str]:
    """The words of a command, without the variables before it, a comment, and where it leads."""
    split = shlex.split(command, comments=True)
    while split and re.match(r"\w+=", split[0]):
        split.pop(0)
    ends = [split.index(each) for each in ("|", ">", ">>", "&&") if each in split]
    return split[: min(ends, default=None)]


def in_manifests() -> list[str]:
    """Each command of eai that a manifest for a CI server or Kubernetes runs."""
    text = "".join(path.read_text(encoding="utf-8") for path in TEXTS)
    manifests = "".join(
        each["body"] for each in _BLOCK.finditer(text) if each["language"] == "yaml"
    )
    return re.findall(r"^ *(?:- )?(?:run: )?(eai migrate .*)$", manifests, re.MULTILINE)


class UnknownWordsError(Exception):
    """A command that the real parser does not take."""


def hold_to_parser(command: str, *, whole: bool) -> None:
    """Parse it as the program does.

    Where it is not `whole`, it names a command in a sentence: what has to follow may be missing,
    and a word in brackets or of capitals stands for one. Raises UnknownWordsError.
    """
    split = words(command)
    program = split[0].removeprefix("scripts/")
    if not whole:
        split = [each for each in (re.sub(r"[][…]", "", each) for each in split) if each]
    try:
        if program == "eai":
            _parse_eai(split[1:])
        elif program == "alembic":
            _parse_alembic(split[1:])
    except UnknownWordsError as error:
        if whole or "required" not in str(error):
            raise UnknownWordsError(f"{command}: {error}") from None


def _parse_eai(arguments: list[str]) -> None:
    command: Any = typer.main.get_command(app)
    name, parent = "eai", None
    while True:
        try:
            context = command.make_context(name, list(arguments), parent=parent)
        except (SystemExit, typer.Exit):  # --version, --install-completion and the like
            return
        except Exception as error:
            # Typer has a Click of its own from 0.26 on.
            if type(error).__name__ in {"MissingParameter", "NoArgsIsHelpError"}:
                raise UnknownWordsError("what is required is missing") from None
            if hasattr(error, "format_message"):
                raise UnknownWordsError(error.format_message()) from None
            raise
        rest = [*getattr(context, "_protected_args", ()), *context.args]
        if not hasattr(command, "get_command") or not rest:
            return
        found = command.get_command(context, rest[0])
        if found is None:
            raise UnknownWordsError(f"there is no command {rest[0]}")
        command, name, parent, arguments = found, rest[0], context, rest[1:]


def _parse_alembic(arguments: list[str]) -> None:
    parser = CommandLine().parser

    def refuse(message: str) -> None:
        raise UnknownWordsError(message)

    every = [parser, *_sub_parsers(parser)]
    for each in every:
        each.error = refuse
    parser.parse_args(arguments)


def _sub_parsers(parser: Any) -> list[Any]:
    (sub,) = (each for each in parser._actions if hasattr(each, "_name_parser_map"))
    return list(sub.choices.values())
