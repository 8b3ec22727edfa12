"""The setting `env_file`: which lines count, how they are read, and what wins."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from dotenv import dotenv_values
from hypothesis import given
from hypothesis import strategies as st

from bridge.config.env_file import read_variables
from bridge.config.settings import Settings
from bridge.database.address import named
from bridge.errors import UsageError

INI = """\
[alembic]
script_location = bridge:environment
env_file = .env
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "alembic.ini").write_text(INI)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    return tmp_path


def settings(project: Path, text: str | None, **environ: str) -> Settings:
    if text is not None:
        (project / ".env").write_text(text)
    return Settings.load(project / "alembic.ini", environ=environ)


def variables(tmp_path: Path, text: str) -> dict[str, str]:
    (tmp_path / ".env").write_text(text, encoding="utf-8")
    return read_variables(str(tmp_path / ".env"), but=())


WRITTEN = [
    ("plain", "plain"),
    ("  plain  ", "plain"),
    ("a b", "a b"),
    ("a#b", "a#b"),
    ("a #b", "a"),
    ("# b", "# b"),
    ("", ""),
    ("'a #b'", "a #b"),
    ("'a #b' # c", "a #b"),
    ('"a #b"', "a #b"),
    (r"'it\'s'", "it's"),
    (r"'a\\b'", r"a\b"),
    (r'"say \"x\" \\"', 'say "x" \\'),
    (r"a\nb", r"a\nb"),
    ("a=b", "a=b"),
    ("postgresql://a:p%40s@h/d?sslmode=require", "postgresql://a:p%40s@h/d?sslmode=require"),
    ("'a${B}'", "a${B}"),
    ("it's", "it's"),
]


@pytest.mark.parametrize(("written", "value"), WRITTEN)
@pytest.mark.parametrize("before", ["", "export ", "  "])
def test_a_value_is_read_as_python_dotenv_reads_it(
    tmp_path: Path, before: str, written: str, value: str
) -> None:
    text = f"OTHER=1\n{before}DATABASE_URL={written}\n"
    assert variables(tmp_path, text) == {"DATABASE_URL": value}
    theirs = dotenv_values(tmp_path / ".env", interpolate=False)
    assert theirs["DATABASE_URL"] == value


@given(
    st.from_regex(r"[\w:/@.%?&=+-]{1,40}", fullmatch=True, alphabet=st.characters(codec="ascii"))
)
def test_every_plain_value_is_read_as_python_dotenv_reads_it(value: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, ".env")
        path.write_text(f"DATABASE_URL={value}\n")
        assert read_variables(str(path), but=()) == dotenv_values(path, interpolate=False)


def test_only_names_of_bridge_s_count_and_the_last_line_wins(tmp_path: Path) -> None:
    text = (
        "\ufeff# ours\r\nPGPASSWORD=x\r\nDATABASE_URL=a\r\nMY_DATABASE_URL=b\r\nDATABASE_URL=c\r\n"
        "BRIDGE_DRIFT = refuse\r\nMIGRATION_DATABASE_URL='d'\r\nnot a line\r\nBRIDGE_X\r\n"
    )
    assert variables(tmp_path, text) == {
        "DATABASE_URL": "c",
        "BRIDGE_DRIFT": "refuse",
        "MIGRATION_DATABASE_URL": "d",
    }


@pytest.mark.parametrize("written", ["a${B}", '"a${B}"', "${SECRET}"])
def test_what_would_have_to_be_replaced_is_refused_without_the_value(
    tmp_path: Path, written: str
) -> None:
    with pytest.raises(UsageError) as caught:
        variables(tmp_path, f"\nDATABASE_URL={written}\n")
    assert str(caught.value) == (
        f"DATABASE_URL in {tmp_path}/.env, line 2, has a ${{…}}, which is not replaced here. Write "
        "the value out, or put it into single quotes if it is meant as it stands."
    )


@pytest.mark.parametrize("written", ["'secret", '"secret', "'secret' more", "\"secret'"])
def test_a_quotation_mark_without_its_end_is_refused(tmp_path: Path, written: str) -> None:
    with pytest.raises(UsageError) as caught:
        variables(tmp_path, f"DATABASE_URL={written}\n")
    assert str(caught.value) == (
        f"DATABASE_URL in {tmp_path}/.env, line 1, begins with a quotation mark, and does not end "
        "with the same."
    )


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\(env_file\) cannot be read: Is a directory\."):
        read_variables(str(tmp_path), but=())
    (tmp_path / ".env").write_bytes(b"DATABASE_URL=\xff")
    with pytest.raises(UsageError, match=r"cannot be read: it is not UTF-8 text\."):
        read_variables(str(tmp_path / ".env"), but=())


def test_a_file_that_is_not_there_says_nothing(project: Path) -> None:
    found = settings(project, None)
    assert found.env_file == str(project / ".env")
    assert found.variables == {}
    assert named(found, environ={}) is None


def test_it_names_the_database_and_settings_from_beside_the_configuration(project: Path) -> None:
    text = "DATABASE_URL=postgresql://a@h/d\nBRIDGE_DRIFT=refuse\nBRIDGE_TEMPLATE=new.mako\n"
    found = settings(project, text)
    source = f"DATABASE_URL in {project}/.env"
    assert named(found, environ={}) == (source, "postgresql://a@h/d")
    assert found.drift == "refuse"
    assert found.template == str(project / "new.mako")
    assert "postgresql" not in repr(found)
    assert "DATABASE_URL" not in os.environ


def test_a_real_variable_wins_name_by_name(project: Path) -> None:
    text = (
        "DATABASE_URL=postgresql://a@h/d\nMIGRATION_DATABASE_URL=postgresql://m@h/d\n"
        "BRIDGE_DRIFT=refuse\nBRIDGE_STARTUP=off\n"
    )
    environ = {"DATABASE_URL": "postgresql://real@h/d", "BRIDGE_DRIFT": "warn"}
    found = settings(project, text, **environ)
    assert (found.drift, found.startup) == ("warn", "off")
    # MIGRATION_DATABASE_URL goes before DATABASE_URL, wherever either of them stands.
    assert named(found, environ=environ) == (
        f"MIGRATION_DATABASE_URL in {project}/.env",
        "postgresql://m@h/d",
    )
    off = {**environ, "MIGRATION_DATABASE_URL": ""}
    assert named(settings(project, text, **off), environ=off) == (
        "DATABASE_URL",
        "postgresql://real@h/d",
    )


def test_faults_name_the_file(project: Path) -> None:
    with pytest.raises(UsageError) as caught:
        settings(project, "BRIDGE_DRIFT=maybe\n")
    assert f"BRIDGE_DRIFT in {project}/.env is 'maybe'" in str(caught.value)
    with pytest.raises(UsageError) as caught:
        settings(project, "BRIDGE_DRIFFT=warn\n")
    assert str(caught.value) == (
        f"BRIDGE_DRIFFT in {project}/.env is not a setting; did you mean BRIDGE_DRIFT?"
    )


def test_the_schema_file_may_be_switched_on_there(project: Path) -> None:
    found = settings(project, "BRIDGE_SCHEMA_FILE=write\n")
    assert found.writes_schema_file
    assert found.schema_file is None


def test_the_variable_names_another_file(project: Path) -> None:
    (project / "elsewhere" / "other.env").write_text("BRIDGE_DRIFT=refuse\n")
    assert settings(project, None, BRIDGE_ENV_FILE="other.env").drift == "refuse"
