"""The one task that settles: it looks at Poe's history for all open requests at once, and has ``settle`` judge.

Nothing open, nothing asked. It decides when to look; whose row is whose is decided in ``settle``.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from poe_proxy.canonical.history import HistoryRow
from poe_proxy.canonical.report import Sent
from poe_proxy.ledger.cases import Case, Cases
from poe_proxy.ledger.claims import claims
from poe_proxy.ledger.evidence import WINDOW_S, Experience
from poe_proxy.ledger.lease import Lease
from poe_proxy.ledger.pace import AGES_S, Bucket, next_look
from poe_proxy.ledger.poe_clock import PoeClock
from poe_proxy.ledger.row import Points, Row
from poe_proxy.ledger.settle import Verdict, settle
from poe_proxy.observe import log
from poe_proxy.poe.points_history import UsageApiError

OPEN_S = 300.0
"""What is not settled this long after its answer keeps its estimate."""
_LEAST_GAP_S = 0.1
_REST = 4  # times as long as judging took: it takes the processor from answering
_BACK_OFF_S, _LONGEST_BACK_OFF_S = 1.0, 60.0
_REMEMBERED_S = 900.0
_WATCH_S = 0.5

History = Callable[[float, Callable[[], Awaitable[None]]], Awaitable[list[HistoryRow]]]
"""Rows since a time (Unix seconds on Poe's clock), newest first; the callback is awaited before each call."""


@dataclass(frozen=True, slots=True)
class Means:
    """What it needs from outside: Poe's history, clocks, sleep, what to do with a closed case.

    ``wall`` tells Unix seconds, which names a moment to Poe and to the database; ``clock`` counts seconds, for how long
    things take and when they are due: a wall clock is set now and then.
    """

    history: History
    wall: Callable[[], float]
    clock: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]
    closed: Callable[[Case], None]


class Poller:
    """Settles the open ``cases``."""

    def __init__(self, cases: Cases, lease: Lease, means: Means) -> None:
        self._cases = cases
        self._lease = lease
        self._means = means
        self._clock = PoeClock()
        self._experience = Experience()
        self._used: dict[str, float] = {}
        self._bucket = Bucket()
        self._due = float("inf")
        self._news = asyncio.Event()
        self._fault = ""
        self._failures = 0
        self._watching = False
        self._inherits = False
        self._read_at = 0.0

    def expect(self, case: Case) -> None:
        """A request was answered: look for its row soon."""
        assert case.answered_at is not None
        self._bucket.called(case.answered_at)
        due = case.answered_at + AGES_S[0]
        if due < self._due:
            self._due = due
            self._news.set()

    def look(self) -> None:
        """Look at once: there may be rows that an earlier start left open."""
        self._inherits = True
        self._due = 0.0
        self._news.set()

    def words(self) -> str:
        """The state of settling, for people."""
        if self._fault:
            return f"points are estimates: Poe's usage history cannot be read ({self._fault})"
        return "points are settled from Poe's usage history"

    async def run(self) -> None:
        """Settle until cancelled. Whatever fails is told and tried again."""
        while True:
            await self._until_due()
            try:
                wait_s = await self._round()
            except UsageApiError as error:
                wait_s = self._failed(str(error), error.retry_after)
            except Exception as error:  # a fault here must not end settling for good
                log.crash(error, "settling")
                wait_s = self._failed(type(error).__name__, None)
            self._give_up()
            self._plan()
            if self._due == float("inf"):
                await self._lease.release()  # others may have something open
            await self._means.sleep(wait_s)

    async def _until_due(self) -> None:
        while (left := self._due - self._means.clock()) > 0:
            self._news.clear()
            try:
                async with asyncio.timeout(left if left < float("inf") else None):
                    await self._news.wait()
            except TimeoutError:
                return

    def _plan(self) -> None:
        """When to look next: for rows as they age, or for what the process that settles found."""
        now = self._means.clock()
        looks = [next_look(case.answered_at, now) for case in self._cases.answered() if case.answered_at is not None]
        if self._watching and (looks or self._inherits):
            looks.append(now + _WATCH_S)
        self._due = min(looks, default=float("inf"))

    async def _round(self) -> float:
        """Look once; how long to wait at least before the next look."""
        self._watching = not await self._lease.held()
        if self._watching:
            await self._watch()
            return _LEAST_GAP_S
        await self._take_over()
        answered = list(self._cases.answered())
        if not answered:
            return 0.0
        self._listen(answered)
        since = min(case.report.time for case in answered) + self._clock.offset_s - WINDOW_S - 1
        self._read_at = 0.0
        rows = await self._means.history(since, self._before_page)
        self._worked()
        begun = self._means.clock()
        await self._judge([row for row in rows if row.id not in self._used])
        return max(_LEAST_GAP_S, _REST * (self._means.clock() - begun))

    async def _take_over(self) -> None:
        """What other processes and earlier starts left open, and which history rows they have used."""
        wall, now = self._means.wall(), self._means.clock()
        self._used.update(dict.fromkeys(await self._lease.taken(wall - _REMEMBERED_S), now))
        rows = await self._lease.others(wall - OPEN_S)
        if rows is not None:
            self._adopt(rows, wall - OPEN_S, now - wall)
        self._inherits = False

    def _adopt(self, rows: Sequence[Row], since: float, epoch: float) -> None:
        """``epoch`` is what to add to Unix seconds to get our clock's."""
        for row in rows:
            answered_at = min(self._means.clock(), row.time + row.duration_s + epoch)
            if (mistaken := self._cases.adopt(row, answered_at)) is not None:
                for one in mistaken.history:
                    self._used.pop(one, None)
        self._cases.return_others({row.id for row in rows}, since)

    def _listen(self, cases: Sequence[Case]) -> None:
        heard: list[Sent] = [case.report.sent[-1] for case in cases[-64:] if case.report.sent]
        for sent in heard:
            self._clock.heard(sent)

    async def _judge(self, rows: list[HistoryRow]) -> None:
        cases, now = self._cases.open(), self._means.clock()
        if not rows:  # then only those without an answer can be told anything: that they were not charged
            cases = [case for case in cases if case.report.first_event_s is None]
        over = {case.id for case in cases if case.calls_no_more()}
        verdicts, without = await asyncio.to_thread(
            self._verdicts, cases, rows, self._read_at or now, self._means.wall() - now
        )
        for verdict in verdicts:
            case = self._cases.get(verdict.request)
            if case is not None and case.id in over:
                self._experience.learn(verdict.pairs)
                ids = tuple(row.id for _, row in verdict.pairs)
                self._used.update(dict.fromkeys(ids, now))
                self._close(case, verdict.points, "settled", ids)
        for case in without:
            self._close(case, 0, "settled")
        self._used = {used: at for used, at in self._used.items() if at > now - _REMEMBERED_S}

    def _verdicts(
        self, cases: Sequence[Case], rows: Sequence[HistoryRow], now: float, epoch: float
    ) -> tuple[list[Verdict], list[Case]]:
        """In a thread: the verdicts as of ``now``, when the newest rows were read, and cases without a charge.

        ``epoch`` is what to add to our clock's seconds to get Unix seconds. A call that was sent later than ``now`` has
        no row yet, so its request is not judged.
        """
        offset_s, read = self._clock.offset_s, now + epoch
        made = [
            (case, claims(case.report, case.id, offset_s, read, _in_unix_seconds(case.answered_at, epoch)))
            for case in cases
        ]
        without = [case for case, own in made if not own and case.answered_at is not None]
        running = [own for case, own in made if case.answered_at is None or case.answered_at > now]
        later = {claim.request for own in running for claim in own if claim.sent > read + offset_s}
        seen = [
            claim for _, own in made for claim in own if claim.request not in later or claim.sent <= read + offset_s
        ]
        verdicts = settle(seen, rows, self._experience)
        return [verdict for verdict in verdicts if verdict.request not in later], without

    def _close(self, case: Case, points: int | None, source: str, history: tuple[str, ...] = ()) -> None:
        if case.source:
            return
        self._cases.close(case, points, "settled" if source == "settled" else "estimated", history)
        self._means.closed(case)

    def _give_up(self) -> None:
        now = self._means.clock()
        for case in list(self._cases.answered()):
            if case.answered_at is not None and now - case.answered_at >= OPEN_S:
                self._close(case, case.report.estimate, "estimated")

    async def _watch(self) -> None:
        """Another process settles: take over what it found."""
        cases = self._cases.own(case for case in self._cases.answered() if case.queued)
        for found in await self._lease.results([case.id for case in cases]):
            self._take(found)

    def _take(self, found: Points) -> None:
        case = self._cases.get(found.id)
        if case is not None:
            self._close(case, found.points, found.source, found.history)

    async def _before_page(self) -> None:
        if (wait_s := self._bucket.wait_s(self._means.clock())) > 0:
            await self._means.sleep(wait_s)
        self._read_at = self._read_at or self._means.clock()  # further pages may come seconds later

    def _failed(self, words: str, retry_after: float | None) -> float:
        if words != self._fault:
            log.log.warning("points are estimates: Poe's usage history cannot be read", reason=words)
        self._fault = words
        wait_s = min(_BACK_OFF_S * 2.0**self._failures, _LONGEST_BACK_OFF_S)
        self._failures += 1
        return max(wait_s, min(retry_after or 0.0, _LONGEST_BACK_OFF_S))

    def _worked(self) -> None:
        if self._fault:
            log.log.info("Poe's usage history can be read again")
        self._fault, self._failures = "", 0


def _in_unix_seconds(answered_at: float | None, epoch: float) -> float | None:
    return None if answered_at is None else answered_at + epoch
