"""What a row of the table of actions is, and what most actions need.

An action is a function of a migration's Session, and of `note`, to which it tells what it sees. It
may run in any state of the connection and any number of times. It writes into the table `t`, which
has one column of text and no key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

Note = Callable[..., None]
Do = Callable[[Session, Note], None]


class FileError(Exception):
    """A file that fails by itself."""


class RefusedError(Exception):
    """Bridge refuses an action here that the old runner allows; says so in words like these."""


@dataclass(frozen=True, kw_only=True)
class Action:
    """One row."""

    name: str
    do: Do
    #: What bridge takes it for, in a form that the old runner understands; None for the same.
    means: Do | None
    #: Why it does not mean the same.
    why: str
    #: What is told of it in the usual run: a name of BEFORE and one of AFTER.
    telling: tuple[str, str]
    #: Whether it has a meaning in a file that is "atomic", where no commit is real.
    atomic: bool
    #: Whether it has the meaning of an Engine in AUTOCOMMIT in a file that is "autocommit".
    autocommit: bool


ACTIONS: dict[str, Action] = {}


def action(
    *,
    means: Do | None = None,
    why: str = "",
    telling: tuple[str, str] = ("committed", "inserts"),
    atomic: bool = True,
    autocommit: bool = True,
) -> Callable[[Do], Do]:
    """Add a function to the table, under its name."""

    def add(do: Do) -> Do:
        name = do.__name__
        if name in ACTIONS:
            raise ValueError(f"two actions are called {name}")
        if (means is None) != (not why):
            raise ValueError(f"{name}: say why it means something else, and only then")
        ACTIONS[name] = Action(
            name=name,
            do=do,
            means=means,
            why=why,
            telling=telling,
            atomic=atomic,
            autocommit=autocommit,
        )
        return do

    return add


def refused(pattern: str, *, doing: Do | None = None) -> Do:
    """What is refused in these words, after it did this much."""

    def refuse(db: Session, note: Note) -> None:
        if doing is not None:
            doing(db, note)
        raise RefusedError(pattern)

    return refuse


def run(db: Any, statement: str, **values: Any) -> Any:
    """Send a statement by a Session or a Connection."""
    return db.execute(text(statement), values)


def put(db: Any, what: str) -> None:
    """Insert a row by a Session or a Connection."""
    run(db, "INSERT INTO public.t VALUES (:what)", what=what)


def put_by(cursor: Any, what: str) -> None:
    """Insert a row by a cursor of the driver's."""
    cursor.execute("INSERT INTO public.t VALUES (%s)", (what,))


def count(db: Any, what: str) -> Any:
    """Count such rows."""
    return run(db, "SELECT count(*) FROM public.t WHERE what = :what", what=what).scalar()


def fairy(db: Session) -> Any:
    """The connection of SQLAlchemy's pool."""
    return db.connection().connection


def raw(db: Session) -> Any:
    """The driver's connection."""
    return fairy(db).dbapi_connection


def said(error: BaseException) -> str:
    """The class of an error and the first line of what it says."""
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"


@contextmanager
def caught(note: Note) -> Iterator[None]:
    """Note an error and go on."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - as a file may do
        note(said(error))


@contextmanager
def undone(db: Session, note: Note) -> Iterator[None]:
    """Note an error, roll back, and go on."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - as a file may do
        note(said(error))
        db.rollback()


def fail() -> None:
    """Fail, as a file does by itself."""
    raise FileError("the file fails")


def _nothing(db: Session) -> None:
    """Leave it as it is."""


def _insert_before(db: Session) -> None:
    put(db, "before")


def _commit_before(db: Session) -> None:
    put(db, "before")
    db.commit()


def _insert_after(db: Session) -> None:
    put(db, "after")


def _commit_and_fail(db: Session) -> None:
    db.commit()
    fail()


def _insert_and_fail(db: Session) -> None:
    put(db, "after")
    fail()


#: What is there before an action: nothing, work that is not committed, or work that is.
BEFORE: dict[str, Callable[[Session], None]] = {
    "nothing": _nothing,
    "inserted": _insert_before,
    "committed": _commit_before,
}
#: How a file goes on after an action.
AFTER: dict[str, Callable[[Session], None]] = {
    "returns": _nothing,
    "inserts": _insert_after,
    "commits and fails": _commit_and_fail,
    "inserts and fails": _insert_and_fail,
}
