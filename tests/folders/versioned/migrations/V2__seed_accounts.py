ACCOUNTS = (
    ("DE02120300000000202051", "Müller & Söhne"),
    ("FR7630006000011234567890189", "L'Atelier"),
    ("GB33BUKB20201555555555", "Smith {Holdings}"),
)


def up(conn):
    cursor = conn.cursor()
    cursor.executemany("INSERT INTO accounts (iban, owner) VALUES (%s, %s)", ACCOUNTS)
    cursor.execute("INSERT INTO deploy_log (what) VALUES ('seed_accounts')")
    cursor.close()


def down(conn):
    cursor = conn.cursor()
    cursor.execute("DELETE FROM accounts WHERE iban IN %s", (tuple(a[0] for a in ACCOUNTS),))
    cursor.execute("DELETE FROM deploy_log WHERE what = 'seed_accounts'")
    cursor.close()
