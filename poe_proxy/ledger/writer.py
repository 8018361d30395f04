"""The one task that writes to the database, in batches, and bears one that does not answer. It settles nothing."""

import asyncio
import importlib
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from poe_proxy.ledger.cases import Case
from poe_proxy.ledger.row import Points, Row, StoreError
from poe_proxy.ledger.wall_clock import WallClock
from poe_proxy.observe.log import crash, log

if TYPE_CHECKING:
    from poe_proxy.ledger.store import Store

MOST_WAITING = 20_000
"""Rows kept in memory while the database cannot be written."""
NOTED_EVERY_S = 30.0
"""How often a request that runs on is noted again, which tells other processes that somebody will end it."""
_NOTED_AFTER_S = 1.0
_GATHER_S, _CLOSING_S = 0.2, 4.0
_BATCH = 500
_RETRY_S, _LONGEST_RETRY_S = 0.5, 30.0
_HOUR_S = 3600.0
_DAY_S = 86_400.0
_NOT_YET = "it is not open yet"

Sleep = Callable[[float], Awaitable[None]]


class Writer:
    """Takes finished cases at once and writes them soon.

    ``store`` is there as soon as it is loaded; ``opened`` is set once it could be used, ``tried`` once that is known.
    """

    def __init__(
        self,
        database: str | Path,
        keep_days: int,
        wall: Callable[[], float],
        sleep: Sleep,
        rows: Callable[[int, int], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``keep_days``: how long rows are kept, 0 for ever; ``wall`` tells Unix seconds, ``clock`` counts seconds.

        ``rows`` is told, as it changes, how many rows wait and how many more are lost.
        """
        self._database = database
        self._keep_days = keep_days
        self._wall = wall
        self._clock = clock
        self._wall_clock = WallClock(wall, clock)
        self._sleep = sleep
        self._rows = rows
        self._new: deque[Case] = deque()
        self._settled: dict[str, Case] = {}
        self._due: dict[str, float] = {}
        self._running: dict[str, Row] = {}
        self._noted_at = 0.0
        self._news = asyncio.Event()
        self._idle = asyncio.Event()
        self._lost = 0
        self._fault = _NOT_YET
        self._pruned_at: float | None = None
        self.store: Store | None = None
        self.opened = asyncio.Event()
        self.tried = asyncio.Event()

    def add(self, case: Case) -> None:
        """A finished request. Costs the caller nothing but a place in a queue."""
        if len(self._new) >= MOST_WAITING:
            self._lose(1, "the database could not be used for too long")
            return
        self._new.append(case)
        self._news.set()

    def settle(self, case: Case) -> None:
        """A case that was closed; those not yet written are written with their points."""
        if case.queued and len(self._settled) < MOST_WAITING:
            self._settled[case.id] = case
            self._news.set()

    def note(self, running: Sequence[Case], now: float) -> None:
        """Requests under way, of which a row shall be left should this process be killed; ``now`` is their clock's."""
        self._due = {case.id: self._due[case.id] for case in running if case.id in self._due}
        due = [case for case in running if now >= self._due.get(case.id, case.report.started + _NOTED_AFTER_S)]
        self._running = {case.id: case.as_running_row(now) for case in due}  # those not written yet are due still
        self._noted_at = now
        if due:
            self._news.set()

    def words(self) -> str:
        """The state of the database, for people."""
        waiting = len(self._new) + len(self._settled)
        lost = f", {self._lost} rows are lost" if self._lost else ""
        if self._fault:
            return f"the database cannot be used: {self._fault}; {waiting} rows wait in memory{lost}"
        return f"requests are kept{lost}"

    async def flush(self) -> None:
        """Wait until what is here now is written, or the database is known to fail."""
        while (self._new or self._settled) and not self._fault:
            self._idle.clear()
            await self._idle.wait()

    async def run(self) -> None:
        """Write until cancelled."""
        await self._until_done(self._open)
        while True:
            self._news.clear()
            while self._new or self._settled or self._running:
                await self._until_done(self._write)
            self._idle.set()
            await self._prune()
            await self._waited()
            await self._sleep(_GATHER_S)

    async def close(self) -> None:
        """Write what is left, in reasonable time, and let the database go."""
        try:
            async with asyncio.timeout(_CLOSING_S):
                while self._new or self._settled:
                    await self._write_or_wait()
        except TimeoutError:
            if self._fault in ("", _NOT_YET):
                self._failed(StoreError("it does not answer"))
        except StoreError as error:
            self._failed(error)
        if self.store is not None:
            await self.store.close()
        if self._new:
            self._lose(len(self._new), f"the proxy ends, and {self._fault}")

    async def _write_or_wait(self) -> None:
        """One batch; a database that is locked, or was not open yet, may have time for it in a moment."""
        try:
            if not self.opened.is_set():
                await self._open()
            await self._write()
        except StoreError as error:
            if not error.passing:
                raise
            self._failed(error)
            await self._sleep(_RETRY_S)

    async def _waited(self) -> None:
        try:
            async with asyncio.timeout(_HOUR_S):
                await self._news.wait()
        except TimeoutError:
            return

    async def _open(self) -> None:
        if self.store is None:
            module = await asyncio.to_thread(importlib.import_module, "poe_proxy.ledger.store")
            self.store = module.Store(self._database)
        await self.store.open()
        self.opened.set()

    async def _until_done(self, work: Callable[[], Awaitable[None]]) -> None:
        wait_s = _RETRY_S
        while True:
            try:
                await work()
            except Exception as error:
                if not isinstance(error, StoreError):
                    crash(error, "ledger")  # a fault here must not end writing for good
                self._failed(error)
                await self._sleep(wait_s)
                wait_s = min(wait_s * 2, _LONGEST_RETRY_S)
            else:
                self._worked()
                return
            finally:
                self.tried.set()

    async def _write(self) -> None:
        """One batch; what was not written stays."""
        assert self.store is not None
        cases = [self._new[number] for number in range(min(len(self._new), _BATCH))]
        settled = [self._settled[one] for one in list(self._settled)[:_BATCH]]
        noted, noted_at = list(self._running), self._noted_at
        rows = list(self._running.values())  # first: a request that has ended meanwhile is among the others
        for case in cases:
            case.queued = True
            rows.append(case.as_row())
        await self._try(rows, [_points(case) for case in settled])
        for _ in cases:
            self._new.popleft()
        for case in settled:
            if self._settled[case.id] is case:  # else it was judged anew meanwhile
                del self._settled[case.id]
        for one in noted:
            self._running.pop(one, None)
            self._due[one] = noted_at + NOTED_EVERY_S
        self._rows(len(self._new), 0)

    async def _try(self, rows: list[Row], points: list[Points]) -> None:
        """The whole batch, or, where the database objects to the data, what it takes of it."""
        assert self.store is not None
        try:
            await self.store.write(rows, points)
        except StoreError as error:
            if error.passing:
                raise
            await self._one_by_one(rows, points)

    async def _one_by_one(self, rows: list[Row], points: list[Points]) -> None:
        assert self.store is not None
        parts: list[tuple[list[Row], list[Points]]] = [*(([row], []) for row in rows), *(([], [one]) for one in points)]
        faults: list[StoreError] = []
        for new, settled in parts:
            try:
                await self.store.write(new, settled)
            except StoreError as error:
                if error.passing:
                    raise  # the rest may be fine once the database is; what is there already stays as it is
                faults.append(error)
        if len(faults) == len(parts):  # then it is not the data's fault
            raise faults[0]
        if faults:
            self._lose(len(faults), f"the database refuses them: {faults[0]}")

    def _lose(self, rows: int, reason: str) -> None:
        """Rows that will never be written: told at the first, and then each time they are ten times as many."""
        before, self._lost = self._lost, self._lost + rows
        self._rows(len(self._new), rows)
        if len(str(self._lost)) > len(str(before)) or not before:
            log.error("rows of the ledger are lost", rows=self._lost, reason=reason)

    def _failed(self, error: Exception) -> None:
        words = str(error) or type(error).__name__
        if words != self._fault:
            log.warning("the ledger's database cannot be used; rows are kept in memory", reason=words)
        self._fault = words
        self._rows(len(self._new), 0)
        self._idle.set()  # who waits for what is being written need not wait for a database that fails

    def _worked(self) -> None:
        if self._fault not in ("", _NOT_YET):
            log.info("the ledger's database works again")
        self._fault = ""

    async def _prune(self) -> None:
        """Once an hour: old rows go, and what an earlier start left open for good keeps its estimate.

        A clock that is set forward makes every row old, so none goes until it has been right for an hour.
        """
        now, is_right = self._clock(), self._wall_clock.agrees_for(_HOUR_S)
        if self.store is None or not is_right or (self._pruned_at is not None and now - self._pruned_at < _HOUR_S):
            return
        self._pruned_at = now
        await self._prune_as_of(self._wall(), self.store)

    async def _prune_as_of(self, now: float, store: "Store") -> None:
        try:
            await store.give_up(now - _HOUR_S)
            if self._keep_days:
                await store.prune(now - self._keep_days * _DAY_S)
        except StoreError as error:
            self._failed(error)


def _points(case: Case) -> Points:
    return Points(case.id, case.points, case.source, case.history, was_running=case.is_abandoned)
