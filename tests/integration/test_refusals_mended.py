"""The ways on: each mends what it was given, lets that through, and nothing else."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from support import situations as s
from support.books import Books
from support.every_command import COMMANDS, Place, Told, eai
from support.findings import found_in
from support.project import Project
from support.scenes import A, B, C, Scene
from support.snapshot import snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.databases import Databases


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory, databases: Databases) -> Scene:
    path = tmp_path_factory.mktemp("mended") / "project"
    return Scene(Books(Project.create(path, databases.take())))


@pytest.fixture
def scene(kept: Scene) -> Scene:
    kept.clear()
    return kept


def ids(told: Told) -> list[str]:
    return [id_ for id_, _ in told.refusals]


def sentences(told: Told) -> str:
    return "\n".join(found_in(sentence) for _, sentence in told.refusals)


def test_a_repair_of_one_name_leaves_the_others_refused(scene: Scene) -> None:
    scene.applied()
    scene.rename(A, "004_one")
    scene.rename(B, "005_two")
    before = sentences(eai(scene.place))
    assert "001_a" in before
    assert "002_b" in before
    assert eai(scene.place, "repair", "004_one", "--yes").code == 0
    after = eai(scene.place)
    assert ids(after) == ["renamed"]
    assert "001_a" not in sentences(after)
    assert sentences(after) in before
    assert eai(scene.place, "repair", "--yes").code == 0
    assert eai(scene.place).code == 0
    assert scene.books.ran == [A, B, C]


def test_what_is_marked_as_new_runs_and_what_else_may_be_renamed_does_not(scene: Scene) -> None:
    scene.adopted(A, B)
    for old, new in ((A, "001_new"), (B, "002_other")):
        scene.rename(old, new)
        scene.change(new)
    scene.sql("INSERT INTO schema_migrations (version) VALUES ('000_first')")
    scene.books.files("000_first")
    assert eai(scene.place, "mark", "001_new", "--pending", "--yes").code == 0
    found = eai(scene.place)
    assert ids(found) == ["maybe-renamed"]
    assert "002_other" in sentences(found)
    assert "001_new" not in sentences(found)
    assert eai(scene.place, "repair", B, "--yes").code == 0
    assert eai(scene.place).code == 0
    assert scene.books.ran == ["001_new", C]


def test_a_ledger_that_a_person_has_adopted_is_believed(scene: Scene) -> None:
    s.rows_of_another_project_of_bridge(scene)
    assert ids(eai(scene.place, "repair", "--adopt", "--dry-run")) == []
    assert ids(eai(scene.place)) == ["foreign-ledger"]
    assert eai(scene.place, "repair", "--adopt", "--yes").code == 0
    assert eai(scene.place).code == 0
    assert scene.books.ran == [A, B, A, B, C]


def test_what_else_is_refused_of_an_adopted_ledger_still_is(scene: Scene) -> None:
    s.rows_of_another_application(scene)
    assert eai(scene.place, "repair", "--adopt", "--yes").code == 0
    assert set(ids(eai(scene.place))) == {"maybe-renamed"}
    assert scene.books.ran == []


@pytest.mark.parametrize("target", ["base", B])
def test_a_stamp_says_what_a_lost_ledger_has_lost(scene: Scene, target: str) -> None:
    s.ledger_emptied(scene)
    assert ids(eai(scene.place)) == ["lost-ledger"]
    scene.books.stamp(target)
    assert eai(scene.place).code == 0
    assert scene.books.ran == [A, B, *([A, B, C] if target == "base" else [C])]


def test_a_row_that_is_marked_does_not_let_an_unreadable_file_through(scene: Scene) -> None:
    scene.applied()
    scene.project.write(C, "def upgrade(db:\n")
    assert eai(scene.place, "mark", B, "--pending", "--yes").code == 0
    assert ids(eai(scene.place)) == ["unreadable-file"]
    assert scene.books.ran == [A, B]


# A database whose encoding lacks characters


@pytest.fixture
def latin(scene: Scene) -> Iterator[Scene]:
    """The same folder, and a database that has not all characters."""
    name = f"{scene.place.url.database}_{secrets.token_hex(2)}"
    admin = create_engine(scene.place.url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(
            text(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
        )
        project = replace(scene.project, url=scene.place.url.set(database=name))
        other = Scene(Books(project))
        other.place = Place(project, other.books.engine.url)
        yield other
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("migrate", 4),
        ("migrate --sql", 4),
        ("status", 0),
        ("mark --applied", 4),
        ("alembic stamp", 4),
        ("bridge.upgrade", 4),
    ],
)
def test_a_name_that_the_encoding_lacks_is_refused(latin: Scene, command: str, code: int) -> None:
    s.another_encoding(latin)
    before = snapshot(latin.books.engine)
    told = COMMANDS[command](latin.place)
    assert (told.code, ids(told)) == (code, ["unstorable-name"])
    assert snapshot(latin.books.engine) == before


# Through real processes


def test_the_commands_themselves_say_and_end_as_the_table_says(scene: Scene) -> None:
    s.renamed_and_gone(scene)
    sentence = sentences(eai(scene.place))
    before = snapshot(scene.books.engine)
    run = {
        "eai": lambda *args: scene.project.eai("migrate", *args),
        "alembic": scene.project.alembic,
    }
    for program, args, code in (
        ("eai", (), 4),
        ("eai", ("status", "--check"), 4),
        ("eai", ("status",), 0),
        ("alembic", ("upgrade", "head"), 4),
    ):
        done = run[program](*args)
        assert done.returncode == code, (program, args, done.stderr)
        assert sentence in found_in(done.stderr), (program, args, done.stderr)
    assert snapshot(scene.books.engine) == before
