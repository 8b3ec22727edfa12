"""The parts of the pages that are made from the code: `python -m support.reference` writes them.

A part stands in a page between two comments, `<!-- made from the code: NAME -->` and
`<!-- end -->`. A test compares each with what the code says now.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import io
import json
import logging
import re
import textwrap
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import typer

import bridge
from bridge.checks.meanings import MEANINGS as RULE_MEANINGS
from bridge.checks.rules import RULES, Severity
from bridge.cli import app
from bridge.config import settings
from bridge.config.parsers import SETTABLE
from bridge.config.settings import AT_START, Settings
from bridge.errors import EXIT_STATUSES
from bridge.findings import MEANINGS
from bridge.reporting import events
from bridge.reporting.events import Direction
from bridge.reporting.json import NAMES, JsonReporter
from bridge.reporting.rollout_events import EVENTS
from support.pages import PAGES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

WRITE = "PYTHONPATH=tests .venv/bin/python -m support.reference"
_PART = re.compile(
    r"(?P<begin><!-- made from the code: (?P<name>[a-z ]+) -->\n).*?(?P<end><!-- end -->)",
    re.DOTALL,
)


def parts(text: str) -> Iterator[tuple[str, str]]:
    """The names of the parts of this page, and what stands in each."""
    for part in _PART.finditer(text):
        yield part["name"], part[0].removeprefix(part["begin"]).removesuffix(part["end"]).strip()


def written(text: str) -> str:
    """The text of a page, each of its parts as the code has it now."""

    def write(part: re.Match[str]) -> str:
        return f"{part['begin']}\n{PARTS[part['name']]()}\n\n{part['end']}"

    return _PART.sub(write, text)


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table of Markdown."""
    names = list(head)
    lines = [names, ["---"] * len(names), *rows]
    return "\n".join(f"| {' | '.join(each)} |".replace("|  |", "| |") for each in lines)


def commands() -> str:
    """Every command with its help and its options."""
    return "\n\n".join(_command(command, path) for path, command in walked())


def walked() -> list[tuple[str, Any]]:
    """Every command as it is typed, with what Typer has of it."""
    found: list[tuple[str, Any]] = []

    def walk(path: str, command: Any) -> None:
        if getattr(command, "invoke_without_command", True) and path != "eai":
            found.append((path, command))
        for name, each in getattr(command, "commands", {}).items():
            if not each.hidden:
                walk(f"{path} {name}", each)

    walk("eai", typer.main.get_command(app))
    return found


def _command(command: Any, path: str) -> str:
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    options = [
        each for each in command.params if each.param_type_name == "option" and not each.hidden
    ]
    names = "".join(f" {_argument(each)}" for each in arguments)
    told = [f"## {path}", f"```text\n{path}{' [OPTIONS]' if options else ''}{names}\n```"]
    told += list(_help(inspect.cleandoc(command.help or "")))
    rows = [(f"`{_argument(each)}`", _cell(getattr(each, "help", None))) for each in arguments]
    rows += [(_option(each), _cell(each.help)) for each in options]
    if rows:
        told.append(table(("Option", ""), rows))
    return "\n\n".join(told)


def _argument(argument: Any) -> str:
    name = argument.metavar or str(argument.name).upper()
    if not argument.required and not name.startswith("["):
        name = f"[{name}]"
    return name + ("…" if argument.nargs == -1 and "…" not in name and "..." not in name else "")


def _option(option: Any) -> str:
    names = ", ".join(f"`{each}`" for each in (*option.opts, *option.secondary_opts))
    if option.is_flag:
        return names
    return f"{names[:-1]} {option.metavar or str(option.name).upper()}`"


def _help(text: str) -> Iterator[str]:
    r"""The paragraphs; one that begins with \b is not filled: a title, and lines of a terminal."""
    for paragraph in re.split(r"\n\s*\n", text):
        if not paragraph.startswith("\b"):
            yield _escaped(" ".join(paragraph.split()))
            continue
        title, _, rest = paragraph.removeprefix("\b").strip("\n").partition("\n")
        language = "bash" if title.startswith("Example") else "text"
        yield f"{title}\n\n```{language}\n{textwrap.dedent(rest)}\n```"


def _cell(text: str | None) -> str:
    return _escaped(" ".join((text or "").split())).replace("|", "\\|")


def _escaped(text: str) -> str:
    """What would be Markdown or HTML, as it is."""
    return re.sub(r"(?<!`)([<*\[]|\b_|_\b)(?![^`]*`(?:[^`]*`[^`]*`)*[^`]*$)", r"\\\1", text)


def exit_statuses() -> str:
    """The exit statuses of `eai`."""
    return table(("Exit status", ""), ((str(code), told) for code, told in EXIT_STATUSES.items()))


#: Fields of Settings that go by another name in a configuration.
_CALLED = {"folder": "version_locations", "sqlalchemy_url": "sqlalchemy.url"}
#: What a comment says for the column of defaults, and for readers of the code.
_SAID_ELSEWHERE = re.compile(r" (?:Default: .+?|Here .+?)\.(?= |$)")
#: Fields of Settings that follow from others.
_DERIVED = {
    *("config_file", "section", "own_environment", "ledger_is_named", "writes_schema_file"),
    "variables",
    "target",
}


def setting_rows() -> str:
    """Every setting: its name and its variable, its values, its default, what it is."""
    meanings = _comments(settings)
    rows = []
    for field in dataclasses.fields(Settings):
        if field.name in _DERIVED:
            continue
        names = f"`{_CALLED.get(field.name, field.name)}`"
        if field.name in SETTABLE:
            names += f"<br>`BRIDGE_{field.name.upper()}`"
        meaning = _SAID_ELSEWHERE.sub("", meanings[field.name]).replace("``", "`")
        values = _values(field.name, eval(str(field.type), vars(settings)))
        rows.append((names, values, _default(field), meaning))
    return table(("Setting, variable", "Values", "Default", ""), rows)


def _values(name: str, kind: Any) -> str:
    members = [each for each in (kind, *get_args(kind)) if each is not type(None)]
    for each in members:
        if isinstance(each, type) and issubclass(each, StrEnum):
            return ", ".join(f"`{value}`" for value in each)
        if literals := [value for value in get_args(each) if isinstance(value, str)]:
            return ", ".join(f"`{value}`" for value in literals)
    if all(isinstance(each, str) for each in members[1:]) and len(members) > 1:
        return ", ".join(f"`{value}`" for value in members[1:])
    words = {bool: "`true`, `false`", float: "seconds", int: "a number"}
    return words.get(kind, "names" if "tuple" in str(kind) else _TEXTS.get(name, "a name"))


#: What a text is, where it is no name.
_TEXTS = {
    "folder": "a folder",
    "env_file": "a file",
    "template": "a file",
    "schema_file": "a file",
    "scratch_url": "a URL",
    "sqlalchemy_url": "a URL",
    "target_metadata": "`module:attribute`",
    "executor": "`module:attribute`, `dask:…`",
    "targets": "`module:attribute`",
    "targets_query": "SQL",
}


def _default(field: dataclasses.Field[Any]) -> str:
    value = field.default
    if field.name == "folder":
        return "`migrations`"
    if value is None or value == ():
        return ""
    if isinstance(value, bool):
        shown = str(value).lower()
    else:
        shown = ", ".join(value) if isinstance(value, tuple) else _number(value)
    at_start = AT_START.get(field.name)
    return f"`{shown}`" + (f"; `{_number(at_start)}` at a start" if at_start is not None else "")


def _number(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _comments(module: Any) -> dict[str, str]:
    """What stands in `#:` above each field of the module's classes."""
    source = Path(str(module.__file__)).read_text(encoding="utf-8")
    lines, found = source.splitlines(), {}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ClassDef):
            said = ""
            for each in node.body:
                if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name):
                    above = _above(lines, each.lineno - 1)
                    said = above or said  # two fields may share one
                    found[each.target.id] = said
    return found


def _above(lines: list[str], at: int) -> str:
    said: list[str] = []
    while lines[at - 1].strip().startswith("#:"):
        at -= 1
        said.insert(0, lines[at].strip().removeprefix("#:").strip())
    return " ".join(said)


def rules() -> str:
    """The rules of `check`."""
    rows = []
    for rule in RULES.values():
        mark = " ✖" if rule.refused else " ★" if rule.style else ""
        meaning = RULE_MEANINGS[rule.id]
        rows.append((f"`{rule.id}`", f"{rule.severity}{mark}", meaning.wrong, meaning.advice))
    return table(("Id", "", "What is wrong", "What to do"), rows)


def severities() -> str:
    """How many rules there are of each severity."""
    every = [rule.severity for rule in RULES.values()]
    return ", ".join(f"{every.count(each)} {each}" for each in Severity)


def finding_rows() -> str:
    """What is found before anything runs."""
    rows = ((f"`{name}`", f"{told[0].upper()}{told[1:]}.") for name, told in MEANINGS.items())
    return table(("Id", "What was found"), rows)


#: The events that are not told by a class.
_ENDS = {
    "log": "A migration has logged something, or Python warns.",
    "run.finished": "The last event of a run that did not fail.",
    "error": "The last event of a run that failed.",
}


def json_events() -> str:
    """The events as JSON, with the keys that a reporter really writes."""
    rows = []
    kinds: dict[type[events.Event], str] = {kind: name for kind, (name, _) in NAMES.items()}
    for kind, name in (kinds | {each: each.name for each in EVENTS}).items():
        told = inspect.cleandoc(kind.__doc__ or "").partition("\n\n")[0]
        rows.append((f"`{name}`", *_keys(partial(JsonReporter.tell, event=_sample(kind))), told))
    calls: dict[str, Callable[[JsonReporter], None]] = {
        "log": _log,
        "run.finished": lambda to: to.ended(0),
        "error": _error,
    }
    rows += [(f"`{name}`", *_keys(call), _ENDS[name]) for name, call in calls.items()]
    return table(("`event`", "`level`", "with", "when"), rows)


def _keys(call: Callable[[JsonReporter], None]) -> tuple[str, str]:
    """The level and the keys of the last line that a reporter writes."""
    stream = io.StringIO()
    call(JsonReporter(verbose=True, show_parameters=True, stream=stream))
    line = json.loads(stream.getvalue().splitlines()[-1])
    names = [f"`{key}`" for key in line if key not in {"ts", "level", "event"}]
    return f"`{line['level']}`", ", ".join(names)


def _log(to: JsonReporter) -> None:
    error = ValueError()
    record = logging.LogRecord("", logging.INFO, "", 0, "", None, (ValueError, error, None))
    with to.logging_as_events() as handler:
        handler.emit(record)


def _error(to: JsonReporter) -> None:
    to.tell(_sample(events.MigrationFailed))
    to.error("", 1, finding="late", trace="")


def _sample(kind: type[events.Event]) -> events.Event:
    samples: dict[str, object] = {"direction": Direction.UPGRADE, "parameters": {"a": 1}}
    samples |= {"seconds": 0.0, "number": 1, "of": 1, "rate": 1.0, "counts": {}}
    names = [field.name for field in dataclasses.fields(kind)]  # type: ignore[arg-type]
    return kind(**{name: samples.get(name, "") for name in names})


def event_classes() -> str:
    """The classes of events, with what each holds."""
    rows = []
    for kind in (*NAMES, *EVENTS):
        names = [field.name for field in dataclasses.fields(kind)]  # type: ignore[arg-type]
        rows.append((f"`{kind.__name__}`", ", ".join(f"`{name}`" for name in names)))
    return table(("Event", "What it holds"), rows)


def public_names() -> str:
    """What mkdocstrings is to show: every public name, functions and classes first."""
    classes = [name for name in bridge.__all__ if isinstance(getattr(bridge, name), type)]
    functions = [name for name in bridge.__all__ if inspect.isfunction(getattr(bridge, name))]
    rest = [name for name in bridge.__all__ if name not in {*classes, *functions}]
    return "\n\n".join(f"::: bridge.{name}" for name in (*functions, *classes, *rest))


#: How each part is made, by its name.
PARTS: dict[str, Callable[[], str]] = {
    "commands": commands,
    "exit statuses": exit_statuses,
    "settings": setting_rows,
    "rules": rules,
    "findings": finding_rows,
    "json events": json_events,
    "event classes": event_classes,
    "public names": public_names,
}


if __name__ == "__main__":
    for page in sorted(PAGES.glob("*.md")):
        text = page.read_text(encoding="utf-8")
        if written(text) != text:
            page.write_text(written(text), encoding="utf-8")
