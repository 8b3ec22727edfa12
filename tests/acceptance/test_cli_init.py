"""`eai migrate init` in new projects, in old ones, and in those that are set up."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import inspect, text

from bridge.config.settings import Settings
from bridge.errors import UsageError
from bridge.operations.init import Setup, guide, plan_setup, set_up
from support.project import DEFAULT_INI, Project
from support.running import do

if TYPE_CHECKING:
    from sqlalchemy import URL, Engine

PLAIN = 'raise SystemExit("executed")\ndef upgrade(db):\n    db.commit()\n'
ALEMBICS = 'revision = "1a"\ndown_revision = None\n\ndef upgrade():\n    pass\n'


def write(folder: Path, *names: str, text: str = PLAIN) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_text(text)
    return folder


def planned(root: Path, config: str | None = None, folder: str | None = None) -> Setup:
    return plan_setup(
        root,
        config=Path(config) if config else None,
        folder=Path(folder) if folder else None,
        environ={},
    )


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, an empty project."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def contents(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): path.read_text() for path in root.rglob("*") if path.is_file()
    }


# Whole runs


def test_a_project_that_has_nothing(tmp_path: Path) -> None:
    project = Project(tmp_path)
    done = project.eai("migrate", "init")
    assert done.stdout == (
        "Wrote alembic.ini and the folder migrations with its guide migrations/README.md. There "
        "is no migration yet.\n"
        "\n"
        "Next:\n"
        '  eai migrate new "add widgets"                    # write the first migration\n'
        "  export DATABASE_URL=postgresql://user@host/name  # name the database\n"
        "  eai migrate                                      # run it\n"
    )
    assert (done.returncode, done.stderr) == (0, "")
    written = contents(tmp_path)
    assert written["migrations/README.md"] == guide()
    assert sorted(written) == ["alembic.ini", "migrations/README.md"]
    assert len(written["alembic.ini"].splitlines()) < 30
    assert project.alembic("history", check=True).stdout == ""

    again = project.eai("migrate", "init")
    assert again.stdout.startswith(
        "alembic.ini is set up already. There is no migration yet.\n\nNext:\n"
    )
    assert again.returncode == 0
    assert contents(tmp_path) == written


def test_files_of_another_shape_are_not_called_none(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.migrations.mkdir()
    project.write("v_001_users", "def up(conn):\n    pass\n")
    done = project.eai("migrate", "init", check=True)
    assert done.stdout.startswith(
        "Wrote alembic.ini and the guide migrations/README.md. No file in migrations is a "
        "migration yet; what they lack says: eai migrate check\n\nNext:\n  eai migrate check "
    )
    assert project.eai("migrate", "check").returncode == 4


def test_with_a_database_files_of_another_shape_are_told_once(
    tmp_path: Path, engine: Engine
) -> None:
    project = Project(tmp_path, engine.url)
    project.migrations.mkdir()
    project.write("helpers", "x = 1\n")
    done = project.eai("migrate", "init", check=True)
    assert done.stderr == ""
    assert done.stdout == (
        "Wrote alembic.ini and the guide migrations/README.md. No file in migrations is a "
        "migration yet; what they lack says: eai migrate check\n"
        "\n"
        "Next:\n"
        "  eai migrate check              # check the files\n"
        '  eai migrate new "add widgets"  # write a migration\n'
    )


def test_a_database_with_records_and_a_folder_without_files_is_no_next_run(
    tmp_path: Path, engine: Engine
) -> None:
    do(
        engine,
        "CREATE TABLE schema_migrations (version text PRIMARY KEY, applied_at timestamptz)",
        "INSERT INTO schema_migrations VALUES ('001_a', now())",
    )
    done = Project(tmp_path, engine.url).eai("migrate", "init", check=True)
    assert "The folder holds no migration at all, but schema_migrations records" in done.stdout
    assert done.stdout.endswith("\n\nNext:\n  eai migrate status  # show what the database has\n")


def test_what_to_type_next_fits_80_columns(tmp_path: Path, engine: Engine) -> None:
    """The lines are typed as they stand, so none may be folded."""
    recorded = (
        "CREATE TABLE schema_migrations (version text PRIMARY KEY, applied_at timestamptz)",
        "INSERT INTO schema_migrations VALUES ('001_a', now())",
    )
    for number, url in enumerate((None, None, engine.url)):
        project = Project(tmp_path / str(number), url)
        project.path.mkdir()
        if number:
            write(project.path / "migrations", "001_a.py")
        if url:
            do(engine, *recorded)
        told = project.eai("migrate", "init", check=True).stdout
        steps = told.partition("\nNext:\n")[2].splitlines()
        assert len(steps) >= 3
        assert [line for line in steps if len(line) > 79] == []


def test_a_folder_of_old_plain_files_and_what_its_database_records(
    tmp_path: Path, engine: Engine
) -> None:
    project = Project(tmp_path, engine.url)
    write(tmp_path / "app" / "db" / "migrations", "001_a.py", "002_b.py", "003_c.py")
    do(
        engine,
        "CREATE TABLE schema_migrations (id serial, filename text, at timestamptz DEFAULT now())",
        "INSERT INTO schema_migrations (filename) VALUES ('001_a.py'), ('002_b.py')",
    )
    done = project.eai("migrate", "init")
    assert done.stdout.startswith(
        "Wrote alembic.ini.\n"
        "The migrations are in app/db/migrations: 3 files, 001_a.py to 003_c.py.\n"
        "Wrote the guide app/db/migrations/README.md.\n"
        "\n"
        "  functions  upgrade, downgrade\n"
        "  they take  a Session\n"
        "  order      as their names sort\n"
        "\n"
        f"In the database {engine.url.database} "
    )
    assert (
        "  The table schema_migrations was recognised: 2 rows, which name migrations by their file "
        "in the column filename.\n"
        "  2 of them are files of the folder.\n"
        "  schema_migrations was made by another runner: the first run adds the columns checksum, "
        "execution_ms and breaking to it, records the checksums of the files that are there, and "
        "makes the table alembic_version.\n"
        "  Pending: 003_c.\n"
        "  Wrote into alembic.ini: ledger_key = filename, ledger_key_form = file.\n"
        "\n"
        "Next:\n"
        "  eai migrate check "
    ) in done.stdout
    assert "export" not in done.stdout
    assert (done.returncode, done.stderr) == (0, "")
    assert inspect(engine).get_table_names() == ["schema_migrations"]


def test_a_database_that_cannot_be_asked(tmp_path: Path) -> None:
    """What is written stays, and the command can be typed again."""
    project = Project(tmp_path)
    nowhere = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}
    done = project.eai("migrate", "init", env=nowhere)
    assert done.returncode == 75
    assert done.stdout.startswith("Wrote alembic.ini and the folder migrations")
    assert done.stderr.startswith("Error: ")


def test_a_configuration_that_is_for_something_else(tmp_path: Path) -> None:
    project = Project(tmp_path)
    write(tmp_path / "migrations", "001_a.py")
    ini = project.ini("[alembic]\nscript_location = alembic\n")
    done = project.eai("migrate", "init", env={"DATABASE_URL": "postgresql://127.0.0.1:1/none"})
    assert done.stdout == (
        "The migrations are in migrations: 001_a.py.\n"
        "Wrote the guide migrations/README.md.\n"
        "\n"
        "  functions  upgrade, downgrade\n"
        "  they take  a Session\n"
        "  order      as their names sort\n"
        "alembic.ini exists, and was not changed. Put these lines into it, in place of its own:\n"
        "\n"
        "    [alembic]\n"
        "    script_location = bridge:environment\n"
        "    version_locations = %(here)s/migrations\n"
        "    path_separator = os\n"
        "\n"
        "If another environment of Alembic uses that file, give the plain files their own:\n"
        "    eai migrate --config plain.ini init\n"
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert ini.read_text() == "[alembic]\nscript_location = alembic\n"

    own = project.eai("migrate", "--config", "plain.ini", "init", check=True)
    assert own.stdout.startswith("Wrote plain.ini.\n")
    assert "  eai migrate --config plain.ini --dry-run  " in own.stdout
    checked = project.eai("migrate", "--config", "plain.ini", "check", check=True)
    assert checked.stdout.endswith("Checked 1 migration in migrations: 1 warning.\n")


def test_several_folders(tmp_path: Path) -> None:
    project = Project(tmp_path)
    write(tmp_path / "one" / "migrations", "001_a.py")
    write(tmp_path / "two" / "migrations", "001_a.py")
    done = project.eai("migrate", "init")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "Error: There are 2 folders of plain files here. Nothing was written. Say which one is "
        "meant:\n  --folder one/migrations\n  --folder two/migrations\n"
    )
    assert not (tmp_path / "alembic.ini").exists()
    named = project.eai("migrate", "init", "--folder", "two/migrations", check=True)
    assert "The migrations are in two/migrations: 001_a.py.\n" in named.stdout


# What is found


@pytest.mark.parametrize(
    "folder", ["migrations", "app/migrations", "db/migrate", "src/app/db/migrations"]
)
def test_a_folder_of_plain_files_is_found(root: Path, folder: str) -> None:
    write(root / folder, "000_broken.py", text="def upgrade(")
    write(root / folder, "001_a.py")
    setup = planned(root)
    assert setup == Setup(root / "alembic.ini", True, False, root / folder, False, True)
    set_up(setup)
    settings = Settings.load(environ={})
    assert settings.own_environment
    assert settings.folder == str(root / folder)
    assert settings.prepend_sys_path == (str(root),)


def test_what_is_no_folder_of_plain_files(root: Path) -> None:
    write(root / "alembic" / "versions", "1a_x.py", text=ALEMBICS)
    write(root / "shop" / "migrations", "0001_initial.py", text="class Migration:\n    pass\n")
    write(root / "legacy" / "migrations", "1a_x.py", text=ALEMBICS)
    write(root / "helpers" / "migrations", "a.py")
    write(root / "node_modules" / "migrations", "001_a.py")
    write(root / ".venv" / "migrations", "001_a.py")
    write(root / "mine" / "migrations", "001_a.py")
    (root / "mine" / "pyvenv.cfg").touch()
    write(root / "elsewhere" / "real", "001_a.py")
    (root / "elsewhere" / "migrations").symlink_to(root / "elsewhere" / "real")
    found = planned(root)
    assert (found.folder, found.new_folder) == (root / "migrations", True)
    (root / "mine" / "pyvenv.cfg").unlink()
    assert planned(root).folder == root / "mine" / "migrations"


def test_an_environment_of_alembics_own_is_not_taken(root: Path) -> None:
    write(root / "migrations", "env.py", text="")
    with pytest.raises(UsageError) as caught:
        planned(root)
    assert str(caught.value) == (
        f"{root}/migrations is an environment of Alembic's own, and no folder of plain files was "
        "found. Nothing was written. Name another folder for plain files, such as: --folder "
        "plain_migrations"
    )
    assert planned(root, folder="plain_migrations").folder == root / "plain_migrations"


def test_a_readme_is_left_alone(root: Path) -> None:
    write(root / "migrations", "001_a.py")
    write(root / "migrations", "ReadMe.rst", text="ours")
    setup = planned(root)
    assert not setup.new_guide
    set_up(setup)
    assert sorted(path.name for path in root.rglob("*.*")) == [
        "001_a.py",
        "ReadMe.rst",
        "alembic.ini",
    ]


def test_what_turns_up_meanwhile_is_not_written_over(root: Path) -> None:
    setup = planned(root)
    (root / "alembic.ini").write_text("mine")
    with pytest.raises(UsageError) as caught:
        set_up(setup)
    assert str(caught.value) == (
        f"{root}/alembic.ini cannot be written: File exists. What was written before it stays. "
        "Correct that, then type the same command again."
    )
    assert (root / "alembic.ini").read_text() == "mine"


@pytest.mark.parametrize("percent", ["100% migrations", "migrations"])
def test_the_folder_may_lie_anywhere(root: Path, percent: str) -> None:
    folder = write(root / percent, "001_a.py")
    deploy = root / "deploy"
    deploy.mkdir()
    set_up(planned(root, config="deploy/alembic.ini", folder=percent))
    assert Settings.load(deploy / "alembic.ini", environ={}).folder == str(folder)


def test_a_file_is_no_folder(root: Path) -> None:
    (root / "x").touch()
    with pytest.raises(UsageError, match=r"^--folder x is a file, not a folder of migrations.$"):
        planned(root, folder="x")


# What is there already


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("alembic.ini", DEFAULT_INI),
        ("alembic.ini", DEFAULT_INI.replace("bridge:environment", "own\nplain_files = true")),
        (
            "pyproject.toml",
            (
                '[tool.alembic]\nscript_location = "bridge:environment"\n'
                'version_locations = ["%(here)s/migrations"]\n'
            ),
        ),
    ],
)
def test_a_project_that_is_set_up(root: Path, name: str, text: str) -> None:
    (root / name).write_text(text)
    below = root / "app"
    below.mkdir()
    expected = Setup(root / name, False, False, root / "migrations", True, True)
    assert planned(root) == expected
    set_up(expected)
    assert (root / name).read_text() == text
    with pytest.raises(UsageError) as caught:
        planned(root, folder="other")
    assert str(caught.value) == (
        f"--folder other is not the folder that is configured: {root}/migrations. Leave --folder "
        "out, or change version_locations in the configuration."
    )


def test_a_project_is_set_up_from_below_too(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "alembic.ini").write_text(DEFAULT_INI)
    below = write(root / "app")
    monkeypatch.chdir(below)
    assert planned(below).config == root / "alembic.ini"
    # Another's configuration above is no reason to leave this project without one.
    (root / "alembic.ini").write_text("[alembic]\nscript_location = other\n")
    assert planned(below).config == below / "alembic.ini"
    assert planned(below).new_config


@pytest.mark.parametrize(
    ("name", "text", "lines"),
    [
        (
            "alembic.ini",
            "[loggers]\nkeys = root\n",
            (
                "    [alembic]\n"
                "    script_location = bridge:environment\n"
                "    version_locations = %(here)s/migrations\n"
                "    path_separator = os"
            ),
        ),
        (
            "pyproject.toml",
            '[tool.alembic]\nscript_location = "alembic"\n',
            (
                "    [tool.alembic]\n"
                '    script_location = "bridge:environment"\n'
                '    version_locations = ["%(here)s/migrations"]'
            ),
        ),
    ],
)
def test_the_lines_to_add(root: Path, name: str, text: str, lines: str) -> None:
    (root / name).write_text(text)
    setup = planned(root)
    assert (setup.config, setup.new_config, setup.foreign_config) == (root / name, False, True)
    assert [f"    {line}" for line in setup.lines({})] == lines.splitlines()
    added = 'argument = "cursor"' if name == "pyproject.toml" else "argument = cursor"
    assert setup.lines({"argument": "cursor"})[-1] == added


# Folders of other runners

UP = 'def up(cur):\n    cur.execute("CREATE TABLE t{n} ()")\n\n\ndef down(cur):\n    pass\n'
RUNNER = """\
import pathlib
FOLDER = pathlib.Path("migrations")
def number(path):
    return int(path.name[1:].partition("__")[0])
for path in sorted(FOLDER.glob("V*.py"), key=number):
    pass
"""


def another_teams(tmp_path: Path, url: URL | None) -> Project:
    project = Project(tmp_path, url)
    for n in (1, 2, 10):
        write(project.migrations, f"V{n}__t{n}.py", text=UP.replace("{n}", str(n)))
    write(tmp_path / "scripts", "migrate.py", text=RUNNER)
    return project


def test_what_is_found_out_is_told_written_and_runs(tmp_path: Path, engine: Engine) -> None:
    project = another_teams(tmp_path, engine.url)
    do(
        engine,
        "CREATE TABLE db_versions (id int PRIMARY KEY, done_at timestamptz DEFAULT now())",
        "INSERT INTO db_versions VALUES (1)",
        "CREATE TABLE t1 ()",
    )
    done = project.eai("migrate", "init", check=True)
    assert (
        "The migrations are in migrations: 3 files, V1__t1.py to V10__t10.py.\n"
        "Wrote the guide migrations/README.md.\n"
        "\n"
        "  functions  up, down  (upgrade_function = up, downgrade_function = down)\n"
        "  they take  a cursor of the driver  (argument = cursor)\n"
        "  order      as their numbers count, by scripts/migrate.py  (order = number)\n"
    ) in done.stdout
    assert (
        "  The table db_versions was recognised: 1 row, which name migrations by their number in "
        "the column id.\n"
        "  1 of them is a file of the folder.\n"
    ) in done.stdout
    assert "  Pending: V2__t2, V10__t10.\n" in done.stdout
    assert (
        "  Wrote into alembic.ini: ledger_table = db_versions, ledger_key = id, ledger_key_form = "
        "number.\n"
    ) in done.stdout
    assert "  eai migrate repair             # correct names in the ledger" in done.stdout
    settings = Settings.load(tmp_path / "alembic.ini", environ={})
    assert (settings.argument, settings.order) == ("cursor", "number")
    assert (settings.ledger_table, settings.ledger_key_form) == ("db_versions", "number")

    ran = project.eai("migrate", check=True)
    assert "V2__t2" in ran.stderr + ran.stdout
    with engine.connect() as connection:
        assert inspect(connection).get_table_names().count("t10") == 1
        rows = connection.execute(text("SELECT id FROM db_versions ORDER BY 1")).scalars().all()
        assert rows == [1, 2, 10]
    assert project.eai("migrate", "status", "--check").returncode == 0

    written = contents(tmp_path)
    again = project.eai("migrate", "init", check=True)
    assert again.stdout.startswith("alembic.ini is set up already, and was not changed.\n")
    assert "which was not changed" not in again.stdout
    assert contents(tmp_path) == written


def test_json_has_all_of_it(tmp_path: Path, engine: Engine) -> None:
    project = another_teams(tmp_path, engine.url)
    done = project.eai("migrate", "init", "--json", check=True)
    found = json.loads(done.stdout)
    assert sorted(found) == [
        *("config", "database", "files", "folder", "made_folder", "orders_differ", "settings"),
        *("to_add", "wrote_config"),
    ]
    assert found["settings"] == {
        "upgrade_function": "up",
        "downgrade_function": "down",
        "argument": "cursor",
        "order": "number",
    }
    assert found["files"][2] == {
        "stem": "V10__t10",
        "takes": "cursor",
        "annotated": False,
        "problem": None,
        "line": None,
    }
    assert found["database"]["rows"] == 0
    assert found["database"]["status"]["pending"] == ["V1__t1", "V2__t2", "V10__t10"]


def test_a_configuration_that_is_there_is_told_what_to_add(tmp_path: Path) -> None:
    project = another_teams(tmp_path, None)
    ini = project.ini(extra="upgrade_function = up\n")
    done = project.eai("migrate", "init", check=True)
    assert (
        "Put into alembic.ini, which was not changed:\n"
        "    downgrade_function = down\n"
        "    argument = cursor\n"
        "    order = number\n"
    ) in done.stdout
    assert ini.read_text().endswith("upgrade_function = up\n")


def test_a_file_that_could_not_run_is_told_with_the_reason(tmp_path: Path) -> None:
    project = another_teams(tmp_path, None)
    write(project.migrations, "V11__x.py", text="async def up(cur): pass\n")
    write(project.migrations, "V12__y.py", text='def up(c):\n    c.cursor().execute("x")\n')
    write(project.migrations, "V13__z.py", text="def up(cur:\n")
    done = project.eai("migrate", "init", check=True)
    assert "  3 could not run as they stand:\n" in done.stdout
    assert "    V11__x.py:1: `up` is `async def`: calling it would run nothing." in done.stdout
    assert "    V12__y.py:2: `up` gets a cursor of the driver, which has no `cursor`" in done.stdout
    assert "    V13__z.py:1: this is not valid Python" in done.stdout


def test_an_order_that_nothing_shows_is_left_to_a_person(tmp_path: Path, engine: Engine) -> None:
    project = another_teams(tmp_path, engine.url)
    (tmp_path / "scripts" / "migrate.py").unlink()
    done = project.eai("migrate", "init")
    assert "  order      unclear: the names sort otherwise than the numbers count." in done.stdout
    assert "V10__t10.py would run before V1__t1.py" in done.stdout
    refused = project.eai("migrate")
    assert refused.returncode == 4
    assert "order = number (as the numbers count)" in refused.stderr


def test_a_pyproject_without_alembic_is_no_configuration(root: Path) -> None:
    (root / "pyproject.toml").write_text('[project]\nname = "x"\n')
    assert planned(root).new_config


def test_a_configuration_that_cannot_be_read_is_told(root: Path) -> None:
    (root / "alembic.ini").write_text("nonsense\n")
    with pytest.raises(UsageError, match="cannot be read: line 1"):
        planned(root)
