"""What a program is told names commands as they are typed for what it asked."""

from __future__ import annotations

import asyncio
import re
import shlex
from typing import TYPE_CHECKING, Any

import pytest

import bridge
from bridge.errors import BridgeError
from bridge.reporting import events
from bridge.reporting.reporter import Reporter
from support.tenants import Tenants

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.project import Project

BROKEN = "description = 'Broken'\n\n\ndef upgrade(db):\n    raise RuntimeError('no')\n"


class Commands(Reporter):
    """Keeps the sentences that say what to type."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def tell(self, event: events.Event) -> None:
        message = getattr(event, "message", "")
        if "eai migrate" in message:
            self.told.append(message)


def waiting(call: Callable[..., Any]) -> Callable[..., Any]:
    """As a function of an ordinary program."""
    return lambda *given, **options: asyncio.run(call(*given, **options))


APPLYING: dict[str, Callable[..., Any]] = {
    "upgrade": bridge.upgrade,
    "upgrade_async": waiting(bridge.upgrade_async),
    "start": bridge.start,
    "start_async": waiting(bridge.start_async),
}
LOOKING: dict[str, Callable[..., Any]] = {
    "status": bridge.status,
    "status_async": waiting(bridge.status_async),
}
PROVISIONING: dict[str, Callable[..., Any]] = {
    "provision": bridge.provision,
    "provision_async": waiting(bridge.provision_async),
}


@pytest.fixture
def tenants(project: Project, monkeypatch: pytest.MonkeyPatch) -> Tenants:
    monkeypatch.delenv("BRIDGE_STARTUP", raising=False)
    tenants = Tenants.of(project)
    tenants.files("001_one", "002_two")
    tenants.schemas("acme")
    return tenants


def address(tenants: Tenants) -> str:
    assert tenants.project.url is not None
    return tenants.project.url.render_as_string(hide_password=False)


def typed(tenants: Tenants, *words: str) -> str:
    return shlex.join(["eai", "migrate", "-n", "tenants", *words])


def refused(call: Callable[..., Any], *given: Any, **options: Any) -> str:
    with pytest.raises(BridgeError) as raised:
        call(*given, **options)
    message = str(raised.value)
    # None is left as bridge names it by itself.
    assert len(re.findall("eai migrate", message)) == len(re.findall(" -n tenants", message))
    return message


@pytest.mark.parametrize("call", APPLYING.values(), ids=APPLYING)
def test_after_a_failure_its_own_command_goes_on(
    tenants: Tenants, call: Callable[..., Any]
) -> None:
    tenants.project.write("002_two", BROKEN)
    message = refused(call, tenants.project.url, target="acme", **tenants.where)
    assert message.endswith(f"\nCorrect the file, and type: {typed(tenants, '--target', 'acme')}")


@pytest.mark.parametrize("call", APPLYING.values(), ids=APPLYING)
def test_what_is_told_meanwhile_names_it_too(tenants: Tenants, call: Callable[..., Any]) -> None:
    bridge.upgrade(tenants.project.url, target="acme", **tenants.where)
    tenants.project.write("002_two", "description = 'Changed'\n\n\ndef upgrade(db):\n    pass\n")
    tenants.files("003_three")
    heard = Commands()
    call(tenants.project.url, target=bridge.Target("acme"), reporter=heard, **tenants.where)
    (changed,) = heard.told
    assert typed(tenants, "--target", "acme", "repair") in changed


@pytest.mark.parametrize("name", ["start", "start_async"])
def test_what_is_pending_is_applied_by_its_command(
    tenants: Tenants, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("BRIDGE_STARTUP", "check")
    message = refused(APPLYING[name], tenants.project.url, target="acme", **tenants.where)
    assert f"type: {typed(tenants, '--target', 'acme')}; then start again." in message


@pytest.mark.parametrize("call", PROVISIONING.values(), ids=PROVISIONING)
def test_a_tenant_that_is_half_made_is_made_by_its_command(
    tenants: Tenants, call: Callable[..., Any]
) -> None:
    tenants.project.write("002_two", BROKEN)
    message = refused(call, "o'neil", tenants.project.url, **tenants.where)
    again = typed(tenants, "provision", "o'neil")
    assert message.endswith(f"\nCorrect the file, and type: {again}")


def test_the_command_line_says_the_same_of_a_tenant_that_is_half_made(tenants: Tenants) -> None:
    tenants.project.write("002_two", BROKEN)
    failed = tenants.project.eai("migrate", "-n", "tenants", "provision", "new")
    assert failed.returncode == 1
    assert failed.stderr.endswith("type: eai migrate -n tenants provision new\n")


@pytest.mark.parametrize("call", [*APPLYING.values(), *LOOKING.values()], ids=[*APPLYING, *LOOKING])
def test_a_target_that_is_not_in_the_list_is_looked_for_there(
    tenants: Tenants, call: Callable[..., Any]
) -> None:
    listed = tenants.config.read_text().rstrip() + "\ntargets_query = SELECT 'acme'\n"
    tenants.config.write_text(listed)
    message = refused(call, tenants.project.url, target="acne", **tenants.where)
    assert message.endswith(typed(tenants, "status", "--all"))


def test_of_all_targets_the_one_that_failed_is_named(tenants: Tenants) -> None:
    heard = Commands()
    rollout = bridge.upgrade_all(
        ["nobody"], database=address(tenants), reporter=heard, **tenants.where
    )
    assert rollout.behind == ("nobody",)
    (failed,) = heard.told
    assert failed.endswith(f"If it is a new tenant, type: {typed(tenants, 'provision', 'nobody')}")


@pytest.mark.parametrize("name", ["alembic.ini", "other.ini"])
def test_a_configuration_is_named_where_nobody_would_find_it(
    tenants: Tenants, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tenants.project.path / "shared" / "001_one.py").write_text(BROKEN)
    config = tenants.config.rename(tenants.config.with_name(name))
    with pytest.raises(BridgeError) as raised:
        bridge.upgrade(tenants.project.url, config=config)
    named = "" if name == "alembic.ini" else f" --config {config}"
    assert str(raised.value).endswith(f"\nCorrect the file, and type: eai migrate{named}")
    monkeypatch.setenv("DATABASE_URL", address(tenants))
    (tenants.project.path / "migrations" / "001_one.py").write_text(BROKEN)
    told = bridge.run_target("acme", config=str(config), section="tenants")["message"]
    again = f"eai migrate{named} -n tenants --target acme"
    assert told.endswith(f"\nCorrect the file, and type: {again}")
