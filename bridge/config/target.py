"""A target: the schema or the database of one tenant, with a name.

What lists the targets of a project is in `bridge.database.target_list`; a target's search_path is
made in `bridge.database.search_path`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bridge.errors import UsageError

if TYPE_CHECKING:
    from bridge.config.settings import Settings

#: PostgreSQL cuts longer names off silently, and would then mean another schema. In bytes.
_LONGEST = 63


@dataclass(frozen=True)
class Target:
    """One tenant: a schema of the configured database, or of another, or a database.

    `name` alone means the schema of that name; `url` alone a database, in whose search_path
    nothing is changed. `labels` are the project's own, to choose targets by. Raises UsageError for
    a name that is none, or cannot be a schema's.
    """

    name: str
    schema: str | None = field(default=None, kw_only=True)
    #: It may hold a password.
    url: str | None = field(default=None, kw_only=True, repr=False)
    labels: Mapping[str, str] = field(default_factory=dict, kw_only=True, hash=False)

    def __post_init__(self) -> None:
        if not (self.name.strip() and self.name.isprintable()):
            raise UsageError(
                f"A target has the name {self.name!r}; it must be a line of text, such as acme."
            )
        if self.schema is None and self.url is None:
            object.__setattr__(self, "schema", self.name)
        if self.schema is not None:
            _check_schema(self.name, self.schema)

    def __str__(self) -> str:
        """Return how messages name it: `target acme`."""
        return f"target {self.name}"


def _check_schema(name: str, schema: str) -> None:
    if not schema or "\0" in schema or len(schema.encode("utf-8", "replace")) > _LONGEST:
        problem = f"must have between 1 and {_LONGEST} bytes"
    elif schema.startswith("pg_") or schema == "information_schema":
        problem = "is one of PostgreSQL's own"
    else:
        return
    raise UsageError(f"The target {name} cannot be the schema {schema!r}: that name {problem}.")


def require_target(settings: Settings) -> None:
    """Refuse a run of the database as a whole where the section is for many targets.

    Neither "only public" nor "all" may happen because somebody forgot a word. Raises UsageError.
    """
    if settings.has_targets and settings.target is None:
        raise UsageError(
            f"The section [{settings.section}] is for many targets, and none was named. Nothing "
            "was started. Name one with --target NAME (under alembic: -x target=NAME; in a "
            "program: target=), or all of them with --all. The database as a whole has a section "
            "of its own, named by -n, BRIDGE_SECTION or section=."
        )


def refuse_unclear(settings: Settings, given: object, how: str) -> None:
    """Refuse a run of which nobody can tell where it belongs.

    That is one without a target in a section for many, or with a target that has a URL of its own
    beside a database that was `given`; `how` says how that was. Raises UsageError.
    """
    require_target(settings)
    target = settings.target
    if target is not None and target.url is not None and given is not None:
        raise UsageError(
            f"{how} and the {target} name two databases: leave the first one out. Nothing was "
            "started."
        )
