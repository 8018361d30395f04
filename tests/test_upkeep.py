"""Upkeep: the balance, asked for in the background, soon after costs and not too often; the catalogue."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from poe_proxy.canonical.errors import UnknownModel
from poe_proxy.files.cache import SEED
from poe_proxy.poe.client import PoeClient
from poe_proxy.upkeep import Upkeep
from tests.running import settings_for

AFTER_COSTS_S = 5.0
CATALOGUE_EVERY_S = 3600.0
GRANT_US = 1_790_000_000_000_000


class Account:
    """Poe's side: the next answers of its usage API, and how often it was asked."""

    def __init__(self, *answers: int | httpx.Response) -> None:
        self.asked = 0
        self._answers: Iterator[int | httpx.Response] = iter(answers)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path != "/usage/current_balance":
            return httpx.Response(404)
        self.asked += 1
        answer = next(self._answers)
        if isinstance(answer, httpx.Response):
            return answer
        return httpx.Response(200, json={"current_point_balance": answer, "next_monthly_grant_time": GRANT_US})


class Kept:
    """An upkeep under test; its waits are noted, and those in ``passes`` pass at once."""

    def __init__(self, account: Callable[[httpx.Request], httpx.Response], folder: Path, passes: set[float]) -> None:
        self.now = 0.0
        self.slept: list[float] = []
        self._passes = passes
        self.upkeep = Upkeep(settings_for("http://poe.test", folder), self._sleep, lambda: self.now)
        self._poe = PoeClient("http://poe.test", "key", httpx.MockTransport(account))

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await (asyncio.sleep(0) if seconds in self._passes else asyncio.Event().wait())

    async def during(self, work: Coroutine[Any, Any, None]) -> None:
        running = asyncio.create_task(self.upkeep.run(self._poe))
        try:
            async with asyncio.timeout(10):
                await work
        finally:
            running.cancel()
            await asyncio.wait([running])


async def until(holds: Callable[[], bool]) -> None:
    while not holds():  # noqa: ASYNC110 - nothing signals what is waited for here
        await asyncio.sleep(0)


def test_it_is_asked_for_at_the_start_and_soon_after_costs(tmp_path: Path) -> None:
    account = Account(1000, 976)
    kept = Kept(account, tmp_path, {AFTER_COSTS_S})

    async def work() -> None:
        await until(lambda: kept.upkeep.balance == 1000)
        assert kept.upkeep.grant_at == GRANT_US / 1e6
        kept.now = 1.0
        kept.upkeep.spent(20, at=1.0)
        assert kept.upkeep.balance == 980
        kept.now = 2.0
        await until(lambda: kept.upkeep.balance == 976)

    asyncio.run(kept.during(work()))
    assert AFTER_COSTS_S in kept.slept


def test_many_costs_make_one_question(tmp_path: Path) -> None:
    account = Account(1000, 900)
    kept = Kept(account, tmp_path, {AFTER_COSTS_S})

    async def work() -> None:
        await until(lambda: kept.upkeep.balance == 1000)
        kept.now = 1.0
        for _ in range(100):
            kept.upkeep.spent(1, at=1.0)
        kept.upkeep.want_balance()
        kept.now = 2.0
        await until(lambda: account.asked == 2)
        for _ in range(1000):
            await asyncio.sleep(0)

    asyncio.run(kept.during(work()))
    assert account.asked == 2


def test_nothing_is_asked_while_nothing_is_spent(tmp_path: Path) -> None:
    account = Account(1000)
    kept = Kept(account, tmp_path, {AFTER_COSTS_S})

    async def work() -> None:
        await until(lambda: kept.upkeep.balance == 1000)
        for _ in range(1000):
            await asyncio.sleep(0)

    asyncio.run(kept.during(work()))
    assert account.asked == 1


@pytest.mark.parametrize("failure", [httpx.Response(500), httpx.Response(200, text="<html>"), httpx.Response(200)])
def test_a_failure_takes_back_neither_key_nor_balance_and_ready_says_so(
    tmp_path: Path, failure: httpx.Response
) -> None:
    account = Account(1000, failure)
    kept = Kept(account, tmp_path, {AFTER_COSTS_S})

    async def work() -> None:
        await until(lambda: kept.upkeep.balance == 1000)
        kept.upkeep.spent(20, at=1.0)
        await until(lambda: "not confirmed" in kept.upkeep.readiness().balance)

    asyncio.run(kept.during(work()))
    state = kept.upkeep.readiness()
    assert (kept.upkeep.balance, state.ready, state.key) == (980, True, "the Poe key is valid")
    assert state.balance.startswith("980 points, not confirmed since (the Poe key could not be checked: ")
    kept.now = 3600.0
    assert kept.upkeep.balance is None
    assert "requests are served all the same" in kept.upkeep.readiness().balance


def test_a_key_that_poe_takes_back_is_no_longer_good(tmp_path: Path) -> None:
    kept = Kept(Account(1000, httpx.Response(401)), tmp_path, {AFTER_COSTS_S})

    async def work() -> None:
        await until(lambda: kept.upkeep.balance == 1000)
        kept.upkeep.want_balance()
        await until(lambda: not kept.upkeep.readiness().ready)

    asyncio.run(kept.during(work()))
    assert "refuses the key" in kept.upkeep.readiness().key


def test_failures_are_asked_about_at_a_slowing_pace(tmp_path: Path) -> None:
    account = Account(*[httpx.Response(500) for _ in range(9)])
    kept = Kept(account, tmp_path, {5.0, 10.0, 20.0, 40.0, 80.0, 160.0})

    async def work() -> None:
        await until(lambda: 300.0 in kept.slept)
        kept.upkeep.spent(20, at=1.0)
        for _ in range(100):
            await asyncio.sleep(0)

    asyncio.run(kept.during(work()))
    assert account.asked == 7


def test_a_catalogue_that_has_not_changed_is_not_read_again(tmp_path: Path) -> None:
    """Reading it and making the registry takes some 10 ms, in which no stream goes on."""
    known = orjson.loads(SEED.read_bytes())
    newer = {**known, "data": [*known["data"], {"id": "brand-new", "object": "model"}]}
    given: list[httpx.Response] = []

    def poe(request: httpx.Request) -> httpx.Response:
        if request.url.path != "/v1/models":
            return httpx.Response(500)
        given.append(httpx.Response(200, json=known if len(given) < 3 else newer))
        return given[-1]

    kept = Kept(poe, tmp_path, {CATALOGUE_EVERY_S})
    first = kept.upkeep.registry

    async def work() -> None:
        await until(lambda: len(given) == 3)
        assert kept.upkeep.registry is first
        assert "fetched from Poe" in kept.upkeep.readiness().catalogue
        with pytest.raises(UnknownModel):
            kept.upkeep.resolve("brand-new")
        await until(lambda: kept.upkeep.registry is not first)
        assert kept.upkeep.resolve("brand-new").in_catalogue
        second = kept.upkeep.registry
        seen = len(given)
        await until(lambda: len(given) >= seen + 2)
        assert kept.upkeep.registry is second

    asyncio.run(kept.during(work()))
