"""Apply all pending migrations.

python runner.py
"""

import importlib.util
import logging
import sys
from pathlib import Path

from sqlalchemy import text

from app.db import SessionLocal, engine

MIGRATIONS_DIR = Path(__file__).parent / "migrations"

logger = logging.getLogger("migrations")


def ensure_migrations_table(db):
    db.execute(
        text("""
            CREATE TABLE IF NOT EXISTS schema_migrations (
                version VARCHAR(255) PRIMARY KEY,
                applied_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP,
                description TEXT
            )
        """)
    )
    db.commit()


def get_applied(db):
    rows = db.execute(text("SELECT version FROM schema_migrations")).fetchall()
    return {row[0] for row in rows}


def get_files():
    return sorted(path for path in MIGRATIONS_DIR.glob("*.py") if path.stem[0].isdigit())


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def apply(db, path):
    module = load(path)
    logger.info("Applying %s", path.stem)
    module.upgrade(db)
    db.commit()
    db.execute(
        text("INSERT INTO schema_migrations (version, description) VALUES (:v, :d)"),
        {"v": path.stem, "d": getattr(module, "description", "")},
    )
    db.commit()


def run_migrations():
    db = SessionLocal()
    try:
        ensure_migrations_table(db)
        applied = get_applied(db)
        pending = [path for path in get_files() if path.stem not in applied]
        for path in pending:
            apply(db, path)
        print(f"{len(pending)} migration(s) applied")
    except Exception:
        logger.exception("Migration failed, rolling back")
        db.rollback()
        raise
    finally:
        db.close()
        engine.dispose()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, stream=sys.stdout)
    run_migrations()
