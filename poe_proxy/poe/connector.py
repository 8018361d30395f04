"""aiohttp's pool, mended where a peer misbehaves: nobody waits for ever, and nobody gets what was another's answer.

It reaches into aiohttp 3.14; ``tests/poe/test_connector.py`` fails where a later one is made otherwise.
"""

from functools import partial
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.http_exceptions import HttpProcessingError


class Connector(aiohttp.TCPConnector):
    """Hands out no connection on which something came that nobody asked for: it would be the next caller's answer."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._factory: Any = partial(_Handler, loop=self._loop)

    async def _get(self, *wanted: Any) -> Connection | None:
        while (found := await super()._get(*wanted)) is not None:
            if found.protocol is not None and not found.protocol.should_close:
                return found
            found.close()
        return None


class _Handler(ResponseHandler):
    """Tells who reads a body that it is no HTTP: aiohttp tells only who waits for a head, and stops its own timers."""

    def set_exception(self, exc: Any, *cause: Any) -> None:
        body = self._payload
        super().set_exception(exc, *cause)
        if isinstance(exc, HttpProcessingError) and body is not None and not body.is_eof():
            body.set_exception(aiohttp.ClientPayloadError("the body is not what HTTP says"))
