"""The ledger as the rest of the house sees it: hand over Reports, ask for points. Nothing here makes a request wait."""

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from poe_proxy.canonical.report import Report
from poe_proxy.ledger import reports
from poe_proxy.ledger.cases import Cases
from poe_proxy.ledger.lease import Lease
from poe_proxy.ledger.poller import Means, Poller
from poe_proxy.ledger.row import Settlement, StoreError, kept
from poe_proxy.ledger.writer import Writer
from poe_proxy.observe.log import crash
from poe_proxy.poe.client import PoeClient
from poe_proxy.poe.points_history import points_history

_BEGIN_S = 1.0
_NOTE_S = 1.0


class Ledger:
    """Made before the event loop runs; ``run`` does its work in the background until cancelled."""

    def __init__(
        self,
        database: str | Path,
        *,
        keep_days: int,
        alone: bool,
        wall: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        rows: Callable[[int, int], None] = lambda *_: None,
    ) -> None:
        """``database`` is a URL or the file of an SQLite database; ``alone``: no other process is known to use it.

        ``wall`` tells Unix seconds, ``clock`` counts seconds; ``keep_days`` 0 keeps rows for ever. ``rows`` is told how
        many rows wait to be written, and how many more are lost.
        """
        prefix = f"{uuid.uuid4().hex[:16]}-"
        self._wall = wall
        self._clock = clock
        self._sleep = sleep
        self._cases = Cases(prefix)
        self._writer = Writer(database, keep_days, wall, sleep, rows, clock)
        self._lease = Lease(self._writer, prefix, wall, clock, alone=alone)
        self._poller: Poller | None = None
        self._is_over = False

    def begin(self, report: Report) -> None:
        """``report``'s request is about to call Poe: its rows in Poe's history are nobody else's."""
        self._cases.begin(report)

    def take(self, report: Report) -> None:
        """``report`` is complete. Returns at once."""
        case = self._cases.finish(report, self._clock())
        self._writer.add(case)
        if not case.source and self._poller is not None:
            self._poller.expect(case)

    async def settled(self, request_id: str, timeout_s: float) -> Settlement | None:
        """The points of a request for which nothing more is sent to Poe, as soon as they are known.

        None where they are not known in time, and for a request id that several running requests bear. May be asked
        before the Report is handed over.
        """
        case = self._cases.named(request_id)
        if case is None or self._poller is None:
            return None
        if case.source:
            return case.settlement()
        if case.answered_at is None:
            case.answered_at = self._clock()
            self._poller.expect(case)
        waiter = asyncio.get_running_loop().create_future()
        case.waiters.append(waiter)
        try:
            await asyncio.wait_for(waiter, timeout_s)
        except TimeoutError:
            return None
        finally:
            case.waiters.remove(waiter)
        return case.settlement()

    async def usage(self, balance: int | None, session: str = "") -> dict[str, Any]:
        """The sums for ``GET /v1/usage``, with those of ``session`` where it is named. Raises StoreError."""
        await self._writer.flush()
        store = self._writer.store
        if store is None or not self._writer.opened.is_set():
            raise StoreError(self._writer.words())
        now = self._wall()
        sums = await store.sums(*reports.beginnings(now))
        of_session = await store.session(kept(session), reports.beginning_of_session(now)) if session else None
        return reports.usage(sums, balance, of_session)

    def readiness(self) -> dict[str, str]:
        """The state of the ledger and of settling, in words."""
        if self._is_over:
            return {
                "ledger": "it has ended: requests are no longer kept",
                "settling": "it has ended: points are estimates",
            }
        return {
            "ledger": self._writer.words(),
            "settling": self._poller.words() if self._poller is not None else "not begun",
        }

    async def run(self, poe: PoeClient) -> None:
        """Write and settle until cancelled."""
        try:
            await self._work(poe)
        finally:
            self._is_over = True

    async def _work(self, poe: PoeClient) -> None:
        means = Means(
            history=lambda since, before_page: points_history(poe, since, before_page=before_page),
            wall=self._wall,
            clock=self._clock,
            sleep=self._sleep,
            closed=self._writer.settle,
        )
        poller = self._poller = Poller(self._cases, self._lease, means)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._writer.run())
            group.create_task(poller.run())
            group.create_task(self._note_running())
            await self._writer.opened.wait()
            poller.look()

    async def _note_running(self) -> None:
        while True:
            await self._sleep(_NOTE_S)
            try:
                self._writer.note(self._cases.running(), self._clock())
            except Exception as error:  # a fault here must not end writing and settling for good
                crash(error, "ledger")

    async def begun(self) -> None:
        """Wait until rows can be kept, so that even the first is not lost; not for a database that lets us wait."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_BEGIN_S):
                await self._writer.tried.wait()

    async def close(self) -> None:
        """Write what is left."""
        await self._lease.release()
        await self._writer.close()
