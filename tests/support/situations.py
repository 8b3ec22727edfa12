"""Real situations for what is refused because nobody can believe the records, or the names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.books import LOGGED
from support.scenes import BOTH, A, B, C, Scene

if TYPE_CHECKING:
    from collections.abc import Callable

#: What a role needs to migrate, and to run the files of a scene.
ALL = f"ALL ON {BOTH}, ran", "ALL ON SEQUENCE ran_id_seq", "CREATE ON SCHEMA public"


def rows_hidden(scene: Scene) -> None:
    scene.applied()
    scene.role(*ALL)
    scene.sql("ALTER TABLE schema_migrations ENABLE ROW LEVEL SECURITY")


def pointer_hidden(scene: Scene) -> None:
    scene.applied()
    scene.role(*ALL)
    scene.sql("ALTER TABLE alembic_version ENABLE ROW LEVEL SECURITY")


def rows_refused(scene: Scene) -> None:
    """All rows are seen, and none may be written."""
    rows_hidden(scene)
    scene.sql("CREATE POLICY reading ON schema_migrations FOR SELECT USING (true)")


def view_of_the_ledger(scene: Scene) -> None:
    scene.applied()
    scene.sql(
        "ALTER TABLE schema_migrations RENAME TO theirs",
        "CREATE VIEW schema_migrations AS SELECT * FROM theirs",
    )


def view_of_the_version_table(scene: Scene) -> None:
    scene.applied()
    scene.sql(
        "ALTER TABLE alembic_version RENAME TO theirs",
        "CREATE VIEW alembic_version AS SELECT * FROM theirs",
    )


def not_on_the_search_path(scene: Scene) -> None:
    scene.applied()
    scene.sql("CREATE SCHEMA acme")
    scene.searches("acme")


def behind_the_first_schema(scene: Scene) -> None:
    scene.applied()
    scene.sql("CREATE SCHEMA acme")
    scene.searches("acme,public")


def empty_before_a_full_one(scene: Scene) -> None:
    behind_the_first_schema(scene)
    scene.sql("CREATE TABLE acme.schema_migrations (LIKE schema_migrations)")


def under_another_name(scene: Scene) -> None:
    scene.sql(
        "CREATE TABLE applied_migrations (name TEXT)",
        f"INSERT INTO applied_migrations VALUES ('{A}.py'), ('{B}.py')",
    )


def no_files(scene: Scene) -> None:
    scene.applied()
    for stem in (A, B, C):
        scene.project.remove(stem)


def no_files_and_no_rows(scene: Scene) -> None:
    no_files(scene)
    scene.sql("DELETE FROM schema_migrations")


def spelled(name: str) -> Callable[[Scene], None]:
    """The row of the second file has this name."""

    def prepare(scene: Scene) -> None:
        scene.applied()
        quoted = name.replace("'", "''")
        scene.sql(f"UPDATE schema_migrations SET version = '{quoted}' WHERE version = '{B}'")
        scene.marks(pending=A)

    return prepare


def number_of_two_files(scene: Scene) -> None:
    scene.adopted(A, "2")
    scene.books.files("002_c")
    scene.marks(pending=A)


def one_revision_in_two_rows(scene: Scene) -> None:
    scene.applied()
    scene.sql("INSERT INTO schema_migrations (version) VALUES ('002-b')")


def renamed_and_gone(scene: Scene) -> None:
    scene.applied()
    scene.rename(B, "004_other")
    scene.marks(applied="004_other")


def renamed_in_a_chain(scene: Scene) -> None:
    """The text of the second is in the third, and the second has another."""
    scene.applied()
    scene.rename(B, C)
    scene.change(B)


def renamed_and_pointer_moved(scene: Scene) -> None:
    renamed_and_gone(scene)
    scene.points_at(A)


def maybe_renamed(new: str) -> Callable[[Scene], None]:
    """Nothing but the name is known of the second, whose file is gone."""

    def prepare(scene: Scene) -> None:
        scene.adopted(A, B)
        scene.rename(B, new)
        scene.change(new)
        scene.marks(applied=new)

    return prepare


def narrow_names(scene: Scene) -> None:
    scene.adopted(A, B)
    scene.sql("ALTER TABLE schema_migrations ALTER COLUMN version TYPE VARCHAR(5)")
    scene.rename(C, "003_wide")
    scene.marks(applied="003_wide")


def another_encoding(scene: Scene) -> None:
    scene.applied()
    scene.rename(C, "003_цена")
    scene.marks(applied="003_цена")


def did_not_succeed(column: str, value: str) -> Callable[[Scene], None]:
    """A row of the old runner says so of the second file."""

    def prepare(scene: Scene) -> None:
        name = column.partition(" ")[0]
        scene.adopted(A, B, columns=f", {column}")
        scene.sql(f"UPDATE schema_migrations SET {name} = {value} WHERE version = '{B}'")

    return prepare


def rows_of_another_application(scene: Scene) -> None:
    scene.adopted("01_users", "02_orders")
    scene.marks(pending="02_orders")


def rows_of_another_project_of_bridge(scene: Scene) -> None:
    scene.applied()
    scene.sql("UPDATE schema_migrations SET version = 'x' || version, checksum = md5(version)")
    scene.points_at("x002_b")
    scene.marks(pending="x002_b")


def pointer_of_another_environment(scene: Scene) -> None:
    scene.adopted(pointer="ae1027a6acf")
    scene.sql("DROP TABLE schema_migrations")


def pointer_of_another_environment_and_rows(scene: Scene) -> None:
    scene.adopted(A, B, pointer="ae1027a6acf")


def ledger_dropped(scene: Scene) -> None:
    scene.applied()
    scene.sql("DROP TABLE schema_migrations")


def ledger_emptied(scene: Scene) -> None:
    scene.applied()
    scene.sql("DELETE FROM schema_migrations")


def ledger_emptied_without_trace(scene: Scene) -> None:
    ledger_emptied(scene)
    scene.points_at("009_x")


def imported(scene: Scene) -> None:
    """Alembic has brought it to the revision that the second file was."""
    for stem, was in ((A, "1975ea83b712"), (B, "ae1027a6acf0")):
        scene.project.write(stem, f'{LOGGED.format(stem=stem)}\n\nrevision = "{was}"\n')
    scene.sql(
        "CREATE TABLE ran (id serial, what text)",
        *(f"INSERT INTO ran (what) VALUES ('{stem}')" for stem in (A, B)),
        "CREATE TABLE alembic_version (version_num VARCHAR(32) PRIMARY KEY)",
        "INSERT INTO alembic_version VALUES ('ae1027a6acf0')",
    )


def imported_twice(scene: Scene) -> None:
    """The last file began as a copy of the second."""
    imported(scene)
    scene.project.write(C, (scene.project.migrations / f"{B}.py").read_text())
