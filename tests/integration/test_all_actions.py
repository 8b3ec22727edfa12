"""Each action with every two of a state, an end and a mode: see `test_actions`.

The three of them together would be some 7,000 cases; ``ACTIONS=all`` runs those.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from bridge.files.mode import Mode
from support.actions.compare import Case, Comparing, meant_in
from support.actions.every import ACTIONS
from support.actions.table import AFTER, BEFORE

if TYPE_CHECKING:
    from support.databases import Databases

pytestmark = pytest.mark.long

#: Of three states, four ends and three modes, each two meet in a third of the cases.
_THIRD = 3

CASES = [
    Case((action.name,), before, after, mode)
    for action in ACTIONS.values()
    for m, mode in enumerate(Mode)
    if meant_in(action, mode)
    for b, before in enumerate(BEFORE)
    for a, after in enumerate(AFTER)
    if (m + b + a) % _THIRD == 0 or os.environ.get("ACTIONS") == "all"
]


@pytest.fixture(scope="module")
def comparing(tmp_path_factory: pytest.TempPathFactory, databases: Databases) -> Comparing:
    return Comparing(tmp_path_factory.mktemp("actions"), databases)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_an_action_means_the_same_wherever_it_comes(comparing: Comparing, case: Case) -> None:
    wanted, found = comparing(case)
    assert found == wanted
