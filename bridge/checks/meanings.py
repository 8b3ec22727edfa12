"""Say what each rule of `check` means, and what to do about it.

The page of the rules is made from this. A problem has a message of its own, which names the file
and what stands there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Meaning:
    """One rule, in two sentences of Markdown."""

    #: What is wrong.
    wrong: str
    #: What to do.
    advice: str


#: By the ids of the rules, in their order.
MEANINGS: Final = {
    "syntax-error": Meaning(
        wrong="The file is not Python.",
        advice="Correct it.",
    ),
    "unreadable-file": Meaning(
        wrong=(
            "The file cannot be opened or decoded, or is none: a folder, a named pipe, a "
            "device, a link to nothing."
        ),
        advice="Give the right to read it; save it as UTF-8; remove what is no file.",
    ),
    "no-upgrade": Meaning(
        wrong="There is no `upgrade`.",
        advice=(
            "Add it, or write `upgrade` in place of the other name (`up`) that the message "
            "has found, or set `upgrade_function`; or begin the name of a helper with `_`."
        ),
    ),
    "wrong-upgrade": Meaning(
        wrong="`upgrade` is no function, is `async` or a generator, or does not take one argument.",
        advice="Write `def upgrade(db):`.",
    ),
    "not-written": Meaning(
        wrong=(
            '`upgrade` still has the placeholder `text("your SQL")` that `eai migrate new` writes.'
        ),
        advice="Write the migration, or `pass` if there is nothing to do.",
    ),
    "wrong-downgrade": Meaning(
        wrong=(
            "`downgrade` is no function, is `async` or a generator, or does not take one "
            "argument. A downgrade would refuse it."
        ),
        advice="Write `def downgrade(db):`, or remove it.",
    ),
    "not-a-session": Meaning(
        wrong=(
            "`upgrade` or `downgrade` was written for something else than it gets: a "
            "SQLAlchemy Session, unless an annotation or the setting `argument` says "
            "otherwise. It shows in `cur.fetchone()`, `engine.connect()`, "
            '`conn.execute("…")`. A function that is content with what it gets is in order,'
            " whatever the parameter is called."
        ),
        advice="Set `argument`, annotate the parameter, or write what the message says.",
    ),
    "other-driver": Meaning(
        wrong=(
            "The file imports something of psycopg 3. Migrations run on psycopg2, whichever"
            " driver the URL names."
        ),
        advice=(
            "What the message says; or silence it, if the file opens a connection of its own "
            "with it."
        ),
    ),
    "cast-of-parameter": Meaning(
        wrong=(
            '`text(":ids::int[]")`: `text()` does not read a parameter right before a cast '
            "with two colons."
        ),
        advice="Write `CAST(:ids AS int[])`.",
    ),
    "misspelled-name": Meaning(
        wrong="A name is nearly one that has a meaning (`transation`), and that one is missing.",
        advice="Correct the spelling.",
    ),
    "wrong-setting": Meaning(
        wrong=(
            "`transaction` or `breaking` has a value that means nothing, or one that only "
            "the run knows."
        ),
        advice="Write one of the values that the message names.",
    ),
    "no-description": Meaning(
        wrong="`description` is missing, blank or computed.",
        advice="Say in one line what the migration does.",
    ),
    "commit-in-the-middle": Meaning(
        wrong=(
            "`db.commit()` with work before and after it: if the file fails later, the "
            "first part stays."
        ),
        advice=(
            'Commit once, at the end; or `transaction = "atomic"`; or make sure that the '
            "file can run again, and silence it."
        ),
    ),
    "needs-autocommit": Meaning(
        wrong=(
            "`CREATE INDEX CONCURRENTLY`, `VACUUM`, `REINDEX SCHEMA`, `CREATE SUBSCRIPTION`"
            " and whatever else PostgreSQL refuses inside a transaction, in a file that "
            "runs in one."
        ),
        advice='Put it into a file with `transaction = "autocommit"`.',
    ),
    "autocommit-other-work": Meaning(
        wrong=(
            'A file with `transaction = "autocommit"` does other work too, which stays if a'
            " later statement fails."
        ),
        advice="Move that into a migration of its own.",
    ),
    "no-migration": Meaning(
        wrong=(
            "The folder holds Python files, and not one of them is a migration. Files that "
            "begin with `_` or `.` do not count."
        ),
        advice="Rename the files as the message says; begin the name of a helper with `_`.",
    ),
    "no-number": Meaning(
        wrong=(
            "A file defines `upgrade`, and its name has no number; or it is called "
            "`v002_…`, and defines `upgrade`, `up` and the like. It would never run."
        ),
        advice="Rename it as the message says.",
    ),
    "never-run": Meaning(
        wrong=(
            "A file that defines `up` and the like has no number, or one is called `v2_…` "
            "and holds nothing of a migration: it never runs, and may have been meant to."
        ),
        advice="Rename it as the message says, or begin the name of a helper with `_`.",
    ),
    "same-name": Meaning(
        wrong="Two names have one revision id, or differ only in case or in Unicode's spelling.",
        advice="Rename the one that has not been applied.",
    ),
    "unreadable-name": Meaning(
        wrong="A name is not valid UTF-8.",
        advice="Rename the file.",
    ),
    "name-too-long": Meaning(
        wrong="A name is longer than the ledger can hold.",
        advice="Shorten it.",
    ),
    "number-order": Meaning(
        wrong=(
            "The order of the names, in which files run, is not that of their numbers "
            "(`1000_y` runs before `999_x`)."
        ),
        advice="Rename the one that has not been applied.",
    ),
    "shared-number": Meaning(
        wrong="Several files have one number. All of them run.",
        advice="Give the new one the next free number.",
    ),
    "sorts-before-base": Meaning(
        wrong="`--base`: a new file sorts before one that the branch has.",
        advice="Rename it as the message says.",
    ),
    "changed-since-base": Meaning(
        wrong=(
            "`--base`: a file of the branch was changed. White space at the ends of lines "
            "does not count."
        ),
        advice="Put the change into a new migration.",
    ),
    "renamed-since-base": Meaning(
        wrong="`--base`: a file of the branch has another name.",
        advice="Name it back.",
    ),
    "deleted-since-base": Meaning(
        wrong=(
            "`--base`: a file of the branch is gone. That all up to a certain one are gone "
            "is in order."
        ),
        advice="Put it back.",
    ),
    "pending": Meaning(
        wrong="`--database`: the database does not have it yet.",
        advice="Nothing, or `eai migrate`.",
    ),
    "late": Meaning(
        wrong=(
            "`--database`: it is pending, and sorts before one that was applied. An error "
            "with `out_of_order = refuse`."
        ),
        advice="Rename it as long as it has not been applied anywhere.",
    ),
    "changed-since-applied": Meaning(
        wrong="`--database`: the file is not what was applied. An error with `drift = refuse`.",
        advice="Put the text back; or `eai migrate repair`.",
    ),
    "file-missing": Meaning(
        wrong="`--database`: it was applied, and its file is gone from the middle of the folder.",
        advice="Put the file back.",
    ),
    "ledger": Meaning(
        wrong=(
            "`--database`: what is recorded and the folder do not fit together. A warning "
            "where a run would go on."
        ),
        advice="What the message says.",
    ),
    "schema-file": Meaning(
        wrong="`--schema`: the schema file is not what the files make, or is not there.",
        advice="`eai migrate dump`",
    ),
}
