"""When to look at Poe's history again, and how often at most. Pure: the time is an argument."""

from bisect import bisect_right
from dataclasses import dataclass

AGES_S = (0.6, 1.0, 1.25, 1.45, 1.9, 2.5, 3.5, 5, 7, 9, 12, 15, 20, 30, 45, 60, 90, 120, 180, 240, 290)
"""Ages of an answer at which its row may have become final. Poe fact: after 1 to 2 s, on messages after 5 to 13 s."""


def next_look(answered_at: float, now: float) -> float:
    """When to look next for the row of a request that was answered at ``answered_at`` (Unix seconds)."""
    place = bisect_right(AGES_S, now - answered_at + 0.001)
    return answered_at + (AGES_S[place] if place < len(AGES_S) else now - answered_at + 60)


@dataclass(slots=True)
class Bucket:
    """Lets ``burst`` calls pass at once and ``per_second`` in the long run: a tenth of what Poe allows a key."""

    burst: float = 15.0
    per_second: float = 0.8
    level: float = 15.0
    at: float = 0.0

    def wait_s(self, now: float) -> float:
        """Take one call; how long to wait before making it."""
        self.level = min(self.burst, self.level + max(0.0, now - self.at) * self.per_second)
        self.at = now
        self.level -= 1
        return max(0.0, -self.level / self.per_second)
