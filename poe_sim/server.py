"""The stand-in on a real socket: in the foreground, or in a thread of its own for tests and the demo."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from poe_sim.app import create_app
from poe_sim.settings import Settings
from poe_sim.state import Poe
from poe_sim.wire import TRANSPORT

_PATIENCE_S = 10
"""Longest wait for the thread to start or to end; both take milliseconds."""


_LOOK_AGAIN_S = 0.02
"""Some things, like the count of connections, change without notice."""
T = TypeVar("T")


class SimProtocol(HttpToolsProtocol):
    """uvicorn's protocol, which also lets the app reach the connection (for resets, cuts and nonsense)."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {TRANSPORT: self.transport}  # type: ignore[dict-item]


class SimUvicorn(uvicorn.Server):
    """A server that says when it is ready and hangs up on everybody when it stops."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        await asyncio.gather(*self.server_state.tasks, return_exceptions=True)
        await super().shutdown(sockets)


@dataclass(frozen=True, slots=True)
class SimServer:
    """A running stand-in."""

    base_url: str
    """Without `/v1`, as in `https://api.poe.com`."""
    poe: Poe

    def wait_for(self, seen: Callable[[Poe], T | None], *, seconds: float = 5.0) -> T:
        """What `seen` makes of the stand-in as soon as that is true; raises TimeoutError if it never is."""
        deadline = time.monotonic() + seconds
        with self.poe.changed:
            while not (found := seen(self.poe)):
                if time.monotonic() > deadline:
                    raise TimeoutError("the stand-in Poe never saw what was waited for")
                self.poe.changed.wait(_LOOK_AGAIN_S)
        return found

    @property
    def port(self) -> int:
        return int(self.base_url.rpartition(":")[2])


def serve(host: str = "127.0.0.1", port: int = 9999, settings: Settings | None = None) -> None:
    """Serve until interrupted."""
    _uvicorn(settings, host=host, port=port)[0].run()


@contextmanager
def running(settings: Settings | None = None, port: int = 0) -> Iterator[SimServer]:
    """Serve on a loopback port, a free one if none is named, from a daemon thread for as long as the block lasts."""
    with socket.create_server(("127.0.0.1", port), backlog=2048) as listener:
        server, poe = _uvicorn(settings, host="127.0.0.1", port=0)
        thread = threading.Thread(target=server.run, args=([listener],), name="poe-sim", daemon=True)
        thread.start()
        if not server.ready.wait(_PATIENCE_S):
            raise RuntimeError("the stand-in Poe did not start")
        try:
            yield SimServer(f"http://127.0.0.1:{listener.getsockname()[1]}", poe)
        finally:
            server.should_exit = True
            thread.join(_PATIENCE_S)


def refused_url() -> str:
    """A base URL at which connections are refused: its port is taken for as long as this process lives, by nobody who
    listens."""
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    port = taken.getsockname()[1]
    taken.detach()  # or the port would be free again, and somebody else's soon
    return f"http://127.0.0.1:{port}"


def _uvicorn(settings: Settings | None, *, host: str, port: int) -> tuple[SimUvicorn, Poe]:
    app = create_app(settings)
    poe: Poe = app.state.poe
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        http=SimProtocol,
        interface="asgi3",
        lifespan="off",
        proxy_headers=False,
        log_config=None,
        access_log=False,
        log_level="critical",
        timeout_keep_alive=60,
        backlog=2048,
    )
    server = SimUvicorn(config)
    poe.count_connections = lambda: len(server.server_state.connections)
    return server, poe
