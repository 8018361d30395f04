"""Who may end a request before its answer is whole: the client by leaving, and we by shutting down.

Everything that a request does runs in one task. Ending it early is cancelling that task, and all below closes in
``finally``: so the call to Poe ends in every phase, be it a wait for the first event, a back-off or an answer under
way.
"""

import asyncio
import contextlib
import signal
import threading
from collections.abc import Awaitable, Callable, MutableMapping
from types import FrameType, TracebackType
from typing import Any, Literal

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Reason = Literal["client_left", "shutdown"]


class Closing:
    """Our own end: after ``begin`` running answers have ``grace_s`` seconds, then each is told to stop."""

    def __init__(self, grace_s: float) -> None:
        self._grace_s = grace_s
        self._running: set[Lifeline] = set()
        self.begun = False

    def begin(self) -> None:
        """Start the grace period; must be called in the event loop, and may be called again."""
        if not self.begun:
            self.begun = True
            asyncio.get_running_loop().call_later(self._grace_s, self._expire)

    def _expire(self) -> None:
        for lifeline in tuple(self._running):
            lifeline.end("shutdown")

    def listen(self) -> None:
        """Begin at SIGTERM and SIGINT, beside whatever the server does at them: it tells nobody before it waits."""
        if threading.current_thread() is not threading.main_thread():
            return
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            before = signal.getsignal(number)

            def heard(signum: int, frame: FrameType | None, before: Any = before) -> None:
                with contextlib.suppress(RuntimeError):  # the loop may be gone already
                    loop.call_soon_threadsafe(self.begin)
                if callable(before):
                    before(signum, frame)

            signal.signal(number, heard)


class Lifeline:
    """``async with Lifeline(receive, closing) as line``: the block is cut short, quietly, when the request must end.

    ``line.why`` then says who ended it. The block must be the one that the current task spends its time in.
    """

    def __init__(self, receive: Receive, closing: Closing) -> None:
        self._receive = receive
        self._closing = closing
        self._task: asyncio.Task[Any] | None = None
        self._watcher: asyncio.Task[None] | None = None
        self.why: Reason | None = None

    async def __aenter__(self) -> "Lifeline":
        self._task = asyncio.current_task()
        self._watcher = asyncio.get_running_loop().create_task(self._watch())
        self._closing._running.add(self)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        assert self._watcher is not None
        assert self._task is not None
        self._watcher.cancel()
        self._closing._running.discard(self)
        task, self._task, self._watcher = self._task, None, None  # tasks that know us: only a collector would free both
        return self.why is not None and task.uncancel() == 0 and kind is asyncio.CancelledError

    def end(self, why: Reason) -> None:
        """Cut the block short; only the first reason counts."""
        if self.why is None and self._task is not None:
            self.why = why
            self._task.cancel()

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.end("client_left")
