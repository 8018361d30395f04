"""The only one who calls Poe. It knows paths, keys and timeouts; it decides nothing and reads no answer's meaning."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from types import TracebackType

import httpx

from poe_proxy import __version__, sse
from poe_proxy.canonical.errors import StreamBroken, TimedOut
from poe_proxy.poe.faults import KNOWN, link_error
from poe_proxy.poe.masking import Mask
from poe_proxy.poe.transport import FRESH

_CONNECT_S = 10.0
_MAX_ANSWER = 256 * 1024 * 1024
_TOO_LARGE = "Poe's answer is larger than {} MB, which is more than the proxy takes; it was given up."
_MAX_BEGINNING = 64 * 1024  # of blanks, before it is clear whether events or a whole answer come
_AGENT = f"poe-proxy/{__version__}"


class Answered:
    """Poe's answer, its body still to come: bytes as they are received, an iterator that raises LinkError where the way
    breaks. ``headers`` have lower-case names; of several of one name the last counts.
    """

    __slots__ = ("_head", "_pieces", "headers", "status")

    def __init__(self, response: httpx.Response) -> None:
        self.status = response.status_code
        self.headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers.raw}
        self._head = b""
        self._pieces = _received(response, is_encoded="content-encoding" in self.headers)

    def __aiter__(self) -> "Answered":
        return self

    async def __anext__(self) -> bytes:
        if self._head:
            head, self._head = self._head, b""
            return head
        try:
            return await anext(self._pieces)
        except KNOWN as error:
            raise link_error(error, answered=True) from error

    async def is_stream(self, heard: Callable[[], None]) -> bool:
        """Whether Poe answers with events, which neither what was asked for nor the content type tells for sure.

        ``heard`` is called at each piece, and may raise what ends the wait.
        """
        found = None
        head = b""
        while found is None:
            piece = await anext(self, b"")
            heard()
            head += piece
            found = sse.begins(head) if piece else False
            if found is None and len(head) >= _MAX_BEGINNING:
                found = False
        self._head = head
        return found or (self._is_labelled_stream and not head.lstrip().startswith((b"{", b"[")))

    @property
    def _is_labelled_stream(self) -> bool:
        return self.headers.get("content-type", "").lower().startswith("text/event-stream")

    async def whole(self, heard: Callable[[], None] = lambda: None) -> bytes:
        """The whole body; ``heard`` as above."""
        pieces = []
        size = 0
        async for piece in self:
            heard()
            pieces.append(piece)
            size += len(piece)
            if size > _MAX_ANSWER:
                raise StreamBroken(_TOO_LARGE.format(_MAX_ANSWER >> 20))
        return b"".join(pieces)


def _received(response: httpx.Response, *, is_encoded: bool) -> AsyncIterator[bytes]:
    """The body's bytes; decoded where some gateway insists on encoding them, which was not asked for."""
    stream = response.stream
    assert isinstance(stream, httpx.AsyncByteStream)
    return aiter(response.aiter_bytes() if is_encoded else stream)


class Calling:
    """``async with`` it: one request under way, closed whatever happens. Raises LinkError where there is no answer."""

    __slots__ = ("_request", "_response", "_transport")

    def __init__(self, transport: httpx.AsyncBaseTransport, request: httpx.Request) -> None:
        self._transport = transport
        self._request = request
        self._response: httpx.Response | None = None

    async def __aenter__(self) -> Answered:
        try:
            self._response = await self._transport.handle_async_request(self._request)
        except KNOWN as error:
            raise link_error(error) from error
        return Answered(self._response)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._response is not None:
            await self._response.aclose()


class PoeClient:
    """Calls Poe with one key over the shared transport.

    Each call is one ``httpx.Request`` handed to the transport as it is. An ``httpx.AsyncClient`` in between would add
    cookies, redirects, hooks and the environment, which no call to Poe may have, and half as much time again.
    """

    def __init__(self, base_url: str, key: str, transport: httpx.AsyncBaseTransport) -> None:
        self._base_url = base_url
        self.mask = Mask(key)
        self._transport = transport
        ours = {
            "authorization": f"Bearer {key}",
            "user-agent": _AGENT,
            "accept-encoding": "identity",  # an event stream that is compressed comes late
        }
        self._headers = httpx.Headers(ours)
        self._headers_of_json = httpx.Headers({**ours, "content-type": "application/json"})
        self._urls: dict[str, httpx.URL] = {}

    def post(
        self, path: str, body: bytes, headers: Mapping[str, str] | None = None, *, idle_s: float, fresh: bool = False
    ) -> "Calling":
        """``POST`` JSON to one of the few paths of models, over a new connection if ``fresh``.

        ``idle_s`` is the longest silence borne.
        """
        if (url := self._urls.get(path)) is None:
            url = self._urls[path] = httpx.URL(self._base_url + path)  # once, since reading a URL takes its time
        merged = httpx.Headers([*headers.items(), *self._headers_of_json.items()]) if headers else self._headers_of_json
        return self._calling("POST", url, merged, body, idle_s, fresh=fresh)

    async def get(self, path: str, *, timeout_s: float) -> tuple[int, Mapping[str, str], bytes]:
        """A small whole answer (``/v1/models``, ``/usage/…``): status, headers, body. Raises LinkError.

        It must be here after ``timeout_s`` seconds in all.
        """
        url = httpx.URL(self._base_url + path)
        try:
            async with asyncio.timeout(timeout_s):
                async with self._calling("GET", url, self._headers, b"", timeout_s) as answered:
                    return answered.status, answered.headers, await answered.whole()
        except TimeoutError as error:
            raise TimedOut(f"Poe did not tell it within {timeout_s:g} s.") from error

    def _calling(
        self, method: str, url: httpx.URL, headers: httpx.Headers, body: bytes, idle_s: float, *, fresh: bool = False
    ) -> "Calling":
        timeout = {"connect": _CONNECT_S, "pool": _CONNECT_S, "read": idle_s, "write": idle_s}
        extensions = {"timeout": timeout, FRESH: fresh}
        request = httpx.Request(method, url, headers=headers, stream=httpx.ByteStream(body), extensions=extensions)
        request.read()
        return Calling(self._transport, request)
