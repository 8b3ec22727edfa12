def up(cur):
    cur.execute("""
        CREATE TABLE price_history (
            product_id INTEGER NOT NULL REFERENCES products ON DELETE CASCADE,
            old_cents INTEGER,
            new_cents INTEGER,
            note TEXT,
            changed_at TIMESTAMPTZ NOT NULL DEFAULT now()
        )
    """)
    cur.execute("""
        CREATE FUNCTION remember_price() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF NEW.price_cents IS DISTINCT FROM OLD.price_cents THEN
                INSERT INTO price_history (product_id, old_cents, new_cents, note)
                VALUES (NEW.id, OLD.price_cents, NEW.price_cents,
                        format('%s -> %s', OLD.price_cents, NEW.price_cents));
            END IF;
            RETURN NEW;
        END $$
    """)
    cur.execute("""
        CREATE TRIGGER remember_price AFTER UPDATE ON products
        FOR EACH ROW EXECUTE FUNCTION remember_price()
    """)
    cur.execute("UPDATE products SET price_cents = price_cents - 1 WHERE title LIKE '%Buch%'")
    cur.execute("INSERT INTO deploy_log (what) VALUES (%s)", ("price_history",))


def down(cur):
    cur.execute("DROP TRIGGER remember_price ON products")
    cur.execute("DROP FUNCTION remember_price()")
    cur.execute("DROP TABLE price_history")
    cur.execute("DELETE FROM deploy_log WHERE what = 'price_history'")
