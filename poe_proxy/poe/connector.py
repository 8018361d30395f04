"""aiohttp's pool, mended where a peer misbehaves: nobody waits for ever, and nobody gets what was another's answer.

It reaches into aiohttp 3.14; ``tests/poe/test_connector.py`` fails where a later one is made otherwise.
"""

import asyncio
import socket
from functools import partial
from typing import Any

import aiohttp
import httpx
from aiohttp import AddrInfoType
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.http_exceptions import HttpProcessingError

_FULL_S = 8.0
"""How long a call waits for one of the connections in use; less than the client's time for getting one at all."""


class Connector(aiohttp.TCPConnector):
    """Hands out no connection on which something came that nobody asked for: it would be the next caller's answer."""

    def __init__(self, **options: Any) -> None:
        super().__init__(socket_factory=_socket, **options)
        self._factory: Any = partial(_Handler, loop=self._loop)

    def close_idle(self) -> None:
        """Close all connections that nobody uses: the next call has one that was not idle."""
        for idle in self._conns.values():
            for protocol, _ in idle:
                protocol.abort()  # nothing is left to be said, and a stale one would not hear a farewell
        self._conns.clear()

    async def _get(self, *wanted: Any) -> Connection | None:
        while (found := await super()._get(*wanted)) is not None:
            if found.protocol is not None and not found.protocol.should_close:
                return found
            found.close()
        return None

    async def _wait_for_available_connection(self, *wanted: Any) -> None:
        """Raises httpx.PoolTimeout: aiohttp does not tell a pool that is full from a peer that is not there."""
        try:
            async with asyncio.timeout(_FULL_S):
                await super()._wait_for_available_connection(*wanted)
        except TimeoutError:
            raise httpx.PoolTimeout("all connections are in use") from None


class _Socket(socket.socket):
    """Never closes by itself: the loop does that, and the number may be another connection's by then.

    uvloop 0.23 takes a socket over one turn of the loop after it began to use it. Where the peer resets the connection
    in between, it closes the number and leaves the object as it is, which would close it again when it is collected.
    """

    def __del__(self) -> None:
        self.detach()


def _socket(address: AddrInfoType) -> socket.socket:
    family, kind, protocol, _, _ = address
    return _Socket(family, kind, protocol)


class _Handler(ResponseHandler):
    """Tells who reads a body that it is no HTTP: aiohttp tells only who waits for a head, and stops its own timers."""

    def set_exception(self, exc: Any, *cause: Any) -> None:
        body = self._payload
        super().set_exception(exc, *cause)
        if isinstance(exc, HttpProcessingError) and body is not None and not body.is_eof():
            body.set_exception(aiohttp.ClientPayloadError("the body is not what HTTP says"))
