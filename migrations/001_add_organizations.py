"""
Migration: Add Organizations
Organization-based multi-tenancy: the table `organizations` with one default organization, and an
`organization_id` on each of `api_keys`, `agents` and `evaluations` that this database has. Rows
that exist already are given to the default organization.

An organization that still owns rows cannot be deleted. `updated_at` is kept by the application.
"""

from sqlalchemy import text

description = "Add organization-based multi-tenancy"

# The tables whose rows belong to an organization. Databases differ: any of them may be missing.
TENANT_TABLES = ("api_keys", "agents", "evaluations")


def upgrade(db):
    """Create organizations, then hand every existing row to the default one."""
    db.execute(
        text("""
            CREATE TABLE IF NOT EXISTS organizations (
                id         UUID        NOT NULL DEFAULT gen_random_uuid(),
                name       TEXT        NOT NULL,
                slug       TEXT        NOT NULL,
                settings   JSONB       NOT NULL DEFAULT '{}',
                created_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
                updated_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
                CONSTRAINT organizations_pkey PRIMARY KEY (id),
                CONSTRAINT uq_organizations_slug UNIQUE (slug)
            )
        """)
    )
    db.execute(
        text("""
            INSERT INTO organizations (name, slug)
            VALUES ('Default Organization', 'default')
            ON CONFLICT (slug) DO NOTHING
        """)
    )
    for table in TENANT_TABLES:
        _add_organization_id(db, table)
    db.commit()


def _add_organization_id(db, table):
    """Give one table, if it exists, its organization_id, whatever part of it is there already.

    The check is made by the server, not in Python, so that `alembic upgrade --sql` can print it.
    """
    db.execute(
        text(f"""
            DO $$
            BEGIN
                IF to_regclass('{table}') IS NULL THEN
                    RETURN;
                END IF;

                -- From here to the commit nobody else can write to the table, so no row without
                -- an organization slips in between the UPDATE and SET NOT NULL.
                ALTER TABLE {table} ADD COLUMN IF NOT EXISTS organization_id UUID;

                UPDATE {table}
                   SET organization_id = (SELECT id FROM organizations WHERE slug = 'default')
                 WHERE organization_id IS NULL;

                IF NOT EXISTS (
                    SELECT FROM pg_constraint
                     WHERE conrelid = '{table}'::regclass
                       AND conname = '{table}_organization_id_fkey'
                ) THEN
                    ALTER TABLE {table}
                        ADD CONSTRAINT {table}_organization_id_fkey
                        FOREIGN KEY (organization_id) REFERENCES organizations (id);
                END IF;

                CREATE INDEX IF NOT EXISTS ix_{table}_organization_id
                    ON {table} (organization_id);

                ALTER TABLE {table} ALTER COLUMN organization_id SET NOT NULL;
            END
            $$
        """)  # noqa: S608 (the names are the constants above)
    )


def downgrade(db):
    """Remove organizations; which row belonged to which organization is lost."""
    for table in TENANT_TABLES:
        # The foreign key and the index go with their column.
        db.execute(text(f"ALTER TABLE IF EXISTS {table} DROP COLUMN IF EXISTS organization_id"))
    db.execute(text("DROP TABLE IF EXISTS organizations"))
    db.commit()
