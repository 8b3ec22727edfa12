"""Find with one query that nothing is pending: the answer to most starts.

It imports neither SQLAlchemy nor Alembic, takes no lock and opens no migration, unless changed
files are to be refused, or rows have no file, which a squash may have replaced. It never says that
something is pending: whatever is not plainly up to date is left to the whole procedure.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from bridge.database.quoting import always_quote
from bridge.files.conventions import Order
from bridge.files.stems import ordinary_stems, revision_id
from bridge.ledger.columns import ADDED_COLUMNS, OUTCOME_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from sqlalchemy import Connection

    from bridge.config.settings import Settings

    #: Sends a query, and returns its one row; None where that fails.
    Ask = Callable[[str], Sequence[Any] | None]


def is_up_to_date(ask: Ask, settings: Settings) -> bool:
    """Return whether this folder's files, and nothing else, are applied and the pointer agrees.

    Where changed files are to be refused it opens the files after all, and also wants each to
    have the checksum that is recorded. Reads only. False also where a table is missing or is not
    of bridge's own making. Raises FilesError for a folder, or then a file, that cannot be read.
    """
    files = Files(settings)
    row = ask(question(settings, checksums=settings.drift == "refuse")) if files.stems else None
    return row is not None and files.are_all_of(row)


class Files:
    """The files of a folder, by which answers are judged; each is opened once, or not at all."""

    def __init__(self, settings: Settings) -> None:
        self.folder = settings.folder
        stems = ordinary_stems(settings.folder)
        if stems is None:
            from bridge.files.folder import scan  # it says what is wrong, if anything is

            stems = sorted([file.stem for file in scan(settings.folder).files])
        #: In the order of their names.
        self.stems = stems
        self._replaced: dict[str, Collection[str]] = {}
        self._checksums: dict[tuple[str, str], bool] = {}

    def are_all_of(self, row: Sequence[Any]) -> bool:
        """Return whether an answer to the `question` says that they are up to date.

        And that each is as it was applied, where the checksums were asked for.
        """
        versions, rows, dated, last, pointer, checksums, here, _ = row
        return bool(
            here
            and rows == dated
            and versions is not None
            and pointer == revision_id(last)
            and self._are_applied(versions, rows)
            and (checksums is None or self._are_unchanged(versions, checksums))
        )

    def _are_applied(self, versions: str, rows: int) -> bool:
        """Return whether each is a row, and each row a file or what one of them replaces."""
        # A version could hold a slash, a file cannot: with as many rows as files each is one.
        if rows == len(self.stems):
            return versions == "/".join(self.stems) or sorted(versions.split("/")) == self.stems
        others = set(versions.split("/")).difference(self.stems)
        if rows != len(self.stems) + len(others):
            return False
        for stem in self.stems:
            if others:
                others.difference_update(self._replaced_by(stem))
        return not others

    def _replaced_by(self, stem: str) -> Collection[str]:
        if stem not in self._replaced:
            from bridge.files.plain_file import PlainFile

            found = PlainFile(self.folder, stem).replaces
            self._replaced[stem] = () if found is None else found.names
        return self._replaced[stem]

    def _are_unchanged(self, versions: str, checksums: str) -> bool:
        """Return whether each is as applied; an adopted row without a checksum tells nothing."""
        applied = dict(zip(versions.split("/"), checksums.split("/"), strict=False))
        return len(applied) == checksums.count("/") + 1 and all(
            not applied[stem] or self._has(stem, applied[stem].removeprefix("="))
            for stem in self.stems
        )

    def _has(self, stem: str, checksum: str) -> bool:
        known = self._checksums.get((stem, checksum))
        if known is None:
            from bridge.files.plain_file import PlainFile

            known = self._checksums[stem, checksum] = PlainFile(self.folder, stem).has(checksum)
        return known


def through_driver(connection: Any) -> Ask:
    """Ask over a connection of psycopg2's, which is in autocommit mode from then on."""
    from psycopg2 import Error

    def ask(query: str) -> Any:
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(query)
                return cursor.fetchone()
        except (Error, UnicodeDecodeError):
            return None

    return ask


def through_engine(connection: Connection) -> Ask:
    """Ask over a connection of SQLAlchemy's, whose events a team may listen to.

    What was begun on it is rolled back.
    """
    from sqlalchemy.exc import DBAPIError

    def ask(query: str) -> Any:
        try:
            # A % in the name of a table is none of the driver's.
            options = {"no_parameters": True}
            row = connection.exec_driver_sql(query, execution_options=options).one()
            connection.rollback()
        except (DBAPIError, UnicodeDecodeError):
            with suppress(DBAPIError):  # of a connection that was cut
                connection.rollback()
            return None
        return row

    return ask


def question(settings: Settings, *, checksums: bool, one_of_many: bool = False) -> str:
    """Return the query, whose one row `Files` judges.

    As `one_of_many` in one statement it is asked in another way, which a server plans faster; the
    catalog has told the columns of the ledger then.
    """
    schema = settings.version_table_schema
    ledger = _qualified(schema, settings.ledger_table)
    key = always_quote(settings.ledger_key or "version")
    last = _LAST_OF_MANY if one_of_many else _LAST[settings.conventions.order]
    names = {
        "columns": ", ".join([*ADDED_COLUMNS, *OUTCOME_COLUMNS]),
        "absent": ", ".join(f"NULL AS {name}" for name in OUTCOME_COLUMNS),
    }
    return _QUERY.format(
        ledger=ledger,
        pointer=_qualified(schema, settings.version_table),
        key=key,
        last=last.format(
            ledger=ledger, key=key, place=_PLACE[settings.conventions.order].format(key=key)
        ),
        checksums=_CHECKSUMS if checksums else "NULL",
        here="true" if schema else _here(settings.ledger_table, settings.version_table),
        known="NULL" if one_of_many else _KNOWN.format(ledger=ledger, **names),
    )


def _here(*tables: str) -> str:
    """Return whether the tables found are in the schema in which files would make theirs.

    One that is found behind it in the search_path is another schema's. Looked up by name: that
    costs a tenth of a look at pg_class.
    """
    names = [always_quote(table).replace("'", "''") for table in tables]
    return " AND ".join(
        f"to_regclass(quote_ident(current_schema()) || '.{name}') = to_regclass('{name}')"
        for name in names
    )


def _qualified(schema: str | None, table: str) -> str:
    return f"{always_quote(schema)}.{always_quote(table)}" if schema else always_quote(table)


_QUERY = """
SELECT string_agg({key}::text, '/'), count(*), count(applied_at),
       {last},
       (SELECT string_agg(coalesce(version_num::text, '/'), '/') FROM {pointer}),
       {checksums},
       {here},
       {known}
  FROM {ledger} AS ledger
"""

# An error where one of bridge's columns is lacking: that table has still to be adopted. And where a
# column may say that a row is none of success: its name is then that of two columns.
_KNOWN = "(SELECT ({columns}) FROM {ledger}, (SELECT {absent}) AS absent LIMIT 0)"

# Of those that were applied last, the one with the last place. Nothing is sorted by the server,
# which takes longer over it than over all the rest.
_LAST = {
    Order.NAME: """
       (SELECT max({key}::text COLLATE "C") FROM {ledger} AS latest
         WHERE latest.applied_at = max(ledger.applied_at))""",
    Order.NUMBER: """
       (SELECT (array_agg({key}::text ORDER BY {place}))[count(*)] FROM {ledger} AS latest
         WHERE latest.applied_at = max(ledger.applied_at))""",
}
# Of many, it takes longer over a subquery for each.
_LAST_OF_MANY = "(array_agg({key}::text ORDER BY applied_at, {place}))[count(*)]"
_PLACE = {
    Order.NAME: '{key}::text COLLATE "C"',
    Order.NUMBER: "substring({key}::text FROM '[0-9]+')::numeric, {key}::text COLLATE \"C\"",
}

# In the order of the names, as both come from one pass over the rows.
_CHECKSUMS = "string_agg(coalesce('=' || checksum::text, ''), '/')"
