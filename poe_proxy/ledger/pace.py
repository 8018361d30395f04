"""When to look at Poe's history again, and how often at most. Pure: the time is an argument."""

from bisect import bisect_right
from collections import deque
from dataclasses import dataclass, field

AGES_S = (1.0, 1.2, 1.4, 1.9, 2.5, 3.5, 5, 7, 9, 12, 15, 20, 30, 45, 60, 90, 120, 180, 240, 290)
"""Ages of an answer at which its row may have become final. Poe fact: after 1 to 2 s, on messages after 5 to 13 s."""


def next_look(answered_at: float, now: float) -> float:
    """When to look next for the row of a request that was answered at ``answered_at``."""
    place = bisect_right(AGES_S, now - answered_at + 0.001)
    return answered_at + (AGES_S[place] if place < len(AGES_S) else now - answered_at + 60)


_A_MINUTE = 490  # Poe fact: 500 calls a minute and key; whether these count among them is not known
_SLOWEST, _FASTEST = 0.8, 3.0  # looks a second


@dataclass(slots=True)
class Bucket:
    """Lets ``burst`` looks pass at once, and in the long run what calls of models leave of Poe's minute."""

    burst: float = 15.0
    level: float = 15.0
    at: float = 0.0
    calls: deque[float] = field(default_factory=lambda: deque(maxlen=_A_MINUTE))

    def called(self, now: float) -> None:
        """A model was called; ``now`` is in seconds of a clock that is never set, as everywhere here."""
        self.calls.append(now)

    def wait_s(self, now: float) -> float:
        """Take one look; how long to wait before making it."""
        per_second = self._per_second(now)
        self.level = min(self.burst, self.level + max(0.0, now - self.at) * per_second)
        self.at = now
        self.level -= 1
        return max(0.0, -self.level / per_second)

    def _per_second(self, now: float) -> float:
        while self.calls and self.calls[0] < now - 60:
            self.calls.popleft()
        return min(max((_A_MINUTE - len(self.calls)) / 60, _SLOWEST), _FASTEST)
