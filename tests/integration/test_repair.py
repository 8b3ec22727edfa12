"""`repair` where names have changed: chains of renumbered files, rows in every form, adoption."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from bridge.errors import LedgerError, UsageError
from support.adopted import Adopted
from support.books import LOGGED

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.project import Project


@pytest.fixture
def books(project: Project) -> Adopted:
    return Adopted(project)


def put(books: Adopted, **texts: str) -> None:
    """Make the folder hold exactly these: `_001_x="a"` is a file that logs a."""
    for file in books.project.migrations.glob("*.py"):
        file.unlink()
    for name, text in texts.items():
        books.project.write(name[1:], LOGGED.format(stem=text))


FORMS: dict[str, tuple[str, Callable[[str], str]]] = {
    "bridge's own": ("", str),
    "stem": ("version TEXT PRIMARY KEY, applied_at TIMESTAMPTZ", str),
    "file": ("filename TEXT PRIMARY KEY, applied_at TIMESTAMPTZ", "{}.py".format),
    "path": ("name TEXT PRIMARY KEY, applied_at TIMESTAMPTZ", "db/{}.py".format),
    "number": ("n INT PRIMARY KEY, applied_at TIMESTAMPTZ", lambda stem: str(int(stem[:3]))),
}


def adopt(books: Adopted, form: str, first: str) -> Callable[[], list[str]]:
    """A ledger of this form with the first file, and what reads the names that it holds."""
    definition, key = FORMS[form]
    column = definition.split(" ", 1)[0] or "version"
    if definition:
        books.raw(
            f"CREATE TABLE schema_migrations ({definition})",
            f"INSERT INTO schema_migrations VALUES ('{key(first)}', now())",
        )
        books.raw("CREATE TABLE ran (id serial, what text)", "INSERT INTO ran (what) VALUES ('a')")
    return lambda: [
        name
        for (name,) in books.raw(
            f"SELECT {column}::text FROM schema_migrations ORDER BY applied_at"
        )
    ]


@pytest.mark.parametrize("form", list(FORMS))
def test_a_chain_of_renumbered_files_is_followed_in_every_form(books: Adopted, form: str) -> None:
    """Each name is given to the text before it, and the first name to a new one."""
    put(books, _001_x="a", _002_x="b", _003_x="c")
    recorded = adopt(books, form, "001_x")
    books.upgrade()
    put(books, _001_x="new", _002_x="a", _003_x="b", _004_x="c")
    if form == "number":
        # What has a number is that migration, whatever its text: only the last is another.
        assert "renamed" in {each.id for each in books.refusals()}
    else:
        assert [each.id for each in books.refusals()] == ["renamed"]
    assert len(books.repair()) == 3
    key = FORMS[form][1]
    assert recorded() == [key(stem) for stem in ("002_x", "003_x", "004_x")]
    assert books.pointers == ["004_x"]
    assert books.repair() == []
    assert books.upgrade() == ["001_x"]
    assert books.ran == ["a", "b", "c", "new"]
    assert books.upgrade() == []


def test_several_chains_are_followed_at_once(books: Adopted) -> None:
    put(books, _001_x="a", _002_x="b", _010_y="k", _011_y="l", _020_z="z")
    books.upgrade()
    put(books, _001_x="1", _002_x="a", _003_x="b", _010_y="2", _011_y="k", _012_y="l", _020_z="z")
    assert [each.id for each in books.refusals()] == ["renamed", "renamed"]
    assert len(books.repair()) == 4
    assert sorted(books.applied) == ["002_x", "003_x", "011_y", "012_y", "020_z"]
    assert books.upgrade() == ["001_x", "010_y"]
    assert books.ran == ["a", "b", "k", "l", "z", "1", "2"]


def test_a_chain_that_goes_down_frees_its_last_name(books: Adopted) -> None:
    put(books, _001_x="a", _003_x="b", _004_x="c")
    books.upgrade()
    put(books, _001_x="a", _002_x="b", _003_x="c", _004_x="new")
    assert [each.id for each in books.refusals()] == ["renamed"]
    assert len(books.repair()) == 2
    assert books.applied == ["001_x", "002_x", "003_x"]
    assert books.upgrade() == ["004_x"]
    assert books.ran == ["a", "b", "c", "new"]


def test_files_that_have_swapped_their_names_are_changed_and_run_no_more(books: Adopted) -> None:
    put(books, _001_x="a", _002_x="b")
    books.upgrade()
    put(books, _001_x="b", _002_x="a")
    assert books.upgrade() == []
    assert len(books.repair()) == 2
    assert books.repair() == []
    assert books.ran == ["a", "b"]


def test_a_name_that_is_given_repairs_all_of_its_chain_that_is_in_the_way(books: Adopted) -> None:
    put(books, _001_x="a", _002_x="b", _003_x="c", _010_y="y")
    books.upgrade()
    put(books, _001_x="new", _002_x="a", _003_x="b", _004_x="c", _011_y="y")
    assert len(books.repair("001_x")) == 3
    assert books.applied == ["002_x", "003_x", "004_x", "010_y"]
    assert [each.id for each in books.refusals()] == ["renamed"]
    assert len(books.repair("011_y")) == 1
    assert books.upgrade() == ["001_x"]


@pytest.mark.parametrize(
    ("form", "written"),
    [
        ("bridge's own", "002-X"),
        ("stem", "db/002_x.sql"),
        ("file", "002_x.sql"),
        ("path", "002_x.py"),
    ],
)
def test_rows_that_are_respelled_are_repaired_beside_a_chain(
    books: Adopted, form: str, written: str
) -> None:
    put(books, _001_x="a", _002_x="b", _010_y="c", _011_y="d", _012_y="e")
    recorded = adopt(books, form, "001_x")
    books.upgrade()
    key = FORMS[form][1]
    column = FORMS[form][0].split(" ", 1)[0] or "version"
    books.raw(f"UPDATE schema_migrations SET {column} = '{written}' WHERE {column} ~ '002_x'")
    put(books, _001_x="a", _002_x="b", _010_y="new", _011_y="c", _012_y="d", _013_y="e")
    assert "names-differ" in {each.id for each in books.refusals()}
    assert len(books.repair()) == 4
    assert recorded() == [key(each) for each in ("001_x", "002_x", "011_y", "012_y", "013_y")]
    assert books.upgrade() == ["010_y"]
    assert books.ran == ["a", "b", "c", "d", "e", "new"]


def test_a_number_of_two_files_is_repaired_only_where_a_person_says_which(books: Adopted) -> None:
    put(books, _031_a="a", _031_b="b", _001_x="x")
    books.raw(
        "CREATE TABLE schema_migrations (version TEXT PRIMARY KEY)",
        "INSERT INTO schema_migrations VALUES ('001_x'), ('31')",
    )
    with pytest.raises(LedgerError) as caught:
        books.repair()
    assert str(caught.value) == (
        "31 can be 031_a.py or 031_b.py, and nobody can tell which is which. Nothing was "
        "repaired. Say which it is, for example: eai migrate repair 031_a."
    )
    assert books.repair("031_b") == ["31: taken for 031_b, whose present text is recorded"]
    assert books.upgrade() == ["031_a"]
    assert books.holds("version") == ["001_x", "031_a", "031_b"]


def test_a_number_is_not_taken_for_a_file_that_is_recorded_by_its_name(books: Adopted) -> None:
    put(books, _031_a="a", _031_b="b")
    books.raw(
        "CREATE TABLE schema_migrations (version TEXT PRIMARY KEY)",
        "INSERT INTO schema_migrations VALUES ('031_a'), ('31')",
    )
    before = books.everything()
    for names in ((), ("031_a",)):
        with pytest.raises(LedgerError, match=r"can be 031_b\.py or 031_a\.py"):
            books.repair(*names)
    assert books.everything() == before
    books.repair("031_b")
    assert books.upgrade() == []
    assert books.ran == []


# A row of which nothing but the name is known


def test_of_a_row_without_a_checksum_a_person_says_that_it_is_this_file(books: Adopted) -> None:
    put(books, _001_x="a", _004_new="b", _005_y="c")
    books.raw(
        "CREATE TABLE schema_migrations (version TEXT PRIMARY KEY)",
        "INSERT INTO schema_migrations VALUES ('001_x'), ('004_old'), ('009_y')",
    )
    assert [each.id for each in books.refusals()] == ["maybe-renamed"] * 2
    # Not without being told which.
    assert books.repair() == [
        "001_x: adopted without a checksum: that of the present text is recorded"
    ]
    assert books.repair("004_old") == ["004_old: taken for 004_new, whose present text is recorded"]
    assert [each.migration for each in books.refusals()] == ["009_y"]
    assert books.repair("005_y") == ["009_y: taken for 005_y, whose present text is recorded"]
    assert books.upgrade() == []
    assert books.holds("version") == ["001_x", "004_new", "005_y"]


def test_where_two_files_may_be_it_a_person_says_which(books: Adopted) -> None:
    put(books, _001_x="a", _004_one="b", _004_two="c")
    books.raw(
        "CREATE TABLE schema_migrations (version TEXT PRIMARY KEY)",
        "INSERT INTO schema_migrations VALUES ('001_x'), ('004_old')",
    )
    with pytest.raises(LedgerError, match=r"004_old can be 004_one\.py or 004_two\.py"):
        books.repair("004_old")
    books.repair("004_two")
    assert books.upgrade() == ["004_one"]


def test_a_name_of_which_there_is_nothing_to_repair_is_told(books: Adopted) -> None:
    put(books, _001_x="a")
    books.upgrade()
    with pytest.raises(UsageError, match="There is nothing to repair about 001_x"):
        books.repair("001_x")


# A ledger none of whose rows is a file


def test_an_adopted_ledger_goes_on_and_keeps_its_comment(books: Adopted) -> None:
    put(books, _101_all="a")
    books.raw(
        "CREATE TABLE schema_migrations (version TEXT PRIMARY KEY)",
        "COMMENT ON TABLE schema_migrations IS 'Ours: it''s 100% \\ so'",
        "INSERT INTO schema_migrations VALUES ('001_x'), ('002_y')",
    )
    assert books.refusal().id == "foreign-ledger"
    assert len(books.repair(adopt=True)) == 1
    (comment,) = books.raw("SELECT obj_description('schema_migrations'::regclass)")[0]
    assert comment == "Ours: it's 100% \\ so (bridge: adopted)"
    assert books.upgrade() == ["101_all"]
    assert books.holds("version") == ["001_x", "002_y", "101_all"]
    assert books.upgrade() == []
    put(books, _201_all="b")
    assert books.upgrade() == ["201_all"]


def test_only_its_owner_says_so_and_then_every_role_goes_on(books: Adopted) -> None:
    put(books, _101_all="a")
    role = f"bridge_test_{secrets.token_hex(4)}"
    books.raw(
        f"CREATE ROLE {role} LOGIN PASSWORD 'secret'",
        "CREATE TABLE schema_migrations (version TEXT PRIMARY KEY)",
        "INSERT INTO schema_migrations VALUES ('001_x')",
        f"GRANT USAGE, CREATE ON SCHEMA public TO {role}",
        f"GRANT ALL ON schema_migrations TO {role}",
    )
    try:
        url = books.engine.url.set(username=role, password="secret")
        as_role = Adopted(books.project, books.reporter)
        as_role.engine = create_engine(url, poolclass=NullPool)
        with pytest.raises(LedgerError) as caught:
            as_role.repair(adopt=True)
        books.raw(str(caught.value).partition("as the owner: ")[2])
        assert as_role.upgrade() == ["101_all"]
        assert as_role.upgrade() == []
    finally:
        books.raw(f"DROP OWNED BY {role}", f"DROP ROLE {role}")
