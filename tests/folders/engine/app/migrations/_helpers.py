from sqlalchemy import inspect, text


def has_column(engine, table, column):
    return column in {each["name"] for each in inspect(engine).get_columns(table)}


def note(conn, what):
    conn.execute(text("INSERT INTO deploy_log (what) VALUES (:what)"), {"what": what})
