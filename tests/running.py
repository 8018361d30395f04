"""The real proxy on a real socket, in a thread of its own with a loop of its own."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
from anthropic import Anthropic
from fastapi import FastAPI
from openai import OpenAI

from poe_proxy.settings import Settings, load_settings
from poe_proxy.web.app import create_app
from poe_proxy.web.house import House
from poe_sim import KEYS

ROOT = Path(__file__).parents[1]
_PATIENCE_S = 10
QUIET = {"FOOTER": "never", "RATE_LIMIT": "0", "UPSTREAM_RPM": "0"}
"""For tests of other things: answers as the model gave them, at once, and as many as a test asks for."""


class _Server(uvicorn.Server):
    """A server that says when it is ready, runs in a loop that can be reached, and ends as soon as it is told.

    uvicorn's own looks ten times a second whether it should end, and the suite starts hundreds of proxies.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()
        self.loop: asyncio.AbstractEventLoop | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.loop = asyncio.get_running_loop()
        self._told = asyncio.Event()
        self.ready.set()

    async def main_loop(self) -> None:
        ticking, told = asyncio.create_task(super().main_loop()), asyncio.create_task(self._told.wait())
        await asyncio.wait((ticking, told), return_when=asyncio.FIRST_COMPLETED)
        self.should_exit = True
        ticking.cancel()
        told.cancel()

    def end(self) -> None:
        """Have it end; from any thread."""
        assert self.loop is not None
        with suppress(RuntimeError):  # it has ended by itself
            self.loop.call_soon_threadsafe(self._told.set)


@dataclass(frozen=True, slots=True)
class Proxy:
    """A running proxy; ``url`` has no ``/v1``."""

    url: str
    app: FastAPI
    server: _Server

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    @property
    def house(self) -> House:
        house = self.app.state.house
        assert isinstance(house, House)
        return house

    def call_soon(self, work: Any, *arguments: Any) -> None:
        """Run ``work`` in the proxy's own loop."""
        assert self.server.loop is not None
        self.server.loop.call_soon_threadsafe(work, *arguments)

    def openai(self, **options: Any) -> OpenAI:
        """The official SDK, without retries of its own."""
        options = {"api_key": "any", "max_retries": 0, "timeout": 30, **options}
        return OpenAI(base_url=f"{self.url}/v1", **options)

    def anthropic(self, **options: Any) -> Anthropic:
        """The official SDK of Anthropic, without retries of its own."""
        options = {"api_key": "any", "max_retries": 0, "timeout": 30, **options}
        return Anthropic(base_url=self.url, **options)


def settings_for(poe_url: str, data_dir: Path, **changes: object) -> Settings:
    """Settings as an environment would give them, none of this machine's own."""
    environment = {
        "POE_API_KEY": KEYS[0],
        "POE_BASE_URL": poe_url,
        "DATA_DIR": str(data_dir),
        "MODELS_FILE": str(ROOT / "models.yaml"),
        **QUIET,
        **{name: str(value) for name, value in changes.items()},
    }
    return load_settings(environment, Path("/nonexistent/.env"))


@contextmanager
def running_proxy(poe_url: str, data_dir: Path, **changes: object) -> Iterator[Proxy]:
    """Serve on a free loopback port for as long as the block lasts."""
    app = create_app(settings_for(poe_url, data_dir, **changes))
    with socket.create_server(("127.0.0.1", 0), backlog=2048) as listener:
        server = _Server(uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=5))
        thread = threading.Thread(target=server.run, args=([listener],), name="proxy", daemon=True)
        thread.start()
        assert server.ready.wait(_PATIENCE_S), "the proxy did not start"
        try:
            yield Proxy(f"http://127.0.0.1:{listener.getsockname()[1]}", app, server)
        finally:
            server.end()
            thread.join(_PATIENCE_S)


def eventually(holds: Callable[[], Any], seconds: float = 10) -> Any:
    """What ``holds()`` returns as soon as it is true; the deadline is only there so that a failing test ends.

    What takes long is looked at less often: looking takes a processor from what is waited for.
    """
    begun = time.monotonic()
    while not (found := holds()):
        waited = time.monotonic() - begun
        assert waited < seconds, "it did not happen"
        time.sleep(min(max(0.005, waited / 10), 0.1))
    return found
