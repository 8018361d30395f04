"""The shared way to Poe: pooled aiohttp sessions under httpx, which closing a client does not close.

A client per attempt over this transport keeps attempts apart (no cookies, no state) at the price of a pooled one.
"""

import urllib.request

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

_KEEPALIVE_S = 30.0
_READ_BUFFER = 2**18
FRESH = "poe_proxy_fresh"
"""The request extension that asks for a new connection: what hung up without an answer may have been a stale one."""


class SharedTransport(httpx.AsyncBaseTransport):
    """Hands requests to the pool. ``aclose`` does nothing, since each attempt closes its client; ``shut`` ends it."""

    def __init__(self, connections: int, *, proxy: str | None = None) -> None:
        """``connections`` limits open connections to Poe; must be made inside the running event loop.

        ``proxy`` is the URL of an HTTP proxy in between, see ``proxy_from_environment``.
        """
        trusted = httpx.create_ssl_context()
        self._sessions: list[aiohttp.ClientSession] = []
        between = httpx.Proxy(proxy) if proxy else None
        self._pooled = AiohttpTransport(
            client=self._session(aiohttp.TCPConnector(limit=connections, keepalive_timeout=_KEEPALIVE_S, ssl=trusted)),
            proxy=between,
        )
        self._fresh = AiohttpTransport(
            client=self._session(aiohttp.TCPConnector(limit=connections, force_close=True, ssl=trusted)), proxy=between
        )

    def _session(self, connector: aiohttp.TCPConnector) -> aiohttp.ClientSession:
        session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,  # or a ~/.netrc would be read for every call, and fight with our key
            read_bufsize=_READ_BUFFER,
            skip_auto_headers=("User-Agent",),
        )
        self._sessions.append(session)
        return session

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request; raises what httpx-aiohttp raises, see ``faults``."""
        way = self._fresh if request.extensions.get(FRESH) else self._pooled
        return await way.handle_async_request(request)

    async def aclose(self) -> None:
        """Nothing: the pool outlives every client."""

    async def shut(self) -> None:
        """Close the pools and all their connections."""
        for session in self._sessions:
            await session.close()


def proxy_from_environment(base_url: str) -> str | None:
    """The proxy that HTTPS_PROXY, HTTP_PROXY and ALL_PROXY name for ``base_url``, unless NO_PROXY excepts its host."""
    url = httpx.URL(base_url)
    proxies = urllib.request.getproxies()
    if urllib.request.proxy_bypass(url.host):
        return None
    return proxies.get(url.scheme) or proxies.get("all")
