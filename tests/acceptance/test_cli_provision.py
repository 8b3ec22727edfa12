"""`eai migrate provision`: in a terminal, several at once, and killed."""

from __future__ import annotations

import json
import secrets
import time
from typing import TYPE_CHECKING

import pytest

from support.tenants import Tenants

if TYPE_CHECKING:
    import subprocess

    from support.project import Project

N = ("-n", "tenants")
#: Waits until a table lets it go on, the first time that it runs.
HELD = """\
from sqlalchemy import text

description = "Held"


def upgrade(db):
    db.execute(text("CREATE TABLE two (id bigint)"))
    db.execute(text("SELECT pg_sleep(120) WHERE EXISTS (SELECT FROM public.held)"))
    db.commit()
"""


@pytest.fixture
def tenants(project: Project) -> Tenants:
    tenants = Tenants.of(project)
    tenants.files("001_one", "002_two")
    return tenants


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    out, err = process.communicate(timeout=120)
    return process.returncode, out + err


def test_it_says_what_it_has_made(tenants: Tenants) -> None:
    done = tenants.project.eai("migrate", "provision", "acme", *N)
    assert done.returncode == 0, done.stderr
    assert "The schema acme is new." in done.stderr
    assert done.stdout.endswith("Applied 2 migrations: the database is up to date.\n")
    again = tenants.project.eai("migrate", *N, "provision", "acme", check=True)
    assert again.stdout == "Nothing to do: the database is up to date.\n"
    assert tenants.rows("acme") == ["001_one", "002_two"]


def test_a_file_may_list_the_targets(tenants: Tenants) -> None:
    listed = tenants.project.path / "targets.txt"
    listed.write_text('{"name": "acme", "schema": "a1"}\n')
    done = tenants.project.eai("migrate", *N, "provision", "acme", "--targets", str(listed))
    assert done.returncode == 0, done.stderr
    assert tenants.tables("a1") == ["one", "two"]


def test_json_has_the_sentence(tenants: Tenants) -> None:
    done = tenants.project.eai("migrate", *N, "--log-format", "json", "provision", "acme")
    told = [json.loads(line) for line in (done.stdout + done.stderr).splitlines()]
    assert "The schema acme is new." in [each.get("message") for each in told]


@pytest.mark.parametrize("option", ["--target", "--all"])
def test_other_options_of_targets_are_refused(tenants: Tenants, option: str) -> None:
    value = ["beta"] if option == "--target" else []
    done = tenants.project.eai("migrate", *N, option, *value, "provision", "acme")
    assert done.returncode == 2
    assert f"Invalid value for {option}" in done.stderr
    assert "Nothing was started" in " ".join(done.stderr.split())


def test_of_several_at_once_one_makes_it_and_the_others_wait(tenants: Tenants) -> None:
    all_ = [tenants.project.popen_eai("migrate", *N, "provision", "acme") for _ in range(4)]
    told = [ended(each) for each in all_]
    assert [code for code, _ in told] == [0, 0, 0, 0], told
    assert len([text for _, text in told if "Applied 2 migrations" in text]) == 1
    assert tenants.rows("acme") == ["001_one", "002_two"]


def test_of_several_at_once_one_makes_the_database(tenants: Tenants) -> None:
    assert tenants.project.url is not None
    name = f"provisioned_{secrets.token_hex(4)}"
    url = tenants.project.url.set(database=name)
    listed = tenants.project.path / "targets.txt"
    target = {"name": "acme", "url": url.render_as_string(hide_password=False)}
    listed.write_text(json.dumps(target))
    command = ("migrate", *N, "provision", "acme", "--targets", str(listed))
    told = [ended(each) for each in [tenants.project.popen_eai(*command) for _ in range(3)]]
    try:
        assert [code for code, _ in told] == [0, 0, 0], told
        assert len([text for _, text in told if "Applied 2 migrations" in text]) == 1
        assert len([text for _, text in told if f"The database {name} is new." in text]) == 1
    finally:
        engine = tenants.engine.execution_options(isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def test_after_kill_9_the_same_command_finishes_it(tenants: Tenants) -> None:
    tenants.project.write("002_two", HELD)
    tenants.execute("CREATE TABLE public.held ()", "INSERT INTO public.held DEFAULT VALUES")
    process = tenants.project.popen_eai("migrate", *N, "provision", "acme")
    give_up = time.monotonic() + 60
    asleep = (
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND "
        "query LIKE '%pg_sleep%' AND wait_event = 'PgSleep'"
    )
    while not (found := tenants.ask(asleep)):
        assert time.monotonic() < give_up
        time.sleep(0.05)
    process.kill()
    ended(process)
    tenants.execute("DELETE FROM public.held", f"SELECT pg_terminate_backend({found[0]})")
    done = tenants.project.eai("migrate", *N, "provision", "acme")
    assert done.returncode == 0, done.stderr
    assert "The schema acme is new." not in done.stderr
    assert tenants.rows("acme") == ["001_one", "002_two"]
    assert tenants.tables("acme") == ["one", "two"]
