"""The machine's clock set forward or back by an hour: what is open is settled all the same, and by its own row."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from poe_proxy.canonical.history import HistoryRow
from poe_proxy.ledger.cases import Case, Cases
from poe_proxy.ledger.claims import claims
from poe_proxy.ledger.lease import Lease
from poe_proxy.ledger.poller import OPEN_S, Means, Poller
from poe_proxy.ledger.store import Store
from poe_proxy.ledger.writer import Writer
from tests import virtual_time
from tests.ledger.rows import NOW, report
from tests.ledger.test_poller import AloneLease

HOUR, DAY = 3600.0, 86_400.0
BY_AN_HOUR = pytest.mark.parametrize("jump", [HOUR, -HOUR], ids=["forward", "back"])


@pytest.fixture
def _no_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """For virtual time knows of none."""

    async def at_once(work: Callable[..., Any], *arguments: Any) -> Any:
        return work(*arguments)

    monkeypatch.setattr(asyncio, "to_thread", at_once)


@dataclass
class Machine:
    """Its wall clock can be set; its other clock, and Poe's, go on as they always do."""

    jump: float = 0.0

    def clock(self) -> float:
        return asyncio.get_running_loop().time()

    def wall(self) -> float:
        return NOW + self.clock() + self.jump


async def settled(jump: float, row: HistoryRow | None) -> tuple[Case, float]:
    """A request that is answered just before the clock is set, once it is closed, and how long that took.

    Its row is final a little later.
    """
    machine, cases, closed = Machine(), Cases("a-"), asyncio.Event()

    async def history(_since: float, before_page: Callable[[], Awaitable[None]]) -> list[HistoryRow]:
        await before_page()
        return [row] if row is not None and machine.clock() > 5 else []

    means = Means(history, machine.wall, machine.clock, asyncio.sleep, lambda _: closed.set())
    poller = Poller(cases, AloneLease(), means)  # type: ignore[arg-type]
    task = asyncio.create_task(poller.run())
    case = cases.finish(report(), machine.clock())
    poller.expect(case)
    await asyncio.sleep(0.5)
    machine.jump = jump
    await closed.wait()
    task.cancel()
    return case, machine.clock()


@BY_AN_HOUR
@pytest.mark.usefixtures("_no_threads")
def test_what_is_open_when_the_clock_is_set_is_settled_as_soon_as_ever(jump: float) -> None:
    row = HistoryRow("row", NOW + 0.2, "gpt-5.4-mini", points=7, tokens_in=100, tokens_out=20)
    case, seconds = virtual_time.run(settled(jump, row))
    assert (case.points, case.source, case.history) == (7, "settled", ("row",))
    assert seconds < 60


@BY_AN_HOUR
@pytest.mark.usefixtures("_no_threads")
def test_what_has_no_row_keeps_its_estimate_after_as_long_as_ever(jump: float) -> None:
    case, seconds = virtual_time.run(settled(jump, None))
    assert (case.points, case.source) == (30, "estimated")
    assert OPEN_S <= seconds < OPEN_S + 60


@BY_AN_HOUR
def test_a_call_from_before_is_looked_for_where_it_was_by_its_own_date(jump: float) -> None:
    """Else it would be looked for an hour off, where a row may be that was settled long ago."""
    (sent,) = report().sent
    dated = replace(sent, date=formatdate(NOW, usegmt=True))
    (claim,) = claims(report(sent=[dated]), "a-1", -jump, NOW + jump, NOW + jump)
    assert abs(claim.sent - NOW) < 3


def test_a_lease_of_the_future_is_none(tmp_path: Path) -> None:
    """Whoever took it was killed, and the clock was put back before the next start: nobody waits for an hour."""

    async def taken() -> bool:
        store = Store(tmp_path / "ledger.sqlite3")
        await store.open()
        assert await store.lease("killed", NOW + HOUR, NOW + HOUR + 10)
        try:
            return await store.lease("next", NOW, NOW + 10)
        finally:
            await store.close()

    assert asyncio.run(taken())


@BY_AN_HOUR
def test_a_lease_is_renewed_in_time_whatever_the_clock_says(jump: float) -> None:
    class Asked:
        times = 0

        async def lease(self, _holder: str, _now: float, _until: float) -> bool:
            self.times += 1
            return True

    async def renewed() -> int:
        machine, asked = Machine(), Asked()
        writer = Writer("", 0, machine.wall, asyncio.sleep, lambda *_: None, machine.clock)
        writer.store, writer.opened = asked, asyncio.Event()  # type: ignore[assignment]
        writer.opened.set()
        lease = Lease(writer, "a-", machine.wall, machine.clock, alone=False)
        assert await lease.held()
        machine.jump = jump
        await asyncio.sleep(6)
        assert await lease.held()
        return asked.times

    assert virtual_time.run(renewed()) == 2


class _Pruned:
    """A database that notes what it is asked to forget."""

    def __init__(self) -> None:
        self.before: list[float] = []

    async def open(self) -> None:
        """At once."""

    async def write(self, _rows: list[Any], _settled: list[Any]) -> None:
        """At once."""

    async def give_up(self, before: float) -> None:
        self.before.append(before)

    async def prune(self, before: float) -> int:
        self.before.append(before)
        return 0


def _forgotten(*jumps: float) -> list[float]:
    """What is forgotten while a request is answered each minute and the clock is set, every half an hour, so far."""

    async def run() -> list[float]:
        machine, cases, database = Machine(), Cases("a-"), _Pruned()
        writer = Writer("", 90, machine.wall, asyncio.sleep, lambda *_: None, machine.clock)
        writer.store = database  # type: ignore[assignment]
        task = asyncio.create_task(writer.run())
        for machine.jump in jumps:
            for _ in range(30):
                await asyncio.sleep(60)
                writer.add(cases.finish(report(), machine.clock()))
        task.cancel()
        return database.before

    return virtual_time.run(run())


@pytest.mark.parametrize(
    "jumps", [(0, 200 * DAY, 200 * DAY), (0, 0, 0, 200 * DAY, 0, 0, 0, 0)], ids=["to stay", "and back"]
)
def test_a_clock_set_forward_by_half_a_year_makes_no_row_old(jumps: tuple[float, ...]) -> None:
    assert max(_forgotten(*jumps)) < NOW + len(jumps) * HOUR


def test_a_clock_that_has_been_right_for_an_hour_is_believed_again() -> None:
    assert max(_forgotten(0, 200 * DAY, 200 * DAY, 200 * DAY, 200 * DAY)) > NOW + 199 * DAY


def test_a_clock_set_back_does_not_keep_old_rows_for_ever() -> None:
    assert len(_forgotten(0, *[-200 * DAY] * 5)) >= 2 * 2


def test_without_a_clock_that_is_set_old_rows_go_at_the_start_and_each_hour() -> None:
    assert len(_forgotten(0, 0, 0, 0, 0)) == 3 * 2
