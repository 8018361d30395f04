"""The shared way to Poe: pooled aiohttp sessions in httpx's terms. It keeps connections and nothing else of a call.

httpx names requests, answers and transports; aiohttp brings the bytes, at a third of httpcore's price. What lies
between the two is here rather than in httpx-aiohttp, which reads each URL and each header twice more, and hides from
``faults`` what broke.
"""

import asyncio
import urllib.request
from collections.abc import Awaitable
from functools import lru_cache

import aiohttp
import httpx
from multidict import CIMultiDict
from yarl import URL

from poe_proxy.poe.connector import Connector

_KEEPALIVE_S = 30.0
_READ_BUFFER = 2**18
_WRITTEN_AT_ONCE = 2**15  # bytes that are out as soon as they are written, whether or not the peer reads them
FRESH = "poe_proxy_fresh"
"""The request extension that asks for no connection that was idle: what hung up without an answer may have been stale,
and so may be the others."""


class SharedTransport(httpx.AsyncBaseTransport):
    """Hands requests to the pool; ``aclose`` closes it and all its connections."""

    def __init__(self, connections: int, *, proxy: str | None = None) -> None:
        """``connections`` limits open connections to Poe; must be made inside the running event loop.

        ``proxy`` is the URL of an HTTP proxy in between, see ``proxy_from_environment``.
        """
        trusted = httpx.create_ssl_context()
        self._pool = Connector(limit=connections, keepalive_timeout=_KEEPALIVE_S, ssl=trusted)
        self._session = _session(self._pool, proxy)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request, whose body was read; raises what aiohttp raises, see ``faults``."""
        if request.extensions.get(FRESH):
            self._pool.close_idle()
        timeout = request.extensions["timeout"]
        if len(request.content) <= _WRITTEN_AT_ONCE:
            answer = await self._ask(request)
        else:  # aiohttp waits for ever until the body is out
            async with asyncio.timeout(timeout["write"] + timeout["read"]):
                answer = await self._ask(request)
        return httpx.Response(answer.status, headers=answer.raw_headers, stream=_Body(answer, timeout["read"]))

    async def aclose(self) -> None:
        """Close the pool."""
        await self._session.close()

    def _ask(self, request: httpx.Request) -> Awaitable[aiohttp.ClientResponse]:
        timeout = request.extensions["timeout"]
        return self._session.request(
            request.method,
            _url(str(request.url)),
            headers=CIMultiDict((name.decode(), value.decode()) for name, value in request.headers.raw),
            data=request.content or None,
            allow_redirects=False,
            timeout=_timeout(timeout["connect"], timeout["pool"], timeout["read"]),
        )


class _Body(httpx.AsyncByteStream):
    """An answer's bytes as they come. Closing it before its end closes its connection, since more may be on its way.

    While somebody waits for them, silence of ``idle_s`` seconds is the end. aiohttp would set a timer for that at each
    piece, which is an eighth of what a stream's piece costs; here one timer looks now and then.
    """

    __slots__ = ("_answer", "_content", "_fell_silent", "_idle_s", "_loop", "_timer", "_waiting_since")

    def __init__(self, answer: aiohttp.ClientResponse, idle_s: float) -> None:
        self._answer = answer
        self._content = answer.content
        self._idle_s = idle_s
        self._waiting_since: float | None = None
        self._fell_silent = False
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        if (connection := answer.connection) is not None and connection.protocol is not None:  # not all is here yet
            connection.protocol.read_timeout = None
            self._timer = self._loop.call_later(idle_s, self._look)

    def __aiter__(self) -> "_Body":
        return self

    async def __anext__(self) -> bytes:
        self._waiting_since = self._loop.time()
        try:
            piece = await self._content.readany()
        except aiohttp.ClientError:
            if not (piece := self._content._read_nowait(-1)):  # what came before it broke, which aiohttp withholds
                if self._fell_silent:
                    raise aiohttp.SocketTimeoutError("Timeout on reading data from socket") from None
                raise
        self._waiting_since = None
        if piece:
            return piece
        raise StopAsyncIteration

    async def aclose(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if not self._answer.closed:  # else it is at its end, and its connection is back in the pool
            self._answer.release()
            await self._answer.wait_for_close()

    def _look(self) -> None:
        now = self._loop.time()
        due = (now if self._waiting_since is None else self._waiting_since) + self._idle_s
        if due > now:
            self._timer = self._loop.call_at(due, self._look)
        else:
            self._fell_silent = True
            self._answer.close()  # which wakes who waits


def _session(connector: aiohttp.TCPConnector, proxy: str | None) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,  # or a ~/.netrc would be read for every call, and fight with our key
        read_bufsize=_READ_BUFFER,
        skip_auto_headers=("User-Agent",),
        auto_decompress=False,
        proxy=proxy,
    )


@lru_cache(maxsize=64)
def _url(url: str) -> URL:
    """The few paths of Poe's, read once."""
    return URL(url)


@lru_cache(maxsize=64)
def _timeout(connect: float, pool: float, read: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(sock_connect=connect, sock_read=read, connect=pool)


def proxy_from_environment(base_url: str) -> str | None:
    """The proxy that HTTPS_PROXY, HTTP_PROXY and ALL_PROXY name for ``base_url``, unless NO_PROXY excepts its host."""
    url = httpx.URL(base_url)
    proxies = urllib.request.getproxies()
    if urllib.request.proxy_bypass(url.host):
        return None
    return proxies.get(url.scheme) or proxies.get("all")
