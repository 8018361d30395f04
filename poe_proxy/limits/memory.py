"""Who called when, within one moving window, in bounded memory: many callers cannot make it grow without end.

It forgets, in a constant number of steps for each request, whose time is over, and beyond the bounds whoever has been
silent for the longest time. The `limits` library's own looks through all its keys at each hit and never forgets early.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Hashable

MAX_KEYS = 10_000
MAX_HITS = 500_000


class Recent:
    """At most ``max_keys`` callers and ``max_hits`` moments of theirs."""

    def __init__(
        self, window_s: float, clock: Callable[[], float], max_keys: int = MAX_KEYS, max_hits: int = MAX_HITS
    ) -> None:
        """``clock`` is in seconds and never goes back."""
        self._window_s = window_s
        self._clock = clock
        self._max_keys = max_keys
        self._max_hits = max_hits
        self._hits: OrderedDict[Hashable, deque[float]] = OrderedDict()
        self._count = 0

    def seen(self, caller: Hashable) -> tuple[int, float]:
        """How many requests of ``caller`` the window holds, and in how many seconds the oldest of them leaves it."""
        now = self._clock()
        hits = self._hits.get(caller)
        while hits and hits[0] <= now - self._window_s:
            hits.popleft()
            self._count -= 1
        return (len(hits), hits[0] + self._window_s - now) if hits else (0, self._window_s)

    def add(self, caller: Hashable) -> None:
        """One more request of ``caller``."""
        now = self._clock()
        hits = self._hits.get(caller)
        if hits is None:
            hits = self._hits[caller] = deque()
        hits.append(now)
        self._count += 1
        self._hits.move_to_end(caller)
        self._forget(now - self._window_s)

    def _forget(self, start: float) -> None:
        while len(self._hits) > 1 and self._may_go(next(iter(self._hits.values())), start):
            _, hits = self._hits.popitem(last=False)
            self._count -= len(hits)

    def _may_go(self, hits: deque[float], start: float) -> bool:
        full = len(self._hits) > self._max_keys or self._count > self._max_hits
        return full or not hits or hits[-1] <= start
