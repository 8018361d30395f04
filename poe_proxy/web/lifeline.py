"""Who may end a request before its answer is whole: the client by leaving, and we by shutting down.

Everything that a request does for its answer runs in one task. Ending it early is cancelling that task, and all below
closes in ``finally``: so the call to Poe ends in every phase, be it a wait for the first event, a back-off or an answer
under way.
"""

import asyncio
import contextlib
import signal
import threading
from collections.abc import Awaitable, Callable, Coroutine, MutableMapping
from types import FrameType
from typing import Any, Literal, TypeVar

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Reason = Literal["client_left", "shutdown"]
Result = TypeVar("Result")


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
    """Runs what a request is for until it is done or must end; ``why`` then says who ended it.

    What it runs is a task of its own, and not the one that the server made: each piece of a stream wakes all
    coroutines of a task, and a dozen of the server's and the app's would stand around each piece.
    """

    def __init__(self, receive: Receive, closing: Closing) -> None:
        self._receive = receive
        self._closing = closing
        self._watching: asyncio.Task[Any] | None = None
        self._work: asyncio.Task[Any] | None = None
        self.why: Reason | None = None

    async def run(self, work: Coroutine[Any, Any, Result]) -> Result | None:
        """The result of ``work``, or None where it was cut short, quietly. Raises what ``work`` raises."""
        self._watching = asyncio.current_task()
        self._work = task = asyncio.get_running_loop().create_task(work)
        task.add_done_callback(self._stop_watching)
        self._closing._running.add(self)
        try:
            await self._watch()
        finally:
            self._closing._running.discard(self)
            self._watching = self._work = None  # tasks that know us: only a collector would free both
            if not task.done():
                task.cancel()
                await asyncio.wait([task])
        return None if task.cancelled() and self.why is not None else task.result()

    def end(self, why: Reason) -> None:
        """Cut the work short; only the first reason counts."""
        if self.why is None and self._work is not None:
            self.why = why
            self._work.cancel()

    async def _watch(self) -> None:
        """Until the client leaves, or the work is done."""
        assert self._watching is not None
        assert self._work is not None
        try:
            while (await self._receive())["type"] != "http.disconnect":
                pass
        except asyncio.CancelledError:
            if not self._work.done() or self._watching.uncancel():
                raise
        else:
            self.end("client_left")
        finally:
            self._watching = None

    def _stop_watching(self, _: asyncio.Task[Any]) -> None:
        if self._watching is not None:
            self._watching.cancel()
