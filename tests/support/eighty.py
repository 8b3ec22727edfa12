"""Eighty migrations as a team writes them in some years, made here instead of kept as files.

Each of the `KINDS` is a habit that real folders show; every file does its own work on tables of
earlier ones, so that a file left out, run twice or run too early leaves another schema.
"""

from __future__ import annotations

from textwrap import dedent, indent

COUNT = 80

HEAD = '''\
"""
Migration: {title}
Number {n} of the files of this folder.
"""

description = "{title}"


def upgrade(db):
    """Apply this migration."""
    from sqlalchemy import text

    db.execute(text("CREATE TABLE IF NOT EXISTS ran (id serial, stem text)"))
    db.execute(text("INSERT INTO ran (stem) VALUES ('{stem}')"))
'''

#: What a file does, by its title; `{n}` is its place, `{last}` that of the last "Add table".
KINDS = {
    "Add table": """
        db.execute(text(\"\"\"
            CREATE TABLE IF NOT EXISTS things_{n} (
                id SERIAL PRIMARY KEY,
                name VARCHAR(255) NOT NULL UNIQUE,
                created_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP
            )
        \"\"\"))
        db.commit()
    """,
    # Never commits: that is left to the runner.
    "Add column unless it is there": """
        found = db.execute(text(\"\"\"
            SELECT column_name FROM information_schema.columns
            WHERE table_name = 'things_{last}' AND column_name = 'owner_{n}'
        \"\"\")).fetchone()
        if found:
            print("Column owner_{n} already exists")
            return
        db.execute(text("ALTER TABLE things_{last} ADD COLUMN owner_{n} INTEGER"))
    """,
    "Add parts in several commits": """
        db.execute(text("CREATE TABLE parts_{n} (id INTEGER, thing_id INTEGER)"))
        db.commit()
        for number in range(3):
            db.execute(text("INSERT INTO parts_{n} VALUES (:n, :n)"), {{"n": number}})
            db.commit()
        rows = db.execute(text("SELECT count(*) FROM parts_{n}")).scalar()
        db.execute(text(f"ALTER TABLE parts_{n} ADD CONSTRAINT few_{n} CHECK (id < {{rows}})"))
        db.commit()
        db.execute(text("CREATE INDEX IF NOT EXISTS ix_parts_{n} ON parts_{n} (thing_id)"))
        db.commit()
    """,
    "Try a constraint and do without": """
        db.commit()
        try:
            db.execute(text("CREATE TABLE lost_{n} (id INTEGER)"))
            db.execute(text("ALTER TABLE things_{last} ADD CONSTRAINT c_{n} CHECK (nothing > 0)"))
            db.commit()
        except Exception as error:
            db.rollback()
            print(f"Constraint skipped: {{error}}")
        db.execute(text("ALTER TABLE things_{last} ADD CONSTRAINT kept_{n} CHECK (id > 0)"))
        db.commit()
    """,
    "Add state and use it": """
        db.execute(text("CREATE TYPE state_{n} AS ENUM ('new')"))
        db.execute(text("CREATE TABLE states_{n} (state state_{n} DEFAULT 'new')"))
        db.commit()
        db.execute(text("ALTER TYPE state_{n} ADD VALUE IF NOT EXISTS 'done'"))
        db.commit()
        db.execute(text("INSERT INTO states_{n} VALUES ('done')"))
        db.execute(text("ALTER TABLE states_{n} ALTER COLUMN state SET DEFAULT 'done'"))
        db.commit()
    """,
    "Add index after an inspection": """
        from sqlalchemy import inspect

        inspector = inspect(db.get_bind())
        if "things_{last}" not in inspector.get_table_names():
            return
        indexes = [index["name"] for index in inspector.get_indexes("things_{last}")]
        if "ix_things_{n}" not in indexes:
            db.execute(text("CREATE INDEX ix_things_{n} ON things_{last} (created_at, id)"))
            db.commit()
    """,
    "Fill a column and require it": """
        db.execute(text("ALTER TABLE things_{last} ADD COLUMN IF NOT EXISTS slug_{n} TEXT"))
        db.commit()
        db.execute(text("INSERT INTO things_{last} (name) VALUES ('from {n}')"))
        db.execute(text("UPDATE things_{last} SET slug_{n} = lower(name) WHERE slug_{n} IS NULL"))
        db.execute(text("ALTER TABLE things_{last} ALTER COLUMN slug_{n} SET NOT NULL"))
        db.execute(text("ALTER TABLE things_{last} ALTER COLUMN slug_{n} SET DEFAULT ''"))
        db.commit()
    """,
    "Add view and trigger": """
        with db.begin_nested():
            db.execute(text(
                "CREATE VIEW all_{n} AS SELECT id, name\\\\:\\\\:text FROM things_{last}"
            ))
        db.execute(text(\"\"\"
            DO $$ BEGIN
                CREATE FUNCTION touch_{n}() RETURNS trigger LANGUAGE plpgsql AS
                    'BEGIN NEW.created_at = now(); RETURN NEW; END';
            EXCEPTION WHEN duplicate_function THEN NULL;
            END $$
        \"\"\"))
        db.execute(text(
            "CREATE TRIGGER touch_{n} BEFORE UPDATE ON things_{last} "
            "FOR EACH ROW EXECUTE FUNCTION touch_{n}()"
        ))
        db.commit()
    """,
}


def eighty_files() -> dict[str, str]:
    """The text of each file, by its stem, in the order in which they run."""
    files: dict[str, str] = {}
    kinds = list(KINDS.items())
    for n in range(COUNT):
        title, body = kinds[n % len(kinds)]
        stem = f"{_number(n):03}_{_slug(n, title)}"
        names = {"n": n, "last": n - n % len(kinds), "stem": stem, "title": f"{title} ({n})"}
        files[stem] = HEAD.format(**names) + indent(dedent(body).strip("\n"), "    ").format(
            **names
        )
        files[stem] += "\n"
    assert list(files) == sorted(files)
    assert len(files) == COUNT
    return files


def _number(n: int) -> int:
    """Numbers as merges leave them: six files numbered 34, and every tenth number twice."""
    if 34 <= n < 40:
        return 34
    return n - n // 10 % 2 if n % 10 == 1 else n


def _slug(n: int, title: str) -> str:
    words = f"{'abcdefghij'[n % 10]}_{title.lower().replace(' ', '_')}"
    if n % 4 == 0:  # as long as a whole name of sixty characters allows
        return f"{words}_which_every_team_member_has_been_waiting_for_since_long"[:56]
    return words
