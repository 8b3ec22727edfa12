"""What the gate lets through, and what it answers, as messages of ASGI."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from bridge.startup.asgi import Startup
from bridge.startup.gate import REASON, Gate

#: What a health endpoint tells, which its team protects.
KNOWN = {
    "state": "migrating",
    "current": "003_old",
    "pending": ["004_new_feature"],
    "problem": "db.internal (10.0.0.5) does not answer role app.",
}


class NotReady(Startup):
    """A Startup that knows what it knows without a database."""

    def __init__(self, *, ready: bool = False) -> None:
        super().__init__()
        self.ready = ready
        self.asked = 0

    async def health(self) -> tuple[int, dict[str, Any]]:
        self.asked += 1
        return (200 if self.ready else 503), dict(KNOWN)


async def application(scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "served", "scope": scope["type"]})


def answers(
    path: str = "/",
    *,
    kind: str = "http",
    allow: tuple[str, ...] = (),
    startup: Startup | None = None,
    retry_after: int = 5,
    **scope: Any,
) -> list[Any]:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": f"{kind}.connect"}

    gate = Gate(application, startup or NotReady(), allow=allow, retry_after=retry_after)
    full = {"type": kind, **({} if kind == "lifespan" else {"path": path}), **scope}
    asyncio.run(gate(full, receive, send))
    return sent


def test_a_request_is_answered_503_with_the_state_and_nothing_else() -> None:
    start, body = answers(retry_after=7)
    headers = dict(start["headers"])
    assert (start["type"], start["status"]) == ("http.response.start", 503)
    assert headers[b"retry-after"] == b"7"
    assert headers[b"content-type"] == b"application/json"
    assert headers[b"cache-control"] == b"no-store"
    assert int(headers[b"content-length"]) == len(body["body"])
    assert json.loads(body["body"]) == {"state": "migrating"}


@pytest.mark.parametrize(
    ("path", "allow", "scope"),
    [
        ("/health", ("/live", "/health"), {}),
        ("/probes/live", ("/probes/*",), {}),
        ("/api/health", ("/health",), {"root_path": "/api"}),
        ("/health", ("/health",), {"root_path": "/api"}),
    ],
)
def test_an_allowed_path_is_let_through(
    path: str, allow: tuple[str, ...], scope: dict[str, Any]
) -> None:
    assert answers(path, allow=allow, **scope) == [{"type": "served", "scope": "http"}]


@pytest.mark.parametrize(
    ("path", "allow"),
    [("/health/deep", ("/health",)), ("/probes", ("/probes/*",)), ("/", ())],
)
def test_any_other_path_is_not(path: str, allow: tuple[str, ...]) -> None:
    assert answers(path, allow=allow)[0]["status"] == 503


def test_a_websocket_is_refused_like_a_request_where_the_server_can() -> None:
    start, body = answers(kind="websocket", extensions={"websocket.http.response": {}})
    assert (start["type"], start["status"]) == ("websocket.http.response.start", 503)
    assert json.loads(body["body"]) == {"state": "migrating"}


def test_a_websocket_is_closed_with_1013_where_it_cannot() -> None:
    assert answers(kind="websocket") == [
        {"type": "websocket.close", "code": 1013, "reason": REASON}
    ]


def test_the_lifespan_passes_through() -> None:
    assert answers(kind="lifespan") == [{"type": "served", "scope": "lifespan"}]


def test_a_request_that_finds_the_database_up_to_date_is_served() -> None:
    class JustNow(NotReady):
        async def health(self) -> tuple[int, dict[str, Any]]:
            self.ready = True
            return await super().health()

    assert answers(startup=JustNow()) == [{"type": "served", "scope": "http"}]


def test_nothing_is_asked_once_it_is_ready() -> None:
    startup = NotReady(ready=True)
    assert answers(startup=startup) == [{"type": "served", "scope": "http"}]
    assert startup.asked == 0
