"""A project, its database and, where it matters, a role: what a situation is set up in."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field, replace

from bridge.files.plain_file import PlainFile
from support.books import LOGGED, Books
from support.every_command import Place
from support.project import DEFAULT_INI, Project

A, B, C = "001_a", "002_b", "003_c"
BOTH = "schema_migrations, alembic_version"

#: As bridge makes them.
_TABLES = """
CREATE TABLE schema_migrations (
    version VARCHAR(255) PRIMARY KEY,
    applied_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT CURRENT_TIMESTAMP,
    description TEXT, checksum VARCHAR(64), execution_ms INTEGER, breaking BOOLEAN);
COMMENT ON COLUMN schema_migrations.checksum
    IS 'Written by bridge: SHA-256 of the text that was applied.';
CREATE TABLE alembic_version (
    version_num VARCHAR(255) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num));
CREATE TABLE ran (id serial, what text)
"""
#: As the old runner made it.
_OLD_TABLE = """
CREATE TABLE schema_migrations (
    version VARCHAR(255) PRIMARY KEY, applied_at TIMESTAMPTZ DEFAULT clock_timestamp(),
    description TEXT{})
"""
#: As Alembic makes it.
_NARROW = "CREATE TABLE alembic_version (version_num VARCHAR(32) PRIMARY KEY)"


@dataclass
class Scene:
    """Three files, of which none is applied, until a situation makes something of it."""

    books: Books
    place: Place = field(init=False)
    _roles: list[str] = field(default_factory=list)

    @property
    def project(self) -> Project:
        return self.books.project

    def clear(self) -> None:
        """Begin anew, whatever has been made of it."""
        for role in self._roles:
            self.sql(f"DROP OWNED BY {role} CASCADE", f"DROP ROLE {role}")
        self._roles.clear()
        self.sql(
            "DROP PUBLICATION IF EXISTS told",
            "DROP SCHEMA IF EXISTS acme CASCADE",
            "DROP SCHEMA public CASCADE",
            "CREATE SCHEMA public",
        )
        for file in self.project.migrations.iterdir():
            if file.is_file():
                file.unlink()
        self.project.ini()
        self.books.files(A, B, C)
        self.place = Place(self.project, self.books.engine.url)

    def sql(self, *statements: str) -> None:
        self.books.sql(*statements)

    def applied(self, to: str = B) -> None:
        """The first files are applied, up to this one, as bridge leaves it."""
        stems = sorted(file.stem for file in self.project.migrations.glob("*.py"))
        stems = [stem for stem in stems if stem <= to]
        texts = [PlainFile(str(self.project.migrations), stem).checksum() for stem in stems]
        self.sql(
            _TABLES,
            *(
                "INSERT INTO schema_migrations VALUES "
                f"('{stem}', clock_timestamp(), 'About {stem}', '{text}', 1)"
                for stem, text in zip(stems, texts, strict=True)
            ),
            *(f"INSERT INTO ran (what) VALUES ('{stem}')" for stem in stems),
            f"INSERT INTO alembic_version VALUES ('{to}')",
        )

    def adopted(self, *rows: str, columns: str = "", pointer: str | None = None) -> None:
        """As the old runner leaves it, or, with a pointer, an early Alembic beside it."""
        self.sql(
            _OLD_TABLE.format(columns),
            "CREATE TABLE ran (id serial, what text)",
            *(f"INSERT INTO schema_migrations (version) VALUES ('{row}')" for row in rows),
        )
        if pointer is not None:
            self.sql(_NARROW, f"INSERT INTO alembic_version VALUES ('{pointer}')")

    def points_at(self, revision: str) -> None:
        self.sql(f"UPDATE alembic_version SET version_num = '{revision}'")

    def ini(self, *lines: str) -> None:
        self.project.ini(DEFAULT_INI, extra="".join(f"{line}\n" for line in lines))

    def rename(self, old: str, new: str) -> None:
        (self.project.migrations / f"{old}.py").rename(self.project.migrations / f"{new}.py")

    def change(self, stem: str) -> None:
        """Put another text into the file, which does the same."""
        self.project.write(stem, f"{LOGGED.format(stem=stem)}\n\nCHANGED = True\n")

    def marks(self, applied: str = C, pending: str = B) -> None:
        """What `mark` is asked about."""
        self.place = replace(self.place, applied=applied, pending=pending)

    def searches(self, path: str) -> None:
        """Let every command come with this search_path."""
        url = self.place.url.update_query_dict({"options": f"-csearch_path={path}"})
        self.place = replace(self.place, url=url)

    def role(self, *grants: str, reads_only: bool = False) -> None:
        """Let every command come as a role that may do this and no more."""
        name = f"bridge_test_{secrets.token_hex(4)}"
        self._roles.append(name)
        self.sql(
            f"CREATE ROLE {name} LOGIN PASSWORD 'secret'",
            f"ALTER ROLE {name} SET default_transaction_read_only = {reads_only}",
            "REVOKE ALL ON SCHEMA public FROM PUBLIC",
            *(f"GRANT {each} TO {name}" for each in ("USAGE ON SCHEMA public", *grants)),
        )
        url = self.place.url.set(username=name, password="secret")
        self.place = replace(self.place, url=url)
