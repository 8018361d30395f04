"""One client connection: orderly answers through ASGI, and disorderly ones through its transport."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections.abc import Mapping
from typing import Any

from starlette.types import Scope, Send

TRANSPORT = "poe_sim.transport"
"""Key of the connection's transport in the ASGI scope's extensions."""

_LEAVING_S = 0.02
"""Time for earlier bytes to leave and be read: a reset takes with it what is still under way."""
_LINGER_NONE = struct.pack("ii", 1, 0)


class Wire:
    """Writes one answer; after `drop` or `reset` nothing more can be said."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._send = send
        self._transport: Any = scope.get("extensions", {}).get(TRANSPORT)
        self.broken = False
        """Whether this side broke the connection off."""

    async def start(self, status: int, headers: Mapping[str, str]) -> None:
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": raw})

    async def write(self, data: bytes) -> None:
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def end(self) -> None:
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def drop(self) -> None:
        """Close the connection: what was written still arrives, an end of the answer does not."""
        self.broken = True
        self._reachable().close()
        await _for_ever()

    async def reset(self) -> None:
        """Break the connection with a TCP reset."""
        transport = self._reachable()
        await asyncio.sleep(_LEAVING_S)
        self.broken = True
        with socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno())) as twin:
            twin.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NONE)
        transport.abort()
        await _for_ever()

    def raw(self, data: bytes) -> None:
        """Say something past HTTP's own order."""
        self._reachable().write(data)

    def later(self, data: bytes, seconds: float) -> None:
        """Say something once the answer is over."""
        if data:
            asyncio.get_running_loop().call_later(seconds, self._reachable().write, data)

    def _reachable(self) -> Any:
        if self._transport is None:
            raise RuntimeError("faults of the connection need poe_sim.server (plain ASGI has no transport)")
        return self._transport


async def _for_ever() -> None:
    """Wait to be cancelled by the watcher, which sees the connection go."""
    await asyncio.Event().wait()
