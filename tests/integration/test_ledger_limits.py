"""What a ledger can hold is known before anything runs, and what it wants is written."""

from __future__ import annotations

import io
import re
import secrets
from contextlib import closing
from datetime import date
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

import bridge
from bridge.alembic.record import RecordAtOnce
from bridge.errors import LedgerError, MigrationError
from bridge.findings import Severity
from bridge.operations.sql_script import write_sql
from support.adopted import Adopted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import URL

    from support.project import Project

A, B, C = "001_a", "002_b_c", "003_d"
OWNER = "Type this once as the table's owner: "


@pytest.fixture
def books(project: Project) -> Adopted:
    books = Adopted(project)
    books.files(A, B, C)
    return books


def upgraded(books: Adopted) -> None:
    """The first row step by step, the others with their migration's last message."""
    books.upgrade()
    assert books.upgrade() == []


def stamped(books: Adopted) -> None:
    books.stamp("head")


def marked(books: Adopted) -> None:
    for stem in (A, B, C):
        if stem not in {m.version for m in books.status().migrations if m.state == "applied"}:
            books.mark(stem, applied=True)


def scripted(books: Adopted) -> None:
    out = io.StringIO()
    write_sql(books.request, out=out)
    with closing(psycopg2.connect(driver_url(books))) as connection:
        connection.autocommit = True  # the script begins and commits
        connection.cursor().execute(out.getvalue())


def in_a_transaction(books: Adopted) -> None:
    with books.engine.begin() as connection:
        bridge.upgrade(
            connection, config=books.project.path / "alembic.ini", reporter=books.reporter
        )


WAYS = (upgraded, stamped, marked, scripted, in_a_transaction)


def driver_url(books: Adopted) -> str:
    url = books.engine.url.set(drivername="postgresql")
    return url.render_as_string(hide_password=False)


# Filled


COLUMNS = """
    version VARCHAR(255) PRIMARY KEY,
    name TEXT NOT NULL,
    "Script" VARCHAR(100) NOT NULL,
    filename TEXT NOT NULL,
    installed_by VARCHAR(5) NOT NULL,
    success BOOLEAN NOT NULL,
    ok SMALLINT NOT NULL,
    batch SMALLINT NOT NULL,
    installed_rank BIGINT NOT NULL,
    applied_on VARCHAR(20) NOT NULL,
    "At: 100%" TIMESTAMP NOT NULL,
    day DATE NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    duration_ms BIGINT NOT NULL
"""
FIRST = (
    "('001_a', 'a', 'db/001_a.sql', '001_a.py', 'old', true, 1, 7, 70, "
    "'2024-01-02 03:04:05', now(), now(), now(), 5)"
)
TIMES = "updated_at, applied_at"


@pytest.mark.parametrize("way", WAYS)
def test_what_the_other_rows_tell_is_written(
    books: Adopted, way: Callable[[Adopted], None]
) -> None:
    books.raw(
        f"CREATE TABLE schema_migrations ({COLUMNS})",
        f"INSERT INTO schema_migrations VALUES {FIRST}",
    )
    assert books.status().findings == ()
    way(books)
    wanted = (
        'version, name, "Script", filename, installed_by = left(current_user, 5), success, ok, '
        "batch, installed_rank, applied_on, duration_ms >= 0, updated_at - now() < '1 minute', "
        '"At: 100%" IS NOT NULL'
    )
    rows = books.raw(f"SELECT {wanted} FROM schema_migrations ORDER BY 1 OFFSET 1")
    assert [row[:9] for row in rows] == [
        (B, "b_c", "db/002_b_c.sql", "002_b_c.py", True, True, 1, 8, 71),
        (C, "d", "db/003_d.sql", "003_d.py", True, True, 1, 9, 72),
    ]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", row[9]) for row in rows)
    assert all(row[10:] == (True, True, True) for row in rows)
    assert books.pointers in ([C], [])
    assert books.upgrade() == []


@pytest.mark.parametrize("way", WAYS)
def test_without_rows_the_columns_names_tell(
    books: Adopted, way: Callable[[Adopted], None]
) -> None:
    books.raw(f"CREATE TABLE schema_migrations ({COLUMNS})")
    assert books.status().findings == ()
    way(books)
    wanted = 'version, name, "Script", filename, success, ok, batch, installed_rank'
    assert books.raw(f"SELECT {wanted} FROM schema_migrations ORDER BY 1") == [
        (stem, stem, f"{stem}.py", f"{stem}.py", True, 1, place, place)
        for place, stem in enumerate((A, B, C), start=1)
    ]
    assert all(
        re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", at) for at in books.holds("applied_on")
    )


@pytest.mark.parametrize("rows", [True, False])
def test_what_is_filled_needs_no_message_more(
    books: Adopted, rows: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The record goes out with the migration's last message, but for the first of all."""
    sealed: list[bool] = []
    write = RecordAtOnce.write

    def noting(sealing: RecordAtOnce, *arguments: Any, **options: Any) -> bool:
        sealed.append(write(sealing, *arguments, **options))
        return sealed[-1]

    monkeypatch.setattr(RecordAtOnce, "write", noting)
    numbered = ', "Version" INTEGER NOT NULL' if rows else ""
    books.raw(f"CREATE TABLE schema_migrations ({COLUMNS}{numbered})")
    if rows:
        books.raw(f"INSERT INTO schema_migrations VALUES {FIRST[:-1]}, 1)")
    books.upgrade()
    assert sealed == [True, True]


@pytest.mark.parametrize("way", WAYS)
def test_bridges_own_columns_may_take_no_null(
    books: Adopted, way: Callable[[Adopted], None]
) -> None:
    books.raw(
        "CREATE TABLE schema_migrations (version TEXT PRIMARY KEY, applied_at TIMESTAMP NOT NULL, "
        "description TEXT NOT NULL, bridge_checksum TEXT NOT NULL, checksum CHAR(32), "
        "execution_ms BIGINT NOT NULL, breaking BOOLEAN NOT NULL)"
    )
    way(books)
    wanted = "version, description, length(bridge_checksum), execution_ms >= 0, breaking"
    assert books.raw(f"SELECT {wanted} FROM schema_migrations ORDER BY 1") == [
        (stem, f"About {stem}", 64, True, False) for stem in (A, B, C)
    ]
    assert books.upgrade() == []


def test_what_only_the_server_writes_is_left_to_it(books: Adopted) -> None:
    books.raw(
        "CREATE TABLE schema_migrations (id BIGINT GENERATED ALWAYS AS IDENTITY, "
        "version TEXT PRIMARY KEY CHECK (id > 0), "
        "description TEXT GENERATED ALWAYS AS (upper(version)) STORED NOT NULL, "
        "applied_at TIMESTAMPTZ DEFAULT now(), "
        "token UUID NOT NULL DEFAULT gen_random_uuid() CHECK (token IS NOT NULL))"
    )
    assert books.upgrade() == [A, B, C]
    assert books.raw("SELECT id, version, description FROM schema_migrations ORDER BY 1") == [
        (1, A, "001_A"),
        (2, B, "002_B_C"),
        (3, C, "003_D"),
    ]
    books.downgrade("base")


def test_a_name_that_only_the_server_writes_is_not_the_column_of_names(books: Adopted) -> None:
    books.raw(
        "CREATE TABLE schema_migrations (version INT GENERATED ALWAYS AS IDENTITY, name TEXT)",
        "INSERT INTO schema_migrations (name) VALUES ('001_a')",
    )
    assert books.upgrade() == [B, C]
    assert books.raw("SELECT version, name FROM schema_migrations ORDER BY 1") == [
        (1, A),
        (2, B),
        (3, C),
    ]


# Not filled


@pytest.mark.parametrize(
    "definition",
    [
        "cost_center TEXT NOT NULL",
        '"Cost: 100%" TEXT NOT NULL',
        "id INTEGER NOT NULL",
        '"The Id" BIGINT NOT NULL',
        "id UUID PRIMARY KEY",
        "payload JSONB NOT NULL",
        "at TIME NOT NULL",
        "is_dangerous BOOLEAN NOT NULL",
        "weight DOUBLE PRECISION NOT NULL",
        "duration_us INTEGER NOT NULL",
        "run_at BIGINT NOT NULL",
        "checksum TEXT NOT NULL",
        "status TEXT NOT NULL",
        "applied_at VARCHAR(10) NOT NULL",
    ],
)
def test_what_nobody_can_tell_is_refused_and_mended_by_the_line_to_type(
    books: Adopted, definition: str
) -> None:
    key = "version TEXT NOT NULL UNIQUE" if "PRIMARY" in definition else "version TEXT PRIMARY KEY"
    books.raw(f"CREATE TABLE schema_migrations ({key}, {definition})")
    finding = books.refusal()
    assert (finding.id, books.ran) == ("required-column", [])
    done = books.project.eai("migrate", "status", "--check")
    assert done.returncode == 4
    statement = finding.next.removeprefix(OWNER).partition("or give it")[0]
    books.raw(statement.rstrip("; "))
    assert books.upgrade() == [A, B, C]


def test_a_default_that_says_that_it_has_not_run_is_refused(books: Adopted) -> None:
    """The old runner would run it again."""
    books.raw(
        "CREATE TABLE schema_migrations (version TEXT PRIMARY KEY, status TEXT DEFAULT 'pending')"
    )
    finding = books.refusal()
    assert finding.id == "required-column"
    assert str(finding) == (
        "schema_migrations.status must have a value, and bridge does not know which: it has the "
        "default 'pending', and neither its name nor the other rows tell. So a migration could "
        "run, but could not be recorded. Type this once as the table's owner: "
        "ALTER TABLE schema_migrations ALTER COLUMN status SET DEFAULT '...'; (with the word for "
        "one that has succeeded)"
    )
    books.raw("ALTER TABLE schema_migrations ALTER COLUMN status SET DEFAULT 'done'")
    assert books.upgrade() == [A, B, C]
    assert books.holds("status") == ["done"] * 3


@pytest.mark.parametrize("run", [stamped, marked])
def test_nor_is_it_recorded_without_running(books: Adopted, run: Callable[[Adopted], None]) -> None:
    books.raw("CREATE TABLE schema_migrations (version TEXT PRIMARY KEY, cost TEXT NOT NULL)")
    before = books.everything()
    with pytest.raises(LedgerError):
        run(books)
    assert books.everything() == before


# Constraints


FUNCTIONS = """
    CREATE FUNCTION is_fine(t text) RETURNS boolean LANGUAGE sql AS $$ SELECT t ~ '^00[12]' $$;
    CREATE FUNCTION raises(t text) RETURNS boolean LANGUAGE plpgsql AS
    $$ BEGIN IF t ~ '^003' THEN RAISE 'not %', t; END IF; RETURN true; END $$
"""


@pytest.mark.parametrize(
    ("check", "told"),
    [
        ("CHECK (version ~ '^00[12]')", "CHECK (version ~ '^00[12]'::text)"),
        ("CHECK (length(description) < 14)", "CHECK (length(description) < 14)"),
        ("CHECK (is_fine(version))", "CHECK is_fine(version)"),
        ("CHECK (raises(version))", "not 003_d"),
        ("CHECK (coalesce(team, version) <> '003_d')", "CHECK (COALESCE(team, version)"),
        ("CHECK (kind <> 'b: 100%' OR version < '003')", "CHECK ((kind <> 'b: 100%'::text)"),
    ],
)
def test_a_row_that_a_check_would_refuse_is_told_before_anything_runs(
    books: Adopted, check: str, told: str
) -> None:
    books.project.write(
        C, (books.project.migrations / f"{C}.py").read_text().replace("About 003_d", "A" * 14)
    )
    valid = "NOT VALID" if "is_fine" in check else ""  # new rows are asked all the same
    books.raw(
        FUNCTIONS,
        "CREATE TABLE schema_migrations (version TEXT PRIMARY KEY, applied_at TIMESTAMPTZ, "
        "description TEXT, team TEXT, kind TEXT DEFAULT 'b: 100%')",
        f"ALTER TABLE schema_migrations ADD CONSTRAINT c {check} {valid}",
    )
    finding = books.refusal()
    assert (finding.id, finding.migration) == ("refused-row", C)
    assert told in finding.message
    assert books.upgrade(B) == [A, B]
    books.raw("ALTER TABLE schema_migrations DROP CONSTRAINT c")
    assert books.upgrade() == [C]


def test_a_check_of_the_time_sees_the_time_that_is_written(books: Adopted) -> None:
    books.raw(
        "CREATE TABLE schema_migrations (version TEXT PRIMARY KEY, applied_at TIMESTAMPTZ "
        "CHECK (applied_at < '2020-01-01'))"
    )
    assert [each.id for each in books.refusals()] == ["refused-row"] * 3
    books.raw(
        "ALTER TABLE schema_migrations DROP CONSTRAINT schema_migrations_applied_at_check, "
        "ADD CHECK (applied_at > '2020-01-01' AND extract(timezone FROM applied_at) IS NOT NULL)"
    )
    assert books.upgrade() == [A, B, C]


def test_a_check_on_what_bridge_does_not_write_sees_the_default(books: Adopted) -> None:
    books.raw(
        "CREATE TABLE schema_migrations (version TEXT PRIMARY KEY, n INT CHECK (n IS NOT NULL), "
        "m INT DEFAULT 5 CHECK (m > 3), k SERIAL CHECK (k IS NOT NULL))"
    )
    assert {each.message.count("n IS NOT NULL") for each in books.refusals()} == {1}
    books.raw("ALTER TABLE schema_migrations ALTER n SET DEFAULT 1")
    assert books.upgrade() == [A, B, C]


@pytest.mark.parametrize(
    "domain",
    [
        "AS TEXT CHECK (VALUE ~ '^00[12]')",
        "AS VARCHAR(7) CHECK (VALUE <> '003_d') NOT NULL",
    ],
)
def test_a_domain_of_the_key_is_asked_as_well(books: Adopted, domain: str) -> None:
    books.raw(f'CREATE DOMAIN "The: Key" {domain}')
    books.raw('CREATE TABLE schema_migrations (version "The: Key" PRIMARY KEY, at DATE)')
    finding = books.refusal()
    assert (finding.id, finding.migration) == ("refused-row", C)
    assert books.upgrade(B) == [A, B]
    books.raw('ALTER DOMAIN "The: Key" DROP CONSTRAINT "The: Key_check"')
    assert books.upgrade() == [C]
    assert books.holds("version") == [A, B, C]
    books.downgrade("-1")


@pytest.mark.parametrize(
    ("definition", "id_"),
    [
        ("team word NOT NULL", "required-column"),
        ("team word CHECK (team <> '')", ""),
        ("team needed", "required-column"),
        ("team checked", "refused-row"),
        ("team given", ""),
        ("name needed", ""),
        ("name checked", ""),
        ("description checked", ""),
    ],
)
def test_a_domain_of_another_column_is_asked_as_well(
    books: Adopted, definition: str, id_: str
) -> None:
    books.raw(
        "CREATE DOMAIN word AS TEXT",
        "CREATE DOMAIN needed AS TEXT NOT NULL",
        "CREATE DOMAIN checked AS TEXT CHECK (VALUE IS NOT NULL)",
        "CREATE DOMAIN given AS TEXT NOT NULL DEFAULT 'us'",
        f"CREATE TABLE schema_migrations (version TEXT PRIMARY KEY, {definition})",
    )
    if id_:
        assert {each.id for each in books.refusals()} == {id_}
        books.raw("ALTER TABLE schema_migrations ALTER team SET DEFAULT 'us'")
    if definition == "name checked":
        books.raw("ALTER TABLE schema_migrations ALTER name SET DEFAULT 'us'")
    assert books.upgrade() == [A, B, C]


def test_a_partitioned_table_is_a_ledger_as_far_as_its_partitions_go(books: Adopted) -> None:
    books.raw(
        "CREATE TABLE schema_migrations (version TEXT, applied_at TIMESTAMPTZ DEFAULT now(), "
        "PRIMARY KEY (version, applied_at)) PARTITION BY RANGE (applied_at)"
    )
    assert {each.id for each in books.refusals()} == {"refused-row"}
    books.raw(
        "CREATE TABLE old PARTITION OF schema_migrations FOR VALUES FROM ('2001-01-01') TO "
        "('2002-01-01')",
        "CREATE TABLE older PARTITION OF schema_migrations FOR VALUES FROM ('2000-01-01') TO "
        "('2001-01-01')",
    )
    assert {each.id for each in books.refusals()} == {"refused-row"}
    assert "no partition" in books.refusals()[0].message
    books.raw("CREATE TABLE rest PARTITION OF schema_migrations DEFAULT")
    assert books.upgrade() == [A, B, C]
    books.downgrade("-1")
    assert books.holds("version") == [A, B]
    assert books.mark(B, applied=False).stem == B


def test_hash_and_list_partitions_are_asked(books: Adopted) -> None:
    books.raw(
        "CREATE TABLE schema_migrations (version TEXT PRIMARY KEY) PARTITION BY LIST (version)",
        f"CREATE TABLE p1 PARTITION OF schema_migrations FOR VALUES IN ('{A}', '{B}') "
        "PARTITION BY HASH (version)",
        "CREATE TABLE p2 PARTITION OF p1 FOR VALUES WITH (MODULUS 1, REMAINDER 0)",
    )
    assert [(each.id, each.migration) for each in books.refusals()] == [("refused-row", C)]
    assert books.upgrade(B) == [A, B]


# What does not fit


@pytest.mark.parametrize(
    ("definition", "stem", "told"),
    [
        ("version VARCHAR(10)", "001_" + "a" * 10, "has 14 characters"),
        ("version CHAR(10)", "001_" + "a" * 10, "has 14 characters"),
        ("version NAME", "001_" + "ä" * 30, "holds 63 bytes"),
        ('"The Name" VARCHAR(10)', "001_" + "a" * 10, 'schema_migrations."The Name" holds 10'),
        ("version TEXT, filename VARCHAR(10) NOT NULL", "001_aaaa", "001_aaaa.py has 11"),
        ("version INTEGER", "20240102123456_a", "20240102123456 is a number"),
        ("version SMALLINT", "40000_a", "40000 is a number"),
    ],
)
def test_a_name_that_has_no_room_is_refused_and_mended_by_the_line_to_type(
    project: Project, definition: str, stem: str, told: str
) -> None:
    books = Adopted(project)
    books.files(stem, "9_a")
    form = "number" if "INT" in definition else "stem"
    key = "The Name" if "The Name" in definition else "version"
    project.ini(extra=f"ledger_key = {key}\nledger_key_form = {form}\norder = name\n")
    books.raw(f"CREATE TABLE schema_migrations ({definition})")
    finding = books.refusal()
    assert (finding.id, finding.migration) == ("unstorable-name", stem)
    assert told in finding.message
    books.type(finding, OWNER)
    assert books.upgrade() == [stem, "9_a"]
    assert books.upgrade() == []


@pytest.mark.parametrize(
    ("kind", "way"),
    [
        *(("VARCHAR(7)", way) for way in WAYS),
        *((kind, upgraded) for kind in ("CHAR(7)", "NAME", "TEXT")),
    ],
)
def test_a_description_is_cut_to_its_column(
    books: Adopted, kind: str, way: Callable[[Adopted], None]
) -> None:
    books.raw(
        "CREATE TABLE schema_migrations (version TEXT PRIMARY KEY, "
        f"description {kind} NOT NULL, applied_at TIMESTAMPTZ)"
    )
    way(books)
    cut = None if kind in {"NAME", "TEXT"} else 7
    described = [f"About {stem}"[:cut] for stem in (A, B, C)]
    assert books.holds("description") == described


@pytest.fixture
def other(server_url: URL, project: Project) -> Iterator[Callable[[str], Adopted]]:
    """Makes databases of other encodings."""
    admin = psycopg2.connect(
        server_url.set(drivername="postgresql").render_as_string(hide_password=False)
    )
    admin.autocommit = True
    made: list[str] = []

    def make(encoding: str) -> Adopted:
        made.append(f"bridge_test_{secrets.token_hex(4)}")
        admin.cursor().execute(
            f"CREATE DATABASE {made[-1]} TEMPLATE template0 ENCODING '{encoding}' "
            "LC_COLLATE 'C' LC_CTYPE 'C'"
        )
        url = server_url.set(database=made[-1])
        return Adopted(type(project)(project.path, url))

    yield make
    for name in made:
        admin.cursor().execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    admin.close()


def describe(books: Adopted, stem: str, description: str) -> None:
    file = books.project.migrations / f"{stem}.py"
    file.write_text(file.read_text().replace(f"About {stem}", description))


@pytest.mark.parametrize(
    ("encoding", "held"),
    [
        ("SQL_ASCII", "caf? ? ? ?"),
        ("LATIN1", "café ? ? ?"),
        ("LATIN2", "café ? ? ?"),
        ("WIN1252", "café ? ? ?"),
        ("KOI8R", "caf? ? ? ?"),
        ("EUC_JP", "caf? 人 ? ?"),
        ("UTF8", "café 人 → \uff5e"),
    ],
)
@pytest.mark.parametrize("way", [upgraded, scripted])
def test_a_description_loses_the_characters_that_the_database_has_not(
    other: Callable[[str], Adopted], encoding: str, held: str, way: Callable[[Adopted], None]
) -> None:
    books = other(encoding)
    books.files(A, B)
    describe(books, B, "café 人 → \uff5e")
    books.raw("CREATE TABLE schema_migrations (version TEXT PRIMARY KEY, description TEXT)")
    way(books)
    (found,) = books.holds("description", "version > '002'")
    if encoding in {"EUC_JP", "LATIN2"}:
        # The arrow, and the letter, are in some tables and not in others.
        assert set(found) <= {*held, *"→é人\uff5e\u301c"}
    else:
        assert found == held


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1", "EUC_JP"])
def test_a_name_outside_of_the_encoding_is_refused(
    other: Callable[[str], Adopted], encoding: str
) -> None:
    books = other(encoding)
    books.files(A, "002_→ €")
    finding = books.refusal()
    assert (finding.id, finding.migration) == ("unstorable-name", "002_→ €")
    assert f"its encoding is {encoding}" in finding.message
    assert books.upgrade(A) == [A]
    books.project.remove("002_→ €")
    books.files("002_x")
    assert books.upgrade() == ["002_x"]


def test_a_name_that_the_encoding_has_is_kept(other: Callable[[str], Adopted]) -> None:
    books = other("LATIN1")
    books.files("001_é", "002_ß")
    assert books.upgrade() == ["001_é", "002_ß"]
    assert books.applied == ["001_é", "002_ß"]
    assert books.upgrade() == []


# Unique


def test_another_unique_constraint_is_named_when_it_refuses_the_row(books: Adopted) -> None:
    describe(books, B, "About 001_a")
    books.raw(
        "CREATE TABLE schema_migrations (version TEXT PRIMARY KEY, description TEXT UNIQUE, "
        "applied_at TIMESTAMPTZ)"
    )
    with pytest.raises(MigrationError) as caught:
        books.upgrade()
    message = str(caught.value)
    assert "The constraint schema_migrations_description_key of schema_migrations" in message
    assert "another process" not in message
    assert books.ran == [A]
    assert books.holds("version") == [A]
    with pytest.raises(LedgerError, match="schema_migrations_description_key"):
        books.stamp("head")
    assert books.holds("version") == [A]


# Names that need quotes


@pytest.mark.parametrize("way", WAYS)
def test_names_of_columns_and_tables_may_be_anything(
    books: Adopted, way: Callable[[Adopted], None]
) -> None:
    books.ledger_table, books.version_table = '"The Ledger: 100%"', '"Version: 7%"'
    books.project.ini(
        extra="ledger_table = The Ledger: 100%%\nversion_table = Version: 7%%\n"
        "ledger_key = Key: 5%%\n"
    )
    books.raw(
        'CREATE TABLE "The Ledger: 100%" ("Key: 5%" TEXT PRIMARY KEY, "Batch: %" INT NOT NULL '
        'DEFAULT 5 CHECK ("Batch: %" <> 7 AND "Key: 5%" <> \'x:y %\'), '
        '"Installed_By" TEXT NOT NULL, "Name" TEXT NOT NULL, "BATCH" INT NOT NULL, '
        '"At: %s" DATE NOT NULL, applied_at TIMESTAMPTZ)'
    )
    assert books.status().problems == ()
    way(books)
    wanted = '"Key: 5%", "Batch: %", "Installed_By" = current_user, "Name", "BATCH", "At: %s"'
    rows = books.raw(f'SELECT {wanted} FROM "The Ledger: 100%" ORDER BY 1')
    assert [row[:5] for row in rows] == [(A, 5, True, A, 1), (B, 5, True, B, 2), (C, 5, True, C, 3)]
    assert all(isinstance(row[5], date) for row in rows)
    assert books.upgrade() == []
    assert books.mark(C, applied=False).stem == C
    assert books.holds('"Key: 5%"') == [A, B]
    assert books.upgrade() == [C]
    books.downgrade("-1")
    assert books.holds('"Key: 5%"') == [A, B]


# Owned by another role, and published


def test_columns_that_the_owner_has_added_in_part_are_used_and_the_rest_is_told(
    books: Adopted,
) -> None:
    role = f"bridge_test_{secrets.token_hex(4)}"
    books.raw(
        f"CREATE ROLE {role} LOGIN PASSWORD 'secret'",
        "CREATE TABLE schema_migrations (version TEXT PRIMARY KEY, execution_ms INTEGER, "
        "applied_at TIMESTAMPTZ)",
        f"GRANT USAGE, CREATE ON SCHEMA public TO {role}",
        f"GRANT ALL ON schema_migrations TO {role}",
    )
    try:
        as_role = Adopted(books.project, books.reporter)
        as_role.engine = create_engine(
            books.engine.url.set(username=role, password="secret"), poolclass=NullPool
        )
        (found,) = as_role.status().findings
        assert (found.id, found.severity) == ("lacks-columns", Severity.WARNING)
        assert "has no columns checksum and breaking" in found.message
        assert as_role.upgrade(B) == [A, B]
        assert books.raw("SELECT count(execution_ms) FROM schema_migrations") == [(2,)]
        books.type(found, OWNER)
        assert as_role.upgrade() == [C]
        assert books.raw("SELECT count(checksum) FROM schema_migrations") == [(3,)]
        assert as_role.status().findings == ()
    finally:
        books.raw(f"DROP OWNED BY {role}", f"DROP ROLE {role}")


def test_a_published_ledger_without_a_replica_identity_can_be_added_to_only(
    books: Adopted,
) -> None:
    books.raw(
        "CREATE TABLE schema_migrations (version TEXT, applied_at TIMESTAMPTZ)",
        "CREATE PUBLICATION everything FOR ALL TABLES",
    )
    assert books.upgrade(B) == [A, B]
    before = books.everything()
    for run in (lambda: books.downgrade("-1"), lambda: books.mark(B, applied=False)):
        with pytest.raises(LedgerError, match="is part of a publication") as caught:
            run()
        assert books.everything() == before
    assert books.mark(C, applied=True).pointer == C
    (finding,) = caught.value.findings
    books.raw(finding.next.removeprefix(OWNER).partition(";")[0])
    books.downgrade("-1")
    assert books.holds("version") == [A, B]


def test_a_published_version_table_without_a_replica_identity_is_refused_at_once(
    books: Adopted,
) -> None:
    books.raw(
        "CREATE TABLE alembic_version (version_num VARCHAR(255))",
        "CREATE PUBLICATION everything FOR ALL TABLES",
    )
    finding = books.refusal()
    assert finding.id == "no-delete"
    books.raw(finding.next.removeprefix(OWNER).partition(";")[0])
    assert books.upgrade() == [A, B, C]
