"""The ledgers of many targets, read at once: it says what `bridge.status` says of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import bridge
from bridge.config.target import Target
from bridge.database.request import Request
from bridge.operations.status import status_for
from bridge.operations.targets.read_all import read_all
from bridge.operations.targets.target_status import TargetState, TargetStatus
from support.tenants import Tenants

if TYPE_CHECKING:
    from collections.abc import Sequence

    from support.project import Project

FILES = ("001_one", "002_two", "003_three")
#: Names that need quotes, are words of SQL, or are as long as PostgreSQL keeps.
NAMES = ["acme", 'Ä"x y\\z', "Select", "a" * 63, "ü" * 31, "a.b", "public, x", "%s", "a'b"]


@pytest.fixture
def tenants(project: Project) -> Tenants:
    tenants = Tenants.of(project)
    tenants.files(*FILES)
    return tenants


def request_of(tenants: Tenants, database: Any = None) -> Request:
    return Request(database=database or tenants.project.url, **tenants.where)


def read(
    tenants: Tenants, targets: Sequence[str | Target], database: Any = None
) -> dict[str, TargetStatus]:
    listed = [Target(each) if isinstance(each, str) else each for each in targets]
    found = read_all(request_of(tenants, database), listed)
    assert [each.target for each in found] == [each.name for each in listed]
    return {each.target: each for each in found}


def states(found: dict[str, TargetStatus]) -> dict[str, str]:
    return {name: str(each.state) for name, each in found.items()}


def migrated(tenants: Tenants, *names: str, to: str = "head") -> None:
    tenants.schemas(*names)
    for name in names:
        bridge.upgrade(tenants.project.url, target=name, to=to, **tenants.where)


@pytest.mark.parametrize("handed_in", ["url", "engine", "connection", "transaction"])
def test_each_target_has_its_state(tenants: Tenants, handed_in: str) -> None:
    migrated(tenants, "done")
    migrated(tenants, "behind", to="002_two")
    tenants.schemas("fresh")
    migrated(tenants, "ahead", "strange")
    tenants.execute(
        "INSERT INTO ahead.schema_migrations (version) VALUES ('004_four')",
        "UPDATE ahead.alembic_version SET version_num = '004_four'",
        "UPDATE strange.schema_migrations SET version = upper(version)",
    )
    names = ["done", "behind", "fresh", "ahead", "strange", "gone"]
    if handed_in == "url":
        found = read(tenants, names)
    elif handed_in == "engine":
        found = read(tenants, names, tenants.engine)
    else:
        with tenants.engine.connect() as connection:
            if handed_in == "transaction":
                connection.begin()
            found = read(tenants, names, connection)
            assert connection.in_transaction() == (handed_in == "transaction")
    assert states(found) == {
        "done": "up-to-date",
        "behind": "pending",
        "fresh": "new",
        "ahead": "ahead",
        "strange": "refused",
        "gone": "missing",
    }
    assert found["behind"] == TargetStatus("behind", TargetState.PENDING, "002_two", ("003_three",))
    assert found["done"] == TargetStatus("done", TargetState.UP_TO_DATE, "003_three")
    assert found["fresh"].pending == FILES
    assert "eai migrate provision gone" in found["gone"].message


@pytest.mark.parametrize("name", NAMES)
def test_any_name_is_read(tenants: Tenants, name: str) -> None:
    migrated(tenants, name)
    assert states(read(tenants, [name, "gone"])) == {name: "up-to-date", "gone": "missing"}


def test_a_ledger_in_public_stands_for_none(tenants: Tenants) -> None:
    bridge.upgrade(tenants.project.url, **tenants.where)
    tenants.schemas("acme")
    assert states(read(tenants, ["acme"])) == {"acme": "new"}
    status = status_for(
        Request(database=tenants.project.url, target=Target("acme"), **tenants.where)
    )
    assert status.pending == FILES
