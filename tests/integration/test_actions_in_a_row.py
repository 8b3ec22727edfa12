"""Actions after one another mean what they mean under the old runner: see `test_actions`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import event, example, given, settings
from hypothesis import strategies as st

from support.actions.compare import Case, Comparing, is_swallowed
from support.actions.every import ACTIONS
from support.actions.table import AFTER, BEFORE

if TYPE_CHECKING:
    from support.databases import Databases

#: What most files do, between what few do.
PLAIN = ["commit", "rollback_at_once", "raw_rollback", "raw_commit", "begin_nested", "text_commit"]
#: After another connection of the old runner's pool was used, its Session may get that one, where a
#: temporary table is not. Here it is always the same.
OF_ONE_SESSION = {name for name in ACTIONS if "temporary" in name}
#: What means something else by itself is told of by itself.
STEPS = [
    action.name
    for action in ACTIONS.values()
    if action.means is None and action.name not in OF_ONE_SESSION
]

rows = st.lists(st.sampled_from(PLAIN) | st.sampled_from(STEPS), min_size=3, max_size=8)


@pytest.fixture(scope="module")
def comparing(tmp_path_factory: pytest.TempPathFactory, databases: Databases) -> Comparing:
    return Comparing(tmp_path_factory.mktemp("rows"), databases)


@settings(max_examples=settings().max_examples // 5)
@given(
    actions=rows.map(tuple),
    before=st.sampled_from(list(BEFORE)),
    after=st.sampled_from(list(AFTER)),
    forgiving=st.booleans(),
)
# After a COMMIT as text the driver believes in a transaction, in which no savepoint can be set.
@example(
    actions=("commit", "text_commit", "bind_inspected"),
    before="nothing",
    after="returns",
    forgiving=False,
)
# What a file leaves on at the driver is on in its next transaction too.
@example(
    actions=("raw_autocommit_within", "commit", "error_rolled_back"),
    before="nothing",
    after="returns",
    forgiving=False,
)
# What was put back is not taken back.
@example(
    actions=("commit", "search_path", "rollback_at_once"),
    before="nothing",
    after="returns",
    forgiving=False,
)
def test_actions_in_a_row_mean_what_they_mean_under_the_old_runner(
    comparing: Comparing, actions: tuple[str, ...], before: str, after: str, forgiving: bool
) -> None:
    wanted, found = comparing(Case(actions, before, after, forgiving=forgiving))
    if is_swallowed(found):
        event("refused, because an error was swallowed")
        assert not found.recorded
    else:
        event("compared")
        assert found == wanted
