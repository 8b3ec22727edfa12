"""Which statements lose data, told from their text."""

from __future__ import annotations

import pytest

from bridge.database.data_loss import data_losses


@pytest.mark.parametrize(
    ("text", "lost"),
    [
        ("DROP TABLE widgets", ["all rows of widgets"]),
        ('drop table if exists "My Table", app.b cascade;', ['all rows of "My Table", app.b']),
        ("/* x */ DROP TABLE a; DROP TABLE b", ["all rows of a", "all rows of b"]),
        ("TRUNCATE a, b RESTART IDENTITY", ["all rows of a, b"]),
        ("TRUNCATE TABLE ONLY a", ["all rows of a"]),
        ("ALTER TABLE a DROP COLUMN b", ["the column b of a"]),
        (
            "ALTER TABLE ONLY s.a\n DROP b, ADD c int, DROP COLUMN IF EXISTS d CASCADE",
            ["the column b of s.a", "the column d of s.a"],
        ),
        ("DELETE FROM a", ["all rows of a"]),
        ("DELETE FROM a USING b WHERE a.id = b.id", ["rows of a"]),
        (
            "WITH gone AS (DELETE FROM a RETURNING *) INSERT INTO b SELECT * FROM gone",
            ["all rows of a"],
        ),
        ("DROP SCHEMA app CASCADE", ["all tables of app"]),
        ("DROP TYPE mood CASCADE", ["all columns of the type mood"]),
        ("DO $$ BEGIN IF true THEN DELETE FROM a; END IF; END $$", ["all rows of a"]),
        ("DO $do$ BEGIN DROP TABLE a; END $do$", ["all rows of a"]),
    ],
)
def test_what_is_lost_is_named(text: str, lost: list[str]) -> None:
    assert list(data_losses(text)) == lost


@pytest.mark.parametrize(
    "text",
    [
        "CREATE TABLE a (id int)",
        "ALTER TABLE a DROP CONSTRAINT b",
        "ALTER TABLE a ALTER COLUMN b DROP NOT NULL, ALTER c DROP DEFAULT",
        "ALTER TABLE a ADD FOREIGN KEY (b) REFERENCES c ON DELETE CASCADE",
        "DROP SCHEMA app",
        "DROP TYPE mood",
        "DROP INDEX a",
        "DROP VIEW a",
        "INSERT INTO a VALUES ('DROP TABLE b; DELETE FROM c')",
        "-- DROP TABLE a",
        "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS $$ DELETE FROM a $$",
        "GRANT DELETE, TRUNCATE ON a TO b",
        "UPDATE a SET b = 1",
        "COMMENT ON COLUMN a.b IS 'DELETE FROM c'",
        "",
    ],
)
def test_what_loses_nothing_is_not_told(text: str) -> None:
    assert list(data_losses(text)) == []
