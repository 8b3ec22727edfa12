"""Targets without a database: their names, their lists, their search_path."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import make_url

from bridge.config.settings import Settings
from bridge.config.target import Target
from bridge.database.request import Request
from bridge.database.search_path import search_path_of, startup_options, with_search_path
from bridge.database.target_list import as_target, find_target, listed_targets, read_targets
from bridge.errors import UsageError


def settings(tmp_path: Path, *lines: str, module: str = "") -> Request:
    (tmp_path / "app_tenants.py").write_text(module)
    ini = tmp_path / "alembic.ini"
    head = ["[alembic]", "script_location = bridge:environment", "prepend_sys_path = %(here)s"]
    ini.write_text("\n".join([*head, *lines, ""]))
    return Request(config=ini)


def refused(*arguments: Any, **options: Any) -> str:
    with pytest.raises(UsageError) as caught:
        Target(*arguments, **options)
    return str(caught.value)


# A target


def test_a_name_alone_is_that_of_a_schema() -> None:
    assert Target("acme").schema == "acme"


def test_a_url_alone_is_a_database_without_a_schema_of_its_own() -> None:
    assert Target("acme", url="postgresql://host/acme").schema is None


def test_a_url_is_not_shown() -> None:
    assert "secret" not in repr(Target("acme", url="postgresql://role:secret@host/acme"))


@pytest.mark.parametrize("name", ["", " ", "a\nb", "a\0b"])
def test_a_name_is_a_line_of_text(name: str) -> None:
    assert refused(name) == (
        f"A target has the name {name!r}; it must be a line of text, such as acme."
    )


@pytest.mark.parametrize("schema", ["pg_temp", "pg_acme", "information_schema"])
def test_a_schema_of_postgresql_is_no_target(schema: str) -> None:
    assert refused("acme", schema=schema) == (
        f"The target acme cannot be the schema {schema!r}: that name is one of PostgreSQL's own."
    )


@pytest.mark.parametrize("schema", ["", "ü" * 32, "a" * 64])
def test_a_schema_has_no_more_bytes_than_postgresql_keeps(schema: str) -> None:
    assert refused("acme", schema=schema) == (
        f"The target acme cannot be the schema {schema!r}: that name must have between 1 and 63 "
        "bytes."
    )


# Its search_path


def path_of(target: Target, template: str = "{target}, public") -> str | None:
    return search_path_of(Settings(folder="/", targets_search_path=template).for_target(target))


def test_the_schema_is_quoted_in_the_search_path() -> None:
    assert path_of(Target('Se"lect')) == '"Se""lect", public'


def test_the_search_path_of_a_database_is_left_alone() -> None:
    assert path_of(Target("acme", url="postgresql://host/acme")) is None


def test_the_records_are_in_the_schema_of_the_target() -> None:
    assert Settings(folder="/").for_target(Target("a")).version_table_schema == "a"


def test_records_elsewhere_are_refused() -> None:
    with pytest.raises(UsageError) as caught:
        Settings(folder="/", version_table_schema="public").for_target(Target("acme"))
    assert str(caught.value) == (
        "version_table_schema is public, and the target acme has its records in its own schema, "
        "acme. Nothing was started. Remove that setting from the section that has targets."
    )


@given(st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1, max_size=15))
def test_libpq_reads_the_search_path_back_as_it_was_written(schema: str) -> None:
    path = f'"{schema.replace(chr(34), chr(34) * 2)}", public'
    # libpq divides its options at white space, unless a backslash is before it.
    divided = startup_options(path, "-cx=1")
    words: list[str] = []
    word, escaped = "", False
    for character in divided:
        if escaped:
            word, escaped = word + character, False
        elif character == "\\":
            escaped = True
        elif character.isspace():
            words, word = [*words, word], ""
        else:
            word += character
    assert [*words, word] == ["-cx=1", f"-csearch_path={path}"]


def test_options_of_the_url_stay() -> None:
    url = make_url("postgresql+psycopg2://host/db?options=-cwork_mem%3D1MB")
    options = with_search_path(url, '"a", public').query["options"]
    assert shlex.split(str(options)) == ["-cwork_mem=1MB", "-csearch_path=a, public"]


def test_pgoptions_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGOPTIONS", "-cwork_mem=1MB")
    assert startup_options("a") == "-cwork_mem=1MB -csearch_path=a"


@pytest.mark.parametrize("path", ["public, {target}", "public", "{target}, {target}", "{target}x"])
def test_a_search_path_begins_with_the_target(tmp_path: Path, path: str) -> None:
    request = settings(tmp_path, f"targets_search_path = {path}")
    with pytest.raises(
        UsageError, match=r"it must begin with \{target\}, once: \{target\}, public"
    ):
        request.settings()


# Lists of them


def test_a_section_without_a_list_takes_a_name_for_a_schema(tmp_path: Path) -> None:
    assert find_target(settings(tmp_path), "acme") == Target("acme")


LISTS = {
    "list": "list_ = ['a', ('b', 'postgresql://h/b'), bridge.Target('c', schema='d')]",
    "function": """
def list_():
    yield from ['a', ('b', 'postgresql://h/b'), bridge.Target('c', schema='d')]
""",
}


@pytest.mark.parametrize("module", LISTS.values(), ids=LISTS)
def test_targets_come_from_a_list_or_a_function(
    tmp_path: Path, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(__import__("sys").modules, "app_tenants", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    request = settings(tmp_path, "targets = app_tenants:list_", module=f"import bridge\n{module}")
    found = listed_targets(request, request.settings())
    assert found == (
        Target("a"),
        Target("b", url="postgresql://h/b"),
        Target("c", schema="d"),
    )


def test_a_name_that_is_not_in_the_list_is_refused(tmp_path: Path) -> None:
    request = Request(config=settings(tmp_path).config, targets=[Target("acme")])
    with pytest.raises(UsageError) as caught:
        find_target(request, "acne")
    assert str(caught.value) == (
        "There is no target 'acne' in the list of targets. Nothing was started. All of them "
        "lists: eai migrate status --all"
    )


def test_a_name_twice_is_refused(tmp_path: Path) -> None:
    request = Request(config=settings(tmp_path).config, targets=[Target("a"), Target("a")])
    with pytest.raises(UsageError) as caught:
        listed_targets(request, request.settings())
    assert str(caught.value) == (
        "the list of targets lists the target a twice. Nothing was started."
    )


def test_without_a_list_nobody_can_name_all(tmp_path: Path) -> None:
    request = settings(tmp_path)
    with pytest.raises(UsageError) as caught:
        listed_targets(request, request.settings())
    assert str(caught.value) == (
        "The section [alembic] has no targets. Nothing was started. Name what lists them: targets "
        "= app.tenants:targets, or targets_query = SELECT …, or type --targets FILE."
    )


def test_a_function_that_fails_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(__import__("sys").modules, "app_tenants", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    request = settings(tmp_path, "targets = app_tenants:f", module="def f():\n    return 1 / 0\n")
    with pytest.raises(UsageError) as caught:
        listed_targets(request, request.settings())
    assert str(caught.value) == (
        "targets is 'app_tenants:f', but listing the targets failed: ZeroDivisionError: division "
        "by zero. Nothing was started."
    )


def test_what_is_no_target_is_refused() -> None:
    with pytest.raises(UsageError) as caught:
        as_target(7, "targets in [tenants]")
    assert str(caught.value) == (
        "targets in [tenants] lists a int; each target must be a name, a name with a URL, or a "
        "bridge.Target. Nothing was started."
    )


def test_two_lists_are_refused(tmp_path: Path) -> None:
    request = settings(tmp_path, "targets = a:b", "targets_query = SELECT 'a'")
    with pytest.raises(UsageError) as caught:
        request.settings()
    assert str(caught.value) == (
        "targets and targets_query both list the targets; keep one of them."
    )


def test_a_file_has_a_line_for_each() -> None:
    lines = [
        "# ours",
        "",
        " acme ",
        "postgresql://role:secret@host/beta",
        '{"name": "c", "schema": "d", "labels": {"region": "eu"}}',
    ]
    assert read_targets(lines, where="t.txt") == (
        Target("acme"),
        Target("beta", url="postgresql://role:secret@host/beta"),
        Target("c", schema="d", labels={"region": "eu"}),
    )


@pytest.mark.parametrize(
    "line",
    ['{"name": "secret"', '{"schema": "secret"}', '{"name": "secret", "labels": 1}', '{"x": 1}'],
)
def test_a_line_that_cannot_be_read_is_not_shown(line: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_targets(["a", line], where="t.txt")
    assert str(caught.value) == (
        "t.txt, line 2 is not a target in JSON. (It is not shown: it may hold a password.) The "
        'form is {"name": "acme", "schema": "acme", "url": "postgresql://…", "labels": {"region": '
        '"eu"}}; all but the name may be left out. Nothing was started.'
    )


def test_a_url_without_a_database_names_no_target() -> None:
    with pytest.raises(UsageError) as caught:
        read_targets(["postgresql://host"], where="t.txt")
    assert str(caught.value) == (
        't.txt, line 1 is a URL without a database, so the target has no name. Write {"name": …, '
        '"url": …}. Nothing was started.'
    )
