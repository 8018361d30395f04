"""The shared way to Poe: one pooled aiohttp session under httpx, which closing a client does not close.

A client per attempt over this transport keeps attempts apart (no cookies, no state) at the price of a pooled one.
"""

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from poe_proxy.settings import is_loopback

_KEEPALIVE_S = 60.0
_READ_BUFFER = 2**18


class SharedTransport(httpx.AsyncBaseTransport):
    """Hands requests to the pool. ``aclose`` does nothing, since every attempt closes its own client; ``shut`` ends it."""

    def __init__(self, base_url: str, connections: int) -> None:
        """``connections`` limits open connections to Poe. Must be made inside the running event loop."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=connections, keepalive_timeout=_KEEPALIVE_S),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=not is_loopback(httpx.URL(base_url).host),  # proxies from the environment are the pool's business
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
