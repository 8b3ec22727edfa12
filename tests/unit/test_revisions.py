"""Plain files as Alembic revisions: names, graphs, the environment, the plug-in; no database."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from functools import partial
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.script.revision import RevisionMap
from alembic.util import CommandError
from sqlalchemy.exc import OperationalError

import bridge
from bridge.alembic.environment import _refused_by_database
from bridge.alembic.left_out import without_records
from bridge.alembic.revision_names import as_revision, unknown_revision
from bridge.alembic.script_directory import PlainScriptDirectory
from bridge.config.settings import Settings
from bridge.errors import FilesError, UsageError
from bridge.ledger.history import Row, build_history
from bridge.plugin import opted_in
from support.alembic_books import creates
from support.project import DEFAULT_INI

STEMS = ["001_one", "002_add-index", "003_o'brien", "034_a", "034_b", "040"]


# Names that a person types.


@pytest.mark.parametrize(
    ("typed", "understood"),
    [
        ("002_add-index", "002_add_index"),
        ("003_o'brien", "003_o_brien"),
        ("002_add-i", "002_add_i"),
        ("002_add-index+1", "002_add_index+1"),
        ("002_add-index-2", "002_add_index-2"),
        ("003_o'b+1", "003_o_b+1"),
        ("001_one", "001_one"),
        ("001+2", "001+2"),
        ("head", "head"),
        ("heads", "heads"),
        ("base", "base"),
        ("current", "current"),
        ("+1", "+1"),
        ("-1", "-1"),
        ("head-1", "head-1"),
        ("branch@head", "branch@head"),
        ("no-such", "no-such"),
        ("", ""),
    ],
)
def test_a_stem_becomes_its_id_and_what_is_alembics_stays(typed: str, understood: str) -> None:
    assert as_revision(typed, STEMS) == understood


def test_a_whole_stem_is_taken_before_a_relative_one() -> None:
    assert as_revision("002_x-1", ["002_x", "002_x-1"]) == "002_x_1"
    assert as_revision("002_x-1", ["002_x", "003_y"]) == "002_x-1"


def test_an_unknown_name_is_told_from_one_that_fits_several() -> None:
    assert unknown_revision("9", STEMS, "/m") == (
        "No migration is called '9', and none begins like that: neither a file in /m nor a "
        "migration that this database records. To see them, type: eai migrate status"
    )
    alembics = unknown_revision("9", STEMS, "/m", to_alembic=True)
    assert alembics.endswith("To see them, type: alembic history")
    assert unknown_revision("034", STEMS, "/m") == (
        "'034' may mean any of 2 migrations: 034_a, 034_b. Several files may share a number, so "
        "write the whole name, for example 034_b"
    )
    many = [f"034_{number:02}" for number in range(12)]
    assert "034_06, 034_07 and 4 more. Several" in unknown_revision("034", many, "/m")


# The graph.


def directory(tmp_path: Path, *stems: str, **options: str) -> PlainScriptDirectory:
    folder = tmp_path / "migrations"
    folder.mkdir()
    for stem in stems:
        (folder / f"{stem}.py").write_text(creates("t"))
    ini = tmp_path / "alembic.ini"
    given = "".join(f"{name} = {value}\n" for name, value in options.items())
    text = DEFAULT_INI
    if "script_location" in options:
        text = text.replace("script_location = bridge:environment\n", "")
    ini.write_text(text + given)
    script = ScriptDirectory.from_config(Config(str(ini)))
    assert isinstance(script, PlainScriptDirectory)
    return script


def test_plain_files_are_one_line_in_the_order_of_their_names(tmp_path: Path) -> None:
    script = directory(tmp_path, *STEMS)
    walked = list(script.walk_revisions())
    assert [one.revision for one in walked] == [
        "040",
        "034_b",
        "034_a",
        "003_o_brien",
        "002_add_index",
        "001_one",
    ]
    assert all(later.down_revision == one.revision for later, one in pairwise(walked))
    assert script.get_heads() == ["040"]
    assert script.get_bases() == ["001_one"]
    assert script.get_revision("040").is_head
    assert script.as_revision_number("002_add-index") == "002_add_index"


def test_a_folder_without_migrations_has_no_head(tmp_path: Path) -> None:
    script = directory(tmp_path)
    assert (script.get_heads(), script.get_current_head()) == ([], None)
    assert list(script.walk_revisions()) == []


def test_following_a_database_changes_the_graph_and_shows_what_is_missing(tmp_path: Path) -> None:
    script = directory(tmp_path, "001_one", "002_two", "003_three")
    rows = [Row(version="003_three"), Row(version="000_gone", description="An old one")]
    script.follow(build_history(script.files, rows))
    assert [one.revision for one in script.walk_revisions()] == [
        "002_two",
        "001_one",
        "000_gone",
        "003_three",
    ]
    gone = script.get_revision("000_gone")
    assert (gone.doc, gone.longdoc, gone.path) == (
        "An old one (file missing)",
        "An old one (file missing)",
        "(file missing)",
    )


def test_a_listing_reads_only_what_it_shows_and_runs_nothing(tmp_path: Path) -> None:
    script = directory(tmp_path, "001_one", "002_two")
    (tmp_path / "migrations" / "001_one.py").unlink()
    bad = tmp_path / "migrations" / "002_two.py"
    bad.write_text("description = 'Never run'\ndef upgrade(db): ...\nraise SystemExit\n")
    assert script.get_revision("002_two").doc == "Never run"
    with pytest.raises(CommandError, match=r"001_one\.py: this file cannot be read") as caught:
        _ = script.get_revision("001_one").doc
    assert isinstance(caught.value.__cause__, FilesError)


def test_a_revision_runs_and_is_stamped_only_where_an_environment_is_connected(
    tmp_path: Path,
) -> None:
    script = directory(tmp_path, "001_one")
    for do in (
        script.get_revision("001_one").module.upgrade,
        partial(script._stamp_revs, "head", ()),
    ):
        with pytest.raises(CommandError) as caught:
            do()
        assert str(caught.value) == (
            "Migrations run, and are stamped, through bridge's environment only. With an env.py of "
            "your own, call bridge.run_environment(context) in it."
        )


def test_the_module_of_a_revision_has_what_alembics_own_has(tmp_path: Path) -> None:
    script = directory(tmp_path, "001_one", "002_add-index")
    versions = tmp_path / "versions"
    versions.mkdir()
    (versions / "a1_x.py").write_text(
        '"""Add it"""\nrevision = "a1"\ndown_revision = branch_labels = depends_on = None\n'
    )
    own = ScriptDirectory(str(tmp_path), version_locations=[str(versions)]).get_revision("a1")
    ours = script.get_revision("002_add-index")
    for each, path in ((own, versions / "a1_x.py"), (ours, script.files[1].path)):
        assert isinstance(each.module, ModuleType)
        assert each.module.__file__ == str(path) == each.path
        assert each.module.__name__ == re.sub(r"\W", "_", Path(path).name)
        assert inspect.getsource(each.module) == Path(path).read_text()
        assert each.module.revision == each.revision
        assert each.module.down_revision == each.down_revision
        assert each.module.branch_labels is each.module.depends_on is None
    assert (ours.revision, ours.down_revision) == ("002_add_index", "001_one")
    assert (own.doc, ours.doc) == ("Add it", "Create t")
    assert ours.module.__doc__ == "Migration: The table t\nIt is made for a test."


def test_the_module_of_a_missing_file_has_no_file(tmp_path: Path) -> None:
    script = directory(tmp_path, "002_two")
    script.follow(build_history(script.files, [Row(version="001_gone")]))
    module = script.get_revision("001_gone").module
    assert (module.__name__, module.__file__) == ("001_gone_py", None)
    assert (module.revision, module.down_revision) == ("001_gone", None)


def test_what_a_tool_writes_beside_the_migrations_is_not_in_the_package(tmp_path: Path) -> None:
    script = directory(tmp_path, "001_one")
    assert script.dir == script.versions == str(tmp_path / "migrations")
    assert Path(script.env_py_location).parent == Path(bridge.__file__).parent / "environment"


def test_the_folder_of_a_teams_own_env_py_stays_its_own(tmp_path: Path) -> None:
    (tmp_path / "db").mkdir()
    (tmp_path / "db" / "env.py").touch()
    script = directory(tmp_path, "001_one", script_location="%(here)s/db", plain_files="true")
    assert script.dir == str(tmp_path / "db")
    assert script.env_py_location == str(tmp_path / "db" / "env.py")


def test_a_map_that_a_tool_makes_anew_knows_a_new_file(tmp_path: Path) -> None:
    script = directory(tmp_path, "001_one")
    assert script.get_current_head() == "001_one"
    (tmp_path / "migrations" / "002_two.py").write_text(creates("two"))
    script.revision_map = RevisionMap(script._load_revisions)
    assert script.get_current_head() == "002_two"
    assert script.get_revision("002").down_revision == "001_one"


def test_a_downgrade_that_cannot_be_done_is_also_a_not_implemented_error(tmp_path: Path) -> None:
    """Tools for Alembic stop there, as with a downgrade() that raises it."""
    script = directory(tmp_path, "001_one", "002_two")
    (tmp_path / "migrations" / "001_one.py").write_text(creates("one", downgrade=False))
    assert len(script._downgrade_revs("001_one", "002_two")) == 1
    with pytest.raises(NotImplementedError, match=r"001_one\.py has no downgrade\(db\)") as caught:
        script._downgrade_revs("base", "002_two")
    assert isinstance(caught.value, CommandError)
    assert isinstance(caught.value.__cause__, UsageError)


def test_folders_of_prepend_sys_path_are_added_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    script = directory(tmp_path, prepend_sys_path="%(here)s/lib:%(here)s")
    assert sys.path[:2] == [str(tmp_path / "lib"), str(tmp_path)]
    ScriptDirectory.from_config(script.config)
    assert sys.path.count(str(tmp_path)) == 1


# The environment.


class Connected:
    """Stands for a Connection: what it would find without a schema."""

    def __init__(self, *search_path: str) -> None:
        self.search_path = list(search_path)
        self.asked = 0
        (self.default_schema_name, *_), self.dialect = search_path, self

    def scalar(self, _statement: object) -> list[str]:
        self.asked += 1
        return self.search_path


class Thing:
    def __init__(self, schema: str | None = None) -> None:
        self.schema = schema


def left_out(setting: str | None, connected: Connected, found_in: str | None) -> bool:
    settings = Settings(folder="/m", version_table_schema=setting)
    include = without_records(settings, cast("Any", connected), None)
    both = ("schema_migrations", "alembic_version")
    (answer,) = {include(Thing(found_in), name, "table", True, None) for name in both}
    return not answer


@pytest.mark.parametrize(
    ("setting", "search_path", "found_in", "expected"),
    [
        (None, ["public"], None, True),
        (None, ["public"], "public", True),
        (None, ["public"], "other", False),
        (None, ["acme", "public"], "public", False),
        ("public", ["public"], None, True),
        ("public", ["public"], "public", True),
        ("other", ["public"], "other", True),
        ("other", ["public"], None, False),
        ("other", ["public"], "public", False),
        # Alembic names no schema where a table is found without one.
        ("other", ["public", "other"], None, True),
    ],
)
def test_both_tables_are_left_out_of_a_comparison_however_their_schema_is_named(
    setting: str | None, search_path: list[str], found_in: str | None, expected: bool
) -> None:
    assert left_out(setting, Connected(*search_path), found_in) is expected


def test_a_filter_of_the_teams_own_is_asked_about_all_but_both_tables() -> None:
    asked: list[Any] = []

    def own(*about: Any) -> bool:
        asked.append(about)
        return bool(about[1] != "unwanted")

    connected = Connected("public")
    include = without_records(Settings(folder="/m"), cast("Any", connected), own)
    assert not include(Thing(), "schema_migrations", "table", True, None)
    assert not include(Thing(), "schema_migrations", "table", False, None)
    assert asked == []
    assert include(Thing("other"), "schema_migrations", "table", True, None)
    assert include(Thing(), "schema_migrations", "column", True, None)
    assert not include(Thing(), "unwanted", "table", True, None)
    assert [about[1] for about in asked] == ["schema_migrations", "schema_migrations", "unwanted"]
    assert connected.asked == 0


@pytest.mark.parametrize(
    ("lost", "status", "told"),
    [
        (
            True,
            75,
            """\
The connection to the database was lost: server closed the connection
  statement: SELECT 1 FROM x
What was committed before stays, and is recorded. Run the same command again.""",
        ),
        (
            False,
            4,
            """\
A statement of bridge's own, not of a migration, failed: server closed the connection
  statement: SELECT 1 FROM x
What was committed before stays, and is recorded; the rest was rolled back.""",
        ),
    ],
)
def test_a_statement_of_the_bookkeeping_that_fails_is_told_in_a_sentence(
    lost: bool, status: int, told: str
) -> None:
    original = Exception("server closed the connection\n\tunexpectedly")
    error = OperationalError(
        "SELECT 1\n  FROM x", {"secret": 1}, original, connection_invalidated=lost
    )
    explained = _refused_by_database(error)
    assert (explained.exit_code, str(explained)) == (status, told)


# The plug-in.


def config(**options: str) -> Config:
    made = Config()
    for name, value in options.items():
        made.set_main_option(name, value)
    return made


def test_a_project_opts_in_with_one_of_two_options() -> None:
    assert opted_in(config(script_location="bridge:environment"))
    assert opted_in(config(script_location="theirs", plain_files="True"))
    assert not opted_in(config(script_location="theirs"))
    assert not opted_in(config(script_location="theirs", plain_files="no"))
    assert not opted_in(config(script_location="%(nothing)s", plain_files="true"))
    assert not opted_in(Config("/no/such/alembic.ini"))


LOADING = """\
import {first}, sys
from alembic.script import ScriptDirectory
print(ScriptDirectory.from_config.__func__.__module__)
print([name for name in sys.modules if name.split(".")[0] == "bridge"])
print("sqlalchemy.orm" in sys.modules, "psycopg2" in sys.modules)
"""


@pytest.mark.parametrize(
    "first", ["alembic.script.base", "alembic.runtime.plugins", "alembic.config"]
)
def test_whatever_is_imported_first_the_plugin_is_in_place_and_light(first: str) -> None:
    """The entry point is loaded in the middle of Alembic's own imports."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", LOADING.format(first=first)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.splitlines() == [
        "bridge.plugin",
        "['bridge', 'bridge.plugin']",
        "False False",
    ], done.stderr
