"""Write the new file: a plain migration with the SQL of its sections. Data in, text out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bridge.files.conventions import Argument
from bridge.files.functions import CALLED_WITH
from bridge.files.mode import Mode
from bridge.files.new_file import literal
from bridge.reporting.escaping import in_one_line
from bridge.reporting.numbers import counted

if TYPE_CHECKING:
    from bridge.files.conventions import Conventions
    from bridge.operations.squash.layout import Section
    from bridge.operations.squash.plan import Plan

#: The body of the function, by what it takes; SQL goes as it stands, so that a % means nothing.
_AS_IT_STANDS: Final = '.exec_driver_sql(sql, execution_options={"no_parameters": True})'
_BODIES: Final = {
    Argument.SESSION: (
        "connection = db.connection()",
        "for sql in PARTS:",
        f"    connection{_AS_IT_STANDS}",
        "db.commit()",
    ),
    Argument.CONNECTION: ("for sql in PARTS:", f"    conn{_AS_IT_STANDS}"),
    Argument.ENGINE: (
        "with engine.begin() as conn:",
        "    for sql in PARTS:",
        f"        conn{_AS_IT_STANDS}",
    ),
    Argument.DBAPI: (
        "with conn.cursor() as cur:",
        "    for sql in PARTS:",
        "        cur.execute(sql)",
    ),
    Argument.CURSOR: ("for sql in PARTS:", "    cur.execute(sql)"),
}
#: What a raw string of Python cannot hold as it stands.
_NOT_RAW: Final = re.compile("\r")


@dataclass(frozen=True, slots=True)
class Remarks:
    """What a person must know of the new file."""

    #: The major version of the PostgreSQL that has made it.
    major: int
    #: Whose values differ from one run of the replaced files to the next.
    volatile: tuple[str, ...] = ()
    #: The replaced files that change what belongs to the server.
    server_wide: tuple[str, ...] = ()


def file_text(
    plan: Plan,
    sections: Sequence[Section],
    remarks: Remarks,
    conventions: Conventions,
    transaction: Mode,
) -> str:
    """Write the text of the new file; `transaction` is the mode that the folder's files have."""
    number = counted(len(plan.replaces), "migration")
    span = plan.first if len(plan.replaces) == 1 else f"{plan.first} to {plan.last}"
    parts = [
        '"""',
        f"Migration: {number} in one",
        "",
        f"In place of {span}: the schema and the rows that they",
        f"make, as PostgreSQL {remarks.major} writes them. Written by eai migrate squash,",
        "which has proved that it makes the same.",
        '"""',
        *_remarks(remarks),
        "",
        f"description = {literal(f'{number} in one: {span}')}",
        "",
        "replaces = [",
        *(f"    {literal(stem)}," for stem in plan.replaces),
        "]",
        # Outside of a transaction half of it could stay.
        *(["", f'transaction = "{Mode.DEFAULT}"'] if transaction is Mode.AUTOCOMMIT else []),
        *(line for each in sections for line in _constant(each)),
        "",
        "PARTS = (",
        *(f"    {each.name}," for each in sections),
        ")",
        "",
        "",
        f"def {conventions.upgrade}({CALLED_WITH[conventions.argument][1]}):",
        *(f"    {line}" for line in _BODIES[conventions.argument]),
    ]
    return "\n".join(parts) + "\n"


def _remarks(remarks: Remarks) -> list[str]:
    lines = [
        f"# Values of {in_one_line(name)} differ between two runs of the old files; here they are "
        "those of one run."
        for name in remarks.volatile
    ]
    lines += [
        f"# {in_one_line(stem)} changes what belongs to the server (roles, say): it is not in here."
        for stem in remarks.server_wide
    ]
    return ["", *lines] if lines else []


def _constant(section: Section) -> list[str]:
    return ["", f"# {section.title}.", f"{section.name} = {python_string(section.statements)}"]


def python_string(statements: Sequence[str]) -> str:
    """Write statements as one string of Python that reads as SQL, wherever it can."""
    text = "\n" + "\n\n".join(statements) + "\n"
    if not _NOT_RAW.search(text):
        for mark in ('"""', "'''"):
            if mark not in text:
                return f"r{mark}{text}{mark}"
    escaped = text.replace("\\", "\\\\").replace('"""', '\\"\\"\\"').replace("\r", "\\r")
    return f'"""{escaped}"""'
