"""The `limits` library's memory storage with a bound: many callers cannot make it grow without end.

The library's own looks through all its keys at each hit and never forgets one early. This one forgets, in a constant
number of steps for each hit, whose time is over, and beyond the bounds whoever has been silent for the longest time.
"""

from collections import OrderedDict, deque
from collections.abc import Callable

from limits.aio.storage import MemoryStorage

MAX_KEYS = 10_000
MAX_HITS = 500_000


class BoundedMemory(MemoryStorage):
    """The moving window alone, of one length; at most ``max_keys`` callers and ``max_hits`` moments of theirs."""

    STORAGE_SCHEME: list[str] = []  # noqa: RUF012  # or it would take the library's own scheme over

    def __init__(self, clock: Callable[[], float], max_keys: int = MAX_KEYS, max_hits: int = MAX_HITS) -> None:
        """``clock`` is in seconds and never goes back."""
        super().__init__()
        self._clock = clock
        self._max_keys = max_keys
        self._max_hits = max_hits
        self._hits: OrderedDict[str, deque[float]] = OrderedDict()
        self._count = 0

    async def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Count ``amount`` hits of ``key`` unless they would be more than ``limit`` in ``expiry`` seconds."""
        now = self._clock()
        hits = self._within(key, now - expiry)
        if len(hits) + amount > limit:
            return False
        hits.extend([now] * amount)
        self._count += amount
        self._hits[key] = hits
        self._hits.move_to_end(key)
        self._forget(now - expiry)
        return True

    async def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:  # noqa: ARG002
        """The moment of the oldest hit that counts, and how many do."""
        now = self._clock()
        hits = self._within(key, now - expiry)
        return (hits[0], len(hits)) if hits else (now, 0)

    def _within(self, key: str, start: float) -> deque[float]:
        hits = self._hits.get(key)
        if hits is None:
            return deque()
        while hits and hits[0] <= start:
            hits.popleft()
            self._count -= 1
        return hits

    def _forget(self, start: float) -> None:
        while len(self._hits) > 1 and self._may_go(next(iter(self._hits.values())), start):
            _, hits = self._hits.popitem(last=False)
            self._count -= len(hits)

    def _may_go(self, hits: deque[float], start: float) -> bool:
        full = len(self._hits) > self._max_keys or self._count > self._max_hits
        return full or not hits or hits[-1] <= start
