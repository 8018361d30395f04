"""The only one who calls Poe. It knows paths, keys and timeouts; it decides nothing and reads no answer's meaning."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import httpx

from poe_proxy import __version__, sse
from poe_proxy.poe.faults import KNOWN, link_error
from poe_proxy.poe.masking import Mask
from poe_proxy.poe.transport import FRESH

_CONNECT_S = 10.0
_MAX_ANSWER = 256 * 1024 * 1024
_MAX_BEGINNING = 64 * 1024  # of blanks, before it is clear whether events or a whole answer come
_AGENT = f"poe-proxy/{__version__}"


class Answered:
    """Poe's answer, its body still to come. Iterating raises LinkError where the way breaks."""

    def __init__(self, response: httpx.Response) -> None:
        self._response = response
        self._pieces = self._received()
        self._head = b""
        self.status = response.status_code
        self.headers = response.headers

    async def is_stream(self) -> bool:
        """Whether Poe answers with events, which neither what was asked for nor the content type tells for sure."""
        found = None
        while found is None:
            piece = await anext(self._pieces, b"")
            self._head += piece
            found = sse.begins(self._head) if piece and len(self._head) < _MAX_BEGINNING else False
        return found or (self._is_labelled_stream and not self._head.lstrip().startswith((b"{", b"[")))

    @property
    def _is_labelled_stream(self) -> bool:
        return str(self.headers.get("content-type", "")).lower().startswith("text/event-stream")

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body's bytes as they come, from its beginning."""
        head, self._head = self._head, b""
        if head:
            yield head
        async for piece in self._pieces:
            yield piece

    async def _received(self) -> AsyncIterator[bytes]:
        if self._response.is_stream_consumed:  # a transport that reads ahead, as mocks do
            yield self._response.content
            return
        encoded = "content-encoding" in self.headers  # not asked for, but some gateway may insist
        try:
            async for piece in self._response.aiter_bytes() if encoded else self._response.aiter_raw():
                yield piece
        except KNOWN as error:
            raise link_error(error, answered=True) from error

    async def whole(self) -> bytes:
        """The whole body."""
        pieces = []
        size = 0
        async for piece in self.pieces():
            pieces.append(piece)
            size += len(piece)
            if size > _MAX_ANSWER:
                raise link_error(httpx.ReadError("the answer is larger than anything Poe sends"), answered=True)
        return b"".join(pieces)


class _NoCookies(httpx.Cookies):
    """Keeps none and so reads none: a client lives for one call."""

    def extract_cookies(self, response: httpx.Response) -> None:
        """Nothing, which takes no time."""


class _Client(httpx.AsyncClient):
    """A client for one call."""

    _NONE = _NoCookies()

    @property
    def cookies(self) -> httpx.Cookies:
        """None, whatever is set: no call is sent with the cookies of another."""
        return self._NONE

    @cookies.setter
    def cookies(self, cookies: object) -> None: ...


class PoeClient:
    """Calls Poe with one key over the shared transport; each call has an ``httpx.AsyncClient`` of its own."""

    def __init__(self, base_url: str, key: str, transport: httpx.AsyncBaseTransport) -> None:
        self._base_url = base_url
        self._urls: dict[str, httpx.URL] = {}  # parsed once, since that takes its time
        self.mask = Mask(key)
        self._transport = transport
        self._headers = {
            "authorization": f"Bearer {key}",
            "user-agent": _AGENT,
            "accept-encoding": "identity",  # an event stream that is compressed comes late
        }

    @asynccontextmanager
    async def post(
        self, path: str, body: bytes, headers: Mapping[str, str] | None = None, *, idle_s: float, fresh: bool = False
    ) -> AsyncIterator[Answered]:
        """``POST`` JSON to one of the few paths of models, over a new connection if ``fresh``.

        ``idle_s`` is the longest silence borne. Raises LinkError.
        """
        if (url := self._urls.get(path)) is None:
            url = self._urls[path] = httpx.URL(self._base_url + path)
        with_ours = {**(headers or {}), **self._headers, "content-type": "application/json"}
        async with self._call("POST", url, with_ours, body, idle_s, fresh=fresh) as answered:
            yield answered

    async def get(self, path: str, *, timeout_s: float) -> tuple[int, httpx.Headers, bytes]:
        """A small whole answer (``/v1/models``, ``/usage/…``): status, headers, body. Raises LinkError."""
        async with self._call("GET", self._base_url + path, self._headers, None, timeout_s) as answered:
            return answered.status, answered.headers, await answered.whole()

    @asynccontextmanager
    async def _call(
        self,
        method: str,
        url: str | httpx.URL,
        headers: dict[str, str],
        body: bytes | None,
        idle_s: float,
        *,
        fresh: bool = False,
    ) -> AsyncIterator[Answered]:
        timeout = {"connect": _CONNECT_S, "pool": _CONNECT_S, "read": idle_s, "write": idle_s}
        request = httpx.Request(
            method, url, headers=headers, content=body, extensions={"timeout": timeout, FRESH: fresh}
        )
        async with _Client(transport=self._transport, trust_env=False) as client:
            response = await _send(client, request)
            try:
                yield Answered(response)
            finally:
                await response.aclose()


async def _send(client: httpx.AsyncClient, request: httpx.Request) -> httpx.Response:
    try:
        return await client.send(request, stream=True)
    except KNOWN as error:
        raise link_error(error) from error
