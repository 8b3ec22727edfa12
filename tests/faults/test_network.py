"""The network fails at each message of a run: before the server gets it, or on the way back."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import Engine

from support.eye import looking
from support.faults import ANSWER_LOST, NETWORK_CUT
from support.tcp_proxy import Proxy
from support.twenty import EMPTY
from support.two_files import STEMS, look, upgrade, write_both

if TYPE_CHECKING:
    from sqlalchemy import URL

    from support.project import Project
    from support.tcp_proxy import _Link

pytestmark = pytest.mark.long


class AtMessage(Proxy):
    """Breaks the connection at one message, which is told by its number."""

    def __init__(self, server: URL, *, number: int, answered: bool) -> None:
        super().__init__(server)
        self._left = number
        self._answered = answered
        #: What was broken; None if a run has fewer messages.
        self.broken: bytes | None = None

    def sent(self, link: _Link, data: bytes) -> None:
        """Count it; what the client says when it goes is no message of a run."""
        if data[:1] == b"X":
            return
        self._left -= 1
        if self._left == 0:
            self.broken = data
            if self._answered:
                link.cut_at_answer()
            else:
                link.cut()


@pytest.mark.parametrize(
    ("times", "answered"),
    [(NETWORK_CUT.times, False), (ANSWER_LOST.times, True)],
    ids=["cut", "unanswered"],
)
def test_broken_at_each_message_nothing_is_lost_and_the_next_run_completes_the_work(
    project: Project, engine: Engine, times: int, answered: bool
) -> None:
    write_both(project)
    number, unknown = 0, 0
    while True:
        number += 1
        with looking(engine.url) as eye:
            eye.rows(EMPTY)
        with AtMessage(engine.url, number=number, answered=answered) as proxy:
            error = upgrade(replace(project, url=proxy.url), proxy.url)
        if proxy.broken is None:
            break
        recorded = look(engine.url)
        assert recorded == STEMS[: len(recorded)]
        # An error unless all was done; then the server's end is no longer of interest.
        assert error is not None or recorded == STEMS, proxy.broken
        assert error is None or error.exit_code == 75, (proxy.broken, error)
        unknown += error is not None and "not known" in str(error)
        assert upgrade(project, engine.url) is None
        assert look(engine.url) == STEMS
    assert error is None
    assert number > times, number
    # The COMMIT of each file: the one that the server got as well as the one that it did not.
    assert unknown == len(STEMS)
