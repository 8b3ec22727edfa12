"""A TCP proxy in front of the tests' server: a network that stalls, cuts, refuses or swallows.

It works in threads of the test's process, so that what happens is exact: a fault begins with the
very message of the client's that was named. It cannot lose a packet: its own kernel acknowledges
what it swallows. For that there is `support.black_hole`.

    with Proxy(engine.url) as proxy:
        project = replace(project, url=proxy.url)
        proxy.lose_answer_to(b"COMMIT")
        ...
        assert proxy.happened.wait(PATIENCE)
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

#: When a fault begins: as soon as a client has sent this text, or so many bytes on one connection.
When = bytes | int

_SIZE = 65536


class Proxy:
    """A server's address of its own, until the end of its block; every method may be called then.

    Without a fault it passes on everything. Of the faults that wait for a message one is waited for
    at a time, and it begins once: `happened` is set by then.
    """

    def __init__(self, server: URL, *, host: str = "127.0.0.1") -> None:
        self._server = server
        self._host = host
        self._listener = socket.create_server((host, 0), backlog=64)
        self._sockets: list[socket.socket] = []
        self._links: list[_Link] = []
        self._stalled = False
        self._rule: _Rule | None = None
        self._changing = threading.RLock()
        #: Set when the fault that was waited for has begun.
        self.happened = threading.Event()
        threading.Thread(target=self._accept, name="proxy", daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.refuse()
        self.cut()  # which wakes the threads that read
        for each in self._sockets:
            each.close()

    @property
    def url(self) -> URL:
        """The server's address through the proxy; unencrypted, so that messages can be read."""
        query = {name: value for name, value in self._server.query.items() if name != "host"}
        return self._server.set(
            host=self._host,
            port=self._listener.getsockname()[1],
            query={**query, "sslmode": "disable", "gssencmode": "disable"},
        )

    @property
    def connections(self) -> int:
        """How many connections it has taken so far."""
        return len(self._links)

    # What begins at once

    def stall(self) -> None:
        """Take whatever anybody sends, new connections too, and pass on nothing any more."""
        with self._changing:
            self._stalled = True
            for link in self._links:
                link.swallow()

    def stall_new(self) -> None:
        """Take new connections and never answer them; those there are go on."""
        self._stalled = True

    def resume(self) -> None:
        """Serve new connections again; what was swallowed is lost."""
        self._stalled = False

    def cut(self) -> None:
        """End all connections, at both ends."""
        with self._changing:
            for link in self._links:
                link.cut()

    def refuse(self) -> None:
        """Let nothing listen here any more; the connections there are go on."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # which wakes the thread that accepts
        self._listener.close()

    # What begins with a message of a client's: the next such, or the next after another text

    def stall_when(self, when: When, *, after: bytes = b"") -> None:
        """Do as `stall` does from such a message on, which the server does not get."""
        self._wait_for(when, after, lambda _link: self.stall())

    def cut_when(self, when: When, *, after: bytes = b"") -> None:
        """Cut the connection of that message, which the server does not get."""

        def cut(link: _Link) -> None:
            self.happened.set()  # before the client, which goes on at once, asks
            link.cut()

        self._wait_for(when, after, cut, announced=False)

    def swallow_answer_to(self, when: When, *, after: bytes = b"") -> None:
        """Pass that message on, and on its connection nothing that the server says from then on."""
        self._wait_for(when, after, lambda link: link.swallow_answers())

    def lose_answer_to(self, when: When, *, after: bytes = b"") -> None:
        """Pass that message on, and cut its connection in place of the server's answer to it.

        `happened` is set when the server has answered: what was asked for is done by then.
        """
        self._wait_for(when, after, lambda link: link.cut_at_answer(), announced=False)

    def call_when(self, when: When, function: Callable[[], object], *, after: bytes = b"") -> None:
        """Call a function before such a message is passed on."""
        self._wait_for(when, after, lambda _link: function())

    def _wait_for(
        self, when: When, after: bytes, begin: Callable[[_Link], object], *, announced: bool = True
    ) -> None:
        with self._changing:
            self.happened.clear()
            self._rule = _Rule(when, after, begin, announced=announced)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                client, _ = self._listener.accept()
                self._sockets.append(client)
                self._links.append(link := _Link(self, client))
                if self._stalled:
                    link.swallow()
                else:
                    self._sockets.append(link.open(_connected(self._server)))
                link.start()

    def sent(self, link: _Link, data: bytes) -> None:
        """Look at what a client sends, before the server gets it."""
        with self._changing:
            rule = self._rule
            if rule is None or not rule.is_met(link, data):
                return
            self._rule = None
            rule.begin(link)
            if rule.announced:
                self.happened.set()


class _Rule:
    """What is waited for, and what begins then."""

    def __init__(
        self, when: When, after: bytes, begin: Callable[[_Link], object], *, announced: bool
    ) -> None:
        self._when = when
        self._after = after
        self.begin = begin
        self.announced = announced

    def is_met(self, link: _Link, data: bytes) -> bool:
        link.bytes_sent += len(data)
        if isinstance(self._when, int):
            return link.bytes_sent >= self._when
        # libpq sends a short message in one piece.
        if self._after:
            _, found, data = data.partition(self._after)
            if not found:
                return False
            self._after = b""
        return self._when in data


class _Link:
    """One client and its connection to the server."""

    def __init__(self, proxy: Proxy, client: socket.socket) -> None:
        self._proxy = proxy
        self._client = client
        self._server: socket.socket | None = None
        self._swallows = self._swallows_answers = self._cuts_at_answer = False
        self.bytes_sent = 0

    def open(self, server: socket.socket) -> socket.socket:
        self._server = server
        return server

    def start(self) -> None:
        for target in (self._pass_on_requests, self._pass_on_answers):
            threading.Thread(target=target, name="proxy", daemon=True).start()

    def swallow(self) -> None:
        self._swallows = True

    def swallow_answers(self) -> None:
        self._swallows_answers = True

    def cut_at_answer(self) -> None:
        self._cuts_at_answer = True

    def cut(self) -> None:
        for each in (self._client, self._server):
            if each is not None:
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

    def _pass_on_requests(self) -> None:
        with contextlib.suppress(OSError):
            while data := self._client.recv(_SIZE):
                self._proxy.sent(self, data)
                if not self._swallows and self._server is not None:
                    self._server.sendall(data)
            # A network that swallows everything does not tell the server that the client is gone.
            if not self._swallows and self._server is not None:
                self._server.shutdown(socket.SHUT_WR)

    def _pass_on_answers(self) -> None:
        if self._server is None:
            return
        with contextlib.suppress(OSError):
            while data := self._server.recv(_SIZE):
                if self._cuts_at_answer:
                    self._proxy.happened.set()
                    self.cut()
                    return
                if not (self._swallows or self._swallows_answers):
                    self._client.sendall(data)
            if not (self._swallows or self._swallows_answers):
                self._client.shutdown(socket.SHUT_WR)


def _connected(url: URL) -> socket.socket:
    """A connection to the server of a URL, over TCP or its socket."""
    host = str(url.query.get("host", url.host or "localhost"))
    port = int(str(url.query.get("port", url.port or 5432)))
    if not host.startswith("/"):
        return socket.create_connection((host, port), timeout=None)
    server = socket.socket(socket.AF_UNIX)
    server.connect(f"{host}/.s.PGSQL.{port}")
    return server


class Unreachable:
    """A port whose SYN packets are lost: it listens, and its queue of connections is full."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=0)
        self._waiting = []
        for _ in range(8):  # more than any system puts into a queue of none
            each = socket.socket()
            each.setblocking(False)
            each.connect_ex(self._listener.getsockname())
            self._waiting.append(each)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for each in (self._listener, *self._waiting):
            each.close()

    def at(self, url: URL) -> URL:
        """The same URL at this port."""
        port = self._listener.getsockname()[1]
        return url.set(host="127.0.0.1", port=port, query={"sslmode": "disable"})
