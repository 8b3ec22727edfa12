"""List the targets of a project, and find one of them by its name.

They come from the caller, from a function or a list of the project's, or from a query in the
database that is configured. A section without any of these has no list: a name is then that of a
schema.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bridge.config.target import Target
from bridge.errors import UsageError

if TYPE_CHECKING:
    from bridge.config.settings import Settings
    from bridge.database.request import Request

#: How messages name the places of a list.
_FUNCTION, _QUERY = "targets", "targets_query"


def with_target(request: Request, name: str | Target | None) -> Request:
    """Return the request for one target, named or given; None leaves it as it is.

    Raises UsageError if there is no such target, or the list cannot be had.
    """
    if name is None:
        return request
    target = name if isinstance(name, Target) else find_target(request, name)
    return replace(request, target=target)


def find_target(request: Request, name: str) -> Target:
    """Return the target of this name; raises UsageError if the list has none."""
    settings = request.settings()
    if request.targets is None and not settings.has_targets:
        return Target(name)
    if (target := named(listed_targets(request, settings), name)) is not None:
        return target
    raise UsageError(
        f"There is no target {name!r} in {_place(request, settings)}. Nothing was started. All of "
        "them lists: eai migrate status --all"
    )


def named(targets: Sequence[Target], name: str) -> Target | None:
    """Return the target of this name; None if there is none."""
    return next((each for each in targets if each.name == name), None)


def listed_targets(request: Request, settings: Settings) -> tuple[Target, ...]:
    """Return all targets, in the order of their list.

    Raises UsageError if there is no list, it cannot be had, or it has a name twice.
    """
    where = _place(request, settings)
    if request.targets is not None:
        found: Iterable[Any] = request.targets
    elif settings.targets is not None:
        found = _of_project(settings.targets, settings)
    elif settings.targets_query is not None:
        found = _asked(request, settings, settings.targets_query)
    else:
        raise UsageError(
            f"The section [{settings.section}] has no targets. Nothing was started. Name what "
            "lists them: targets = app.tenants:targets, or targets_query = SELECT …, or type "
            "--targets FILE."
        )
    targets = tuple(as_target(each, where) for each in found)
    seen: set[str] = set()
    for target in targets:
        if target.name in seen:
            raise UsageError(f"{where} lists the target {target.name} twice. Nothing was started.")
        seen.add(target.name)
    return targets


def chosen(targets: Sequence[Target], patterns: Sequence[str]) -> tuple[Target, ...]:
    """Return those whose names are among these, or fit a pattern of these, in the list's order.

    Patterns are those of a shell: ``*``, ``?`` and ``[…]``. Raises UsageError for a name or a
    pattern that fits none: it may be a slip.
    """
    fitting: set[str] = set()
    for pattern in patterns:
        fits = {each.name for each in targets if fnmatchcase(each.name, pattern)}
        fits |= {each.name for each in targets if each.name == pattern}
        if not fits:
            raise UsageError(f"No target is called {pattern!r}. Nothing was started.")
        fitting |= fits
    return tuple(each for each in targets if each.name in fitting)


def as_target(given: object, where: str) -> Target:
    """Return what a list holds as a Target: a name, a name with a URL, or a Target."""
    if isinstance(given, Target):
        return given
    if isinstance(given, str):
        return Target(given)
    if isinstance(given, tuple) and len(given) == 2:  # noqa: PLR2004 - a pair
        name, url = given
        if isinstance(name, str) and (url is None or isinstance(url, str)):
            return Target(name, url=url)
    raise UsageError(
        f"{where} lists a {type(given).__name__}; each target must be a name, a name with a URL, "
        "or a bridge.Target. Nothing was started."
    )


def read_targets(lines: Iterable[str], *, where: str) -> tuple[Target, ...]:
    """Read a line for each target: a schema, a URL, or JSON; blank lines and # are left out.

    A URL's name is that of its database. No message shows a line, which may hold a password.
    Raises UsageError for a line that is none of these.
    """
    return tuple(_of_lines(lines, where))


def read_targets_file(path: str | os.PathLike[str]) -> tuple[Target, ...]:
    """Read a file with a line for each target; raises UsageError if it cannot be read."""
    try:
        with Path(path).open(encoding="utf-8") as lines:
            return read_targets(lines, where=str(path))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise UsageError(
            f"The list of targets {path} cannot be read: {reason}. Nothing was started."
        ) from error


def _of_lines(lines: Iterable[str], where: str) -> Iterator[Target]:
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        place = f"{where}, line {number}"
        if text.startswith("{"):
            yield _of_json(text, place)
        elif "://" in text:
            yield _of_url(text, place)
        else:
            yield Target(text)


def _of_url(text: str, place: str) -> Target:
    from bridge.database.url import normalise

    database = normalise(text, source=place).database
    if not database:
        raise UsageError(
            f'{place} is a URL without a database, so the target has no name. Write {{"name": …, '
            '"url": …}. Nothing was started.'
        )
    return Target(database, url=text)


def _of_json(text: str, place: str) -> Target:
    import json

    wrong = UsageError(
        f"{place} is not a target in JSON. (It is not shown: it may hold a password.) The form is "
        '{"name": "acme", "schema": "acme", "url": "postgresql://…", "labels": {"region": "eu"}}; '
        "all but the name may be left out. Nothing was started."
    )
    try:
        given = json.loads(text)
    except ValueError:
        raise wrong from None
    texts = (given.get("name", 0), given.get("schema", ""), given.get("url", ""))
    labels = given.get("labels", {})
    known = given.keys() <= {"name", "schema", "url", "labels"}
    if not (known and all(isinstance(each, str) for each in texts) and isinstance(labels, dict)):
        raise wrong
    return Target(
        given["name"],
        schema=given.get("schema"),
        url=given.get("url"),
        labels={str(name): str(value) for name, value in labels.items()},
    )


def _place(request: Request, settings: Settings) -> str:
    if request.targets is not None:
        return "the list of targets"
    name = _FUNCTION if settings.targets is not None else _QUERY
    return f"{name} in [{settings.section}]"


def _of_project(name: str, settings: Settings) -> Iterable[Any]:
    from bridge.config.resources import load_object

    found: Any = load_object(name, setting=_FUNCTION, sys_path=settings.prepend_sys_path)
    try:
        return list(found() if callable(found) else found)
    except Exception as error:
        raise UsageError(
            f"{_FUNCTION} is {name!r}, but listing the targets failed: {type(error).__name__}: "
            f"{error}. Nothing was started."
        ) from error


def _asked(request: Request, settings: Settings, query: str) -> Iterator[Any]:
    """Ask the database that is configured, in a transaction that only reads."""
    from sqlalchemy import text
    from sqlalchemy.exc import DBAPIError

    from bridge.database.connected import connected
    from bridge.database.driver_errors import first_line

    whole = replace(settings, targets=None, targets_query=None, target=None)
    try:
        with connected(replace(request, target=None), whole) as connection:
            connection.execute(text("SET TRANSACTION READ ONLY"))
            options = {"no_parameters": True}
            rows = connection.exec_driver_sql(query, execution_options=options).all()
            connection.rollback()
    except DBAPIError as error:
        raise UsageError(
            f"{_QUERY} in [{settings.section}] failed: {first_line(error).rstrip('.')}. Nothing "
            "was started."
        ) from error
    for row in rows:
        yield row[0] if len(row) == 1 else tuple(row)
