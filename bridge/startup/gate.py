"""An ASGI middleware that answers 503 until the database is up to date.

It asks a Startup, and knows neither frameworks nor databases.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bridge.startup.asgi import Startup

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

#: Why a WebSocket is closed, as its client reads it.
REASON = "The database is not up to date with this application. Try again later."
#: Close code of a WebSocket: "Try Again Later".
TRY_AGAIN_LATER = 1013
#: What an ASGI server offers that can answer the opening of a WebSocket like a request.
DENIAL = "websocket.http.response"


class Gate:
    """Lets requests through to `app` once `startup` is ready; until then only those to `allow`.

    `allow` holds exact paths, and prefixes that end with ``/*``; the paths of probes belong
    there. The answer tells the state of the Startup, and nothing else of what it knows.
    `retry_after` is what clients are told to wait, in seconds.
    """

    def __init__(
        self, app: App, startup: Startup, *, allow: Collection[str], retry_after: int = 5
    ) -> None:
        self._app = app
        self._startup = startup
        self._exact = frozenset(path for path in allow if not path.endswith("/*"))
        self._prefixes = tuple(path[:-1] for path in allow if path.endswith("/*"))
        self._retry_after = retry_after

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one connection, or hand it on."""
        if (
            self._startup.ready
            or scope["type"] not in {"http", "websocket"}
            or self._is_allowed(scope)
        ):
            await self._app(scope, receive, send)
            return
        status_code, known = await self._startup.health()
        if status_code == HTTPStatus.OK:
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._answer("http.response", status_code, known, send)
        elif DENIAL in (scope.get("extensions") or {}):
            await self._answer(DENIAL, status_code, known, send)
        else:
            await receive()
            await send({"type": "websocket.close", "code": TRY_AGAIN_LATER, "reason": REASON})

    def _is_allowed(self, scope: Scope) -> bool:
        # Under a mount, `path` begins with `root_path` in newer servers and not in older ones.
        path, root = scope["path"], scope.get("root_path", "")
        if root and path.startswith(f"{root}/"):
            path = path[len(root) :]
        return path in self._exact or path.startswith(self._prefixes)

    async def _answer(self, kind: str, status: int, known: dict[str, Any], send: Send) -> None:
        # Anybody may ask. What else is known names migrations, and perhaps a server and a role.
        content = json.dumps({"state": known["state"]}).encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(content)).encode()),
            (b"retry-after", str(self._retry_after).encode()),
            (b"cache-control", b"no-store"),
        ]
        await send({"type": f"{kind}.start", "status": status, "headers": headers})
        await send({"type": f"{kind}.body", "body": content})
