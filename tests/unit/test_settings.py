from __future__ import annotations

import subprocess
import sys
from argparse import Namespace
from dataclasses import asdict
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import pytest
from alembic.config import Config
from sqlalchemy import MetaData

from bridge.config.parsers import SETTABLE
from bridge.config.resources import load_metadata, load_object
from bridge.config.settings import AT_START, Settings
from bridge.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

MINIMAL = """\
    [alembic]
    script_location = bridge:environment
    version_locations = %(here)s/migrations"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is also the working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ini(folder: Path, *lines: str, section: str = "alembic") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "alembic.ini"
    path.write_text("\n".join([f"[{section}]", *lines, ""]))
    return path


def toml(folder: Path, *lines: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "pyproject.toml"
    path.write_text("\n".join(["[tool.alembic]", *lines, ""]))
    return path


def load(
    config: Path | str | None = None,
    *,
    section: str = "alembic",
    overrides: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Settings:
    return Settings.load(config, section=section, overrides=overrides, environ=environ or {})


def from_alembic(
    config: Config,
    x: Iterable[str] | None = None,
    *,
    overrides: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Settings:
    config.cmd_opts = Namespace(x=list(x) if x is not None else None)
    return Settings.from_alembic(config, overrides=overrides, environ=environ or {})


def text_of(refused: Callable[[], object]) -> str:
    with pytest.raises(UsageError) as caught:
        refused()
    return str(caught.value)


# Finding the configuration


def test_defaults_are_those_of_the_documentation(home: Path) -> None:
    path = ini(home)
    assert asdict(load()) == {
        "folder": str(home / "migrations"),
        "config_file": str(path),
        "section": "alembic",
        "own_environment": False,
        "transaction": "default",
        "argument": "session",
        "upgrade_function": "upgrade",
        "downgrade_function": "downgrade",
        "order": None,
        "out_of_order": "run",
        "drift": "warn",
        "ledger_table": "schema_migrations",
        "ledger_is_named": False,
        "ledger_key": None,
        "ledger_key_form": None,
        "version_table": "alembic_version",
        "version_table_schema": None,
        "targets": None,
        "targets_query": None,
        "targets_search_path": "{target}, public",
        "executor": None,
        "target": None,
        "target_metadata": None,
        "template": None,
        "env_file": None,
        "variables": {},
        "schema_file": None,
        "writes_schema_file": False,
        "scratch_url": None,
        "session_autoflush": False,
        "embedded": False,
        "sqlalchemy_url": None,
        "wait_for_lock": 300.0,
        "pooler": "auto",
        "wait_for_server": 0.0,
        "ddl_lock_timeout": 0.0,
        "ddl_lock_tries": 10,
        "startup": "upgrade",
        "log_format": "text",
        "lint_exclude": ("require-lock-timeout", "require-statement-timeout"),
        "show_parameters": False,
        "prepend_sys_path": (),
    }


def test_a_template_is_found_beside_the_file_that_names_it(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ini(home, "template = templates/new.mako")
    (home / "else").mkdir()
    monkeypatch.chdir(home / "else")
    assert load().template == str(home / "templates" / "new.mako")
    assert load(environ={"BRIDGE_TEMPLATE": "x"}).template == str(home / "else" / "x")


def test_the_schema_file_is_found_beside_the_file_that_names_it(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ini(home, "schema_file = db/schema.sql")
    (home / "else").mkdir()
    monkeypatch.chdir(home / "else")
    assert load().schema_file == str(home / "db" / "schema.sql")
    assert not load(environ={"BRIDGE_SCHEMA_FILE": "x.sql"}).writes_schema_file


def test_the_variable_of_the_schema_file_may_say_that_it_is_written_everywhere(home: Path) -> None:
    ini(home, "schema_file = schema.sql")
    settings = load(environ={"BRIDGE_SCHEMA_FILE": " write "})
    assert settings.schema_file == str(home / "schema.sql")
    assert settings.writes_schema_file


@pytest.mark.parametrize(
    ("location", "expected"), [("bridge:environment", True), ("%(here)s/alembic", False)]
)
def test_whether_env_py_is_bridge_s_own(home: Path, location: str, expected: bool) -> None:
    ini(home, f"script_location = {location}")
    assert load().own_environment is expected


def test_the_nearest_folder_with_a_configuration_wins(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ini(home, "ledger_table = far")
    toml(home / "app", 'ledger_table = "near"')
    (home / "app" / "src" / "deep").mkdir(parents=True)
    monkeypatch.chdir(home / "app" / "src" / "deep")
    settings = load()
    assert settings.ledger_table == "near"
    assert settings.config_file == str(home / "app" / "pyproject.toml")
    assert settings.folder == str(home / "app" / "migrations")


def test_a_pyproject_without_a_table_for_alembic_is_passed_over(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = ini(home)
    (home / "app").mkdir()
    (home / "app" / "pyproject.toml").write_text("broken = [")
    monkeypatch.chdir(home / "app")
    assert load().config_file == str(path)


def test_the_ini_file_wins_and_the_toml_file_fills_in(home: Path) -> None:
    path = ini(home, "ledger_table = ini")
    toml(home, 'ledger_table = "toml"', "wait_for_lock = 2.5", "embedded = true")
    settings = load()
    assert (settings.ledger_table, settings.wait_for_lock) == ("ini", 2.5)
    assert settings.embedded is True
    assert settings.config_file == str(path)


def test_the_argument_goes_before_alembic_config_and_that_before_the_working_directory(
    home: Path,
) -> None:
    ini(home, "ledger_table = here")
    named = ini(home / "named", "ledger_table = named")
    ini(home / "variable", "ledger_table = variable")
    environ = {"ALEMBIC_CONFIG": "variable/alembic.ini"}
    assert load(environ={"ALEMBIC_CONFIG": ""}).ledger_table == "here"
    assert load(environ=environ).ledger_table == "variable"
    assert load(named, environ=environ).ledger_table == "named"


def test_a_pyproject_can_be_named(home: Path) -> None:
    path = toml(home / "app", 'version_locations = ["%(here)s/db"]')
    settings = load("app/pyproject.toml")
    assert settings.config_file == str(path)
    assert settings.folder == str(home / "app" / "db")


def test_no_configuration_is_an_error_that_names_the_command_which_writes_one(home: Path) -> None:
    assert text_of(load) == (
        f"No configuration: neither {home} nor a folder above it has an alembic.ini, or a"
        " pyproject.toml with a [tool.alembic] table. Name one with -c or ALEMBIC_CONFIG. Or to set"
        " this project up, type: eai migrate init"
    )


def test_the_smallest_configuration_shown_works(home: Path) -> None:
    (home / "alembic.ini").write_text(dedent(MINIMAL))
    assert load().folder == str(home / "migrations")


@pytest.mark.parametrize("how", ["-c", "ALEMBIC_CONFIG"])
def test_a_named_configuration_that_does_not_exist_is_an_error(home: Path, how: str) -> None:
    ini(home)
    missing = home / "other.ini"
    text = text_of(
        lambda: load(missing) if how == "-c" else load(environ={"ALEMBIC_CONFIG": str(missing)})
    )
    assert text == (
        f"The configuration {missing} (from {how}) is not a file that can be read."
        " Name an alembic.ini, or a pyproject.toml with a [tool.alembic] table."
    )


def test_a_configuration_without_the_section_is_an_error(home: Path) -> None:
    path = ini(home, section="other")
    assert text_of(load).startswith(f"The configuration {path} has no [alembic] section.")
    assert load(section="other").config_file == str(path)


def test_a_named_pyproject_without_the_table_is_an_error(home: Path) -> None:
    path = home / "pyproject.toml"
    path.write_text("[project]\nname = 'x'\n")
    text = text_of(lambda: load(path))
    assert text.startswith(f"The configuration {path} has no [tool.alembic] table.")


@pytest.mark.parametrize(
    ("written", "fault"),
    [
        ("sqlalchemy.url = x:secret\n", "line 1: the first line must be a section such as"),
        ("[alembic]\nsecret\n", "line 2: a line is neither `name = value` nor a [section]"),
        ("[alembic]\na = secret\na = secret\n", "line 3: a is given twice"),
        ("[alembic]\n[alembic]\n", "line 2: the section [alembic] begins twice"),
    ],
)
def test_an_ini_file_that_cannot_be_read_names_the_line_and_does_not_quote_it(
    home: Path, written: str, fault: str
) -> None:
    path = home / "alembic.ini"
    path.write_text(written)
    found = text_of(load)
    assert found.startswith(f"The configuration {path} cannot be read: {fault}")
    assert "secret" not in found
    assert text_of(lambda: from_alembic(Config(path))) == found


def test_a_toml_file_that_cannot_be_read_is_an_error(home: Path) -> None:
    path = toml(home, "ledger_table = ")
    expected = f"The configuration {path} cannot be read: Invalid value (at line 2, column 16)."
    assert text_of(load) == expected


def test_tool_alembic_must_be_a_table(home: Path) -> None:
    path = home / "pyproject.toml"
    path.write_text("[tool]\nalembic = 1\n")
    assert text_of(load) == f"In {path}, tool.alembic is not a table: write [tool.alembic]."


def test_a_folder_whose_name_holds_a_percent_sign_works(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = home / "100%(x)s%"
    ini(folder, "version_locations = %(here)s/db")
    monkeypatch.chdir(folder)
    assert load().folder == str(folder / "db")


@pytest.mark.parametrize("kind", ["ini", "toml"])
def test_a_stray_percent_sign_is_an_error_that_does_not_show_the_url(home: Path, kind: str) -> None:
    url = "postgresql://u:p%40ss@h/db"
    path = (
        ini(home, f"sqlalchemy.url = {url}")
        if kind == "ini"
        else toml(home, f'"sqlalchemy.url" = "{url}"')
    )
    assert text_of(load) == (
        f"sqlalchemy.url in {path} holds a % that stands for nothing: write %% for a plain %,"
        " or %(here)s for the folder of that file."
    )


def test_a_doubled_percent_sign_is_a_plain_one(home: Path) -> None:
    ini(home, "sqlalchemy.url = postgresql://u:p%%40ss@h/db")
    assert load().sqlalchemy_url == "postgresql://u:p%40ss@h/db"


@pytest.mark.parametrize("line", ['"sqlalchemy.url" = "x"', 'sqlalchemy.url = "x"'])
def test_toml_may_write_the_dot_of_sqlalchemy_url_either_way(home: Path, line: str) -> None:
    toml(home, line)
    assert load().sqlalchemy_url == "x"


def test_the_repr_shows_no_url(home: Path) -> None:
    ini(home, "sqlalchemy.url = postgresql://u:secret@h/db")
    assert "secret" not in repr(load())


# Which place wins


#: Each setting, a value for each place, and what the strongest of them comes to.
VALUES: list[tuple[str, list[str], list[Any]]] = [
    ("transaction", ["atomic", "autocommit", "default"], ["atomic", "autocommit", "default"]),
    ("argument", ["engine", "dbapi", "cursor"], ["engine", "dbapi", "cursor"]),
    ("upgrade_function", ["up", "forward", "run"], ["up", "forward", "run"]),
    ("downgrade_function", ["down", "backward", "undo"], ["down", "backward", "undo"]),
    ("order", ["number", "name", "number"], ["number", "name", "number"]),
    ("out_of_order", ["refuse", "run", "refuse"], ["refuse", "run", "refuse"]),
    ("ledger_table", ["a", "b", "c"], ["a", "b", "c"]),
    ("version_table", ["a", "b", "c"], ["a", "b", "c"]),
    ("version_table_schema", ["a", "b", "c"], ["a", "b", "c"]),
    ("target_metadata", ["a:b", "a.c:d", "e:f.g"], ["a:b", "a.c:d", "e:f.g"]),
    ("targets", ["a:b", "a.c:d", "e:f.g"], ["a:b", "a.c:d", "e:f.g"]),
    ("targets_query", ["a", "b", "c"], ["a", "b", "c"]),
    (
        "targets_search_path",
        ["{target}", "{target}, a", "{target},b"],
        ["{target}", "{target}, a", "{target},b"],
    ),
    (
        "executor",
        ["a:b", "dask:tcp://h:1", "a.c:d"],
        ["a:b", "dask:tcp://h:1", "a.c:d"],
    ),
    ("session_autoflush", ["yes", "off", "True"], [True, False, True]),
    ("embedded", ["1", "0", "on"], [True, False, True]),
    ("wait_for_lock", ["5", "0", "2.5"], [5.0, 0.0, 2.5]),
    ("pooler", ["yes", "no", "auto"], ["yes", "no", "auto"]),
    ("wait_for_server", ["5", "0", "2.5"], [5.0, 0.0, 2.5]),
    ("show_parameters", ["true", "false", "true"], [True, False, True]),
    ("drift", ["refuse", "warn", "refuse"], ["refuse", "warn", "refuse"]),
    ("ledger_key", ["a", "b", "c"], ["a", "b", "c"]),
    ("ledger_key_form", ["stem", "file", "number"], ["stem", "file", "number"]),
    ("ddl_lock_timeout", ["5", "0", "2.5"], [5.0, 0.0, 2.5]),
    ("ddl_lock_tries", ["5", "1", "3"], [5, 1, 3]),
    ("startup", ["check", "off", "upgrade"], ["check", "off", "upgrade"]),
    ("lint_exclude", ["a", "b,c", "none"], [("a",), ("b", "c"), ()]),
    ("log_format", ["json", "text", "json"], ["json", "text", "json"]),
    ("template", ["/a.mako", "/b.mako", "/c.mako"], ["/a.mako", "/b.mako", "/c.mako"]),
    ("schema_file", ["/a.sql", "/b.sql", "/c.sql"], ["/a.sql", "/b.sql", "/c.sql"]),
    ("env_file", ["/a.env", "/b.env", "/c.env"], ["/a.env", "/b.env", "/c.env"]),
    ("scratch_url", ["a://b", "c://d", "e://f"], ["a://b", "c://d", "e://f"]),
    ("folder", ["/a", "/b", "/c"], ["/a", "/b", "/c"]),
]


def test_no_setting_is_left_out_below() -> None:
    assert {name for name, *_ in VALUES} == SETTABLE


@pytest.mark.parametrize(("name", "values", "meant"), VALUES, ids=[row[0] for row in VALUES])
def test_a_setting_comes_from_the_call_then_x_then_the_environment_then_the_file(
    home: Path, name: str, values: list[str], meant: list[Any]
) -> None:
    option = "version_locations" if name == "folder" else name
    config = Config(ini(home, f"{option} = {values[2]}"))
    variable = f"BRIDGE_{name.upper()}"

    def found(x: str | None, environ: str, override: object) -> object:
        arguments = None if x is None else [f"{name}={x}"]
        settings = from_alembic(
            config, arguments, overrides={name: override}, environ={variable: environ}
        )
        return getattr(settings, name)

    assert found(None, "", None) == meant[2]
    assert found(None, values[1], None) == meant[1]
    assert found(values[0], values[1], None) == meant[0]
    assert found(values[0], values[1], values[2]) == meant[2]
    assert getattr(load(), name) == meant[2]
    assert getattr(load(environ={variable: values[1]}), name) == meant[1]
    environ = {variable: values[1]}
    assert getattr(load(overrides={name: values[0]}, environ=environ), name) == meant[0]


def test_overrides_may_be_python_values(home: Path) -> None:
    ini(home, "embedded = true", "wait_for_lock = 5")
    settings = load(overrides={"embedded": False, "wait_for_lock": 0})
    assert (settings.embedded, settings.wait_for_lock) == (False, 0.0)


def test_an_unknown_override_is_a_mistake_of_the_program(home: Path) -> None:
    ini(home)
    with pytest.raises(TypeError, match="not settings of bridge: wait_for_godot"):
        load(overrides={"wait_for_godot": 1})


def test_an_empty_option_counts_as_unset(home: Path) -> None:
    ini(home, "version_table_schema =", "ledger_table =")
    assert load().version_table_schema is None
    assert load().ledger_table == "schema_migrations"


def test_x_arguments_of_the_team_are_left_alone(home: Path) -> None:
    config = Config(ini(home))
    assert from_alembic(config, ["tenant=acme", "data", "a=b=c"]) == load()


def test_x_without_a_value_is_an_error(home: Path) -> None:
    config = Config(ini(home))
    assert text_of(lambda: from_alembic(config, ["embedded"])) == (
        "-x embedded needs a value: write -x embedded=VALUE."
    )


# Wrong values

TABLE_NAME = "it must be a name of at most 63 bytes, without quotes."
WRONG = [
    ("transaction", "none", "it must be one of default, atomic, autocommit."),
    ("transaction", "Atomic", "it must be one of default, atomic, autocommit."),
    ("out_of_order", "warn", "it must be one of run, refuse."),
    ("embedded", "perhaps", "it must be true or false."),
    ("session_autoflush", "2", "it must be true or false."),
    ("show_parameters", "ja", "it must be true or false."),
    ("wait_for_lock", "5m", "it must be a number of seconds, 0 or more, such as 300."),
    ("wait_for_lock", "-1", "it must be a number of seconds, 0 or more, such as 300."),
    ("wait_for_server", "inf", "it must be a number of seconds, 0 or more, such as 300."),
    ("wait_for_server", "nan", "it must be a number of seconds, 0 or more, such as 300."),
    ("ledger_table", "a" * 64, TABLE_NAME),
    ("version_table", "ä" * 32, TABLE_NAME),
    ("version_table_schema", 'a"b', TABLE_NAME),
    (
        "ledger_table",
        "audit.migrations",
        "it must be a bare name; name a schema with version_table_schema.",
    ),
    ("upgrade_function", "run me", "it must be the name of a function, such as up."),
    ("downgrade_function", "class", "it must be the name of a function, such as up."),
    (
        "target_metadata",
        "app.models.Base",
        "it must be a module and an attribute, such as app.models:Base.metadata.",
    ),
]


@pytest.mark.parametrize(("name", "value", "expected"), WRONG)
def test_a_wrong_value_names_its_place_and_what_is_allowed(
    home: Path, name: str, value: str, expected: str
) -> None:
    path = ini(home)
    rest = f" is {value!r}; {expected}"
    variable = f"BRIDGE_{name.upper()}"
    assert text_of(lambda: load(environ={variable: value})) == variable + rest
    option = f"{name} (--{name.replace('_', '-')})"
    assert text_of(lambda: load(overrides={name: value})) == option + rest
    assert text_of(lambda: from_alembic(Config(path), [f"{name}={value}"])) == f"-x {name}" + rest
    ini(home, f"{name} = {value}")
    assert text_of(load) == f"{name} in {path}" + rest
    assert text_of(lambda: from_alembic(Config(path))) == f"{name} in {path}" + rest


def test_a_value_of_the_wrong_type_in_toml_is_an_error(home: Path) -> None:
    path = toml(home, "wait_for_lock = true")
    assert text_of(load).startswith(f"wait_for_lock in {path} is True; it must be a number")
    toml(home, "ledger_table = 5")
    assert text_of(load) == f"ledger_table in {path} must be a string, in quotes."


def test_the_two_tables_must_differ(home: Path) -> None:
    ini(home, "ledger_table = alembic_version")
    assert text_of(load) == (
        "ledger_table and version_table are both 'alembic_version'; they must be two tables: one "
        "has a row for each migration, the other has Alembic's pointer."
    )


def test_the_two_functions_must_differ(home: Path) -> None:
    ini(home, "upgrade_function = run\ndowngrade_function = run")
    assert text_of(load) == (
        "upgrade_function and downgrade_function are both 'run'; they must be two functions."
    )


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("ledger_tabel", "ledger_table"),
        ("ledger-table", "ledger_table"),
        ("wait-for-lock", "wait_for_lock"),
        ("transacton", "transaction"),
        ("version_location", "version_locations"),
        ("sqlalchemy_url", "sqlalchemy.url"),
        ("embeded", "embedded"),
    ],
)
def test_a_misspelt_option_is_an_error_that_suggests_the_spelling(
    home: Path, typed: str, meant: str
) -> None:
    path = ini(home, f"{typed} = x")
    assert text_of(load) == f"{typed} in {path} is not a setting; did you mean {meant}?"


def test_a_misspelt_variable_or_x_argument_is_an_error_too(home: Path) -> None:
    path = ini(home)
    assert text_of(lambda: load(environ={"BRIDGE_WAIT_FOR_LOKC": "1"})) == (
        "BRIDGE_WAIT_FOR_LOKC is not a setting; did you mean BRIDGE_WAIT_FOR_LOCK?"
    )
    assert text_of(lambda: from_alembic(Config(path), ["out_of_oder=run"])) == (
        "-x out_of_oder is not a setting; did you mean out_of_order?"
    )


def test_options_of_alembic_and_of_the_team_are_left_alone(home: Path) -> None:
    ini(
        home,
        "script_location = bridge:environment",
        "version_path_separator = os",
        "recursive_version_locations = false",
        "transactional = no",
        "plain_files = true",
        "tenants = a, b",
        "url = x",
        "sqlalchemy.echo = true",
    )
    assert load(environ={"BRIDGE_EMBEDDED_DATA": "/x"}) == load()


# The folder


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("db/migrations", "app/db/migrations"),
        ("%(here)s/db", "app/db"),
        ("../shared", "shared"),
        ("with a space, and a comma", "app/with a space, and a comma"),
    ],
)
def test_a_relative_folder_is_relative_to_the_configuration(
    home: Path, written: str, expected: str
) -> None:
    path = ini(home / "app", f"version_locations = {written}")
    assert load(path).folder == str(home / expected)
    assert from_alembic(Config(path)).folder == str(home / expected)


def test_a_folder_typed_or_in_a_variable_is_relative_to_the_working_directory(home: Path) -> None:
    path = ini(home / "app")
    assert load(path, overrides={"folder": "db"}).folder == str(home / "db")
    assert load(path, environ={"BRIDGE_FOLDER": "db"}).folder == str(home / "db")


@pytest.mark.parametrize("written", ["/a:/b", "\n  one\n  two", "%(here)s/a:%(here)s/b"])
def test_several_folders_are_refused(home: Path, written: str) -> None:
    path = ini(home, f"version_locations = {written}")
    text = text_of(load)
    assert text.startswith(f"version_locations in {path} is ")
    assert text.endswith("; plain files form one history, in one folder: name one.")


def test_several_folders_in_toml_are_refused(home: Path) -> None:
    path = toml(home, 'version_locations = ["a", "b"]')
    assert text_of(load) == (
        f"version_locations in {path} is ['a', 'b']; plain files form one history, in one folder:"
        " name one."
    )


def test_a_folder_in_a_package_is_found_without_importing_the_package(home: Path) -> None:
    package = home / "lib" / "shop_zq" / "db"
    (package / "migrations").mkdir(parents=True)
    for folder in (package, package.parent):
        (folder / "__init__.py").write_text("raise RuntimeError('imported')")
    ini(home, "prepend_sys_path = lib", "version_locations = shop_zq.db:migrations")
    before = list(sys.path)
    assert load().folder == str(package / "migrations")
    assert from_alembic(Config(home / "alembic.ini")).folder == str(package / "migrations")
    assert "shop_zq" not in sys.modules
    assert sys.path == before


def test_a_folder_in_a_namespace_package_is_found(home: Path) -> None:
    (home / "one" / "space_zq").mkdir(parents=True)
    (home / "two" / "space_zq" / "migrations").mkdir(parents=True)
    ini(home, "prepend_sys_path = one two", "version_locations = space_zq:migrations")
    assert load().folder == str(home / "two" / "space_zq" / "migrations")


@pytest.mark.parametrize(
    ("written", "fact"),
    [
        ("nowhere_zq:migrations", "'nowhere_zq', but that package was not found"),
        ("email.nowhere:m", "'email.nowhere', but that package was not found"),
        ("json.tool:m", "'json.tool', but that package is a module, not a package"),
        ("json.tool.x:m", "'json.tool.x', but that package was not found"),
    ],
)
def test_a_folder_in_a_package_that_does_not_exist_is_an_error(
    home: Path, written: str, fact: str
) -> None:
    path = ini(home, f"version_locations = {written}")
    assert text_of(load) == (
        f"version_locations in {path} is {written!r}, a folder in the Python package {fact}."
        " Install it in this environment, or name the folder it lies in with prepend_sys_path"
        " in the configuration. (For a plain path, write no colon.)"
    )


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["prepend_sys_path = ."], ["."]),
        (["prepend_sys_path = . src"], [".", "src"]),
        (["prepend_sys_path = .:src, lib"], [".", "src", "lib"]),
        (["prepend_sys_path = my src:lib", "path_separator = os"], ["my src", "lib"]),
        (["prepend_sys_path =\n  a\n  b", "path_separator = newline"], ["a", "b"]),
    ],
)
def test_prepend_sys_path_is_divided_as_alembic_does(
    home: Path, lines: list[str], expected: list[str]
) -> None:
    path = ini(home / "app", *lines)
    absolute = tuple(
        str(home / "app" / part) if part != "." else str(home / "app") for part in expected
    )
    assert load(path).prepend_sys_path == absolute


def test_prepend_sys_path_in_toml_is_a_list(home: Path) -> None:
    toml(home, 'prepend_sys_path = ["a b", "%(here)s/c:d"]')
    assert load().prepend_sys_path == (str(home / "a b"), str(home / "c:d"))


def test_a_wrong_path_separator_is_an_error(home: Path) -> None:
    path = ini(home, "prepend_sys_path = .", "path_separator = comma")
    assert text_of(load) == (
        f"path_separator in {path} is 'comma'; it must be one of space, newline, os, :, ;."
    )


# From Alembic


def test_both_ways_in_give_the_same_settings(home: Path) -> None:
    path = ini(home, "transaction = atomic", "prepend_sys_path = .", "sqlalchemy.url = x")
    pyproject = toml(home, "wait_for_lock = 2.5", 'version_locations = ["db"]')
    config = Config(path, toml_file=pyproject)
    assert from_alembic(config) == load()
    assert load().folder == str(home / "db")


def test_the_files_alembic_names_need_not_exist(home: Path) -> None:
    pyproject = toml(home, 'ledger_table = "t"')
    settings = from_alembic(Config("alembic.ini", toml_file="pyproject.toml"))
    assert settings.config_file == str(pyproject)
    assert settings.ledger_table == "t"


def test_a_config_made_in_the_program_is_relative_to_the_working_directory(home: Path) -> None:
    config = Config()
    config.set_main_option("version_locations", "db")
    config.set_main_option("transaction", "atomic")
    settings = from_alembic(config)
    assert (settings.config_file, settings.folder) == (None, str(home / "db"))
    assert settings.transaction == "atomic"
    config.set_main_option("transaction", "x")
    assert text_of(lambda: from_alembic(config)).startswith(
        "transaction in the Alembic configuration is 'x'; it must be one of"
    )


def test_a_config_without_anything_has_the_defaults(home: Path) -> None:
    assert from_alembic(Config()) == Settings(folder=str(home / "migrations"))


def test_another_section_is_read_where_alembic_was_given_one(home: Path) -> None:
    path = ini(home, "ledger_table = t", section="other")
    assert from_alembic(Config(path, ini_section="other")).ledger_table == "t"


def test_reading_settings_imports_neither_alembic_nor_sqlalchemy(home: Path) -> None:
    ini(home)
    code = (
        "import sys; from bridge.config.settings import AT_START, Settings; Settings.load();"
        "print(sorted({'alembic', 'sqlalchemy'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30
    )
    assert done.stdout.strip() == "[]"


# Objects


@pytest.fixture
def module(home: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module of models that is found only through the folder given."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    name = f"models_{home.name}".replace("-", "_")
    (home / f"{name}.py").write_text(
        dedent("""
            from sqlalchemy import MetaData
            from sqlalchemy.orm import DeclarativeBase
            class Base(DeclarativeBase): pass
            class Plain: pass
            def make(): return Base.metadata
            def fail(): raise RuntimeError("no models today")
            both = [MetaData(), MetaData()]
        """)
    )
    return name


@pytest.mark.parametrize("attribute", ["Base", "Base.metadata", "make"])
def test_target_metadata_may_be_a_metadata_a_base_or_a_function(
    home: Path, module: str, attribute: str
) -> None:
    found = load_metadata(f"{module}:{attribute}", sys_path=[str(home)])
    assert isinstance(found, MetaData)
    assert sys.path.count(str(home)) == 1


def test_target_metadata_may_be_a_list(home: Path, module: str) -> None:
    found = load_metadata(f"{module}:both", sys_path=[str(home)])
    assert isinstance(found, list)


@pytest.mark.parametrize(
    ("target", "text"),
    [
        ("{m}", "it must be a module and an attribute, such as app.models:Base.metadata."),
        ("{m}:Base.nothing", "but {m} has no Base.nothing: "),
        ("{m}:fail", "but calling it failed: RuntimeError: no models today"),
        ("{m}:Plain", "which is a Plain; it must be a sqlalchemy.MetaData (or a list of them,"),
        ("{m}.x:y", "but there is no module {m}.x. Install it in this"),
        ("nowhere_zq.models:x", "but there is no module nowhere_zq. Install it in this"),
    ],
)
def test_a_target_metadata_that_cannot_be_loaded_is_an_error(
    home: Path, module: str, target: str, text: str
) -> None:
    target = target.format(m=module)
    found = text_of(lambda: load_metadata(target, sys_path=[str(home)]))
    assert found.startswith(f"target_metadata is {target!r}")
    assert text.format(m=module) in found


def test_a_module_that_fails_when_imported_tells_the_cause(home: Path, module: str) -> None:
    (home / f"{module}.py").write_text("import nowhere_zq")
    with pytest.raises(UsageError) as caught:
        load_object(f"{module}:x", setting="the object", sys_path=[str(home)])
    assert str(caught.value) == (
        f"the object is '{module}:x', but importing {module} failed:"
        " ModuleNotFoundError: No module named 'nowhere_zq'"
    )
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)


# The ledger of another runner, and changed files


def test_the_column_of_names_may_have_any_name_that_postgresql_takes(home: Path) -> None:
    ini(home, "ledger_key = My.Column", "ledger_key_form = file", "drift = refuse")
    settings = load()
    assert (settings.ledger_key, settings.ledger_key_form) == ("My.Column", "file")
    assert settings.drift == "refuse"
    assert load(environ={"BRIDGE_LEDGER_KEY_FORM": "number"}).ledger_key_form == "number"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("ledger_key_form = name", "'name'; it must be one of stem, file, number, path."),
        ("drift = fail", "'fail'; it must be one of warn, refuse."),
        ('ledger_key = a"b', "it must be a name of at most 63 bytes, without quotes."),
    ],
)
def test_a_wrong_word_about_the_ledger_is_refused(home: Path, line: str, message: str) -> None:
    ini(home, line)
    assert text_of(load).endswith(message)


def test_what_a_starting_service_waits_for_counts_where_nothing_else_is_said(home: Path) -> None:
    path = ini(home, "ddl_lock_timeout = 5")
    at_start = Settings.load(path, defaults=AT_START, environ={"BRIDGE_WAIT_FOR_SERVER": "7"})
    assert (at_start.ddl_lock_timeout, at_start.wait_for_server) == (5, 7)
    ini(home)
    at_start = Settings.load(path, defaults=AT_START, environ={})
    assert (at_start.ddl_lock_timeout, at_start.wait_for_server) == (2, 60)


@pytest.mark.parametrize("wrong", ["0", "-1", "1.5", "many"])
def test_a_number_of_tries_that_is_none_is_refused(home: Path, wrong: str) -> None:
    ini(home, f"ddl_lock_tries = {wrong}")
    with pytest.raises(UsageError) as caught:
        load()
    assert str(caught.value).startswith("ddl_lock_tries in ")
    assert str(caught.value).endswith(
        f" is {wrong!r}; it must be a whole number, 1 or more, such as 10."
    )
