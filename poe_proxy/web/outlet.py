"""The outgoing side of a stream: when the status line leaves, and the comments that keep a silent connection alive."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from poe_proxy.sse import COMMENT_PING
from poe_proxy.web.lifeline import Message

Send = Callable[[Message], Awaitable[None]]
PING_S = 15.0
EVENT_STREAM = {
    "content-type": "text/event-stream; charset=utf-8",
    "x-accel-buffering": "no",
}
_HEADERS = tuple((name.encode(), value.encode()) for name, value in EVENT_STREAM.items())


class Outlet:
    """Sends a stream's bytes as they come; the status line goes with the first, or after ``first_s`` of silence."""

    __slots__ = ("_headers", "_last", "_loop", "_ping_s", "_pings", "_send", "_status_due", "_timer", "started")

    def __init__(
        self, send: Send, first_s: float, headers: Callable[[], dict[str, str]], ping_s: float = PING_S
    ) -> None:
        """``headers`` is asked when the status line leaves, since by then more is known than now."""
        self._send = send
        self._headers = headers
        self._ping_s = ping_s
        self._loop = asyncio.get_running_loop()
        self._last = self._loop.time()
        self._status_due = self._last + first_s
        self._timer = self._loop.call_later(min(first_s, ping_s), self._tick)
        self._pings: set[asyncio.Future[Any]] = set()
        self.started = False

    def write(self, data: bytes) -> Awaitable[None]:
        """Send ``data`` now; no coroutine of its own, since this is done for each piece."""
        self._last = self._loop.time()
        message = {"type": "http.response.body", "body": data, "more_body": True}
        return self._send(message) if self.started else self._begin(message)

    async def finish(self, data: bytes) -> None:
        """Send the last bytes and end the answer."""
        self.close()
        if not self.started:
            await self._start()
        await self._send({"type": "http.response.body", "body": data, "more_body": False})

    def close(self) -> None:
        """No more pings, whatever happened."""
        self._timer.cancel()

    async def _begin(self, message: Message) -> None:
        await self._start()
        await self._send(message)

    async def _start(self) -> None:
        self.started = True
        extra = [(name.encode(), value.encode()) for name, value in self._headers().items()]
        await self._send({"type": "http.response.start", "status": 200, "headers": [*_HEADERS, *extra]})

    def _tick(self) -> None:
        """Ping if it is time to, and come back when it may be the next time."""
        now = self._loop.time()
        if now >= self._ping_due():
            ping = asyncio.ensure_future(self.write(COMMENT_PING))
            self._pings.add(ping)
            ping.add_done_callback(self._pinged)
            self._timer = self._loop.call_later(self._ping_s, self._tick)
        else:
            self._timer = self._loop.call_at(min(self._ping_due(), now + self._ping_s), self._tick)

    def _ping_due(self) -> float:
        return self._last + self._ping_s if self.started else self._status_due

    def _pinged(self, ping: asyncio.Future[Any]) -> None:
        self._pings.discard(ping)
        if not ping.cancelled():
            ping.exception()  # a client that is gone is noticed by the lifeline
