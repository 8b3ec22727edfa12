def up(cur):
    cur.execute("""
        CREATE TABLE deploy_log (
            id SERIAL PRIMARY KEY, what TEXT NOT NULL, at TIMESTAMPTZ NOT NULL DEFAULT now()
        );
        CREATE TABLE shops (
            id SERIAL PRIMARY KEY,
            name TEXT NOT NULL UNIQUE,
            url TEXT NOT NULL CHECK (url LIKE 'http%')
        );
        CREATE TABLE products (
            id SERIAL PRIMARY KEY,
            ean CHAR(13) NOT NULL UNIQUE,
            title TEXT NOT NULL,
            price_cents INTEGER
        );
    """)
    cur.execute("INSERT INTO deploy_log (what) VALUES (%s)", ("init",))


def down(cur):
    cur.execute("DROP TABLE products; DROP TABLE shops; DROP TABLE deploy_log")
