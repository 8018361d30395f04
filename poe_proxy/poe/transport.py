"""The shared way to Poe: one pooled aiohttp session under httpx, which closing a client does not close.

A client per attempt over this transport keeps attempts apart (no cookies, no state) at the price of a pooled one.
"""

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

_KEEPALIVE_S = 60.0
_READ_BUFFER = 2**18


class SharedTransport(httpx.AsyncBaseTransport):
    """Hands requests to the pool. ``aclose`` does nothing, since each attempt closes its client; ``shut`` ends it."""

    def __init__(self, connections: int, *, use_proxies: bool = True) -> None:
        """``connections`` limits open connections to Poe; must be made inside the running event loop.

        ``use_proxies``: heed HTTPS_PROXY and its like, which are the pool's business and not the clients'.
        """
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=connections, keepalive_timeout=_KEEPALIVE_S),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=use_proxies,
            read_bufsize=_READ_BUFFER,
            skip_auto_headers=("User-Agent",),
        )
        self._inner = AiohttpTransport(client=self._session)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request; raises what httpx-aiohttp raises, see ``faults``."""
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        """Nothing: the pool outlives every client."""

    async def shut(self) -> None:
        """Close the pool and all its connections."""
        await self._session.close()
