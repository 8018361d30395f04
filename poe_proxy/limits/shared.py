"""What several proxies count together, in Redis. Where Redis fails or is slow it says so, and each counts alone."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import limits
from limits.aio.storage import RedisStorage
from limits.aio.strategies import MovingWindowRateLimiter
from redis.asyncio import BlockingConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from poe_proxy.observe.log import log

TIMEOUT_S = 0.5
"""Longer than this Redis holds up no request. It answers in a thousandth of it; the rest is for a busy machine."""
PROBE_S = 1.0
_CONNECTIONS = 8  # more would only be more hands for the same short work
_PROBE = limits.RateLimitItemPerSecond(1000)

Answer = TypeVar("Answer")
Sleep = Callable[[float], Awaitable[None]]


class Shared:
    """Redis, as long as it answers; ``up`` says whether it does."""

    def __init__(self, url: str, sleep: Sleep = asyncio.sleep) -> None:
        self._sleep = sleep
        self._pool = BlockingConnectionPool.from_url(
            url, max_connections=_CONNECTIONS, timeout=TIMEOUT_S, retry=Retry(NoBackoff(), 1)
        )
        storage = RedisStorage(
            "redis://",
            implementation="redispy",
            key_prefix="poe-proxy",
            connection_pool=self._pool,  # type: ignore[arg-type]  # limits hands it on to redis as it is
        )
        self._limiter = MovingWindowRateLimiter(storage)
        self._lost = asyncio.Event()
        self.up = True
        self.trouble = ""

    async def ask(self, question: Callable[[MovingWindowRateLimiter], Awaitable[Answer]]) -> Answer | None:
        """Redis' answer; None where it cannot be had, and from then on until Redis is back."""
        if not self.up:
            return None
        try:
            return await self._answer(question)
        except Exception as error:  # whatever it is: a limit is not worth an answer
            self._lose(error)
            return None

    def pace(self, per_minute: int, key: str) -> "CallsWithOneKey":
        """At most ``per_minute`` calls with the Poe key that is called ``key``, of all who ask this Redis."""
        return CallsWithOneKey(self, per_minute, key)

    async def watch(self) -> None:
        """Whenever Redis is lost, look until it is back; runs until cancelled."""
        while True:
            await self._lost.wait()
            await self._sleep(PROBE_S)
            await self.probe()

    async def close(self) -> None:
        """Close all connections."""
        await self._hang_up()

    async def _hang_up(self) -> None:
        """A connection that cannot even be closed holds nobody up."""
        with contextlib.suppress(Exception):
            async with asyncio.timeout(TIMEOUT_S):
                await self._pool.disconnect()

    async def _answer(self, question: Callable[[MovingWindowRateLimiter], Awaitable[Answer]]) -> Answer:
        async with asyncio.timeout(TIMEOUT_S):
            return await question(self._limiter)

    async def probe(self) -> None:
        """Look whether Redis is there. A ping would not do: one that is full or a replica answers pings too."""
        try:
            await self._answer(lambda limiter: limiter.hit(_PROBE, "probe"))
        except Exception as error:
            self._lose(error)
            await self._hang_up()
            return
        if not self.up:
            log.info("Redis answers again: limits are shared again")
        self.up, self.trouble = True, ""
        self._lost.clear()

    def _lose(self, error: Exception) -> None:
        if self.up:
            log.warning("Redis does not answer: until it does, limits are counted here", error=type(error).__name__)
        self.up, self.trouble = False, type(error).__name__
        self._lost.set()


class CallsWithOneKey:
    """The calls to Poe of all proxies that share one Poe key."""

    def __init__(self, shared: Shared, per_minute: int, key: str) -> None:
        self._shared = shared
        self._item = limits.RateLimitItemPerMinute(per_minute)
        self._key = key

    @property
    def up(self) -> bool:
        return self._shared.up

    async def take(self) -> float:
        """0 where a call may go out now, which is then counted; else the seconds after which to ask again."""
        return await self._shared.ask(self._take) or 0.0

    async def _take(self, limiter: MovingWindowRateLimiter) -> float:
        if await limiter.hit(self._item, "poe", self._key):
            return 0.0
        window = await limiter.get_window_stats(self._item, "poe", self._key)
        return max(0.001, window.reset_time - time.time())
