"""Each action in every state, with every end, in every mode: see `test_actions`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bridge.files.mode import Mode
from support.actions.compare import Case, Comparing, meant_in
from support.actions.every import ACTIONS
from support.actions.table import AFTER, BEFORE

if TYPE_CHECKING:
    from support.databases import Databases

pytestmark = pytest.mark.long

CASES = [
    Case((action.name,), before, after, mode)
    for action in ACTIONS.values()
    for mode in Mode
    if meant_in(action, mode)
    for before in BEFORE
    for after in AFTER
]


@pytest.fixture(scope="module")
def comparing(tmp_path_factory: pytest.TempPathFactory, databases: Databases) -> Comparing:
    return Comparing(tmp_path_factory.mktemp("actions"), databases)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_an_action_means_the_same_wherever_it_comes(comparing: Comparing, case: Case) -> None:
    wanted, found = comparing(case)
    assert found == wanted
