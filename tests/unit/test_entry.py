"""What `eai` reads without Typer is what Typer would have read."""

from __future__ import annotations

import itertools
import os
import random
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest
import typer

from bridge.cli import eai, entry
from bridge.cli.entry import plain_options
from bridge.cli.options import Options

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

URL = "postgresql://app:s%3Dcret@db.example.org:5433/app?sslmode=require"

#: What somebody may type after `eai`, in any order.
WORDS = [
    *("migrate", "-c", "--config", "a.ini", "--config=a.ini", "-ca.ini", "-c=a.ini", "gone.ini"),
    *("--config=", "--config=b=c.ini", "--conf=a.ini", "-C", "--config=-a.ini", "--Config"),
    *("--database-url", URL, f"--database-url={URL}", "--database-url=", "--database-url= x "),
    *("--database-url=\udce9", "--database-url=é", "--database-url=a\nb", "--database_url=x"),
    *("--embedded", "--embedded=yes", "--no-embedded", "-v", "-vv", "-vc", "--verbose"),
    *("--wait-for-lock", "--wait-for-lock=1e3", "--wait-for-lock=1_0", "--wait-for-lock=nan"),
    *("--wait-for-lock= 5 ", "--wait-for-lock=x", "--wait-for-lock=-1", "--wait-for-lock=٣"),
    *(
        "--wait-for-server=0.5",
        "--wait-for-server=inf",
        "--wait-for-server=.5",
        "1.",
        "--ddl-lock-timeout=2",
        "5",
        "-5",
        "+5",
    ),
    *("--log-format=json", "--log-format", "json", "--show-parameters", "--to", "--to=002"),
    *("--dry-run", "--sql", "--help", "-h", "--", "-", "", "status", "@file", "--version"),
]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.ini").touch()
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def by_typer(monkeypatch: pytest.MonkeyPatch) -> Callable[[Sequence[str]], Options | None]:
    """What Typer makes of these words, if it comes to a run of `migrate` up to head."""
    read: list[Options] = []

    def apply(options: Options, *, to: str = "head") -> None:
        if to == "head":
            read.append(options)

    monkeypatch.setattr(eai, "apply", apply)
    monkeypatch.setattr(eai, "write_script", lambda *_, **__: None)
    monkeypatch.setattr(Options, "run", lambda _: pytest.fail("Something else was run."))

    def by_typer(words: Sequence[str]) -> Options | None:
        read.clear()
        try:
            typer.main.get_command(eai.app)(list(words), "eai", standalone_mode=False)
        except (Exception, SystemExit):  # noqa: BLE001 - whatever it says of them
            return None
        return read[0] if read else None

    return by_typer


PLAIN: list[tuple[list[str], dict[str, Any]]] = [
    ([], {}),
    (["-c", "a.ini"], {"config": Path("a.ini")}),
    (["--config", "a.ini"], {"config": Path("a.ini")}),
    (["--config=a.ini"], {"config": Path("a.ini")}),
    (["--database-url", URL], {"database_url": URL}),
    ([f"--database-url={URL}"], {"database_url": URL}),
    (["--embedded"], {"embedded": True}),
    (["--log-format", "json"], {"log_format": "json"}),
    (["--wait-for-lock", "60"], {"wait_for_lock": 60.0}),
    (["--wait-for-server=1.5"], {"wait_for_server": 1.5}),
    (["--ddl-lock-timeout=2"], {"ddl_lock_timeout": 2.0}),
    (["-v", "--show-parameters"], {"verbose": True, "show_parameters": True}),
    (
        ["--database-url", URL, "--verbose", "-c", "a.ini"],
        {"database_url": URL, "verbose": True, "config": Path("a.ini")},
    ),
]


@pytest.mark.parametrize(("words", "fields"), PLAIN, ids=" ".join)
def test_what_is_usual_is_read_without_typer(
    words: list[str],
    fields: dict[str, Any],
    by_typer: Callable[[Sequence[str]], Options | None],
) -> None:
    wanted = Options(program="eai migrate", **fields)
    assert plain_options(["migrate", *words], program="eai") == wanted
    assert by_typer(["migrate", *words]) == wanted


def test_whatever_is_read_without_typer_means_the_same_to_typer(
    by_typer: Callable[[Sequence[str]], Options | None],
) -> None:
    few = itertools.chain.from_iterable(itertools.product(WORDS, repeat=n) for n in (0, 1, 2))
    chance = random.Random(1)
    more = (chance.choices(WORDS, k=chance.randint(3, 6)) for _ in range(4000))
    read = 0
    for words in itertools.chain(few, more):
        given = ["migrate", *words]
        plain = plain_options(given, program="eai")
        if plain is not None:
            read += 1
            assert repr(by_typer(given)) == repr(plain), given
    assert read > 100


@pytest.mark.parametrize(
    "words",
    [
        *([], ["db"], ["--help"], ["-c", "a.ini", "migrate"]),
        *(["migrate", word] for word in ("status", "--help", "--to=2", "--dry-run", "-c")),
        *(["migrate", "-v", "--", "status"], ["migrate", "--config", "gone.ini"]),
    ],
    ids=" ".join,
)
def test_the_rest_is_left_to_typer(words: list[str]) -> None:
    assert plain_options(words, program="eai") is None


def test_a_configuration_that_may_not_be_read_is_left_to_typer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its own check of a path says what is wrong."""
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert plain_options(["migrate", "-c", "a.ini"], program="eai") is None


@pytest.mark.parametrize(
    ("package", "path", "program"),
    [
        (None, "/srv/app/.venv/bin/eai", "eai"),
        ("", "manage.py", "manage.py"),
        ("bridge", "/srv/app/bridge/__main__.py", "python -m bridge"),
        ("team.tools", "/srv/app/team/tools/db.py", "python -m team.tools.db"),
    ],
)
def test_the_program_is_called_as_it_was_typed(
    package: str | None,
    path: str,
    program: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    main = ModuleType("__main__")
    main.__package__ = package
    monkeypatch.setitem(sys.modules, "__main__", main)
    monkeypatch.setattr(sys, "argv", [path])
    assert entry._program() == program
    eai.app(["--help"], standalone_mode=False)
    assert f"Usage: {program} [OPTIONS]" in capsys.readouterr().out
