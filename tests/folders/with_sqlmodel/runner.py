"""python runner.py: apply what is not applied yet"""

from datetime import UTC, datetime
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from sqlmodel import Field, Session, SQLModel, select

from app.db import engine

FOLDER = Path(__file__).parent / "app" / "migrations"


class SchemaMigration(SQLModel, table=True):
    __tablename__ = "schema_migrations"

    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(unique=True, max_length=200)
    applied_at: datetime = Field(default_factory=lambda: datetime.now(UTC))


def load(path: Path):
    spec = spec_from_file_location(f"app.migrations.{path.stem}", path)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def pending(session: Session) -> list[Path]:
    applied = set(session.exec(select(SchemaMigration.name)).all())
    return [path for path in sorted(FOLDER.glob("[0-9]*.py")) if path.stem not in applied]


def apply(path: Path) -> None:
    with Session(engine) as session:
        load(path).upgrade(session)
        session.commit()
        session.add(SchemaMigration(name=path.stem))
        session.commit()


def main() -> None:
    SchemaMigration.__table__.create(engine, checkfirst=True)
    with Session(engine) as session:
        paths = pending(session)
    if not paths:
        print("Database is up to date")
    for path in paths:
        print(f"Applying {path.name} ...", end=" ", flush=True)
        apply(path)
        print("ok")


def revert(name: str) -> None:
    """Only for the developers' own databases."""
    with Session(engine) as session:
        load(FOLDER / f"{name}.py").downgrade(session)
        row = session.exec(select(SchemaMigration).where(SchemaMigration.name == name)).one()
        session.delete(row)
        session.commit()


if __name__ == "__main__":
    main()
