"""What an answer cost, at the moment its caller is told: settled if that comes in time, else the estimate.

It waits for nothing but the settling task, and that only where a footer is to be written.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from poe_proxy.canonical.card import ModelCard
from poe_proxy.canonical.cost import Cost, Source
from poe_proxy.canonical.report import Report
from poe_proxy.canonical.usage import Usage
from poe_proxy.observe import log
from poe_proxy.policy import footer
from poe_proxy.policy.pricing import cheaper, estimate
from poe_proxy.policy.registry import Registry
from poe_proxy.upkeep import Upkeep


class Settlement(Protocol):
    """What one request cost in the end, in points."""

    @property
    def points(self) -> int: ...

    @property
    def source(self) -> Source: ...


class Settling(Protocol):
    """Whoever learns from Poe what a request cost: the ledger."""

    async def settled(self, request_id: str, timeout_s: float) -> Settlement | None:
        """The settlement as soon as it is there; None where it is not within ``timeout_s`` seconds."""


@dataclass(frozen=True, slots=True)
class Costs:
    """``wait_s`` is the longest wait for a settlement; ``warn_at`` points an answer is worth a warning (0: never)."""

    upkeep: Upkeep
    settling: Settling | None
    wait_s: float
    warn_at: int
    clock: Callable[[], float]

    async def of(self, report: Report, card: ModelCard, *, wait: bool) -> Cost:
        """The cost of a whole answer; it is taken off the balance here, once."""
        ended = self.clock()
        report.estimate = estimate(card, report.usage)
        settlement = await self._settlement(report) if wait else None
        if settlement is not None:
            return self._told(report, settlement.points, settlement.source, ended)
        return self._told(report, report.estimate, "estimated", ended)

    def abandoned(self, report: Report, card: ModelCard) -> None:
        """Poe was asked and the answer did not come to its end: what is known of its cost counts all the same."""
        if not report.attempts or report.cost is not None:
            return
        if report.usage is not None:
            report.estimate = estimate(card, report.usage)
        self._told(report, report.estimate, "estimated", self.clock())

    def _told(self, report: Report, points: int | None, source: Source, ended: float) -> Cost:
        self.upkeep.spent(points or 0, ended)
        report.cost = Cost(points, source if points is not None else None, self.upkeep.balance)
        return report.cost

    def footer(self, report: Report, card: ModelCard, cost: Cost) -> str:
        """The footer's text, with a warning where the answer was expensive."""
        return footer.text(report.usage, cost, self._warning(report.usage or Usage(), card, cost))

    def _warning(self, usage: Usage, card: ModelCard, cost: Cost) -> str:
        if not self.warn_at or cost.points is None or cost.points <= self.warn_at:
            return ""
        return footer.warning(self.warn_at, instead(self.upkeep.registry, card, usage, cost.points))

    async def _settlement(self, report: Report) -> Settlement | None:
        """A settling that fails or hangs is no reason to keep anybody waiting."""
        if self.settling is None or not self.wait_s:
            return None
        with suppress(TimeoutError):
            async with asyncio.timeout(self.wait_s):
                try:
                    return await self.settling.settled(report.request_id, self.wait_s)
                except Exception as error:
                    log.crash(error, report.request_id)
        return None


def instead(registry: Registry, card: ModelCard, usage: Usage, points: int) -> list[tuple[ModelCard, int]]:
    """Cheaper models for the same: the operator's own choice first, then whatever can be asked for."""
    listed = cheaper(card, registry.listed(), usage, points)
    return listed if len(listed) == 3 else cheaper(card, registry.askable(), usage, points)
