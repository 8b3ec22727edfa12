"""Variables and arguments whose bytes are no text, wherever one is read."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from alembic.config import Config
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import create_engine

from bridge.config.decoded import decoded
from bridge.config.parsers import SETTABLE
from bridge.config.settings import Settings
from bridge.database.address import URL_VARIABLES, named
from bridge.database.embedded.server import DATA_VARIABLE, EmbeddedServer
from bridge.database.other_drivers import WAY_OUT, address_of
from bridge.errors import UsageError
from support.project import Project

if TYPE_CHECKING:
    from collections.abc import Callable

#: An é in Latin-1, as Python shows it.
BYTES = os.fsdecode(b"caf\xe9")
URL = f"postgresql://app:{BYTES}@db/app"

#: The settings that are texts; a path of a file may be made of any bytes.
TEXTS = sorted(SETTABLE - {"folder", "template", "schema_file", "env_file"})


def refused(call: Callable[[], object], where: str) -> None:
    with pytest.raises(UsageError) as caught:
        call()
    assert str(caught.value).startswith(f"{where} holds bytes that are not text in UTF-8. ")
    assert "caf" not in str(caught.value)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_text_is_left_as_it_is(text: str) -> None:
    assert decoded(text, "x") == text


@given(st.binary())
def test_bytes_are_refused_if_they_are_no_text(value: bytes) -> None:
    try:
        text = value.decode()
    except UnicodeDecodeError:
        refused(lambda: decoded(value.decode(errors="surrogateescape"), "x"), "x")
    else:
        assert decoded(text, "x") == text


@pytest.mark.parametrize("variable", URL_VARIABLES)
def test_a_variable_that_names_the_database(variable: str) -> None:
    settings = Settings(folder="/m")
    refused(lambda: named(settings, environ={variable: URL}), variable)
    assert named(settings, "postgresql://db/app", environ={variable: URL}) is not None


def test_an_argument_that_names_the_database() -> None:
    settings = Settings(folder="/m")
    refused(lambda: named(settings, URL, environ={}), "--database-url")
    refused(lambda: named(settings, URL, asked_with="-x database_url=URL"), "-x database_url=URL")


def test_the_variable_that_stands_for_an_engine_of_another_driver() -> None:
    engine = create_engine("postgresql+psycopg://db/app")
    refused(lambda: address_of(engine, "Engine", {WAY_OUT: URL}), WAY_OUT)


@pytest.mark.parametrize("name", TEXTS)
def test_a_setting(tmp_path: Path, name: str) -> None:
    ini = Project.create(tmp_path / "project").path / "alembic.ini"
    variable = f"BRIDGE_{name.upper()}"
    refused(lambda: Settings.load(ini, environ={variable: BYTES}), variable)
    config: Any = Config(str(ini))
    config.cmd_opts = SimpleNamespace(x=[f"{name}={BYTES}"])
    refused(lambda: Settings.from_alembic(config, environ={}), f"-x {name}")
    option = f"{name} (--{name.replace('_', '-')})"
    refused(lambda: Settings.load(ini, overrides={name: BYTES}, environ={}), option)


def test_the_name_of_a_file_may_be_made_of_any_bytes(tmp_path: Path) -> None:
    ini = Project.create(tmp_path / BYTES).path / "alembic.ini"
    environ = {"ALEMBIC_CONFIG": str(ini), "BRIDGE_TEMPLATE": BYTES, "BRIDGE_FOLDER": BYTES}
    settings = Settings.load(environ=environ)
    assert (settings.config_file, Path(settings.folder).name) == (str(ini), BYTES)
    assert settings.template == str(Path.cwd() / BYTES)


@pytest.mark.parametrize("variable", [DATA_VARIABLE, "XDG_DATA_HOME", "HOME"])
def test_the_folder_of_the_embedded_server(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.delenv(DATA_VARIABLE, raising=False)
    monkeypatch.setenv(variable, f"/tmp/{BYTES}")
    where = variable if variable == DATA_VARIABLE else "XDG_DATA_HOME or HOME"
    refused(EmbeddedServer.default, where)
