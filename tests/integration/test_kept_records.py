"""Each write of a record is looked at: what a trigger, a rule or a policy makes of it counts."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from functools import partial
from itertools import cycle
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

import bridge
from bridge.errors import BridgeError
from support.adopted import Adopted
from support.selection import few

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.project import Project

A, B, C, D = "001_a", "002_b", "003_c", "004_d"
LEDGER, POINTER = "schema_migrations", "alembic_version"
KEYS = {LEDGER: "version", POINTER: "version_num"}

#: What is done with a row: an event, and what a trigger does then, or a rule.
SWALLOWED = "RETURN NULL;"
KINDS = {
    "BEFORE INSERT": {
        "swallowed": SWALLOWED,
        "renamed": "NEW.{key} := NEW.{key} || 'x'; RETURN NEW;",
    },
    "BEFORE UPDATE": {
        "swallowed": SWALLOWED,
        "renamed": "NEW.{key} := NEW.{key} || 'x'; RETURN NEW;",
        "left": "RETURN OLD;",
    },
    "BEFORE DELETE": {"swallowed": SWALLOWED},
    "AFTER INSERT": {
        "deleted": "DELETE FROM {table} WHERE {key} = NEW.{key}; RETURN NULL;",
        "renamed": "UPDATE {table} SET {key} = {key} || 'x' WHERE {key} = NEW.{key}; RETURN NULL;",
    },
    "AFTER UPDATE": {
        "deleted": "DELETE FROM {table} WHERE {key} = NEW.{key}; RETURN NULL;",
        "put back": "UPDATE {table} SET {key} = OLD.{key} WHERE {key} = NEW.{key}; RETURN NULL;",
    },
    "AFTER DELETE": {"put back": "INSERT INTO {table} SELECT OLD.*; RETURN NULL;"},
    "RULE INSERT": {"nothing": ""},
    "RULE UPDATE": {"nothing": ""},
    "RULE DELETE": {"nothing": ""},
}
SPECIMENS = [
    (table, event, kind)
    for table in (LEDGER, POINTER)
    for event, kinds in KINDS.items()
    for kind in kinds
]
#: Each event once, on one table or the other.
EACH_EVENT = [
    (table, event, next(iter(kinds)))
    for table, (event, kinds) in zip(cycle((LEDGER, POINTER)), KINDS.items(), strict=False)
]


@dataclass(frozen=True)
class Held:
    """What both tables say, and what was done."""

    rows: tuple[str, ...]
    pointers: tuple[str, ...]
    ran: tuple[str, ...]


def held(books: Adopted) -> Held:
    return Held(tuple(sorted(books.applied)), tuple(books.pointers), tuple(books.ran))


def interfere(books: Adopted, table: str, event: str, kind: str) -> None:
    when, what = event.split()
    if when == "RULE":
        books.raw(f"CREATE RULE in_between AS ON {what} TO {table} DO INSTEAD NOTHING")
        return
    body = KINDS[event][kind].format(table=table, key=KEYS[table])
    books.raw(
        "CREATE OR REPLACE FUNCTION in_between() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN IF pg_trigger_depth() > 1 THEN RETURN coalesce(NEW, OLD); END IF; {body} END $$",
        f"CREATE TRIGGER in_between {event} ON {table} FOR EACH ROW EXECUTE FUNCTION in_between()",
    )


def reset(books: Adopted, *applied: str) -> None:
    """A database in which these ran, and the files of ALL."""
    books.raw("DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
    for file in books.project.migrations.iterdir():
        if file.suffix == ".py":
            file.unlink()
    books.files(A, B, C, D)
    if applied:
        assert books.upgrade(applied[-1]) == list(applied)


def refusal_of(act: Callable[[], object]) -> str:
    """The message of a refusal, or of a failure; empty if there was none."""
    try:
        act()
    except BridgeError as error:
        return str(error)
    return ""


def in_a_transaction(books: Adopted) -> None:
    with books.engine.begin() as connection:
        config = books.project.path / "alembic.ini"
        bridge.upgrade(connection, config=config, reporter=books.reporter)


def renamed(books: Adopted) -> None:
    file = books.project.migrations / f"{B}.py"
    file.rename(file.with_name("002_x.py"))
    books.repair()


#: What is done where these are applied, and what the tables then say.
ACTS: dict[str, tuple[tuple[str, ...], Callable[[Adopted], object], Held]] = {
    "upgrade": ((A, B), lambda b: b.upgrade(C), Held((A, B, C), (C,), (A, B, C))),
    "upgrade of two": ((A,), lambda b: b.upgrade(C), Held((A, B, C), (C,), (A, B, C))),
    "in a transaction": ((A, B, C), in_a_transaction, Held((A, B, C, D), (D,), (A, B, C, D))),
    "downgrade": ((A, B), lambda b: b.downgrade("-1"), Held((A,), (A,), (A, B, f"-{B}"))),
    "downgrade to base": ((A,), lambda b: b.downgrade("base"), Held((), (), (A, f"-{A}"))),
    "stamp": ((A, B), lambda b: b.stamp(C), Held((A, B, C), (C,), (A, B))),
    "stamp back": ((A, B), lambda b: b.stamp(A), Held((A,), (A,), (A, B))),
    "stamp base": ((A, B), lambda b: b.stamp("base"), Held((), (), (A, B))),
    "mark applied": ((A, B), lambda b: b.mark(C, applied=True), Held((A, B, C), (C,), (A, B))),
    "mark pending": ((A, B), lambda b: b.mark(B, applied=False), Held((A,), (A,), (A, B))),
    "repair": ((A, B), renamed, Held((A, "002_x"), ("002_x",), (A, B))),
}


@pytest.mark.parametrize(
    ("table", "event", "kind"), few(SPECIMENS, quick=lambda case: case in EACH_EVENT)
)
def test_what_is_done_is_recorded_or_neither_is_there(
    project: Project, table: str, event: str, kind: str
) -> None:
    books = Adopted(project)
    refused = 0
    for name, (applied, act, expected) in ACTS.items():
        reset(books, *applied)
        interfere(books, table, event, kind)
        before = held(books)
        if error := refusal_of(partial(act, books)):
            refused += 1
            assert table in error, name
            after = held(books)
            # Of several, those before the one that failed stay.
            done = after.rows == after.ran and after.pointers == after.rows[-1:]
            assert after == before or (name == "upgrade of two" and done), name
        else:
            assert held(books) == expected, name
    assert refused > 0


@pytest.mark.parametrize("act", ["INSERT", "UPDATE", "DELETE"])
@pytest.mark.parametrize("table", [LEDGER, POINTER])
def test_one_row_of_many_is_noticed_as_well(project: Project, table: str, act: str) -> None:
    """Where the migrations before it were recorded in the ordinary way."""
    books = Adopted(project)
    reset(books, A)
    body = "IF coalesce(to_json(NEW), to_json(OLD))::text LIKE '%003_c%' THEN RETURN NULL; END IF;"
    books.raw(
        "CREATE FUNCTION in_between() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN {body} RETURN coalesce(NEW, OLD); END $$",
        f"CREATE TRIGGER x BEFORE {act} ON {table} FOR EACH ROW EXECUTE FUNCTION in_between()",
    )
    swallows = (table, act) in {(LEDGER, "INSERT"), (POINTER, "UPDATE")}
    if swallows:
        with pytest.raises(BridgeError, match=table):
            books.upgrade()
        assert held(books) == Held((A, B), (B,), (A, B))
        books.raw(f"DROP TRIGGER x ON {table}")
    books.upgrade()
    assert held(books) == Held((A, B, C, D), (D,), (A, B, C, D))


def test_the_first_row_of_a_ledger_is_looked_at(project: Project) -> None:
    """Where no pointer is there yet that could move."""
    for table, key in KEYS.items():
        books = Adopted(project)
        reset(books, A)
        books.downgrade("base")
        books.raw("TRUNCATE ran")
        interfere(books, table, "BEFORE INSERT", "swallowed")
        with pytest.raises(BridgeError, match=table):
            books.upgrade()
        assert (books.ran, books.applied, books.pointers) == ([], [], []), key


def test_a_trigger_is_told_before_it_does_anything(project: Project) -> None:
    books = Adopted(project)
    reset(books, A)
    books.raw(
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$",
        f"CREATE TRIGGER harmless BEFORE INSERT ON {LEDGER} FOR EACH ROW EXECUTE FUNCTION f()",
        f"CREATE TRIGGER whole AFTER INSERT ON {LEDGER} FOR EACH STATEMENT EXECUTE FUNCTION f()",
        f"CREATE TRIGGER sleeps BEFORE INSERT ON {LEDGER} FOR EACH ROW EXECUTE FUNCTION f()",
        f"ALTER TABLE {LEDGER} DISABLE TRIGGER sleeps",
    )
    (found,) = books.status().findings
    assert (found.id, found.severity) == ("trigger", "warning")
    assert found.message.endswith("may change what is recorded: harmless.")
    assert books.upgrade() == [B, C, D]


# Row level security


@pytest.fixture
def role(project: Project) -> Iterator[tuple[Adopted, Adopted, str]]:
    """A database as its owner sees it, and as a role that may write both tables."""
    owner = Adopted(project)
    name = f"bridge_test_{secrets.token_hex(4)}"
    reset(owner, A)
    owner.raw(
        f"CREATE ROLE {name} LOGIN PASSWORD 'secret'",
        f"GRANT USAGE, CREATE ON SCHEMA public TO {name}",
        f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {name}",
        f"GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {name}",
    )
    books = Adopted(project, owner.reporter)
    url = owner.engine.url.set(username=name, password="secret")
    books.engine = create_engine(url, poolclass=NullPool)
    yield owner, books, name
    owner.raw(f"DROP OWNED BY {name}", f"DROP ROLE {name}")


POLICIES = {
    "none at all": (),
    "read only": ("FOR SELECT USING (true)",),
    "some rows": ("USING (true) WITH CHECK ({key} < '003')",),
    "hides some": ("USING ({key} < '001')",),
    "restrictive": ("USING (true)", "AS RESTRICTIVE FOR INSERT WITH CHECK ({key} = '004_d')"),
    "no delete": (
        "FOR SELECT USING (true)",
        "FOR INSERT WITH CHECK (true)",
        "FOR UPDATE USING (true)",
    ),
}


@pytest.mark.parametrize("policy", list(POLICIES))
@pytest.mark.parametrize("table", [LEDGER, POINTER])
def test_a_policy_that_may_keep_a_row_back_is_refused_before_anything_runs(
    role: tuple[Adopted, Adopted, str], table: str, policy: str
) -> None:
    owner, books, _name = role
    owner.raw(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    for place, each in enumerate(POLICIES[policy]):
        owner.raw(f"CREATE POLICY p{place} ON {table} {each.format(key=KEYS[table])}")
    before = held(owner)
    acts: tuple[Callable[[], object], ...] = (
        books.upgrade,
        lambda: books.downgrade("-1"),
        lambda: books.stamp(B),
        lambda: books.mark(B, applied=True),
        lambda: books.mark(A, applied=False),
    )
    refused = 0
    for act in acts:
        if error := refusal_of(act):
            refused += 1
            assert table in error
            assert held(owner) == before
        else:
            reset_to(owner, before)
    assert refused > 0
    found = [each for each in books.status().findings if each.id == "hidden-rows"]
    if found:
        owner.raw(found[0].next.partition("owner: ")[2].partition(";")[0])
        if policy != "restrictive":
            assert books.upgrade() == [B, C, D]


def reset_to(books: Adopted, before: Held) -> None:
    """Put back what an act has changed that was not refused."""
    ran = ", ".join(f"('{what}')" for what in before.ran)
    books.raw(
        f"DELETE FROM {LEDGER} WHERE version <> '{A}'",
        f"INSERT INTO {LEDGER} (version) VALUES ('{A}') ON CONFLICT DO NOTHING",
        f"DELETE FROM {POINTER}",
        f"INSERT INTO {POINTER} VALUES ('{A}')",
        "TRUNCATE ran",
        f"INSERT INTO ran (what) VALUES {ran}",
    )
