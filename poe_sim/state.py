"""One stand-in Poe: its settings, its books, its memory, and what was asked of it."""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from poe_sim.books import Books, Row
from poe_sim.caching import PromptCaches
from poe_sim.demand import Demands
from poe_sim.prices import Charge
from poe_sim.records import Log
from poe_sim.settings import Settings

LIMIT_PER_MINUTE = 500
"""Poe fact: requests per minute and key; headers speak of it whether it is enforced or not."""
_CHANGEABLE = frozenset(field.name for field in fields(Settings)) - {"clock", "keys", "fast", "balance"}


@dataclass(frozen=True, slots=True)
class Booked:
    """The private truth about one answered request, for tests to compare with what they worked out."""

    request_id: str
    tag: str | None
    model: str
    path: str
    key_name: str
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    written_tokens: int
    charge: Charge
    row: Row

    def shown(self, now: float) -> dict[str, Any]:
        plain = {name: getattr(self, name) for name in self.__slots__ if name not in {"charge", "row"}}
        return plain | {
            "points": self.charge.points,
            "breakdown": self.charge.breakdown(),
            "query_id": self.row.query_id,
            "final": self.row.final(now),
        }


class Poe:
    """Everything that a running stand-in remembers."""

    def __init__(self, settings: Settings) -> None:
        self.count_connections: Callable[[], int | None] = lambda: None
        """Open connections, as far as the server tells."""
        self.changed = threading.Condition()
        """Notified whenever a request arrives or ends; another thread may wait for it."""
        self._first_settings = settings
        self.reset()

    def reset(self) -> None:
        """Forget everything, changed settings too."""
        self.settings = self._first_settings
        self.books = Books(self.settings.balance)
        self.caches = PromptCaches()
        self.demands = Demands()
        self.log = Log()
        self.charges: list[Booked] = []
        self._arrivals: dict[str, deque[float]] = defaultdict(deque)

    def notify(self) -> None:
        """Wake whoever waits for something to happen."""
        with self.changed:
            self.changed.notify_all()

    def now(self) -> float:
        return self.settings.clock()

    def change(self, wish: Mapping[str, Any]) -> None:
        """Change settings; raises KeyError for names that cannot be changed while running."""
        for name in wish:
            if name not in _CHANGEABLE:
                raise KeyError(name)
        self.settings = replace(self.settings, **wish)

    def summary(self) -> dict[str, Any]:
        settings = {name: getattr(self.settings, name) for name in sorted(_CHANGEABLE)}
        return {
            "open_connections": self.count_connections(),
            "in_flight": self.log.in_flight,
            "requests": len(self.log.records),
            "balance": self.books.balance,
            "queue": self.demands.waiting(),
            "settings": settings,
        }

    def remaining(self, key: str) -> int:
        """Count a request against its key; how many more this minute has, negative beyond the limit."""
        arrivals, now = self._arrivals[key], self.now()
        while arrivals and arrivals[0] <= now - 60:
            arrivals.popleft()
        arrivals.append(now)
        return (self.settings.requests_per_minute or LIMIT_PER_MINUTE) - len(arrivals)
