"""The home-made runner that bridge takes over from, as many teams have written it.

It stands for the deployed releases that share a database with bridge during a roll-out, so it
must not be improved: it takes no lock, and it records a migration in a transaction of its own,
after the last commit of the file. It imports nothing of bridge.

As a process: python old_runner.py URL FOLDER
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import create_engine, text
from sqlalchemy.orm import Session, sessionmaker

if TYPE_CHECKING:
    from types import ModuleType

    from sqlalchemy import URL

SCHEMA_MIGRATIONS = """
    CREATE TABLE IF NOT EXISTS schema_migrations (
        version VARCHAR(255) PRIMARY KEY,
        applied_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP,
        description TEXT
    )
"""


def run_old_runner(url: str | URL, folder: str | Path, **options: Any) -> list[str]:
    """Apply every pending file of the folder and return their stems, in the order applied.

    `options` are those of the Engine; most teams gave none.

    The first file that fails stops the run: what it had not committed is rolled back, it is not
    recorded, and its exception is raised as it is.
    """
    engine = create_engine(url, **options)
    make_session = sessionmaker(bind=engine, autoflush=False)
    db = make_session()
    try:
        return _run_pending(db, Path(folder))
    finally:
        db.close()
        engine.dispose()


def _run_pending(db: Session, folder: Path) -> list[str]:
    db.execute(text(SCHEMA_MIGRATIONS))
    db.commit()
    applied = set(db.execute(text("SELECT version FROM schema_migrations")).scalars())
    db.commit()
    pending = [path for path in _migration_files(folder) if path.stem not in applied]
    if not pending:
        print("No pending migrations")
        return []
    print(f"Found {len(pending)} pending migration(s)")
    for path in pending:
        _run_one(db, path)
    print("All migrations completed")
    return [path.stem for path in pending]


def _migration_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("[0-9]*.py"), key=lambda path: path.stem)


def _run_one(db: Session, path: Path) -> None:
    print(f"Running migration: {path.stem}")
    try:
        module = _load(path)
        module.upgrade(db)
        db.commit()
        # A process killed here has done the work and leaves no record of it.
        db.execute(
            text("INSERT INTO schema_migrations (version, description) VALUES (:v, :d)"),
            {"v": path.stem, "d": getattr(module, "description", "")},
        )
        db.commit()
    except Exception as error:
        db.rollback()
        print(f"Migration {path.stem} failed: {error}")
        raise
    print(f"Migration {path.stem} applied")


def _load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"Cannot load {path}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    run_old_runner(sys.argv[1], sys.argv[2])
