"""HTTP as bytes, before there is a request: what cannot be read, comes too slowly or never ends is answered our way.

For `python proxy.py` alone, since only who starts uvicorn can name its protocol. A request whose head is whole is the
app's: this module knows no routes and no callers.
"""

import asyncio
from collections.abc import Collection
from typing import Any

import httptools
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from poe_proxy.canonical.errors import CallerError, ProxyError, Unavailable
from poe_proxy.canonical.report import Report
from poe_proxy.observe import log
from poe_proxy.web.browsers import SHOWN
from poe_proxy.web.gate import new_id
from poe_proxy.web.respond import error_response

MAX_HEAD = 64 * 1024
LAST_WORDS_S = 2.0  # after the grace period: for what is still to be said to a client that reads it
_LINGER_S = 5.0
_TOLD_AT_ONCE = 50
"""Connections beyond the limit that are told so: each keeps its place for as long as that takes."""
_FULL = (
    "The proxy has {} connections open, which is as many as it may: close some, or raise the limit of open files "
    "(ulimit -n) that it is started with."
)
_TLS = b"\x16\x03"


class _HeadTooLargeError(Exception):
    pass


class _Flow(FlowControl):
    """Reads no further while requests wait for their turn: uvicorn would, with each answer, and for ever."""

    def __init__(self, transport: asyncio.Transport, waiting: Collection[object]) -> None:
        super().__init__(transport)
        self._waiting = waiting

    def resume_reading(self) -> None:
        """Read on, if it is time to."""
        if not self._waiting:
            super().resume_reading()


class Protocol(HttpToolsProtocol):
    """One connection. Nothing here is done per request but to note that a head begins or is whole.

    ``head_timeout_s`` counts from the connection, or from the first byte after an answer, until the head is whole;
    ``shutdown_s`` from the server's shutdown until a connection that is still there is cut, read or not. Beyond
    ``most`` connections a new one is told so and ended.
    """

    def __init__(self, *, head_timeout_s: float, shutdown_s: float, most: int = 2**31, **given: Any) -> None:
        super().__init__(**given)
        self._most = most
        self._head_timeout_s = head_timeout_s
        self._shutdown_s = shutdown_s
        self._waiting_since: float | None = None  # for the rest of a head, while nothing is being answered
        self._is_news = False  # in what just arrived a head became whole, or a piece of a body was
        self._fruitless = 0  # bytes without either: of one head, or of what stands around the pieces of a body
        self._arriving = 0
        self._refused = False
        self._timer: asyncio.TimerHandle

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Begin to wait for the first head."""
        super().connection_made(transport)
        self.flow = _Flow(transport, self.pipeline)
        self._waiting_since = self.loop.time()
        self._timer = self.loop.call_later(self._head_timeout_s, self._look_at_the_clock)
        if len(self.connections) > self._most + _TOLD_AT_ONCE:
            transport.abort()
        elif len(self.connections) > self._most:
            self._refuse(Unavailable(_FULL.format(self._most), code="too_many_connections", retry_after=1))

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        self._timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """As uvicorn has it, but for what happens to what is no request."""
        if self._refused:
            return  # read and thrown away: a client that is still sending would not see our answer
        self._unset_keepalive_if_required()
        if self._waiting_since is None and not self._answering:
            self._waiting_since = self.loop.time()
        self._arriving, self._is_news = len(data), False
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass  # answered as if it had not been asked for
        except httptools.HttpParserError as error:
            if isinstance(error.__context__, _HeadTooLargeError):
                self._refuse_size()
            else:
                self._refuse_form("TLS, where plain HTTP is spoken" if data.startswith(_TLS) else str(error))
        else:
            self._fruitless = 0 if self._is_news else self._fruitless + self._arriving
            if self._fruitless > MAX_HEAD:
                self._refuse_size()

    def on_message_begin(self) -> None:
        """Begin to count."""
        super().on_message_begin()
        self._fruitless = 0

    def on_headers_complete(self) -> None:
        """Weigh the head, if it can be too heavy, and hand it on."""
        if self._fruitless + self._arriving > MAX_HEAD and self._weight() > MAX_HEAD:
            raise _HeadTooLargeError
        super().on_headers_complete()
        self.headers = []  # what comes behind the body goes here, and is none of the request's
        self._is_news = True
        self._waiting_since = None

    def on_body(self, body: bytes) -> None:
        """Begin to count anew."""
        super().on_body(body)
        self._is_news = True

    def on_response_complete(self) -> None:
        """Begin with the next request, and read on once it is the last one that is here."""
        super().on_response_complete()
        self.flow.resume_reading()

    def shutdown(self) -> None:
        """The server's end, for which a client that reads nothing shall not keep us waiting."""
        super().shutdown()
        if not self._refused:
            self._timer.cancel()
            self._timer = self.loop.call_later(self._shutdown_s, self.transport.abort)

    @property
    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _weight(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def _look_at_the_clock(self) -> None:
        now = self.loop.time()
        due = (now if self._waiting_since is None else self._waiting_since) + self._head_timeout_s
        if due > now:
            self._timer = self.loop.call_at(due, self._look_at_the_clock)
        else:
            said = f"The request's headers did not arrive within {self._head_timeout_s:g} s (BODY_TIMEOUT_S)."
            self._refuse(_caller_error(408, "headers_too_slow", said))

    def _refuse_form(self, reason: str) -> None:
        said = f"This is no HTTP request that the proxy can read: {reason}."
        self._refuse(_caller_error(400, "invalid_http", said), reason)

    def _refuse_size(self) -> None:
        said = f"The request's headers are larger than {MAX_HEAD // 1024} kB."
        self._refuse(_caller_error(431, "headers_too_large", said))

    def _refuse(self, error: ProxyError, *notes: str) -> None:
        """Answer in OpenAI's shape and close; where half an answer to an earlier request is out already, only close."""
        self._refused = True
        self._timer.cancel()
        if self._answering and (self.pipeline or self.cycle.response_started):
            self.transport.close()
            return
        if self._answering:  # the head was well, the body is not: the app, which waits for it, learns that it is over
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self._answer(error, list(notes))
        self.transport.write_eof()
        self._timer = self.loop.call_later(_LINGER_S, self.transport.abort)

    def _answer(self, error: ProxyError, notes: list[str]) -> None:
        request_id, now = new_id(), self.loop.time()
        response = error_response(error, {"x-request-id": request_id, "connection": "close"})
        headers = (
            b"%b: %b\r\n" % header for header in (*self.server_state.default_headers, *response.raw_headers, *SHOWN)
        )
        self.transport.write(b"".join((STATUS_LINE[error.status], *headers, b"\r\n", response.body)))
        begun = now if self._waiting_since is None else self._waiting_since
        told = Report(request_id, "other", begun, status=error.status, outcome="error", ended=now, notes=notes)
        told.error = error.gist
        log.write(told)


def _caller_error(status: int, code: str, message: str) -> CallerError:
    error = CallerError(message, code=code)
    error.status = status
    return error
