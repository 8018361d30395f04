"""What goes on around a soak's requests: Poe's account, the database, models.yaml, other people; it asks no model."""

import asyncio
import contextlib
import random
import sqlite3
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx

from benchmarks.soak.wishes import MODELS

_HISTORY, _BALANCE, _CATALOGUE = "/usage/points_history", "/usage/current_balance", "/v1/models"
_BACKGROUND_FAULTS = ("500", "429", "502html", "html_200", "error_200", "closed", "reset", "slow_headers seconds=2")
_LOOKS = {
    "/ready": {200, 503},
    "/v1/usage": {200, 503},
    "/v1/models": {200},
    "/v1/models/gpt-5.4": {200},
    "/metrics": {200},
    "/health": {200},
    "/nowhere": {404},
}
"""What people look at beside their answers, and the statuses that are right whatever is broken."""


class Weather:
    """Does one thing after the other until cancelled; ``seen`` counts them, ``unexpected`` are answers to looks."""

    def __init__(self, chance: random.Random, poe: str, proxy: str, data_dir: Path, models_file: Path) -> None:
        self.seen: Counter[str] = Counter()
        self.unexpected: list[str] = []
        self._chance = chance
        self._poe = poe
        self._proxy = proxy
        self.database = data_dir / "ledger.sqlite3"
        self._models_file = models_file
        self._events: dict[str, tuple[float, Callable[[], Awaitable[None]]]] = {
            "other people's rows": (40, self._others),
            "the usage history fails": (2, lambda: self._failing(_HISTORY)),
            "the balance fails": (2, lambda: self._failing(_BALANCE)),
            "the catalogue fails": (1, lambda: self._failing(_CATALOGUE)),
            "models.yaml is written anew": (5, self._touch),
            "the database is locked for a second": (4, lambda: self._lock(1.0)),
            "the database is locked for seven seconds": (1, lambda: self._lock(7.0)),
            "somebody looks at the proxy": (30, self._look),
        }

    async def run(self, longest_pause_s: float) -> None:
        """One event after the other."""
        async with httpx.AsyncClient(timeout=30, trust_env=False) as self._http:
            weights = [weight for weight, _ in self._events.values()]
            while True:
                (name,) = self._chance.choices(list(self._events), weights)
                await self._events[name][1]()
                self.seen[name] += 1
                await asyncio.sleep(self._chance.uniform(0, longest_pause_s))

    async def _tell(self, what: str, wish: dict[str, object]) -> None:
        (await self._http.post(f"{self._poe}/_sim/{what}", json=wish)).raise_for_status()

    async def _others(self) -> None:
        count, model = self._chance.randint(1, 4), self._chance.choice(MODELS)
        name, points = self._chance.choice((None, "Laptop")), self._chance.randint(1, 40)
        await self._tell("rows", {"count": count, "model": model, "points": points, "key_name": name})

    async def _failing(self, path: str) -> None:
        """Seldom: after each failure the proxy waits longer before it asks again."""
        fault, times = self._chance.choice(_BACKGROUND_FAULTS), self._chance.randint(1, 2)
        await self._tell("faults", {"fault": fault, "times": times, "path": path})

    async def _touch(self) -> None:
        self._models_file.write_text(self._models_file.read_text() + "# touched\n")

    async def _lock(self, seconds: float) -> None:
        """As another program would, in a connection of its own."""
        with (
            contextlib.closing(sqlite3.connect(self.database, timeout=1, isolation_level=None)) as lock,
            contextlib.suppress(sqlite3.OperationalError),  # the proxy writes just now
        ):
            lock.execute("BEGIN IMMEDIATE")
            await asyncio.sleep(seconds)
            lock.execute("ROLLBACK")

    async def _look(self) -> None:
        path = self._chance.choice(list(_LOOKS))
        status = (await self._http.get(self._proxy + path)).status_code
        if status not in _LOOKS[path]:
            self.unexpected.append(f"GET {path}: {status}")
