"""A ledger that names migrations by paths, with the signs of any system: every command knows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.adopted import Adopted
from support.selection import few

if TYPE_CHECKING:
    from support.project import Project

A, B, C = "001_a", "002_b", "003_c"
FRAMES = (
    "migrations/{}.py",
    "./{}.py",
    "/srv/my app/db/{}",
    "migrations\\{}.py",
    "C:\\Program Files\\app\\{}.py",
    "app/db\\{}",
    "~'%s\\{}.py",
)
QUICK = {"migrations/{}.py", "C:\\Program Files\\app\\{}.py"}.__contains__


@pytest.fixture
def books(project: Project) -> Adopted:
    books = Adopted(project)
    books.files(A, B, C)
    return books


def adopt(books: Adopted, frame: str, *stems: str) -> None:
    books.raw(
        "CREATE TABLE ran (id serial, what text)",
        "CREATE TABLE schema_migrations (path TEXT PRIMARY KEY, at TIMESTAMPTZ DEFAULT now())",
        *(
            "INSERT INTO schema_migrations VALUES ('{}')".format(
                frame.format(stem).replace("'", "''")
            )
            for stem in stems
        ),
    )


def held(books: Adopted, frame: str) -> list[str]:
    """The stems that the rows have within this frame; each row has it."""
    before, _, after = frame.partition("{}")
    rows = books.holds("path")
    assert all(row.startswith(before) and row.endswith(after) for row in rows), rows
    return [row[len(before) : len(row) - len(after)] for row in rows]


@pytest.mark.parametrize("frame", few(FRAMES, quick=QUICK))
def test_every_command_reads_and_writes_paths(books: Adopted, frame: str) -> None:
    adopt(books, frame, A, B)
    states = {each.version: str(each.state) for each in books.status().migrations}
    assert states == {A: "applied", B: "applied", C: "pending"}
    shown = books.project.eai("migrate", "status", check=True).stdout
    assert all(stem in shown for stem in (A, B, C))
    assert frame.partition("{}")[0] not in shown
    assert books.project.eai("migrate", "status", "--check").returncode == 3
    assert books.upgrade() == [C]
    assert held(books, frame) == [A, B, C]
    assert books.pointers == [C]
    books.downgrade("-1")
    assert held(books, frame) == [A, B]
    books.stamp("head")
    assert held(books, frame) == [A, B, C]
    books.mark(B, applied=False)
    assert held(books, frame) == [A, C]
    assert books.upgrade() == [B]
    books.mark(A, applied=False)
    books.mark(A, applied=True)
    assert held(books, frame) == [A, B, C]
    assert books.ran == [C, f"-{C}", B]
    made = books.project.eai("migrate", "new", "add widgets", check=True)
    assert "004_add_widgets.py" in made.stdout


@pytest.mark.parametrize("frame", few(FRAMES, quick=QUICK))
def test_a_renamed_file_is_repaired_within_its_frame(books: Adopted, frame: str) -> None:
    adopt(books, frame, A, B)
    books.upgrade()
    file = books.project.migrations / f"{B}.py"
    file.rename(file.with_name("004_b.py"))
    finding = books.refusal()
    assert finding.id == "renamed"
    assert books.repair() == [f"{B}: renamed: it is 004_b now"]
    assert held(books, frame) == [A, C, "004_b"]
    assert books.upgrade() == []


@pytest.mark.parametrize("frame", few(FRAMES, quick=QUICK))
def test_a_row_without_its_frame_is_refused_and_repaired(books: Adopted, frame: str) -> None:
    adopt(books, frame, A, B)
    books.raw("INSERT INTO schema_migrations VALUES ('003_c.py')")
    books.project.ini(extra="ledger_key = path\n")
    finding = books.refusal()
    assert finding.id == "names-differ"
    books.type(finding, "correct the row: ")
    assert held(books, frame) == [A, B, C]
    assert books.upgrade() == []
    assert books.ran == []


def test_the_form_may_be_set(books: Adopted) -> None:
    adopt(books, "migrations\\{}.py")
    books.project.ini(extra="ledger_key = path\nledger_key_form = path\n")
    assert books.upgrade() == [A, B, C]
    assert held(books, "migrations/{}.py") == [A, B, C]
    books.raw("UPDATE schema_migrations SET path = replace(path, '/', '\\')")
    books.files("004_d")
    assert books.upgrade() == ["004_d"]
    assert held(books, "migrations\\{}.py") == [A, B, C, "004_d"]
