"""`eai migrate`: what it says, how it ends, and what signals and pipes do to its process."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from support.forked import commands_of
from support.locked import holding
from support.project import DEFAULT_INI, TIMEOUT, Project
from support.running import ask, poll
from support.terminal import run_on_terminal, screen_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import URL, Engine

BIN = Path(sys.executable).parent

CREATE = """\
    from sqlalchemy import text

    description = "Adds {name}"

    def upgrade(db):
        db.execute(text("CREATE TABLE {name} (id int)"))
        db.commit()
    """


def with_tables(project: Project, *stems: str) -> Project:
    """Write one migration for each stem, which creates a table named after it."""
    for stem in stems:
        project.write(stem, CREATE.format(name=stem.partition("_")[2]))
    return project


def applied(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        if connection.scalar(text("SELECT to_regclass('schema_migrations')")) is None:
            return []
        return list(connection.scalars(text("SELECT version FROM schema_migrations ORDER BY 1")))


def tables(engine: Engine) -> set[str]:
    with engine.connect() as connection:
        rows = connection.scalars(
            text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        )
        return set(rows)


def test_pending_migrations_are_applied_and_told_one_by_one(
    project: Project, engine: Engine
) -> None:
    with_tables(project, "001_a", "002_b")
    done = project.program("eai", "migrate")
    assert done.returncode == 0
    assert done.stdout == "Applied 2 migrations: the database is up to date.\n"
    first, *rest = done.stderr.splitlines()
    assert first.startswith(f"Database {engine.url.database} on the socket in ")
    assert first.endswith("(from DATABASE_URL)")
    told = [re.sub(r"\d+\.\d\d s", "TIME", line) for line in rest]
    assert told == [
        "  001_a  Adds a",
        "  001_a  done in TIME",
        "  002_b  Adds b",
        "  002_b  done in TIME",
    ]
    assert applied(engine) == ["001_a", "002_b"]


def test_one_migration_is_counted_as_one(project: Project) -> None:
    with_tables(project, "001_a")
    done = project.eai("migrate")
    assert done.stdout == "Applied 1 migration: the database is up to date.\n"


def test_a_second_run_finds_nothing_to_do(project: Project) -> None:
    with_tables(project, "001_a").eai("migrate", check=True)
    again = project.eai("migrate")
    assert again.returncode == 0
    assert again.stdout == "Nothing to do: the database is up to date.\n"
    assert "001_a" not in again.stderr


def test_to_stops_after_the_named_migration(project: Project, engine: Engine) -> None:
    with_tables(project, "001_a", "002_b", "003_c")
    done = project.eai("migrate", "--to", "002")
    assert done.stdout == "Applied 2 migrations, up to 002.\n"
    assert applied(engine) == ["001_a", "002_b"]
    assert project.eai("migrate", "--to", "002").stdout == "Nothing to do, up to 002.\n"


def test_dry_run_lists_in_order_and_writes_nothing(project: Project, engine: Engine) -> None:
    with_tables(project, "002_b", "001_a")
    done = project.eai("migrate", "--dry-run")
    assert done.returncode == 0
    assert done.stdout == ("Would apply 2 migrations:\n  001_a  Adds a\n  002_b  Adds b\n")
    assert tables(engine) == set()


def test_sql_writes_a_script_of_what_is_pending_and_runs_nothing(
    project: Project, engine: Engine
) -> None:
    with_tables(project, "001_a").eai("migrate", check=True)
    with_tables(project, "002_b", "003_c")
    done = project.eai("migrate", "--sql", "--to", "002", check=True)
    assert "CREATE TABLE b (id int);" in done.stdout
    assert "INSERT INTO schema_migrations" in done.stdout
    assert not re.search("CREATE TABLE (a|c) ", done.stdout)
    assert "Database " not in done.stdout
    assert done.stderr.startswith("Database ")
    assert applied(engine) == ["001_a"]


def test_sql_and_dry_run_are_two_things(folder_project: Project) -> None:
    done = folder_project.eai("migrate", "--sql", "--dry-run")
    assert (done.returncode, done.stdout) == (2, "")
    assert "give it or --dry-run, not both" in done.stderr


def test_dry_run_says_which_migration_came_late(project: Project) -> None:
    with_tables(project, "001_a", "003_c").eai("migrate", check=True)
    with_tables(project, "002_b")
    done = project.eai("migrate", "--dry-run")
    assert done.stdout.splitlines()[1:] == [
        "  002_b  Adds b  (late: its name sorts before one that is applied)"
    ]


def test_dry_run_respects_to_and_says_when_nothing_is_pending(project: Project) -> None:
    with_tables(project, "001_a", "002_b")
    assert project.eai("migrate", "--dry-run", "--to", "001").stdout == (
        "Would apply 1 migration, up to 001:\n  001_a  Adds a\n"
    )
    project.eai("migrate", check=True)
    done = project.eai("migrate", "--dry-run")
    assert done.stdout == "Nothing to do: the database is up to date.\n"


def test_verbose_shows_each_statement_and_parameters_only_on_request(project: Project) -> None:
    project.write(
        "001_a",
        """
        from sqlalchemy import text

        def upgrade(db):
            db.execute(text("CREATE TABLE a (name text)"))
            db.execute(text("INSERT INTO a VALUES (:name)"), {"name": "Mrs Smith"})
            db.commit()

        def downgrade(db):
            db.execute(text("DROP TABLE a"))
        """,
    )
    verbose = project.eai("migrate", "--verbose")
    assert "    CREATE TABLE a (name text)\n    INSERT INTO a VALUES (" in verbose.stderr
    assert "Mrs Smith" not in verbose.stderr
    project.alembic("downgrade", "base", check=True)
    assert "CREATE TABLE" not in project.eai("migrate").stderr
    project.alembic("downgrade", "base", check=True)
    shown = project.eai("migrate", "-v", "--show-parameters")
    assert "    parameters: {'name': 'Mrs Smith'}\n" in shown.stderr
    project.alembic("downgrade", "base", check=True)
    by_variable = project.eai("migrate", "-v", env={"BRIDGE_SHOW_PARAMETERS": "true"})
    assert "Mrs Smith" in by_variable.stderr


def test_a_failing_migration_ends_with_exit_code_1_and_says_what_stays(
    project: Project, engine: Engine
) -> None:
    with_tables(project, "001_a")
    project.write(
        "002_b",
        """
        from sqlalchemy import text

        def upgrade(db):
            db.execute(text("CREATE TABLE b (id int)"))
            db.execute(text("SELECT nonsense"))
        """,
    )
    done = project.eai("migrate")
    assert done.returncode == 1
    assert done.stdout == ""
    assert re.search(r"^  002_b  failed after \d\.\d\d s$", done.stderr, re.MULTILINE)
    assert re.search(r"^Error: 002_b failed: \S+002_b.py, line 6$", done.stderr, re.MULTILINE)
    assert 'column "nonsense" does not exist' in done.stderr
    assert "Everything it did was rolled back." in done.stderr
    assert "001_a was applied before it and stays so." in done.stderr
    assert done.stderr.endswith("type: eai migrate\n")
    assert "Traceback" not in done.stderr
    assert applied(engine) == ["001_a"]


def test_verbose_shows_where_a_migration_s_own_code_failed(project: Project) -> None:
    project.write(
        "001_a",
        """
        def helper():
            return {}["missing"]

        def upgrade(db):
            helper()
        """,
    )
    assert "Traceback" not in project.eai("migrate").stderr
    verbose = project.eai("migrate", "--verbose").stderr
    assert "Traceback (most recent call last):" in verbose
    assert 'return {}["missing"]' in verbose
    assert verbose.index("Traceback") < verbose.index("Error: 001_a failed")


@pytest.mark.parametrize(
    "body",
    [
        """db.execute(text("INSERT INTO a VALUES (:id)"), {"id": "secret"})""",
        """
        try:
            db.execute(text("INSERT INTO a VALUES (:id)"), {"id": "secret"})
        except Exception as error:
            raise ValueError("no luck") from error
        """,
    ],
    ids=["itself", "as a cause"],
)
def test_verbose_does_not_show_the_parameters_of_a_statement_that_failed(
    project: Project, body: str
) -> None:
    with_tables(project, "001_a")
    lines = "\n".join(f"    {line.removeprefix('        ')}" for line in body.splitlines())
    project.write("002_b", "from sqlalchemy import text\n\ndef upgrade(db):\n" + lines)
    done = project.eai("migrate", "--verbose")
    assert done.returncode == 1
    assert "Error: 002_b failed" in done.stderr
    assert "'secret'" not in done.stderr


def test_without_any_url_nothing_is_started_and_the_exit_code_is_2(
    folder_project: Project, tmp_path: Path
) -> None:
    with_tables(folder_project, "001_a")
    data = tmp_path / "embedded"
    done = folder_project.eai("migrate", env={"BRIDGE_EMBEDDED_DATA": str(data)})
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("Error: No database is named.")
    assert "--embedded" in done.stderr
    assert not data.exists()


def test_a_database_that_is_not_postgresql_is_refused(folder_project: Project) -> None:
    done = folder_project.eai("migrate", "--database-url", "sqlite:///x.db")
    assert done.returncode == 2
    assert "Error: --database-url is a URL for sqlite" in done.stderr
    assert not (folder_project.path / "x.db").exists()


def test_two_databases_at_once_are_refused(folder_project: Project) -> None:
    done = folder_project.eai("migrate", "--embedded", "--database-url", "postgresql://h/d")
    assert done.returncode == 2
    assert "name two databases" in done.stderr


def test_the_url_on_the_command_line_goes_before_the_variable(
    project: Project, database_url: URL
) -> None:
    with_tables(project, "001_a")
    url = database_url.render_as_string(hide_password=False)
    env = {"DATABASE_URL": "postgresql://nobody:hunter2@127.0.0.1:1/none"}
    done = project.eai("migrate", "--database-url", url, env=env)
    assert done.returncode == 0
    assert "(from --database-url)" in done.stderr


def test_a_server_that_does_not_answer_means_try_again_and_shows_no_password(
    project: Project,
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        url = f"postgresql://app:hunter2@127.0.0.1:{port}/app"
        done = project.eai("migrate", env={"DATABASE_URL": url})
    assert done.returncode == 75
    assert f"Error: No connection to database app on 127.0.0.1:{port} as app" in done.stderr
    assert "hunter2" not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_a_server_is_waited_for_and_that_is_told(project: Project) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"postgresql://app@127.0.0.1:{unused.getsockname()[1]}/app"
        done = project.eai("migrate", "--wait-for-server", "0.3", env={"DATABASE_URL": url})
    assert done.returncode == 75
    assert "nothing listens there. Trying again." in done.stderr


def test_an_unknown_revision_is_wrong_usage(project: Project, engine: Engine) -> None:
    with_tables(project, "001_a")
    done = project.eai("migrate", "--to", "999")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("Error: ")
    assert "999" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert applied(engine) == []


def test_a_configuration_that_is_not_there_is_wrong_usage(project: Project) -> None:
    done = project.eai("migrate", "-c", "nowhere.ini")
    assert done.returncode == 2
    assert done.stderr.startswith("Error: ")
    assert "nowhere.ini" in done.stderr


def test_the_configuration_can_be_elsewhere(project: Project, tmp_path: Path) -> None:
    with_tables(project, "001_a")
    done = project.eai("migrate", "--config", str(project.path / "alembic.ini"), cwd=tmp_path)
    assert done.returncode == 0
    assert "Applied 1 migration" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("foo",), "No such command 'foo'"),
        (("--foo",), "No such option"),
        # Click, which Typer had before 0.26, has other signs than Typer itself.
        (("status", "--foo"), r"No such option:? '?--foo'?\.?\n"),
        (
            ("status", "--embedded"),
            (
                r"No such option:? '?--embedded'?\. Write it before status: eai migrate --embedded "
                r"status\n"
            ),
        ),
        (("check", "-c", "x"), r"-c'?\. Write it before check: eai migrate -c FILE check\n"),
        # What is for `eai migrate` itself is not sent to and fro between two messages.
        (
            ("status", "--to", "002"),
            r"No such option:? '?--to'?\. It is for eai migrate itself: eai migrate --to REV\n",
        ),
        (("--to", "002", "status"), r"--to'?: status has no such option\. Nothing was started\.\n"),
        (("--to", "002", "rehearse"), r"--to'?: write it after rehearse\. Nothing was started\.\n"),
        (("--wait-for-lock", "soon"), "--wait-for-lock"),
        (("--wait-for-lock", "-1"), r"wait_for_lock \(--wait-for-lock\) is -1.0"),
    ],
)
def test_wrong_usage_has_exit_code_2(
    project: Project, arguments: tuple[str, ...], expected: str
) -> None:
    done = project.eai("migrate", *arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert re.search(expected, done.stderr)
    assert "Traceback" not in done.stderr


def test_a_broken_file_has_exit_code_4_and_nothing_runs(project: Project, engine: Engine) -> None:
    with_tables(project, "001_a")
    project.write("002_b", "def upgrade(db:\n")
    done = project.eai("migrate")
    assert done.returncode == 4
    assert "Error: " in done.stderr
    assert "002_b.py" in done.stderr
    assert applied(engine) == []


def test_a_lock_that_another_holds_means_try_again_and_names_the_holder(
    project: Project, engine: Engine
) -> None:
    with_tables(project, "001_a")
    with holding(engine, "000_other"):
        done = project.eai("migrate", "--wait-for-lock", "0.5")
    assert done.returncode == 75
    assert done.stdout == ""
    waiting, error = done.stderr.splitlines()[1:3]
    assert waiting.startswith("Waiting for the migration lock: it is held by backend ")
    assert "running 000_other" in waiting
    assert error.startswith("Error: The migration lock of this database was not obtained")
    assert "running 000_other" in error


def test_what_migrations_print_and_log_appears_in_order(project: Project) -> None:
    project.write(
        "001_a",
        """
        import logging
        import sys

        description = "Talks"

        def upgrade(db):
            print("printed first")
            logging.getLogger("app.m").info("logged second")
            print("third", file=sys.stderr)
            print("fourth", end="")
            print(" and fifth")
            logging.getLogger("app.m").debug("never")
        """,
    )
    process = subprocess.run(
        [BIN / "eai", "migrate"],
        cwd=project.path,
        env=project.environ(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
        timeout=TIMEOUT,
    )
    assert process.stdout.splitlines()[1:] == [
        "  001_a  Talks",
        "printed first",
        "INFO app.m: logged second",
        "third",
        "fourth and fifth",
        process.stdout.splitlines()[-2],
        "Applied 1 migration: the database is up to date.",
    ]
    assert "001_a  done in" in process.stdout.splitlines()[-2]


def test_lines_leave_while_the_migration_runs(project: Project, engine: Engine) -> None:
    """A log collector sees them when they happen, not when the process ends."""
    project.write(
        "001_a",
        """
        from sqlalchemy import text

        def upgrade(db):
            print("waiting")
            db.execute(text("SELECT pg_sleep(600)"))
        """,
    )
    process = project.popen_eai("migrate")
    assert process.stdout is not None
    assert process.stdout.readline() == "waiting\n"
    assert process.poll() is None
    process.terminate()
    process.communicate(timeout=TIMEOUT)


@pytest.fixture
def _ctrl_c_is_not_ignored() -> Iterator[None]:
    """A background job ignores it, and its children inherit that."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_ctrl_c_is_not_ignored")
@pytest.mark.parametrize(
    ("signum", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)], ids=["SIGTERM", "SIGINT"]
)
def test_a_signal_ends_the_run_in_its_statement_and_nothing_of_it_stays(
    project: Project, engine: Engine, signum: signal.Signals, code: int
) -> None:
    with_tables(project, "001_a")
    project.write(
        "002_b",
        """
        from sqlalchemy import text

        def upgrade(db):
            db.execute(text("CREATE TABLE b (id int)"))
            db.execute(text("SELECT pg_sleep(600)"))
            db.commit()
        """,
    )
    process = project.popen_eai("migrate")
    sleeping = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    sleeping += " AND state = 'active' AND query LIKE 'SELECT pg_sleep%'"
    poll(lambda: ask(engine, sleeping))
    process.send_signal(signum)
    out, err = process.communicate(timeout=TIMEOUT)
    assert process.returncode == code
    assert out == ""
    assert re.search(r"^  002_b  stopped after \d+\.\d\d s$", err, re.MULTILINE)
    assert f"\nInterrupted by {signum.name}." in err
    assert "Traceback" not in err
    assert applied(engine) == ["001_a"]
    assert "b" not in tables(engine)


def test_a_signal_ends_the_wait_for_another_migrator(project: Project, engine: Engine) -> None:
    with_tables(project, "001_a")
    with holding(engine), commands_of(project) as start:
        run = start()
        run.told("Waiting for the migration lock")
        run.send(signal.SIGTERM)
        ended = run.end()
    assert ended.code == 143
    assert ended.err.endswith("\nInterrupted by SIGTERM.\n")


def test_a_signal_ends_the_question_whether_anything_is_pending(
    project: Project, engine: Engine
) -> None:
    with_tables(project, "001_a")
    assert project.eai("migrate").returncode == 0
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    waiting += " AND relation = 'schema_migrations'::regclass"
    with engine.begin() as other, commands_of(project) as start:
        other.execute(text("LOCK TABLE schema_migrations IN ACCESS EXCLUSIVE MODE"))
        run = start()
        poll(lambda: other.scalar(text(waiting)))
        run.send(signal.SIGTERM)
        ended = run.end()
    assert (ended.code, ended.out) == (143, "")
    assert ended.err.endswith("\nInterrupted by SIGTERM.\n")
    assert "Traceback" not in ended.err


def test_at_a_breakpoint_nothing_moves(project: Project) -> None:
    project.write("001_a", "def upgrade(db):\n    breakpoint()\n    print('after')\n")
    code, written = run_on_terminal(
        project, "migrate", typed="continue\n", prompt="(Pdb) ", after=1
    )
    assert code == 0
    before, _, rest = written.partition("(Pdb) ")
    assert "001_a" in before
    waited, echo, told = rest.partition("continue")
    assert waited == ""
    assert echo
    assert "after" in told


def test_on_a_terminal_the_moving_line_leaves_nothing_behind(project: Project) -> None:
    project.write(
        "001_a",
        """
        import time
        from sqlalchemy import text

        description = "Slow"

        def upgrade(db):
            db.execute(text("SELECT pg_sleep(0.7)"))
            print("from the migration")
            time.sleep(0.3)
        """,
    )
    code, written = run_on_terminal(project, "migrate")
    assert code == 0
    assert re.search(r"\S 001_a  SELECT pg_sleep\(0\.7\)  0 s", written)
    assert "\x1b[1m001_a\x1b[0m" in written
    told = screen_of(written)
    told = told[told.index("from the migration") :]  # below the database, in a line or two
    assert re.fullmatch(r"  001_a  Slow  done in \d+\.\d\d s", told[1])
    assert told[2:] == ["Applied 1 migration: the database is up to date."]


def test_a_team_s_own_typer_app_can_mount_it(project: Project, engine: Engine) -> None:
    with_tables(project, "001_a")
    (project.path / "manage.py").write_text(
        "import typer, bridge.cli\n"
        "app = typer.Typer()\n"
        "app.add_typer(bridge.cli.migrate, name='upgrade-database')\n"
        "app.command()(lambda: print('hello'))\n"
        "app()\n"
    )
    assert_mounted(project, engine)


def test_a_team_s_own_click_group_can_mount_it(project: Project, engine: Engine) -> None:
    with_tables(project, "001_a")
    (project.path / "manage.py").write_text(
        "import click, typer.main, bridge.cli\n"
        "@click.group()\n"
        "def cli(): pass\n"
        "cli.add_command(typer.main.get_command(bridge.cli.migrate), 'upgrade-database')\n"
        "cli()\n"
    )
    assert_mounted(project, engine)


def test_a_team_mounts_it_with_a_configuration_of_a_package_s(
    project: Project, engine: Engine
) -> None:
    """As in an image: the files are in the package, and the working directory is another one."""
    package = project.path / "shop"
    (package / "migrations").mkdir(parents=True)
    (package / "__init__.py").touch()
    (project.path / "alembic.ini").rename(package / "alembic.ini")
    (package / "migrations" / "001_a.py").write_text(
        "description = 'A'\n\ndef upgrade(db):\n    pass\n"
    )
    (package / "cli.py").write_text(
        "from pathlib import Path\n"
        "import bridge.cli, typer\n"
        "app = typer.Typer()\n"
        "app.command()(lambda: print('hello'))\n"
        "ini = Path(__file__).with_name('alembic.ini')\n"
        "migrate = bridge.cli.make(config=ini, prog='shop db')\n"
        "app.add_typer(migrate, name='db')\n"
    )
    (project.path / "run.py").write_text(
        "import os, sys\n"
        "sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))\n"
        "os.chdir('/')\n"
        "from shop.cli import app\n"
        "app()\n"
    )
    run = partial(project.program, "python", "run.py")
    done = run("db")
    assert (done.returncode, done.stdout) == (
        0,
        "Applied 1 migration: the database is up to date.\n",
    )
    assert applied(engine) == ["001_a"]
    assert "001_a" in run("db", "status").stdout
    other = run("db", "--config", "/nowhere.ini")
    assert other.returncode == 2
    refused = run("db", "downgrade", "base")
    assert "shop db downgrade" in run("db", "downgrade", "--help").stdout
    assert refused.returncode == 2


def assert_mounted(project: Project, engine: Engine) -> None:
    """It works, and so do its help and its exit codes."""

    manage = partial(project.script, "manage.py")
    overview = project.program("python", "manage.py", "--help")
    assert overview.returncode == 0
    assert "Apply the migrations that this database does not have" in overview.stdout
    told = manage("upgrade-database", "--help")
    assert told.returncode == 0
    assert "75  try again later" in told.stdout
    assert "Traceback" not in told.stderr
    done = manage("upgrade-database", "--to", "001")
    assert (done.returncode, done.stdout) == (0, "Applied 1 migration, up to 001.\n")
    assert applied(engine) == ["001_a"]
    for arguments, code in {("--to", "999"): 2, ("--no-such-option",): 2, ("foo",): 2}.items():
        wrong = manage("upgrade-database", *arguments)
        assert wrong.returncode == code
        assert "Error" in wrong.stderr
        assert "Traceback" not in wrong.stderr
    project.write("002_b", "def upgrade(db):\n    1 / 0\n")
    failed = manage("upgrade-database")
    assert failed.returncode == 1
    assert failed.stderr.endswith("type: manage.py upgrade-database\n")


def test_python_m_bridge_is_the_same_command(project: Project, engine: Engine) -> None:
    with_tables(project, "001_a")
    done = project.program("python", "-m", "bridge", "migrate")
    assert (done.returncode, done.stdout) == (
        0,
        "Applied 1 migration: the database is up to date.\n",
    )
    assert applied(engine) == ["001_a"]


COMMANDS = [
    "migrate",
    "migrate status",
    "migrate new",
    "migrate check",
    "migrate lint",
    "migrate rehearse",
    "migrate wait",
    "migrate lock",
    "migrate downgrade",
    "migrate mark",
    "migrate provision",
    "migrate repair",
    "migrate init",
    "migrate import",
    "migrate squash",
    "migrate dump",
    "migrate load",
    "migrate compare",
    "migrate eject",
]
DB_COMMANDS = ["db", "db url", "db psql", "db stop", "db destroy"]


@pytest.mark.parametrize("command", COMMANDS + DB_COMMANDS)
def test_every_command_has_help_with_an_example(folder_project: Project, command: str) -> None:
    told = folder_project.eai(*command.split(), "--help", check=True).stdout
    assert re.search(rf"^ +Examples?:\n +[^\n]*eai {command}", told, re.MULTILINE)
    assert f"Usage: eai {command} [OPTIONS]" in told


def test_these_are_all_the_commands_there_are(folder_project: Project) -> None:
    def listed(*command: str) -> list[str]:
        told = folder_project.eai(*command, "--help", check=True).stdout
        _, _, rows = told.partition("\nCommands:\n")
        rows = rows.partition("\n\n")[0]
        return re.findall(r"^  (\w+) ", rows, re.MULTILINE)

    assert listed() == ["migrate", "db"]
    assert [f"migrate {name}" for name in listed("migrate")] == COMMANDS[1:]
    assert [f"db {name}" for name in listed("db")] == DB_COMMANDS[1:]


def test_help_lists_the_exit_codes_and_names_the_variables(folder_project: Project) -> None:
    told = folder_project.eai("migrate", "--help", check=True).stdout
    _, _, table = told.partition("Exit codes:\n")
    codes = re.findall(r"^ +(\d+)  \w", table.partition("\n\n")[0], re.MULTILINE)
    assert codes == ["0", "1", "2", "4", "75", "130", "143"]
    for variable in (
        "MIGRATION_DATABASE_URL",
        "DATABASE_URL",
        "ALEMBIC_CONFIG",
        "BRIDGE_WAIT_FOR_LOCK",
        "BRIDGE_WAIT_FOR_SERVER",
        "BRIDGE_SHOW_PARAMETERS",
    ):
        assert variable in told
    flat = " ".join(told.split())
    assert "Others on this machine can see it in the list of processes, with its password" in flat


def test_help_is_quick_because_it_imports_no_alembic(folder_project: Project) -> None:
    told = folder_project.python(
        """
        import sys
        from bridge.cli import app
        print(sorted({"alembic", "sqlalchemy", "psycopg2", "rich"} & sys.modules.keys()))
        """,
        check=True,
    )
    assert told.stdout == "[]\n"


def test_a_late_migration_is_warned_about_and_run(project: Project, engine: Engine) -> None:
    with_tables(project, "001_a", "003_c").eai("migrate", check=True)
    with_tables(project, "002_b")
    done = project.eai("migrate")
    assert done.returncode == 0
    assert "Warning: 002_b.py comes late: 003_c was applied before." in done.stderr
    assert applied(engine) == ["001_a", "002_b", "003_c"]


def test_a_missing_folder_has_exit_code_4(project: Project) -> None:
    project.ini(DEFAULT_INI.replace("%(here)s/migrations", "%(here)s/gone"))
    done = project.eai("migrate")
    assert done.returncode == 4
    assert "gone" in done.stderr


def test_a_migration_that_exits_has_failed(project: Project, engine: Engine) -> None:
    """Exit code 0 with a migration left over would let a deployment go on."""
    project.write("001_a", "import sys\n\ndef upgrade(db):\n    sys.exit(0)\n")
    done = project.eai("migrate")
    assert done.returncode == 1
    assert "Error: 001_a failed" in done.stderr
    assert applied(engine) == []


def test_a_result_that_nobody_reads_is_no_failure(project: Project, engine: Engine) -> None:
    with_tables(project, "001_a")
    done = subprocess.run(
        f"'{BIN / 'eai'}' migrate | true; exit ${{PIPESTATUS[0]}}",
        shell=True,
        executable="/bin/bash",
        cwd=project.path,
        env=project.environ(),
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT,
    )
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr
    assert applied(engine) == ["001_a"]


def test_the_lines_are_for_the_database_that_the_url_names(project: Project) -> None:
    """A password in the URL is never told, not even when everything goes well."""
    assert project.url is not None
    engine = create_engine(project.url, poolclass=NullPool)
    with engine.begin() as connection:
        role = f"r_{project.url.database}"
        connection.execute(text(f"CREATE ROLE {role} SUPERUSER LOGIN PASSWORD 'hunter2'"))
    url = project.url.set(username=role, password="hunter2")
    try:
        done = project.eai(
            "migrate", "-v", env={"DATABASE_URL": url.render_as_string(hide_password=False)}
        )
    finally:
        with engine.begin() as connection:
            connection.execute(text(f"DROP OWNED BY {role}; DROP ROLE {role}"))
    assert done.returncode == 0
    assert f" as {role} " in done.stderr
    assert "hunter2" not in done.stdout + done.stderr


def test_a_signal_that_a_file_swallows_ends_the_run_all_the_same(
    project: Project, engine: Engine
) -> None:
    project.write(
        "001_deaf",
        """
        import os, signal, time
        from sqlalchemy import text

        def upgrade(db):
            db.execute(text("CREATE TABLE deaf (id int)"))
            try:
                os.kill(os.getpid(), signal.SIGTERM)
                time.sleep(30)
            except BaseException:
                pass
            db.commit()
        """,
    )
    with_tables(project, "002_next")
    done = project.program("eai", "migrate")
    assert done.returncode == 143
    assert "\nInterrupted by SIGTERM. 001_deaf" in done.stderr
    assert applied(engine) == []
