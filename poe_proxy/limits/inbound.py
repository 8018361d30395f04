"""How many requests a caller may make: asked once for each model call. It knows callers by names that it is given."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from limits import RateLimitItem, parse

from poe_proxy.limits.memory import Recent

if TYPE_CHECKING:
    from limits.aio.strategies import MovingWindowRateLimiter

    from poe_proxy.limits.shared import Shared

Caller = tuple[str, str]
"""What is counted: ``("address", "192.0.2.1")`` or ``("key", its name)``."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a caller stands after its request: ``left`` of ``limit``, and ``reset_s`` seconds until one more is free."""

    granted: bool
    limit: int
    left: int
    reset_s: float
    whose: str


class Inbound:
    """So many requests in any such time, for each caller."""

    def __init__(
        self, rate: str, workers: int, shared: "Shared | None" = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """``rate`` as in ``600/minute``. Without Redis each of ``workers`` processes grants its part of it."""
        self._whole = parse(rate)
        self._part = max(1, self._whole.amount // workers)
        self._here = Recent(self._whole.get_expiry(), clock)
        self._shared = shared

    async def admit(self, callers: Sequence[Caller]) -> Standing:
        """Count one request of all ``callers``, unless one of them has used up its limit: then it counts for none."""
        if self._shared is not None:
            standing = await self._shared.ask(lambda limiter: _together(limiter, self._whole, callers))
            if standing is not None:
                return standing
        return self._alone(callers)

    def _alone(self, callers: Sequence[Caller]) -> Standing:
        seen = [(*self._here.seen(caller), caller[0]) for caller in callers]
        count, reset_s, whose = max(seen, key=lambda one: one[:2])
        granted = count < self._part
        for caller in callers if granted else ():
            self._here.add(caller)
        return Standing(granted, self._part, max(0, self._part - count - 1), reset_s, whose)


async def _together(limiter: "MovingWindowRateLimiter", item: RateLimitItem, callers: Sequence[Caller]) -> Standing:
    windows = [(await limiter.get_window_stats(item, *caller), caller[0]) for caller in callers]
    (reset, left), whose = min(windows, key=lambda window: (window[0].remaining, -window[0].reset_time))
    granted = left > 0
    for caller in callers if granted else ():
        granted = await limiter.hit(item, *caller) and granted  # another process may have been quicker
    return Standing(granted, item.amount, max(0, left - 1), max(0.0, reset - time.time()), whose)
