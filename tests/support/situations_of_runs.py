"""Real situations for what is known before a run: of its files, of its records, and to be told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.books import LOGGED
from support.scenes import BOTH, A, B, C, Scene
from support.situations import ALL

if TYPE_CHECKING:
    from collections.abc import Callable

# Files


def breaking_and_newer(scene: Scene) -> None:
    newer(scene)
    scene.sql("UPDATE schema_migrations SET breaking = true WHERE version = '009_x'")


def breaking_and_lost(scene: Scene) -> None:
    scene.applied()
    scene.sql(f"UPDATE schema_migrations SET breaking = true WHERE version = '{B}'")
    scene.project.remove(B)


def late(scene: Scene) -> None:
    scene.applied()
    scene.books.files("001_z")
    scene.marks(applied="001_z")


def order_unclear(scene: Scene) -> None:
    for stem in ("1000_d", "5_e"):
        scene.project.write(stem, "def upgrade(db):\n    pass\n")


def late_and_refused(scene: Scene) -> None:
    late(scene)
    scene.ini("out_of_order = refuse")


def changed(scene: Scene) -> None:
    scene.applied()
    scene.change(B)


def changed_and_refused(scene: Scene) -> None:
    changed(scene)
    scene.ini("drift = refuse")


def changed_and_nothing_pending(scene: Scene) -> None:
    scene.applied(C)
    scene.change(B)
    scene.ini("drift = refuse")


def written(source: str) -> Callable[[Scene], None]:
    """The pending file has this text."""

    def prepare(scene: Scene) -> None:
        scene.applied()
        scene.project.write(C, source)

    return prepare


# What can be recorded


def reading_role(scene: Scene) -> None:
    scene.applied()
    scene.role(f"SELECT ON {BOTH}", "ALL ON ran", "ALL ON SEQUENCE ran_id_seq")


def role_without_tables(scene: Scene) -> None:
    scene.role()


def schema_missing(scene: Scene) -> None:
    scene.ini("version_table_schema = nowhere")


def reading_connection(scene: Scene) -> None:
    scene.applied()
    scene.role(*ALL, reads_only=True)


def column_without_a_value(scene: Scene) -> None:
    scene.adopted(A, B, columns=", ticket TEXT NOT NULL DEFAULT 'T-1'")
    scene.sql("ALTER TABLE schema_migrations ALTER COLUMN ticket DROP DEFAULT")


def constraint_on_names(scene: Scene) -> None:
    scene.applied()
    scene.sql(f"ALTER TABLE schema_migrations ADD CHECK (version < '{C}')")


def published(table: str, key: str) -> Callable[[Scene], None]:
    """Those who follow cannot be told which of its rows was changed."""

    def prepare(scene: Scene) -> None:
        scene.applied()
        scene.sql(
            f"ALTER TABLE {table} DROP CONSTRAINT {key}",
            f"CREATE PUBLICATION told FOR TABLE {table}",
        )

    return prepare


def ledger_of_another_role(scene: Scene) -> None:
    scene.adopted(A, B, pointer=B)
    scene.role(*ALL)


def breaking_in_a_ledger_of_another_role(scene: Scene) -> None:
    ledger_of_another_role(scene)
    scene.project.write(C, f"breaking = True\n{LOGGED.format(stem=C)}")


def drift_in_a_ledger_of_another_role(scene: Scene) -> None:
    ledger_of_another_role(scene)
    scene.ini("drift = refuse")


# What is told, and goes on


def first_row_removed(scene: Scene) -> None:
    scene.applied(A)
    scene.sql("DELETE FROM schema_migrations")
    scene.marks(applied=A, pending=A)


def pointer_moved(to: str) -> Callable[[Scene], None]:
    def prepare(scene: Scene) -> None:
        scene.applied()
        scene.points_at(to)

    return prepare


def file_missing(scene: Scene) -> None:
    scene.books.files("004_d")
    scene.applied(C)
    scene.project.remove(B)
    scene.marks(applied="004_d", pending=C)


def partly_replaced(scene: Scene) -> None:
    """A squash is there, one file of it is applied, and the other is gone."""
    scene.applied(A)
    scene.project.remove(A)
    scene.project.remove(B)
    names = f'replaces = ["{A}", "{B}"]\n'
    scene.project.write("002_all", names + LOGGED.format(stem="002_all"))
    scene.marks(applied=C, pending=A)


def newer(scene: Scene) -> None:
    scene.applied()
    scene.sql(
        "INSERT INTO schema_migrations (version, applied_at) VALUES ('009_x', clock_timestamp())"
    )
    scene.points_at("009_x")
    scene.marks(pending="009_x")


def adopted_and_drift_refused(scene: Scene) -> None:
    scene.adopted(A, B)
    scene.ini("drift = refuse")


def trigger(scene: Scene) -> None:
    scene.applied()
    scene.sql(
        "CREATE FUNCTION same() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NEW; END$$",
        "CREATE TRIGGER looks BEFORE INSERT ON schema_migrations "
        "FOR EACH ROW EXECUTE FUNCTION same()",
    )
