"""What is read of many targets at once is what the whole procedure says of each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.config.target import Target
from bridge.database.literals import literal
from bridge.database.quoting import always_quote
from bridge.database.request import Request
from bridge.errors import BridgeError, SchemaMissing, UsageError
from bridge.files.plain_file import PlainFile
from bridge.files.stems import revision_id
from bridge.operations.status import status_for
from bridge.operations.targets.read_all import read_all
from bridge.operations.targets.target_status import TargetState, TargetStatus
from support.books import LOGGED, Books
from support.project import DEFAULT_INI, Project
from support.refusal_rows import ROWS
from support.scenes import Scene

if TYPE_CHECKING:
    from collections.abc import Sequence

    from support.databases import Databases
    from support.refusal_table import Row


def by_the_whole_procedure(request: Request, target: Target) -> TargetStatus:
    """What `bridge.status` says of one target, in short."""
    database = request.database if target.url is None else None
    try:
        status = status_for(replace(request, target=target, database=database))
        return TargetStatus.of(target, status)
    except SchemaMissing as error:
        return TargetStatus(target.name, TargetState.MISSING, message=str(error))
    except BridgeError as error:
        return TargetStatus(target.name, TargetState.REFUSED, message=str(error))


def agreed(request: Request, targets: Sequence[Target]) -> tuple[TargetStatus, ...]:
    found = read_all(request, targets)
    assert found == tuple(by_the_whole_procedure(request, target) for target in targets)
    return found


# The situations that bridge knows of.


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory, databases: Databases) -> Scene:
    path = tmp_path_factory.mktemp("agreeing") / "project"
    return Scene(Books(Project.create(path, databases.take())))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.finding}: {row.looks}")
def test_a_situation_is_the_same_whether_asked_at_once_or_singly(scene: Scene, row: Row) -> None:
    scene.clear()
    row.prepare(scene)
    url = scene.place.url.render_as_string(hide_password=False)
    request = Request(database=url, config=scene.project.path / "alembic.ini")
    # Two of the same schema, so that the second one is alike.
    schemas = [Target(name, schema="public") for name in ("one", "two")]
    if row.finding == "no-schema":  # which contradicts a section with targets
        with pytest.raises(UsageError, match="version_table_schema is"):
            read_all(request, schemas)
        return
    agreed(request, [Target("database", url=url), *schemas, Target("acme"), Target("gone")])


# And any others.

FILES = ("001_one", "002_two", "003_three")
SQUASH = "002_two"
CHECK = "CHECK (version < '003') NOT VALID"
NAMES = (*FILES, "000_old", "004_newer", "001-one", "002_TWO.py", "2")


@dataclass(frozen=True)
class Recorded:
    version: str
    checksum: str  # "right", "wrong", "none"
    minute: int | None
    breaking: bool


@dataclass(frozen=True)
class Records:
    """What one schema holds; None for no table."""

    rows: tuple[Recorded, ...] | None
    pointer: str | None
    has_version_table: bool
    extra: str
    adopted: bool


RECORDED = st.builds(
    Recorded,
    st.one_of(st.sampled_from(FILES), st.sampled_from(NAMES)),
    st.sampled_from(["right", "right", "right", "wrong", "none"]),
    st.one_of(st.integers(0, 20), st.none()),
    st.sampled_from([False, False, False, True]),
)
IN_ORDER = st.integers(0, len(FILES)).map(
    lambda count: tuple(
        Recorded(stem, "right", place, breaking=False) for place, stem in enumerate(FILES[:count])
    )
)
RECORDS = st.builds(
    Records,
    st.one_of(
        IN_ORDER,
        IN_ORDER,
        st.lists(RECORDED, max_size=4, unique_by=lambda r: r.version).map(tuple),
        st.none(),
    ),
    st.sampled_from(["last", "last", "last", "last", "none", "001_one", "nobody"]),
    st.sampled_from([True, True, True, False]),
    st.sampled_from(
        [
            *("", "", "", ""),
            ", id serial",
            ", success boolean DEFAULT true",
            ", is_done boolean DEFAULT false",
            ", team text NOT NULL DEFAULT 'x'",
            ", owner text NOT NULL",
            CHECK,
        ]
    ),
    st.sampled_from([False, False, False, True]),
)


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory, databases: Databases) -> Books:
    path = tmp_path_factory.mktemp("agreeing") / "project"
    return Books(Project.create(path, databases.take()))


@settings(max_examples=settings().max_examples // 4)
@given(
    schemas=st.lists(RECORDS, min_size=1, max_size=7),
    drift=st.sampled_from(["warn", "warn", "refuse"]),
    order=st.sampled_from(["", "order = number\n"]),
    squash=st.booleans(),
)
def test_any_ledgers_are_the_same_whether_asked_at_once_or_singly(
    books: Books, schemas: list[Records], drift: str, order: str, squash: bool
) -> None:
    books.project.ini(DEFAULT_INI, extra=f"drift = {drift}\n{order}")
    for file in books.project.migrations.glob("*.py"):
        file.unlink()
    books.files(*FILES)
    if squash:
        (books.project.migrations / "001_one.py").unlink()
        text = LOGGED.format(stem=SQUASH)
        books.project.write(SQUASH, f"{text}\n\nreplaces = ['001_one', '000_old']\n")
    names = [f"s{number}" for number in range(len(schemas))]
    books.sql(*(f"DROP SCHEMA IF EXISTS s{number} CASCADE" for number in range(10)))
    for name, records in zip(names, schemas, strict=True):
        books.sql(*statements(books, name, records))
    url = books.engine.url.render_as_string(hide_password=False)
    request = Request(database=url, config=books.project.path / "alembic.ini")
    # Each twice, so that the second one is alike.
    twins = [Target(f"t{number}", schema=name) for number, name in enumerate(names)]
    agreed(request, [*map(Target, names), *twins])


def statements(books: Books, schema: str, records: Records) -> list[str]:
    """The SQL that makes these records."""
    made = [f"CREATE SCHEMA {always_quote(schema)}"]
    last = None
    if records.rows is not None:
        own = ", checksum VARCHAR(64), execution_ms INTEGER, breaking BOOLEAN"
        made.append(
            f"CREATE TABLE {schema}.schema_migrations (version VARCHAR(255) PRIMARY KEY, "
            "applied_at TIMESTAMPTZ DEFAULT CURRENT_TIMESTAMP, description TEXT"
            f"{'' if records.adopted else own}{'' if records.extra == CHECK else records.extra})"
        )
        if not records.adopted:
            made.append(
                f"COMMENT ON COLUMN {schema}.schema_migrations.checksum IS "
                "'Written by bridge: SHA-256 of the text that was applied.'"
            )
        if "owner" not in records.extra:
            made += [_insert(books, schema, row, records) for row in records.rows]
        if records.extra == CHECK:
            made.append(f"ALTER TABLE {schema}.schema_migrations ADD {CHECK}")
        dated = [row for row in records.rows if row.minute is not None]
        last = max(dated, key=lambda row: (row.minute, row.version)).version if dated else None
    if records.has_version_table:
        made.append(f"CREATE TABLE {schema}.alembic_version (version_num VARCHAR(255) PRIMARY KEY)")
        pointer = last if records.pointer == "last" else records.pointer
        if pointer not in {None, "none"}:
            made.append(
                f"INSERT INTO {schema}.alembic_version "
                f"VALUES ({literal(revision_id(str(pointer)))})"
            )
    return made


def _insert(books: Books, schema: str, row: Recorded, records: Records) -> str:
    at = "NULL" if row.minute is None else f"'2026-01-01 00:{row.minute:02}+00'"
    values: list[Any] = [literal(row.version), at]
    columns = "version, applied_at"
    if not records.adopted:
        columns += ", checksum, breaking"
        values += [literal(_checksum(books, row)), literal(row.breaking)]
    told = ", ".join(values)
    return (
        f"INSERT INTO {schema}.schema_migrations ({columns}) VALUES ({told}) ON CONFLICT DO NOTHING"
    )


def _checksum(books: Books, row: Recorded) -> str | None:
    if row.checksum == "none":
        return None
    if row.checksum == "right" and (books.project.migrations / f"{row.version}.py").exists():
        return PlainFile(str(books.project.migrations), row.version).checksum()
    return "0" * 64
