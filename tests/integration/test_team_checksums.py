"""A team's own checksums: compared with the files, and written as the team's runner writes them."""

from __future__ import annotations

import hashlib
import secrets
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from bridge.errors import LedgerError
from support.adopted import Adopted, told
from support.books import LOGGED
from support.running import NOTE_OPENED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.project import Project

A, B, C, D, E = "001_a", "002_b", "003_c", "004_d", "005_e"
#: The column of the team's is called as bridge's would be, or otherwise; it may be empty or not.
COLUMNS = ("checksum TEXT", "checksum CHAR(32) NOT NULL", "hash VARCHAR(32) NOT NULL")


def md5(books: Adopted, stem: str) -> str:
    data = (books.project.migrations / f"{stem}.py").read_bytes()
    return hashlib.md5(data).hexdigest()


def change(books: Adopted, stem: str, what: str = "# changed\n") -> None:
    books.project.write(stem, LOGGED.format(stem=stem) + what)


def rename(books: Adopted, old: str, new: str) -> None:
    file = books.project.migrations / f"{old}.py"
    file.rename(file.with_name(f"{new}.py"))


def adopt(books: Adopted, column: str, *stems: str) -> str:
    """A ledger of another runner that has applied these; gives the name of the column."""
    books.files(*stems)
    rows = ", ".join(f"('{stem}', '{md5(books, stem)}')" for stem in stems)
    books.raw(
        "CREATE TABLE ran (id serial, what text)",
        f"CREATE TABLE schema_migrations (version TEXT PRIMARY KEY, {column}, "
        "applied_at TIMESTAMPTZ DEFAULT clock_timestamp())",
    )
    if stems:
        books.raw(f"INSERT INTO schema_migrations VALUES {rows}")
    return column.partition(" ")[0]


@pytest.fixture
def books(project: Project) -> Adopted:
    return Adopted(project)


@pytest.fixture
def reader(books: Adopted) -> Iterator[Callable[[], Adopted]]:
    """The same as a role that may write the tables, and not alter them."""
    role = f"bridge_test_{secrets.token_hex(4)}"

    def become() -> Adopted:
        books.raw(
            f"CREATE ROLE {role} LOGIN PASSWORD 'secret'",
            f"GRANT ALL ON SCHEMA public TO {role}",
            f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}",
            f"GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {role}",
        )
        other = Adopted(books.project, books.reporter)
        url = books.engine.url.set(username=role, password="secret")
        other.engine = create_engine(url, poolclass=NullPool)
        return other

    yield become
    books.raw(f"DROP OWNED BY {role} CASCADE", f"DROP ROLE {role}")


CHANGED = (
    "001_a.py was changed after having been applied to this database, where it is not run again. "
    "Put a further change into a new migration. To accept the present text, type: eai migrate "
    "repair."
)


@pytest.mark.parametrize("column", COLUMNS)
def test_a_file_that_was_changed_before_bridge_came_is_told_until_it_is_accepted(
    books: Adopted, column: str
) -> None:
    name = adopt(books, column, A, B, C)
    books.files(D)
    change(books, A)
    found = books.status()
    assert [str(each) for each in found.findings] == [CHANGED]
    assert {m.version: m.state for m in found.migrations}[A] == "changed"
    assert books.upgrade() == [D]
    assert books.reporter.warnings == [CHANGED]
    ours = "bridge_checksum" if name == "checksum" else "checksum"
    assert books.holds("version", f"{ours} IS NULL") == [A]
    assert books.holds("version", f"{name} = '{md5(books, D)}'") == [D]
    # And still after that.
    books.files(E)
    books.reporter.warnings.clear()
    assert books.upgrade() == [E]
    assert books.reporter.warnings == [CHANGED]
    assert books.repair() == [f"{A}: changed after it was applied: the present text is accepted"]
    assert books.holds("version", f"{ours} IS NULL") == []
    for stem in (A, B, C, D, E):
        assert books.holds(name, f"version = '{stem}'") == [md5(books, stem)]
    assert books.repair() == []
    assert books.status().findings == ()


def test_a_changed_file_is_refused_where_that_is_set(books: Adopted) -> None:
    adopt(books, COLUMNS[0], A, B, C)
    books.files(D)
    books.project.ini(extra="drift = refuse\n")
    assert books.status().findings == ()  # the rows have checksums
    change(books, B)
    assert [each.id for each in told(books.upgrade)] == ["changed"]
    change(books, B, "")
    assert books.upgrade() == [D]


@pytest.mark.parametrize("column", COLUMNS)
def test_a_role_that_may_not_add_columns_goes_by_the_teams(
    books: Adopted, reader: Callable[[], Adopted], column: str
) -> None:
    name = adopt(books, column, A, B, C)
    books.raw("CREATE TABLE alembic_version (version_num VARCHAR(255) PRIMARY KEY)")
    books.project.ini(extra="drift = refuse\n")
    books.files(D)
    other = reader()
    (lacking,) = other.status().findings
    assert "execution_ms" in lacking.message
    assert "renamed or changed" not in lacking.message
    assert other.upgrade() == [D]
    assert other.holds(name, f"version = '{D}'") == [md5(books, D)]
    other.files(E)
    change(books, A)
    assert [each.id for each in told(other.upgrade)] == ["changed"]
    assert other.repair() == [f"{A}: changed after it was applied: the present text is accepted"]
    assert other.holds(name, f"version = '{A}'") == [md5(books, A)]
    rename(books, B, "009_b")
    assert [each.id for each in other.refusals()] == ["renamed"]
    assert other.repair() == [f"{B}: renamed: it is 009_b now"]
    assert other.upgrade() == [E]
    assert other.holds("version") == [A, C, D, E, "009_b"]
    assert books.ran == [D, E]


def test_a_file_that_was_renamed_before_bridge_came_is_not_run_again(books: Adopted) -> None:
    adopt(books, COLUMNS[1], A, B, C)
    rename(books, B, "009_b")
    finding = books.refusal()
    assert finding.id == "renamed"
    assert finding.message.startswith("schema_migrations records 002_b as applied")
    assert books.repair() == [f"{B}: renamed: it is 009_b now"]
    assert books.upgrade() == []
    assert books.holds("version", "bridge_checksum IS NOT NULL") == [A, C, "009_b"]
    assert books.ran == []


def test_a_chain_of_renumbered_files_is_followed(books: Adopted) -> None:
    adopt(books, COLUMNS[1], A, B, C)
    for old, new in ((C, "004_c"), (B, "003_c"), (A, B)):
        rename(books, old, new)
    books.files("001_new")
    assert {each.id for each in books.refusals()} == {"renamed"}
    assert len(books.repair()) == 3
    assert books.holds("version") == [B, C, "004_c"]
    assert books.upgrade() == ["001_new"]
    for stem in ("001_new", B, C, "004_c"):
        assert books.holds("checksum", f"version = '{stem}'") == [md5(books, stem)]


def test_white_space_is_no_change_once_bridge_has_a_checksum_of_its_own(books: Adopted) -> None:
    adopt(books, COLUMNS[0], A, B, C)
    books.upgrade()
    change(books, A, "\n  \n")
    books.files(D)
    assert books.upgrade() == [D]
    assert books.reporter.warnings == []
    assert books.holds("checksum", f"version = '{D}'") == [md5(books, D)]


@pytest.mark.parametrize(
    "theirs", ["md5('x' || version)", "'3'", "NULL", "version", "upper(md5(version))"]
)
def test_a_form_that_nobody_knows_is_left_alone(books: Adopted, theirs: str) -> None:
    adopt(books, COLUMNS[0], A, B)
    books.raw(f"UPDATE schema_migrations SET checksum = {theirs}")
    before = books.holds("checksum")
    books.files(C)
    assert books.upgrade() == [C]
    assert books.reporter.warnings == []
    assert books.holds("checksum", f"version <> '{C}'") == before
    assert books.holds("checksum IS NULL AND bridge_checksum IS NOT NULL", f"version = '{C}'") == [
        True
    ]


def test_where_as_many_disagree_nobody_can_tell(books: Adopted) -> None:
    adopt(books, COLUMNS[1], A, B)
    change(books, A)
    books.files(C)
    finding = books.refusal()
    assert finding.id == "required-column"
    assert "schema_migrations.checksum must have a value" in finding.message
    books.project.write(A, LOGGED.format(stem=A))
    assert books.upgrade() == [C]


def test_the_form_is_said_by_init(books: Adopted) -> None:
    adopt(books, COLUMNS[2], A, B)
    (books.project.path / "alembic.ini").unlink()
    done = books.project.eai("migrate", "init")
    said = "The column hash holds the MD5 of each file's bytes: new rows get theirs."
    assert said in done.stdout + done.stderr


def test_an_empty_table_does_not_tell_the_form(books: Adopted) -> None:
    adopt(books, COLUMNS[2])
    books.files(A)
    assert books.refusal().id == "required-column"
    books.raw(f"INSERT INTO schema_migrations VALUES ('{A}', '{md5(books, A)}')")
    books.files(B)
    assert books.upgrade() == [B]


@pytest.mark.parametrize("marks", [True, False])
def test_what_is_recorded_without_running_has_a_checksum_too(books: Adopted, marks: bool) -> None:
    name = adopt(books, COLUMNS[1], A, B)
    books.files(C)
    if marks:
        books.mark(C, applied=True)
    else:
        books.stamp("head")
    assert books.holds(name, f"version = '{C}'") == [md5(books, C)]
    assert books.ran == []


def test_what_was_read_before_the_run_is_what_is_recorded(books: Adopted) -> None:
    """Another release may put another text into the file meanwhile."""
    adopt(books, COLUMNS[1], A, B)
    path = books.project.migrations / f"{C}.py"
    replace = f"__import__('pathlib').Path({str(path)!r}).write_text('raise SystemExit(9)')"
    text = LOGGED.format(stem=C)
    path.write_text(text.replace("def upgrade(db):\n", f"def upgrade(db):\n    {replace}\n"))
    before = md5(books, C)
    assert books.upgrade() == [C]
    assert md5(books, C) != before
    assert books.holds("checksum", f"version = '{C}'") == [before]


RUN = (
    NOTE_OPENED
    + """
import bridge
bridge.upgrade(os.environ["DATABASE_URL"])
folder = os.path.realpath("migrations")
opened = [os.path.basename(p) for p in opened if os.path.dirname(os.path.realpath(p)) == folder]
print(*sorted(opened))
"""
)


def test_few_files_are_opened_to_tell_the_form_where_bridge_has_checksums(books: Adopted) -> None:
    """Each is read once, for what it replaces and to be compared with bridge's, and the last three
    once more for the team's.
    """
    stems = [f"{number:03}_x" for number in range(1, 9)]
    adopt(books, COLUMNS[1], *stems)
    books.upgrade()
    assert books.project.python(RUN, check=True).stdout == "\n"
    books.files("009_x")
    opened = books.project.python(RUN, check=True).stdout.split()
    assert opened == sorted(f"{stem}.py" for stem in [*stems, "009_x", *stems[-3:], "009_x"])


def test_another_team_whose_runner_checks_goes_on(books: Adopted) -> None:
    """It refuses a file whose checksum is not the one that it would have written."""
    adopt(books, COLUMNS[1], A, B)
    books.files(C)
    books.upgrade()
    books.files(D)
    rows = books.raw("SELECT version, checksum FROM schema_migrations ORDER BY 1")
    assert rows == [(stem, md5(books, stem)) for stem in (A, B, C)]
    books.raw(f"INSERT INTO schema_migrations VALUES ('{D}', '{md5(books, D)}')")
    change(books, D)
    books.files(E)
    assert books.upgrade() == [E]
    assert "alembic_version says 003_c" in books.reporter.warnings[0]
    assert "004_d.py was changed" in books.reporter.warnings[1]
    books.project.ini(extra="drift = refuse\n")
    books.files("006_f")
    with pytest.raises(LedgerError, match="drift = refuse is set"):
        books.upgrade()
