"""
Migration: Add Integrations
Connections of an organization to external platforms. An organization may have several to one
platform, told apart by name; each has credentials and a configuration of its own.

Deleting an organization deletes its integrations. `updated_at` is kept by the application.
"""

from sqlalchemy import text

description = "Add external platform integrations support"


def upgrade(db):
    """Create the enum of platforms and the table of integrations."""
    # CREATE TYPE knows no IF NOT EXISTS. Another platform is another migration, with
    # ALTER TYPE integration_platform ADD VALUE IF NOT EXISTS.
    db.execute(
        text("""
            DO $$
            BEGIN
                CREATE TYPE integration_platform AS ENUM (
                    'github', 'gitlab', 'jira', 'slack', 'langfuse', 'langsmith'
                );
            EXCEPTION
                WHEN duplicate_object THEN NULL;
            END
            $$
        """)
    )
    # The credentials are BYTEA because what belongs there is ciphertext. The configuration is
    # readable to anyone who can read the table, so no secret belongs in it.
    db.execute(
        text("""
            CREATE TABLE IF NOT EXISTS integrations (
                id              UUID                 NOT NULL DEFAULT gen_random_uuid(),
                organization_id UUID                 NOT NULL,
                platform        integration_platform NOT NULL,
                name            TEXT                 NOT NULL,
                credentials     BYTEA,
                configuration   JSONB                NOT NULL DEFAULT '{}',
                is_active       BOOLEAN              NOT NULL DEFAULT TRUE,
                created_at      TIMESTAMPTZ          NOT NULL DEFAULT CURRENT_TIMESTAMP,
                updated_at      TIMESTAMPTZ          NOT NULL DEFAULT CURRENT_TIMESTAMP,
                CONSTRAINT integrations_pkey PRIMARY KEY (id),
                CONSTRAINT uq_integrations_organization_id_platform_name
                    UNIQUE (organization_id, platform, name),
                CONSTRAINT integrations_organization_id_fkey
                    FOREIGN KEY (organization_id) REFERENCES organizations (id) ON DELETE CASCADE
            )
        """)
    )
    # The unique constraint begins with organization_id, so the foreign key needs no other index.
    db.execute(
        text("""
            COMMENT ON COLUMN integrations.credentials IS
                'Encrypted by the application, never plain text'
        """)
    )
    db.commit()


def downgrade(db):
    """Remove integrations, with their credentials."""
    db.execute(text("DROP TABLE IF EXISTS integrations"))
    db.execute(text("DROP TYPE IF EXISTS integration_platform"))
    db.commit()
