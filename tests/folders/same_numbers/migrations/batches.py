from sqlalchemy import text


def run(db, statement, size=100):
    """Repeat a statement that has :size until it changes nothing; commit each time."""
    total = 0
    while True:
        changed = db.execute(text(statement), {"size": size}).rowcount
        db.commit()
        total += changed
        if changed == 0:
            return total
