"""Alembic around bridge: other projects, other configurations, other ways to call it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from bridge.locking.holder import LOCK_CLASS, MIGRATION_LOCK
from support.alembic_books import Books, books, creates, execute, tables, write_three
from support.project import Project

if TYPE_CHECKING:
    from sqlalchemy import Engine

THREE = ["001_one", "002_two", "003_three"]

#: Put on the path of a Python, it makes it one in which bridge is not installed.
WITHOUT_BRIDGE = """\
import importlib.metadata, sys
real = importlib.metadata.entry_points
def entry_points(**wanted):
    found = real(**wanted)
    if wanted.get("group") != "alembic.plugins":
        return found
    return importlib.metadata.EntryPoints(e for e in found if not e.value.startswith("bridge"))
importlib.metadata.entry_points = entry_points
sys.modules["bridge"] = None
"""

#: Tells at the end of a process which of bridge's modules it has loaded.
TELL = """\
import atexit, os, sys
@atexit.register
def tell():
    loaded = sorted(name for name in sys.modules if name.split(".")[0] == "bridge")
    with open(os.environ["LOADED"], "a") as file:
        print(*loaded, file=file)
"""


@pytest.fixture
def three(project: Project) -> Project:
    write_three(project)
    return project


# Ordinary projects.


def ordinary(path: Path, without: Path | None) -> list[tuple[int, str, str]]:
    """What an ordinary project's commands print, in a folder of its own."""
    path.mkdir()
    environ = {name: value for name, value in os.environ.items() if "DATABASE_URL" not in name}
    python_path = [str(without)] if without else []
    python_path += [environ["PYTHONPATH"]] if "PYTHONPATH" in environ else []
    environ |= {"PYTHONPATH": os.pathsep.join(python_path), "LOADED": str(path.parent / "loaded")}

    def alembic(*arguments: str) -> tuple[int, str, str]:
        done = subprocess.run(
            [Path(sys.executable).parent / "alembic", *arguments],
            cwd=path,
            env=environ,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    told = [alembic("init", "scripts")]
    ini = path / "alembic.ini"
    ini.write_text(ini.read_text().replace("driver://user:pass@localhost/dbname", "sqlite:///x.db"))
    told.append(alembic("revision", "-m", "first", "--rev-id", "a1"))
    commands = ("upgrade head", "history -i", "downgrade base", "show zz")
    return [*told, *(alembic(*command.split()) for command in commands)]


def test_an_ordinary_project_behaves_as_if_bridge_were_not_installed(tmp_path: Path) -> None:
    for name, source in (("hidden", WITHOUT_BRIDGE), ("told", TELL)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "sitecustomize.py").write_text(source)
    without = ordinary(tmp_path / "one", tmp_path / "hidden")
    beside = ordinary(tmp_path / "two", tmp_path / "told")
    assert [code for code, _, _ in without] == [0, 0, 0, 0, 0, 255]
    there, here = str(tmp_path / "one"), str(tmp_path / "two")
    assert [(c, out.replace(here, there), err.replace(here, there)) for c, out, err in beside] == (
        without
    )
    loaded = (tmp_path / "loaded").read_text().splitlines()
    assert loaded == ["bridge bridge.plugin"] * len(beside)


# Configurations.


def test_a_team_with_its_own_env_py_says_plain_files(project: Project, engine: Engine) -> None:
    environment = project.path / "theirs"
    environment.mkdir()
    (environment / "env.py").write_text(
        dedent("""\
        import sqlalchemy as sa
        from alembic import context

        import bridge

        metadata = sa.MetaData()
        sa.Table("one", metadata, sa.Column("id", sa.BigInteger))


        def include_object(obj, name, kind, reflected, compare_to):
            return name != "not_ours"


        def told(*, step, **rest):
            print("step", step.up_revision_id)


        bridge.run_environment(
            context,
            target_metadata=metadata,
            include_object=include_object,
            on_version_apply=told,
            compare_type=False,
        )
        """)
    )
    project.ini(
        """
        [alembic]
        script_location = theirs
        plain_files = true
        version_locations = migrations
        """
    )
    project.write("001_one", creates("one"))
    sub_folder = project.path / "sub"
    sub_folder.mkdir()
    # Relative paths are relative to the configuration, also from another folder.
    from_below = Project(sub_folder, project.url)
    assert "step 001_one" in (
        from_below.alembic("-c", "../alembic.ini", "upgrade", "head", check=True).stdout
    )
    execute(engine, "CREATE TABLE not_ours (id integer)")
    # Nothing to do: bigint is not compared with integer, and both other tables are left out.
    project.alembic("check", check=True)
    project.alembic("revision", "-m", "second", check=True)
    assert (project.migrations / "002_second.py").exists()
    # Without the option this is an ordinary project, whose env.py bridge cannot serve.
    project.ini("[alembic]\nscript_location = theirs\n")
    refused = project.alembic("upgrade", "head")
    assert refused.returncode == 2
    assert refused.stderr == (
        "FAILED: This Alembic environment is not set up for plain files. Put plain_files = true "
        "into "
        "alembic.ini, beside script_location.\n"
    )


@pytest.mark.parametrize(
    ("option", "instead"),
    [
        (
            "connection=None",
            'put the Engine or Connection into context.config.attributes["connection"]',
        ),
        (
            "version_table='v'",
            "set version_table in alembic.ini, where every command finds it",
        ),
    ],
)
def test_an_env_py_cannot_decide_where_the_records_are(
    three: Project, engine: Engine, option: str, instead: str
) -> None:
    (three.path / "env.py").write_text(
        f"from alembic import context\nimport bridge\nbridge.run_environment(context, {option})\n"
    )
    three.ini("[alembic]\nscript_location = %(here)s\nplain_files = yes\n")
    refused = three.alembic("upgrade", "head")
    assert refused.returncode == 2
    name = option.split("=", maxsplit=1)[0]
    assert refused.stderr.endswith(
        f"FAILED: run_environment() was given {name}, which an env.py cannot set: "
        f"{instead}. Nothing was done.\n"
    )
    assert tables(engine) == set()


def test_pyproject_toml_is_a_configuration_too(three: Project, engine: Engine) -> None:
    (three.path / "alembic.ini").unlink()
    (three.path / "pyproject.toml").write_text(
        dedent("""\
        [tool.alembic]
        script_location = "bridge:environment"
        version_locations = ["%(here)s/migrations"]
        version_table = "pointer"
        version_table_schema = "ops"
        ledger_table = "applied"
        """)
    )
    execute(engine, "CREATE SCHEMA ops")
    three.alembic("upgrade", "head", check=True)
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT version_num FROM ops.pointer")) == "003_three"
        assert connection.scalar(text("SELECT count(*) FROM ops.applied")) == 3
    assert three.alembic("current", check=True).stdout == "003_three (head)\n"
    three.alembic("revision", "-m", "next", check=True)
    assert (three.migrations / "004_next.py").exists()


def test_a_section_and_x_arguments_choose_the_database_and_the_settings(
    three: Project, engine: Engine
) -> None:
    assert three.url is not None
    url = three.url.render_as_string(hide_password=False)
    nobody = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/x"}
    three.alembic("-x", f"database_url={url}", "upgrade", "+1", env=nobody, check=True)
    three.ini(
        extra=f"""
        [second]
        script_location = bridge:environment
        version_locations = %(here)s/migrations
        sqlalchemy.url = {url.replace("%", "%%")}
        ledger_table = second_ledger
        version_table = second_pointer
        """
    )
    three.alembic("-n", "second", "stamp", "002_two", env={"DATABASE_URL": None}, check=True)
    assert {"second_ledger", "second_pointer"} < tables(engine)
    assert books(engine) == Books(["001_one"], ["001_one"])
    empty = three.alembic("-x", "database_url", "current")
    assert empty.returncode == 2
    assert empty.stderr == "FAILED: -x database_url needs a value: write -x database_url=URL.\n"
    with engine.connect() as holder:
        holder.execute(text(f"SELECT pg_advisory_xact_lock({LOCK_CLASS}, {MIGRATION_LOCK})"))
        busy = three.alembic("-x", "wait_for_lock=0", "upgrade", "head")
    assert busy.returncode == 75
    assert "FAILED: " in busy.stderr
    assert books(engine).applied == ["001_one"]


def test_the_folder_may_be_a_part_of_an_installed_package(three: Project, engine: Engine) -> None:
    package = three.path / "lib" / "shipped"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise SystemExit('must not be imported')\n")
    three.migrations.rename(package / "migrations")
    three.ini(
        """
        [alembic]
        script_location = bridge:environment
        version_locations = shipped:migrations
        prepend_sys_path = lib
        path_separator = os
        """
    )
    three.alembic("upgrade", "head", check=True)
    assert books(engine).applied == THREE
