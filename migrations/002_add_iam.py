"""
Migration: Add IAM
Users, their memberships in organizations, and the invitations that lead to a membership.

E-mail addresses are compared without regard to case. Deleting an organization or a user deletes
the memberships with it. `updated_at` is kept by the application.
"""

from sqlalchemy import text

description = "Add user management, memberships, and invitations"


def upgrade(db):
    """Create the two enum types, then the three tables that use them."""
    _create_enums(db)
    _create_users(db)
    _create_memberships(db)
    _create_invitations(db)
    db.commit()


def _create_enums(db):
    # CREATE TYPE knows no IF NOT EXISTS.
    db.execute(
        text("""
            DO $$
            BEGIN
                CREATE TYPE organization_role AS ENUM ('owner', 'admin', 'member', 'viewer');
            EXCEPTION
                WHEN duplicate_object THEN NULL;
            END
            $$
        """)
    )
    db.execute(
        text("""
            DO $$
            BEGIN
                CREATE TYPE invitation_status AS ENUM (
                    'pending', 'accepted', 'revoked', 'expired'
                );
            EXCEPTION
                WHEN duplicate_object THEN NULL;
            END
            $$
        """)
    )


def _create_users(db):
    db.execute(
        text("""
            CREATE TABLE IF NOT EXISTS users (
                id         UUID        NOT NULL DEFAULT gen_random_uuid(),
                email      TEXT        NOT NULL,
                name       TEXT,
                is_active  BOOLEAN     NOT NULL DEFAULT TRUE,
                created_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
                updated_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
                CONSTRAINT users_pkey PRIMARY KEY (id)
            )
        """)
    )
    # An index over an expression, so that the extension citext is not needed.
    db.execute(text("CREATE UNIQUE INDEX IF NOT EXISTS uq_users_email ON users (lower(email))"))


def _create_memberships(db):
    db.execute(
        text("""
            CREATE TABLE IF NOT EXISTS organization_memberships (
                id              UUID              NOT NULL DEFAULT gen_random_uuid(),
                organization_id UUID              NOT NULL,
                user_id         UUID              NOT NULL,
                role            organization_role NOT NULL DEFAULT 'member',
                created_at      TIMESTAMPTZ       NOT NULL DEFAULT CURRENT_TIMESTAMP,
                updated_at      TIMESTAMPTZ       NOT NULL DEFAULT CURRENT_TIMESTAMP,
                CONSTRAINT organization_memberships_pkey PRIMARY KEY (id),
                CONSTRAINT uq_organization_memberships_organization_id_user_id
                    UNIQUE (organization_id, user_id),
                CONSTRAINT organization_memberships_organization_id_fkey
                    FOREIGN KEY (organization_id) REFERENCES organizations (id) ON DELETE CASCADE,
                CONSTRAINT organization_memberships_user_id_fkey
                    FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
            )
        """)
    )
    # The unique constraint serves look-ups by organization; this one those by user.
    db.execute(
        text("""
            CREATE INDEX IF NOT EXISTS ix_organization_memberships_user_id
                ON organization_memberships (user_id)
        """)
    )


def _create_invitations(db):
    # Only a hash of the token is kept (SHA-256, in hexadecimal): whoever reads a backup cannot
    # accept an invitation. The token itself is in the e-mail and nowhere else.
    db.execute(
        text("""
            CREATE TABLE IF NOT EXISTS invitations (
                id              UUID              NOT NULL DEFAULT gen_random_uuid(),
                organization_id UUID              NOT NULL,
                email           TEXT              NOT NULL,
                role            organization_role NOT NULL DEFAULT 'member',
                status          invitation_status NOT NULL DEFAULT 'pending',
                token_hash      TEXT              NOT NULL,
                invited_by      UUID,
                expires_at      TIMESTAMPTZ       NOT NULL
                                DEFAULT (CURRENT_TIMESTAMP + INTERVAL '7 days'),
                created_at      TIMESTAMPTZ       NOT NULL DEFAULT CURRENT_TIMESTAMP,
                updated_at      TIMESTAMPTZ       NOT NULL DEFAULT CURRENT_TIMESTAMP,
                CONSTRAINT invitations_pkey PRIMARY KEY (id),
                CONSTRAINT uq_invitations_token_hash UNIQUE (token_hash),
                CONSTRAINT ck_invitations_token_hash CHECK (token_hash ~ '^[0-9a-f]{64}$'),
                CONSTRAINT invitations_organization_id_fkey
                    FOREIGN KEY (organization_id) REFERENCES organizations (id) ON DELETE CASCADE,
                CONSTRAINT invitations_invited_by_fkey
                    FOREIGN KEY (invited_by) REFERENCES users (id) ON DELETE SET NULL
            )
        """)
    )
    # One pending invitation per organization and address. An index cannot ask for the time, so
    # an overdue invitation counts until its status is set to 'expired'.
    db.execute(
        text("""
            CREATE UNIQUE INDEX IF NOT EXISTS uq_invitations_pending
                ON invitations (organization_id, lower(email))
             WHERE status = 'pending'
        """)
    )
    db.execute(
        text("""
            CREATE INDEX IF NOT EXISTS ix_invitations_organization_id
                ON invitations (organization_id)
        """)
    )
    db.execute(
        text("CREATE INDEX IF NOT EXISTS ix_invitations_invited_by ON invitations (invited_by)")
    )
    # What is waiting for this address, in whichever organization?
    db.execute(
        text("CREATE INDEX IF NOT EXISTS ix_invitations_email ON invitations (lower(email))")
    )


def downgrade(db):
    """Remove users, memberships and invitations, with everything in them."""
    # Without CASCADE: if something was built on these tables since, stop and name it.
    db.execute(text("DROP TABLE IF EXISTS invitations"))
    db.execute(text("DROP TABLE IF EXISTS organization_memberships"))
    db.execute(text("DROP TABLE IF EXISTS users"))
    db.execute(text("DROP TYPE IF EXISTS invitation_status"))
    db.execute(text("DROP TYPE IF EXISTS organization_role"))
    db.commit()
