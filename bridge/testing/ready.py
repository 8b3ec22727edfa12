"""The tests that are ready to be imported. They fail with sentences, not with a traceback."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bridge.errors import BridgeError, UsageError
from bridge.operations.schema.difference import unified
from bridge.operations.status import status_for
from bridge.testing.orders import folders, read_orders
from bridge.testing.schema import schema_of

if TYPE_CHECKING:
    from bridge.database.request import Request
    from bridge.testing.databases import Databases
    from bridge.testing.orders import Order, Orders
    from bridge.testing.project import Project
    from bridge.testing.steps import Steps

_NO_MODELS = (
    "There are no models to compare with. Name them in alembic.ini: "
    "target_metadata = app.models:Base.metadata"
)


def test_upgrade_from_nothing(bridge_databases: Databases, bridge_project: Project) -> None:
    """All migrations run in an empty database, and leave nothing to do."""
    with bridge_databases.empty() as url:
        try:
            bridge_project.upgrade(url)
            status = status_for(bridge_project.request(url))
        except BridgeError as error:
            message = f"The migrations do not run in an empty database.\n{error}"
        else:
            if status.up_to_date:
                return
            lines = [f"{stem}.py is still pending." for stem in status.pending]
            message = "\n".join(["After all migrations ran:", *lines, *status.problems])
    pytest.fail(message, pytrace=False)


def test_each_step_up_down_up_leaves_the_same_schema(
    bridge_steps: Steps, bridge_migration: str
) -> None:
    """What `downgrade` leaves is what was there before, and `upgrade` runs again."""
    try:
        bridge_steps.check(bridge_migration)
        return
    except BridgeError as error:
        message = str(error)
    pytest.fail(message, pytrace=False)


def test_models_match_migrations(bridge_databases: Databases, bridge_project: Project) -> None:
    """The migrated database is as `target_metadata` says; what `alembic check` asks."""
    try:
        settings = bridge_project.settings()
        # An env.py of the team's may bring its own.
        if settings.own_environment and settings.target_metadata is None:
            pytest.skip(_NO_MODELS)
        with bridge_databases.migrated() as url:
            missing = _missing(bridge_project.request(url))
    except UsageError as error:
        if str(error).startswith("There are no models"):
            pytest.skip(_NO_MODELS)
        message = str(error)
    except BridgeError as error:
        message = str(error)
    else:
        if not missing:
            return
        message = (
            "The models and the migrations differ. The database would also need:\n"
            f"{missing}\n"
            'eai migrate new "…" --autogenerate writes that as a migration.'
        )
    pytest.fail(message, pytrace=False)


def test_new_files_give_the_same_schema_in_any_order(
    bridge_databases: Databases, bridge_project: Project, pytestconfig: pytest.Config
) -> None:
    """New migrations come to the same schema before and after those that others have merged."""
    ref = pytestconfig.getoption("bridge_base")
    if not ref:
        pytest.skip("there is no base to compare with: add --bridge-base origin/main")
    try:
        files = bridge_project.files()
        now = [file.stem for file in files]
        settings = bridge_project.settings()
        found = read_orders(settings.folder, now, ref, settings.conventions.order)
        if not found.new:
            pytest.skip(f"no migration is new against {ref}")
        if squashes := [f.stem for f in files if f.stem in found.new and f.replaces]:
            pytest.skip(f"{squashes[0]} replaces others: no database runs it after them")
        if len(found.orders) == 1:
            pytest.skip(f"the new migrations sort after all others of {ref}: there is one order")
        schemas = [
            _schema(bridge_databases, bridge_project, found, each, ref) for each in found.orders
        ]
    except BridgeError as error:
        pytest.fail(str(error).replace("--base", "--bridge-base"), pytrace=False)
    _compare_orders(found, schemas)


def _missing(request: Request) -> str:
    """What autogenerate would write, as Alembic's operations; empty for nothing."""
    from bridge.alembic.commands import differences
    from bridge.alembic.invocation import Invocation

    lines = [line for code in differences(Invocation(request=request)) for line in code.split("\n")]
    return "\n".join(
        f"    {line.strip()}" for line in lines if not line.strip().startswith("# ###")
    )


def _schema(databases: Databases, project: Project, found: Orders, order: Order, ref: str) -> str:
    """What this order comes to; raises MigrationError with the order in front."""
    folder = project.settings().folder
    with databases.empty() as url, folders(folder, order, found.elsewhere, ref) as growing:
        for place in growing:
            try:
                project.upgrade(url, folder=place)
            except BridgeError as error:
                shown = str(error).replace(place, folder)
                pytest.fail(f"{_title(order)}: a migration fails.\n{shown}", pytrace=False)
        return schema_of(url, project.settings())


def _compare_orders(found: Orders, schemas: list[str]) -> None:
    lines = [
        f"{_title(order)}: another schema.\n{diff}"
        for order, schema in zip(found.orders[1:], schemas[1:], strict=True)
        if (diff := unified(schemas[0], schema, named=("in order of names", "in this order")))
    ]
    if lines:
        new = ", ".join(f"{stem}.py" for stem in found.new)
        head = f"What the new migrations ({new}) do depends on when they run."
        pytest.fail("\n".join([head, *lines]), pytrace=False)


def _title(order: Order) -> str:
    return f"In {order.description} ({', '.join(order.sequence())})"
