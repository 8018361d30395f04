"""A ledger that settles when a test says so, in the place of the real one in a running proxy."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Literal

from tests.running import Proxy


@dataclass(frozen=True)
class Settled:
    points: int
    source: Literal["settled", "estimated"] = "settled"


@dataclass
class LedgerStub:
    """Answers with ``settle``'s outcome; ``asked`` are the request ids it was asked for, ``left`` those given up."""

    settle: Callable[[], Awaitable[Settled | None]]
    asked: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)

    async def settled(self, request_id: str, timeout_s: float) -> Settled | None:
        self.asked.append(request_id)
        try:
            return await self.settle()
        except asyncio.CancelledError:
            self.left.append(request_id)
            raise

    def in_place(self, proxy: Proxy) -> "LedgerStub":
        """Let ``proxy`` ask this ledger."""
        proxy.house.costs = replace(proxy.house.costs, settling=self)
        return self


async def never() -> Settled | None:
    await asyncio.Event().wait()
    return None


async def broken() -> Settled | None:
    raise ValueError("the database is gone")


def at_once(points: int) -> Callable[[], Awaitable[Settled | None]]:
    async def settle() -> Settled | None:
        return Settled(points)

    return settle
