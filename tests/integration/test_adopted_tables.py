"""Ledgers that other home-made runners made: recognised, or told, and written in their way."""

from __future__ import annotations

import io
import re
from contextlib import closing

import psycopg2
import pytest

from bridge.database.request import Request
from bridge.errors import LedgerError, MigrationError
from bridge.operations.sql_script import write_sql
from support.books import Books
from support.project import Project

A, B, C, D = "001_a", "002_b", "003_c", "004_d"


@pytest.fixture
def books(project: Project) -> Books:
    """Three files and an empty database."""
    books = Books(project)
    books.files(A, B, C)
    return books


def holds(books: Books, column: str, order: str = "1") -> list[str]:
    """What the runner that made the table would read."""
    found = books.sql(f"SELECT {column}::text FROM schema_migrations ORDER BY {order}")
    return [key for (key,) in found]


def driver_url(books: Books) -> str:
    url = books.engine.url.set(drivername="postgresql")
    return url.render_as_string(hide_password=False)


def refused(books: Books) -> str:
    """The message of a refusal that leaves the table as it was."""
    before = books.table("schema_migrations", "xmin, *", "2")
    with pytest.raises(LedgerError) as caught:
        books.upgrade()
    assert books.table("schema_migrations", "xmin, *", "2") == before
    assert books.ran == []
    return str(caught.value)


TEAMS_OWN = (
    "applied_by TEXT NOT NULL DEFAULT current_user, batch INTEGER NOT NULL DEFAULT 1, "
    "at TIMESTAMP NOT NULL DEFAULT now()"
)


@pytest.mark.parametrize(
    ("definition", "column", "keys", "told"),
    [
        (f"version TEXT PRIMARY KEY, {TEAMS_OWN}", "version", (A, B, C, D), ""),
        (
            f"filename TEXT PRIMARY KEY, {TEAMS_OWN}",
            "filename",
            tuple(f"{stem}.py" for stem in (A, B, C, D)),
            "migrations by their file in the column filename: '001_a.py' is 001_a.",
        ),
        (
            f"id SERIAL PRIMARY KEY, script VARCHAR(100) UNIQUE, {TEAMS_OWN}",
            "script",
            (A, B, C, D),
            "migrations by their stem in the column script: '001_a' is 001_a.",
        ),
        (
            "version TEXT NOT NULL DEFAULT '1.0', \"The: %s Script\" VARCHAR(100) PRIMARY KEY",
            '"The: %s Script"',
            tuple(f"{stem}.py" for stem in (A, B, C, D)),
            "by their file in the column The: %s Script: '001_a.py' is 001_a.",
        ),
        (
            f"id SERIAL PRIMARY KEY, n INTEGER NOT NULL UNIQUE, {TEAMS_OWN.replace('1', '77')}",
            "n",
            ("1", "2", "3", "4"),
            "migrations by their number in the column n: '1' is 001_a.",
        ),
        (
            "number VARCHAR(3) PRIMARY KEY",
            "number",
            ("001", "002", "003", "004"),
            "migrations by their number in the column number: '001' is 001_a.",
        ),
    ],
)
def test_an_adopted_table_is_recognised_and_goes_on_in_its_way(
    books: Books, definition: str, column: str, keys: tuple[str, ...], told: str
) -> None:
    """Also where nothing tells when a row was written."""
    books.sql(f"CREATE TABLE schema_migrations ({definition})")
    for key in keys[:2]:
        literal = key.replace(":", "\\:")
        books.sql(
            f"INSERT INTO schema_migrations ({column.replace(':', chr(92) + ':')}) "
            f"VALUES ('{literal}')"
        )
    column = column.replace(":", "\\:")
    books.files(D)
    assert books.upgrade() == [C, D]
    assert holds(books, column) == list(keys)
    assert books.pointers == [D]
    assert len(books.reporter.notes) == bool(told)
    assert told in "".join(books.reporter.notes)
    assert books.upgrade() == []
    books.downgrade("-1")
    assert holds(books, column) == list(keys[:3])
    books.stamp("head")
    assert holds(books, column) == list(keys)
    assert books.reporter.warnings == []


def test_what_was_recognised_is_said_with_the_settings_that_settle_it(books: Books) -> None:
    books.sql("CREATE TABLE schema_migrations (file_name TEXT)")
    books.sql("INSERT INTO schema_migrations VALUES ('001_a.py')")
    books.upgrade()
    (note,) = books.reporter.notes
    assert note == (
        "schema_migrations is taken for a ledger that names migrations by their file in the "
        "column file_name: '001_a.py' is 001_a. To settle it, set ledger_key = file_name and "
        "ledger_key_form = file in alembic.ini."
    )
    books.project.ini(extra="ledger_key = file_name\nledger_key_form = file\n")
    assert books.upgrade() == []
    assert len(books.reporter.notes) == 1


# Told in alembic.ini


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("stem", [A, B, C]),
        ("file", ["001_a.py", "002_b.py", "003_c.py"]),
        ("number", ["001", "002", "003"]),
    ],
)
@pytest.mark.parametrize("made", [True, False])
def test_a_ledger_without_rows_is_written_as_told(
    books: Books, form: str, expected: list[str], made: bool
) -> None:
    """Also one that bridge has to create."""
    if made:
        books.sql('CREATE TABLE schema_migrations (id SERIAL PRIMARY KEY, "Script" TEXT)')
    books.project.ini(extra=f"ledger_key = Script\nledger_key_form = {form}\n")
    assert books.upgrade() == [A, B, C]
    assert holds(books, '"Script"') == expected
    assert books.upgrade() == []
    assert books.reporter.notes == []


def test_numbers_are_written_into_a_column_of_numbers(books: Books) -> None:
    books.sql("CREATE TABLE schema_migrations (step BIGINT PRIMARY KEY)")
    books.project.ini(extra="ledger_key = step\nledger_key_form = number\n")
    assert books.upgrade() == [A, B, C]
    assert holds(books, "step") == ["1", "2", "3"]
    assert books.upgrade() == []


def test_numbers_padded_in_some_rows_only_are_each_found_again(books: Books) -> None:
    books.sql("CREATE TABLE schema_migrations (version TEXT PRIMARY KEY)")
    books.sql("INSERT INTO schema_migrations VALUES ('1'), ('002')")
    assert books.upgrade() == [C]
    books.downgrade("base")
    assert holds(books, "version") == []


def test_the_column_told_wins_over_that_of_a_usual_name(books: Books) -> None:
    books.sql("CREATE TABLE schema_migrations (version TEXT, label TEXT)")
    books.sql("INSERT INTO schema_migrations VALUES ('001_a', '002_b')")
    books.project.ini(extra="ledger_key = label\n")
    assert books.upgrade() == [A, C]
    assert holds(books, "label") == [A, B, C]


def test_a_column_told_that_is_not_there_is_named(books: Books) -> None:
    books.sql("CREATE TABLE schema_migrations (version TEXT, at DATE)")
    for wrong in ("label", "at"):
        books.project.ini(extra=f"ledger_key = {wrong}\n")
        assert refused(books) == (
            f"ledger_key is {wrong}, and the table schema_migrations has no such column of text "
            "or of whole numbers: its columns are version, at. It was left alone."
        )


@pytest.mark.parametrize(
    ("kind", "form", "key"),
    [("TEXT", "number", "001_a"), ("TEXT", "file", "001_a"), ("INTEGER", "stem", "1")],
)
def test_rows_of_another_form_than_the_one_told_are_refused(
    books: Books, kind: str, form: str, key: str
) -> None:
    books.sql(f"CREATE TABLE schema_migrations (version {kind})")
    books.sql(f"INSERT INTO schema_migrations VALUES ('{key}')")
    books.project.ini(extra=f"ledger_key_form = {form}\n")
    assert refused(books) == (
        f"ledger_key_form is {form}, but schema_migrations.version holds '{key}', which does not "
        "have that form. Nothing was changed. Correct ledger_key_form (or ledger_key) in "
        "alembic.ini, or that row."
    )


# What cannot be recognised


UNKNOWN = (
    "The table schema_migrations is not a ledger that bridge knows: its columns are {}, and {} "
    "Nothing was changed. If this is the ledger, set ledger_key = COLUMN in alembic.ini, and "
    "ledger_key_form = stem, file, path or number; if not, name another table with ledger_table = "
    "NAME."
)


@pytest.mark.parametrize(
    ("definition", "rows", "columns", "why"),
    [
        (
            "n INT, label TEXT",
            "(1, 'It''s a'), (2, NULL), (7, repeat('x', 50)), (8, 'more')",
            "n, label",
            (
                "none of them names in most rows a file of this folder. Its first rows: n '1', "
                f"label 'It''s a'; n '2', label NULL; n '7', label '{'x' * 39}…'."
            ),
        ),
        (
            "n INT, label TEXT",
            "(1, '002_b'), (2, '001_a')",
            "n, label",
            (
                "more than one of them names files of this folder (n as number, label as stem). "
                "Its first rows: n '1', label '002_b'; n '2', label '001_a'."
            ),
        ),
        (
            "label TEXT",
            "('001_a'), ('001_a')",
            "label",
            (
                "none of them names in most rows a file of this folder. Its first rows: label "
                "'001_a'; label '001_a'."
            ),
        ),
        (
            "label TEXT",
            "",
            "label",
            "none of them names in most rows a file of this folder. It has no rows.",
        ),
    ],
)
def test_a_table_that_fits_nothing_is_shown_and_refused(
    books: Books, definition: str, rows: str, columns: str, why: str
) -> None:
    books.sql(f"CREATE TABLE schema_migrations ({definition})")
    if rows:
        books.sql(f"INSERT INTO schema_migrations VALUES {rows}")
    assert refused(books) == UNKNOWN.format(columns, why)
    with pytest.raises(LedgerError):
        books.stamp("head")


def test_another_applications_ledger_is_shown_where_another_column_could_be_meant(
    books: Books,
) -> None:
    books.sql("CREATE TABLE schema_migrations (version TEXT, script TEXT)")
    books.sql("INSERT INTO schema_migrations VALUES ('1.0', 'V1__users.sql')")
    message = refused(books)
    assert "it looks like another application's ledger" in message
    assert message.endswith(
        " Its first rows: version '1.0', script 'V1__users.sql'. If one of these columns names "
        "this application's migrations, say which with ledger_key = COLUMN, and how with "
        "ledger_key_form = stem, file, path or number."
    )


def test_files_that_a_ledger_of_numbers_cannot_tell_apart_are_all_named(books: Books) -> None:
    books.files("002_z", "003_y")
    books.sql("CREATE TABLE schema_migrations (version INTEGER PRIMARY KEY)")
    books.sql("INSERT INTO schema_migrations VALUES (1)")
    assert refused(books) == (
        "schema_migrations records numbers, not names, and 002_b and 002_z have the same number, "
        "003_c and 003_y have the same number: nobody can tell which of them is applied. Nothing "
        "was changed. Give all but one of them another number, or put whole names into "
        "schema_migrations."
    )


def test_the_settings_of_the_key_may_be_given_to_alembic(books: Books) -> None:
    books.sql("CREATE TABLE schema_migrations (n INT, label TEXT)")
    books.sql("INSERT INTO schema_migrations VALUES (1, '001_a')")
    done = books.project.alembic("-x", "ledger_key=label", "upgrade", "head")
    assert (done.returncode, holds(books, "label")) == (0, [A, B, C]), done.stderr
    done = books.project.eai("migrate", env={"BRIDGE_LEDGER_KEY": "label"}, check=True)
    assert done.stdout == "Nothing to do: the database is up to date.\n"


def test_a_script_for_an_adopted_database_is_written_in_its_way(books: Books) -> None:
    books.sql('CREATE TABLE schema_migrations (n INT, "Script" TEXT)')
    books.sql("INSERT INTO schema_migrations VALUES (7, '001_a.py')")
    out = io.StringIO()
    request = Request(database=books.engine, config=books.project.path / "alembic.ini")
    write_sql(request, out=out)
    with closing(psycopg2.connect(driver_url(books))) as connection:
        connection.autocommit = True  # the script begins and commits
        connection.cursor().execute(out.getvalue())
    assert holds(books, '"Script"') == ["001_a.py", "002_b.py", "003_c.py"]
    assert books.upgrade() == []


def test_another_column_that_wants_a_value_once_is_not_taken_for_another_process(
    books: Books,
) -> None:
    books.sql(
        "CREATE TABLE schema_migrations (version text PRIMARY KEY, description text UNIQUE)",
        "INSERT INTO schema_migrations VALUES ('001_a', 'About 002_b')",
    )
    with pytest.raises(MigrationError) as caught:
        books.upgrade()
    message = str(caught.value)
    assert "another process" not in message
    assert "Correct the file" not in message
    assert (
        "The constraint schema_migrations_description_key of schema_migrations allows each value "
        "only once, and more than one migration has this value. Type as the table's owner: ALTER "
        "TABLE schema_migrations DROP CONSTRAINT schema_migrations_description_key;"
    ) in message
    assert books.ran == []


# Times


@pytest.mark.parametrize(
    ("definition", "earlier", "form"),
    [
        # What the default writes is what the rows before have.
        ("timestamp DEFAULT (now() AT TIME ZONE 'utc')", "2024-01-01 10:00:00", None),
        ("timestamptz NOT NULL", "2024-01-01 10:00:00+00", None),
        ("text NOT NULL", "2024-01-01T10:00:00Z", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"),
        ("text NOT NULL", "2024-01-01 10:00:00.123456", r"\d{4}-\d\d-\d\d [\d:]{8}\.\d{6}"),
    ],
)
def test_a_time_is_written_in_the_form_of_the_rows_before(
    books: Books, definition: str, earlier: str, form: str | None
) -> None:
    """Also where the session is in another time zone than the rows."""
    books.sql(
        f"CREATE TABLE schema_migrations (version text PRIMARY KEY, applied_at {definition})",
        f"INSERT INTO schema_migrations VALUES ('001_a', '{earlier}')",
        f'ALTER DATABASE "{books.engine.url.database}" SET TimeZone = "Asia/Tokyo"',
    )
    assert books.upgrade() == [B, C]
    assert books.upgrade() == []
    rows = books.sql("SELECT applied_at::text FROM schema_migrations WHERE version = '003_c'")
    ((written,),) = rows
    if form is not None:
        assert re.fullmatch(form, written)
    else:
        kind = definition.split(maxsplit=1)[0]
        now = "now() AT TIME ZONE 'utc'" if kind == "timestamp" else "now()"
        close = f"abs(extract(epoch FROM applied_at - ({now}))) < 600"
        assert books.sql(f"SELECT {close} FROM schema_migrations WHERE version = '003_c'") == [
            (True,)
        ]
