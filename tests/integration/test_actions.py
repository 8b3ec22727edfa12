"""What a file does to its connection means what it means under the old runner.

Only the last commit waits for the record. Each action of `support.actions` runs under both, each
in a database of its own; where bridge means something else, the row says what, and why.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.actions.compare import Case, Comparing
from support.actions.every import ACTIONS

if TYPE_CHECKING:
    from support.databases import Databases

#: The most telling run of each action.
CASES = [Case((action.name,), *action.telling) for action in ACTIONS.values()]


@pytest.fixture(scope="module")
def comparing(tmp_path_factory: pytest.TempPathFactory, databases: Databases) -> Comparing:
    return Comparing(tmp_path_factory.mktemp("actions"), databases)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_an_action_means_what_it_means_under_the_old_runner(
    comparing: Comparing, case: Case
) -> None:
    wanted, found = comparing(case)
    assert found == wanted
