"""What many migrations need."""

from sqlalchemy import text


def table_exists(db, name):
    return db.execute(text("SELECT to_regclass(:name)"), {"name": name}).scalar() is not None


def column_exists(db, table, column):
    query = """
        SELECT count(*) FROM information_schema.columns
         WHERE table_schema = current_schema() AND table_name = :table AND column_name = :column
    """
    return db.execute(text(query), {"table": table, "column": column}).scalar() == 1


def note(db, what):
    db.execute(text("INSERT INTO deploy_log (what) VALUES (:what)"), {"what": what})
