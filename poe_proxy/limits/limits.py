"""The limits of one running proxy, put together from the settings."""

import asyncio
import contextlib
import hashlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from poe_proxy.limits.inbound import Inbound
from poe_proxy.limits.room import Room
from poe_proxy.limits.turns import Turns
from poe_proxy.settings import Settings, SettingsError

if TYPE_CHECKING:
    from poe_proxy.limits.shared import Shared


@dataclass(frozen=True, slots=True)
class Limits:
    """``inbound`` for callers, None where they have no limit; ``room`` for their bodies; ``turns`` for calls to Poe."""

    inbound: Inbound | None
    room: Room
    turns: Turns
    _shared: "Shared | None"
    _workers: int

    @classmethod
    def of(cls, settings: Settings) -> "Limits":
        """The limits as ``settings`` have them. Nothing is connected yet. Raises SettingsError."""
        shared = _shared(settings.redis_url) if settings.redis_url else None
        inbound = Inbound(settings.rate_limit, settings.workers, shared) if settings.rate_limit else None
        room = Room(int(settings.max_body_mb * 2**20))
        return cls(inbound, room, _turns(settings, shared), shared, settings.workers)

    @contextlib.asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Keep an eye on Redis, where there is one."""
        if self._shared is None:
            yield
            return
        await self._shared.probe()  # so that the first request finds a connection, and /ready knows
        watch = asyncio.create_task(self._shared.watch())
        try:
            yield
        finally:
            watch.cancel()
            await asyncio.wait([watch])
            await self._shared.close()

    def words(self) -> str:
        """Where it is counted, for ``GET /ready``."""
        here = "counted here" if self._workers == 1 else f"counted here, a part for each of {self._workers} processes"
        if self._shared is None:
            return here
        return "shared through Redis" if self._shared.up else f"{here}: no Redis ({self._shared.trouble})"


def name_of(key: str) -> str:
    """A name for ``key``, the same everywhere, from which the key cannot be told."""
    return hashlib.sha256(key.encode()).hexdigest()[:16]


def _shared(url: str) -> "Shared":
    from poe_proxy.limits.shared import Shared  # noqa: PLC0415  # a tenth of a second that only Redis is worth

    try:
        return Shared(url)
    except ValueError as error:  # an option behind the question mark
        raise SettingsError([f"REDIS_URL cannot be used: {error}"]) from None


def _turns(settings: Settings, shared: "Shared | None") -> Turns:
    per_minute = settings.upstream_rpm
    together = shared.pace(per_minute, name_of(settings.poe_api_key)) if shared and per_minute else None
    return Turns(per_minute, max(1, per_minute // settings.workers), time.monotonic, together)
