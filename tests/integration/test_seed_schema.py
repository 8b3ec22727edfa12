"""What the three migrations in migrations/ allow and refuse, asked of a real database."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import inspect, text
from sqlalchemy.exc import IntegrityError

from support.old_runner import run_old_runner
from support.seed import (
    MIGRATIONS,
    STEMS,
    TENANT_TABLES,
    assert_refused,
    count_rows,
    create_tenant_tables,
    enum_values,
    insert,
    invite,
    organization_id,
    owners,
    run_migration,
    violated_constraint,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import URL, Engine


def test_001_creates_one_default_organization(engine: Engine) -> None:
    run_migration(engine, STEMS[0], "upgrade")
    with engine.connect() as connection:
        row = connection.execute(text("SELECT * FROM organizations")).one()
    assert (row.name, row.slug, row.settings) == ("Default Organization", "default", {})
    assert row.id is not None
    assert row.created_at.tzinfo is not None
    assert row.updated_at == row.created_at


def test_001_refuses_a_second_organization_with_the_same_slug(engine: Engine) -> None:
    run_migration(engine, STEMS[0], "upgrade")
    with engine.begin() as connection:
        insert(connection, "organizations", name="Acme", slug="acme")
        assert_refused(
            connection, "uq_organizations_slug", "organizations", name="Acme Two", slug="acme"
        )


@pytest.mark.parametrize(
    "existing",
    [["api_keys"], ["agents", "evaluations"], TENANT_TABLES],
    ids=["one", "two", "all three"],
)
def test_001_gives_the_rows_of_each_existing_table_to_the_default_organization(
    database_url: URL, engine: Engine, existing: list[str]
) -> None:
    create_tenant_tables(engine, existing)
    run_old_runner(database_url, MIGRATIONS)
    found = inspect(engine)
    for table in existing:
        assert owners(engine, table) == ["default", "default"]
        column = next(c for c in found.get_columns(table) if c["name"] == "organization_id")
        assert not column["nullable"]
        assert column["default"] is None
        (key,) = found.get_foreign_keys(table)
        assert key["constrained_columns"] == ["organization_id"]
        assert key["referred_table"] == "organizations"
        assert f"ix_{table}_organization_id" in {i["name"] for i in found.get_indexes(table)}
    for table in set(TENANT_TABLES) - set(existing):
        assert not found.has_table(table)


def test_001_leaves_rows_alone_that_have_an_organization_already(engine: Engine) -> None:
    """A second run, after tenants have moved in."""
    create_tenant_tables(engine, ["agents"])
    run_migration(engine, STEMS[0], "upgrade")
    with engine.begin() as connection:
        acme = insert(connection, "organizations", name="Acme", slug="acme")
        connection.execute(
            text("UPDATE agents SET organization_id = :acme WHERE name = 'first'"), {"acme": acme}
        )
    run_migration(engine, STEMS[0], "upgrade")
    assert owners(engine, "agents") == ["acme", "default"]


def test_001_completes_a_column_that_somebody_began_by_hand(
    engine: Engine, dump: Callable[[URL], str]
) -> None:
    create_tenant_tables(engine, ["agents"])
    run_migration(engine, STEMS[0], "upgrade")
    complete = dump(engine.url)
    run_migration(engine, STEMS[0], "downgrade")
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE agents ADD COLUMN organization_id UUID"))
    run_migration(engine, STEMS[0], "upgrade")
    assert dump(engine.url) == complete
    assert owners(engine, "agents") == ["default", "default"]


def test_001_picks_up_a_table_that_was_created_since(engine: Engine) -> None:
    run_migration(engine, STEMS[0], "upgrade")
    create_tenant_tables(engine, ["evaluations"])
    run_migration(engine, STEMS[0], "upgrade")
    assert owners(engine, "evaluations") == ["default", "default"]


def test_001_does_not_let_an_organization_that_owns_rows_be_deleted(engine: Engine) -> None:
    create_tenant_tables(engine, ["agents"])
    run_migration(engine, STEMS[0], "upgrade")
    with engine.connect() as connection, pytest.raises(IntegrityError) as caught:
        connection.execute(text("DELETE FROM organizations"))
    assert violated_constraint(caught.value) == "agents_organization_id_fkey"


@pytest.fixture
def iam(database_url: URL, engine: Engine) -> Engine:
    """A database with all three migrations, and with the organizations default and acme."""
    run_old_runner(database_url, MIGRATIONS)
    with engine.begin() as connection:
        insert(connection, "organizations", name="Acme", slug="acme")
    return engine


def test_002_takes_an_email_once_whatever_its_case(iam: Engine) -> None:
    with iam.begin() as connection:
        insert(connection, "users", email="Ann@example.com")
        assert_refused(connection, "uq_users_email", "users", email="ann@EXAMPLE.com")


def test_002_makes_a_user_a_member_of_an_organization_once(iam: Engine) -> None:
    table = "organization_memberships"
    with iam.begin() as connection:
        ann = insert(connection, "users", email="ann@example.com")
        default, acme = organization_id(connection, "default"), organization_id(connection, "acme")
        insert(connection, table, organization_id=default, user_id=ann, role="owner")
        insert(connection, table, organization_id=acme, user_id=ann)
        assert_refused(
            connection,
            "uq_organization_memberships_organization_id_user_id",
            table,
            organization_id=default,
            user_id=ann,
            role="viewer",
        )
        roles = connection.execute(text(f"SELECT role FROM {table} ORDER BY role")).scalars()
        assert list(roles) == ["owner", "member"]


def test_002_knows_the_roles_from_the_strongest_to_the_weakest(iam: Engine) -> None:
    assert enum_values(iam, "organization_role") == ["owner", "admin", "member", "viewer"]


def test_002_knows_the_statuses_of_an_invitation(iam: Engine) -> None:
    assert enum_values(iam, "invitation_status") == ["pending", "accepted", "revoked", "expired"]


def test_002_refuses_a_second_pending_invitation_of_one_address(iam: Engine) -> None:
    with iam.begin() as connection:
        invite(connection, "default", "ann@example.com")
        assert_refused(
            connection,
            "uq_invitations_pending",
            "invitations",
            organization_id=organization_id(connection, "default"),
            email="ANN@example.com",
            token_hash="f" * 64,
        )


def test_002_lets_each_organization_invite_the_same_address(iam: Engine) -> None:
    with iam.begin() as connection:
        invite(connection, "default", "ann@example.com")
        invite(connection, "acme", "ann@example.com")
    assert count_rows(iam, "invitations") == 2


@pytest.mark.parametrize("status", ["accepted", "revoked", "expired"])
def test_002_allows_another_invitation_once_the_first_is_settled(iam: Engine, status: str) -> None:
    with iam.begin() as connection:
        first = invite(connection, "default", "ann@example.com")
        connection.execute(
            text("UPDATE invitations SET status = CAST(:s AS invitation_status) WHERE id = :id"),
            {"s": status, "id": first},
        )
        invite(connection, "default", "ann@example.com")
        states = connection.execute(text("SELECT status FROM invitations ORDER BY status"))
        assert list(states.scalars()) == ["pending", status]


def test_002_gives_an_invitation_a_week(iam: Engine) -> None:
    with iam.begin() as connection:
        invite(connection, "default", "ann@example.com")
        lifetime = connection.execute(text("SELECT expires_at - created_at FROM invitations"))
        assert lifetime.scalar_one().days == 7


def test_002_takes_a_token_once_and_only_as_a_hash(iam: Engine) -> None:
    with iam.begin() as connection:
        acme = organization_id(connection, "acme")
        insert(
            connection, "invitations", organization_id=acme, email="a@x.org", token_hash="a" * 64
        )
        assert_refused(
            connection,
            "uq_invitations_token_hash",
            "invitations",
            organization_id=acme,
            email="b@x.org",
            token_hash="a" * 64,
        )
        assert_refused(
            connection,
            "ck_invitations_token_hash",
            "invitations",
            organization_id=acme,
            email="b@x.org",
            token_hash="the token itself",
        )


def test_002_keeps_an_invitation_whose_sender_is_deleted(iam: Engine) -> None:
    with iam.begin() as connection:
        ann = insert(connection, "users", email="ann@example.com")
        invite(connection, "default", "bob@example.com", invited_by=ann)
        connection.execute(text("DELETE FROM users"))
        sender = connection.execute(text("SELECT invited_by FROM invitations")).scalar_one()
    assert sender is None


def test_deleting_an_organization_deletes_its_members_invitations_and_integrations(
    iam: Engine,
) -> None:
    with iam.begin() as connection:
        acme = organization_id(connection, "acme")
        ann = insert(connection, "users", email="ann@example.com")
        insert(connection, "organization_memberships", organization_id=acme, user_id=ann)
        invite(connection, "acme", "bob@example.com")
        insert(connection, "integrations", organization_id=acme, platform="slack", name="team")
        connection.execute(text("DELETE FROM organizations WHERE slug = 'acme'"))
    tables = ["organization_memberships", "invitations", "integrations", "users"]
    assert [count_rows(iam, table) for table in tables] == [0, 0, 0, 1]


def test_003_takes_a_name_once_per_organization_and_platform(iam: Engine) -> None:
    with iam.begin() as connection:
        default, acme = organization_id(connection, "default"), organization_id(connection, "acme")
        for organization, platform, name in [
            (default, "github", "main"),
            (default, "github", "second"),
            (default, "slack", "main"),
            (acme, "github", "main"),
        ]:
            insert(
                connection,
                "integrations",
                organization_id=organization,
                platform=platform,
                name=name,
            )
        assert_refused(
            connection,
            "uq_integrations_organization_id_platform_name",
            "integrations",
            organization_id=acme,
            platform="github",
            name="main",
        )


def test_003_starts_an_integration_active_unconfigured_and_without_credentials(
    iam: Engine,
) -> None:
    with iam.begin() as connection:
        insert(
            connection,
            "integrations",
            organization_id=organization_id(connection, "acme"),
            platform="langfuse",
            name="main",
        )
        row = connection.execute(text("SELECT * FROM integrations")).one()
    assert (row.is_active, row.configuration, row.credentials) == (True, {}, None)
