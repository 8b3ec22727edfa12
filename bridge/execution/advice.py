"""The advice on errors that migrations meet: sentences, and what helps."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from psycopg2 import NotSupportedError, ProgrammingError
from sqlalchemy.exc import ArgumentError

from bridge.database.driver_errors import first_line
from bridge.database.sqlstate import sqlstate
from bridge.execution import psycopg3


def advice(error: BaseException) -> str | None:
    """Return what helps against this error, as a sentence or two; None if nothing is known."""
    state, text = sqlstate(error), str(getattr(error, "orig", None) or error)
    if state in _ADVICE:
        return _ADVICE[state]
    with_statement = f"{text}\n[SQL: {getattr(error, 'statement', None)}]"
    for words in _ADVICE_ON_WORDS:
        if match := words.said.search(with_statement if words.of_statement else text):
            return words.helps(match)
    return None


def advice_on_imports(error: BaseException, source: str) -> str | None:
    """Return what helps against an error that only what the file imports can explain.

    It is one of Python or the driver, in a file with something of psycopg 3's; or one of the
    server, which the file would have caught there.
    """
    of_server = sqlstate(error) is not None
    if not of_server and not isinstance(error, _OF_ANOTHER_KIND):
        return None
    module = ast.parse(source)
    # What is nothing but the package says least.
    found = sorted(psycopg3.imports(module), key=lambda each: "." not in each.name)
    if of_server:
        caught = psycopg3.caught(module)
        found = [each for each in found if each.known_as in caught]
        what = "so an except with {name} (line {line}) catches nothing"
    else:
        what = "and this file was written for psycopg 3: line {line} imports {name}"
    if not found:
        return None
    told = what.format(line=found[0].line, name=found[0].name)
    return f"{psycopg3.RUNS_ON}, {told}. {found[0].instead}"


def lost(cause: BaseException | None) -> str:
    """Explain a commit in an aborted transaction; `cause` is what aborted it."""
    why = f" ({first_line(cause)})" if cause else ""
    return (
        f"A statement failed{why} and the file went on without db.rollback(), so PostgreSQL threw "
        "away everything since the last commit. Use db.begin_nested() around a statement that "
        "may fail, or db.rollback() after it."
    )


#: What comes of the use of something for another driver.
_OF_ANOTHER_KIND = (
    *(TypeError, AttributeError, ImportError, ArgumentError, ProgrammingError, NotSupportedError),
)

_ADVICE = {
    "25001": 'Put transaction = "autocommit" at the top of the file: this statement refuses to '
    "run inside a transaction.",
    "55P04": "A new enum value can be used only after it was committed: put a db.commit() after "
    'the ALTER TYPE, and transaction = "default" if the file says "atomic".',
    "55P03": "Another session holds a lock on the table for longer than lock_timeout allows. "
    "Nothing is wrong with the file: run again when the table is less busy.",
    "40P01": "Another session and this migration waited for each other. Nothing is wrong with "
    "the file: run again.",
}

#: Of a connection that is closed, by whomever.
GONE_ON = "The connection to the server was lost while the file ran, and the file went on."
#: Of one that the file has closed.
CLOSED = (
    "The file closed its own connection, which it and its record still need. Leave close() of the "
    "driver's connection and invalidate() out."
)


@dataclass(frozen=True, slots=True)
class _Words:
    """What an error says, and what helps."""

    said: re.Pattern[str]
    #: {0} and so on are the groups that are there.
    sentence: str
    #: What goes after that, by the first group.
    instead: Mapping[str, str] = field(default_factory=dict)
    otherwise: str = ""
    #: Whether the statement counts too, which stands behind what the error says.
    of_statement: bool = False

    def helps(self, match: re.Match[str]) -> str:
        """Return the advice for what was found."""
        groups = [group for group in match.groups() if group is not None]
        sentence = self.sentence.format(*groups)
        instead = self.instead.get(groups[0], self.otherwise) if groups else ""
        return f"{sentence} {instead}".strip()


_TYPE = r"(\w+(?:\[\])*)"
_NO_CAST = "In text() a parameter may not stand right before a cast with two colons. Write"

#: The first that fits counts.
_ADVICE_ON_WORDS = (
    _Words(
        re.compile(r"^This transaction is inactive"),
        "commit() or rollback() of the Connection has ended the Session's transaction, and the "
        "Session does not know. Use db.commit() and db.rollback().",
    ),
    # What was written for another driver.
    _Words(
        re.compile(r"No module named '(psycopg(?:_pool)?)\b"),
        f"{psycopg3.RUNS_ON}, and psycopg 3 is not installed here.",
        psycopg3.MODULES,
    ),
    _Words(
        re.compile(r"can't adapt type '([^']+)'"),
        f"{psycopg3.RUNS_ON}, and it does not know the type {{0}}.",
        psycopg3.TYPES,
        psycopg3.OTHER_TYPE,
    ),
    _Words(
        re.compile(
            r"'(?:[\w.]*[cC]ursor|(?:[\w.]*\.)?connection|DriverConnection)' object has no "
            r"attribute '([^']+)'"
        ),
        f"{psycopg3.RUNS_ON}, and psycopg2 has no {{0}} there.",
        psycopg3.ATTRIBUTES,
    ),
    _Words(
        re.compile(
            rf"'({psycopg3.ANY_KEYWORD})' is an invalid keyword argument"
            rf"|unexpected keyword argument '({psycopg3.ANY_KEYWORD})'"
        ),
        f"{psycopg3.RUNS_ON}, and psycopg2 has no {{0}}= there.",
        psycopg3.KEYWORDS,
    ),
    _Words(
        re.compile(r"'NoneType' object has no attribute '(fetch(?:one|many|all))'"),
        f"{psycopg3.RUNS_ON}, and execute() of its cursors returns None. Write cursor.{{0}}() on a "
        "line of its own, after cursor.execute(...).",
    ),
    _Words(
        re.compile(r"(?:Not an executable object: |construct expected, got )(SQL|Composed)\("),
        f"{psycopg3.RUNS_ON}, and db.execute() takes text(...).",
        psycopg3.TYPES,
    ),
    _Words(
        re.compile(r"got (Template|SQL|Composed) instead"),
        f"{psycopg3.RUNS_ON}, and its cursors take a text, or what psycopg2.sql has composed.",
    ),
    _Words(
        re.compile(r"^unsupported format character '([bt])'"),
        f"{psycopg3.RUNS_ON}, and in a statement of psycopg2 a parameter is %s, not %{{0}}. Where "
        "the sign itself is meant, write it twice: %%.",
    ),
    # What one sign means.
    _Words(
        # SQLAlchemy 2.0 takes all of the name but its last letter, since two colons follow that.
        re.compile(rf"A value is required for bind parameter '(\w+)'(?s:.*)%\(\1\)s(\w*)::{_TYPE}"),
        f"{_NO_CAST} CAST(:{{0}}{{1}} AS {{2}}).",
        of_statement=True,
    ),
    _Words(
        re.compile(rf'^syntax error at or near ":"(?s:.*)\[SQL: (?s:.*?)(?<![:\w]):(\w+)::{_TYPE}'),
        f"{_NO_CAST} CAST(:{{0}} AS {{1}}).",
        of_statement=True,
    ),
    _Words(
        re.compile(r'extension "([^"]+)" is not available'),
        "This server has no extension {0}. The embedded PostgreSQL comes without most "
        "extensions: set DATABASE_URL to a server that has it.",
    ),
    _Words(
        re.compile(r"A value is required for bind parameter '([^']+)'"),
        "In text() a name after a colon is a parameter, here :{0}. Where the colon itself is "
        'meant, write a backslash before it, in a raw string: text(r"... \\:{0} ...").',
    ),
    _Words(
        # Of the driver's formatting, which SQLAlchemy passes on as it is.
        re.compile(r"^unsupported format character|immutabledict is not a sequence"),
        "In exec_driver_sql() a % begins a parameter. Where the sign itself is meant, write it "
        "twice: %%.",
    ),
)

#: By what the driver calls it; of all else the name is told.
_ENDS = {
    "transaction": "end its transaction by itself (a COMMIT or ROLLBACK as text)",
    "autocommit": "leave its transaction (autocommit)",
}


def no_change_inside(what: str, *, external: bool) -> str:
    """Explain why a file that is all or nothing may not do `what` to its connection."""
    tried = _ENDS.get(what, f"change how its transactions are made ({what})")
    if external:
        return (
            "This file runs in the open transaction of the connection that was handed in, and "
            f"tried to {tried}. Use db.commit() and db.rollback(), or hand in a connection that is "
            "in no transaction, or an Engine, if its commits must be real."
        )
    return (
        'This file runs as transaction = "atomic", all or nothing, and tried to '
        f'{tried}. Use db.commit() and db.rollback(), or transaction = "default" in the file if '
        "its commits must be real."
    )
