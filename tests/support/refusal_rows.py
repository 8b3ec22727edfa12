"""The rows of the table of refusals: each id, in one situation or in several."""

from __future__ import annotations

from typing import Any, Final

from support import situations as s
from support import situations_of_runs as r
from support.refusal_table import Row

# Whoever only looks is told all the same; what mends a thing is not held up by it.
_LOOKS: Final[dict[str, Any]] = {"repair": "goes on", "current": "goes on"}
_MENDED: Final[dict[str, Any]] = {
    "repair": "changes",
    "applied": "changes",
    "pending": "changes",
    "current": "goes on",
}
#: What has nothing to do with what is pending.
_PASSES: Final[dict[str, Any]] = {**_LOOKS, "pending": "changes", "downgrade": "changes"}
_GOES_ON: Final[dict[str, Any]] = {**_PASSES, "applied": "changes", "stamp": "changes"}
_WARNS: Final[dict[str, Any]] = {**_GOES_ON, "upgrade": "tells, changes"}

NOT_BELIEVED: Final = (
    Row("hidden-rows", "all rows of the ledger", s.rows_hidden),
    Row("hidden-rows", "the version table", s.pointer_hidden),
    Row("hidden-rows", "rows that are written", s.rows_refused, **_LOOKS),
    Row("not-a-table", "the ledger is a view", s.view_of_the_ledger),
    Row("not-a-table", "the version table is a view", s.view_of_the_version_table),
    Row("other-schema", "not on the search_path", s.not_on_the_search_path),
    Row("other-schema", "behind the first schema", s.behind_the_first_schema),
    Row("other-schema", "an empty one before a full one", s.empty_before_a_full_one),
    Row("other-table", "under another name", s.under_another_name),
    Row("empty-folder", "no file", s.no_files),
    Row("empty-folder", "no file and no row", s.no_files_and_no_rows),
)

NAMES: Final = (
    *(
        Row("names-differ", looks, s.spelled(name), repair="changes")
        for looks, name in (
            ("a suffix", "002_b.sql"),
            ("a folder", "migrations/002_b"),
            ("a number", "2"),
            ("quotes", "'002_b'"),
            ("case", "002_B"),
            ("a blank", "002_b "),
        )
    ),
    Row("names-differ", "a number of two files", s.number_of_two_files, repair="fails 4"),
    Row("two-rows", "one revision", s.one_revision_in_two_rows),
    Row("renamed", "gone", s.renamed_and_gone, **_MENDED),
    Row("renamed", "in a chain", s.renamed_in_a_chain, **_MENDED),
    Row("renamed", "and the pointer was moved", s.renamed_and_pointer_moved, **_MENDED),
    *(
        Row(
            "maybe-renamed",
            looks,
            s.maybe_renamed(name),
            **_MENDED,
            downgrade="fails 4",  # its file is gone
            stamp="changes",
        )
        for looks, name in (("the same number", "002_other"), ("the same words", "009_b"))
    ),
    Row("unstorable-name", "a narrow column", s.narrow_names, **{**_PASSES, "repair": "changes"}),
)

POINTERS: Final = (
    *(
        Row("failed-row", looks, s.did_not_succeed(column, value), **_MENDED)
        for looks, column, value in (
            ("no success", "success BOOLEAN NOT NULL DEFAULT true", "false"),
            ("a status", "status TEXT DEFAULT 'applied'", "'failed'"),
            ("taken back", "rolled_back_at DATE", "'2024-01-02'"),
        )
    ),
    Row("foreign-ledger", "another application's", s.rows_of_another_application),
    Row("foreign-ledger", "another project's", s.rows_of_another_project_of_bridge),
    Row("foreign-version-table", "and no ledger", s.pointer_of_another_environment),
    Row("foreign-version-table", "and old rows", s.pointer_of_another_environment_and_rows),
    Row("imported-unclear", "a copy of a file", s.imported_twice),
    Row("lost-ledger", "dropped", s.ledger_dropped, stamp="changes"),
    Row("lost-ledger", "emptied", s.ledger_emptied, stamp="changes"),
    Row("lost-ledger", "without trace", s.ledger_emptied_without_trace),
)

FILES: Final = (
    Row(
        "breaking", "a newer release", r.breaking_and_newer, **{**_GOES_ON, "downgrade": "fails 4"}
    ),
    Row("breaking", "a lost file", r.breaking_and_lost, **{**_GOES_ON, "downgrade": "fails 4"}),
    Row(
        "order",
        "numbers of several widths",
        r.order_unclear,
        **_LOOKS,
        script="refuses",
        applied="changes",
        pending="goes on",
        dumped="fails 4",  # nothing is recorded
        downgrade="fails 2",  # nothing to revert
    ),
    Row("late", "out_of_order = refuse", r.late_and_refused, **_GOES_ON),
    Row("changed", "drift = refuse", r.changed_and_refused, **_MENDED),
    Row(
        "changed",
        "and nothing is pending",
        r.changed_and_nothing_pending,
        **{**_MENDED, "applied": "goes on"},
    ),
    Row(
        "partly-replaced",
        "a file of it is gone",
        r.partly_replaced,
        **{**_GOES_ON, "downgrade": "fails 4"},  # the file of what is applied is gone too
    ),
    Row(
        "unreadable-file", "no Python", r.written("def upgrade(db:\n"), **_PASSES, script="refuses"
    ),
    Row(
        "unreadable-file",
        "asynchronous",
        r.written("async def upgrade(db):\n    pass\n"),
        **_PASSES,
        script="refuses",
    ),
)

RECORDING: Final = (
    Row("rights", "only to read", r.reading_role, **_LOOKS, started="fails 3"),
    Row(
        "rights",
        "not to make tables",
        r.role_without_tables,
        **_LOOKS,
        started="fails 3",
        pending="goes on",
        dumped="fails 4",  # nothing is recorded
        downgrade="fails 2",  # nothing to revert
    ),
    Row(
        "no-schema",
        "of version_table_schema",
        r.schema_missing,
        **_LOOKS,
        pending="goes on",
        dumped="fails 4",  # nothing is recorded
        downgrade="fails 2",  # nothing to revert
    ),
    Row(
        "read-only",
        "a role that never writes",
        r.reading_connection,
        **_LOOKS,
        dry="goes on",
        but={
            "mark --applied --dry-run": "goes on",
            "mark --pending --dry-run": "goes on",
            "downgrade --dry-run": "goes on",
            "bridge.start, check": "fails 3",
        },
    ),
    Row(
        "required-column",
        "nobody knows what",
        r.column_without_a_value,
        **{**_PASSES, "repair": "changes"},
    ),
    Row("refused-row", "a CHECK on names", r.constraint_on_names, **_PASSES),
    Row(
        "no-delete",
        "the ledger",
        r.published("schema_migrations", "schema_migrations_pkey"),
        **_LOOKS,
        upgrade="changes",
        applied="changes",
        stamp="changes",
        started="fails 3",
    ),
    Row(
        "no-delete",
        "the version table",
        r.published("alembic_version", "alembic_version_pkc"),
        **_LOOKS,
    ),
    *(
        Row(
            finding,
            "another role's ledger",
            prepare,
            **{**_PASSES, "repair": "refuses lacks-columns"},
            started="fails 3",
        )
        for finding, prepare in (
            ("breaking-unrecorded", r.breaking_in_a_ledger_of_another_role),
            ("drift-unrecorded", r.drift_in_a_ledger_of_another_role),
        )
    ),
)

WARNINGS: Final = (
    Row(
        "rerun",
        "the first row",
        r.first_row_removed,
        **{**_WARNS, "pending": "goes on", "downgrade": "fails 2"},
        dumped="fails 4",  # nothing is recorded
    ),
    Row(
        "imported",
        "a revision of Alembic's",
        s.imported,
        **{**_WARNS, "downgrade": "tells, changes", "stamp": "tells, changes"},
    ),
    *(
        Row(
            "pointer-moved",
            looks,
            r.pointer_moved(to),
            **{**_WARNS, "downgrade": "tells, changes", "stamp": "tells, changes"},
        )
        for looks, to in (("to another", "001_a"), ("to nothing known", "009_x"))
    ),
    Row(
        "late",
        "by itself",
        r.late,
        **_WARNS,
        but={"status": "goes on", "status --check": "goes on", "bridge.start, check": "fails 3"},
    ),
    Row("changed", "by itself", r.changed, **{**_WARNS, "repair": "changes"}),
    Row(
        "file-missing",
        "in the middle",
        r.file_missing,
        **{**_WARNS, "downgrade": "tells, changes", "stamp": "tells, changes"},
    ),
    Row(
        "newer",
        "a newer release",
        r.newer,
        **{**_WARNS, "downgrade": "fails 4", "stamp": "tells, changes"},
    ),
    Row(
        "no-checksum",
        "adopted",
        r.adopted_and_drift_refused,
        # A run records the present texts first, and so has nothing to tell.
        **{**_GOES_ON, "upgrade": "changes", "repair": "changes"},
        dry="tells",
        rehearse="tells, runs",
    ),
    Row("trigger", "of the ledger", r.trigger, **_WARNS),
    Row(
        "lacks-columns",
        "another role's ledger",
        r.ledger_of_another_role,
        **{**_WARNS, "repair": "refuses"},
        started="fails 3",
    ),
)

ROWS: Final = (*NOT_BELIEVED, *NAMES, *POINTERS, *FILES, *RECORDING, *WARNINGS)
