"""What arrived at the stand-in and how it ended, for tests to look at."""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import Coroutine
from dataclasses import asdict, dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.types import Receive

_KEPT = 10_000
"""Requests remembered; benchmarks may send many more."""
_SECRET_HEADERS = frozenset({"authorization", "x-api-key", "proxy-authorization", "cookie"})


@dataclass(slots=True)
class Record:
    """One request and its fate; times are seconds since the epoch."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    arrived_at: float
    tag: str | None
    id: str = field(default_factory=lambda: secrets.token_hex(16))
    """32 hex digits; the answer's `x-request-id` is `req_poe_` and these."""
    body: Any = None
    key_name: str | None = None
    remaining: int = 500
    """Requests left to the key in this minute, as the answer's headers will say."""
    model: str | None = None
    faults: list[str] = field(default_factory=list)
    status: int | None = None
    outcome: str = "open"
    """`open`, `answered`, `refused`, `fault`, or `disconnected`."""
    finished_at: float | None = None
    disconnected_at: float | None = None
    """When the client left before the end; None if it did not."""

    def left(self, now: float) -> None:
        """The client went away."""
        self.outcome, self.disconnected_at = "disconnected", now

    def shown(self) -> dict[str, Any]:
        return asdict(self)


class Log:
    """The records of one stand-in, oldest first."""

    def __init__(self) -> None:
        self.records: deque[Record] = deque(maxlen=_KEPT)
        self.in_flight = 0

    def arrived(self, request: Request, now: float) -> Record:
        headers = {name: value for name, value in request.headers.items() if name not in _SECRET_HEADERS}
        record = Record(
            method=request.method,
            path=request.url.path,
            query=request.url.query,
            headers=headers,
            arrived_at=now,
            tag=request.headers.get("x-sim-tag"),
        )
        self.records.append(record)
        return record


async def unless_gone(work: Coroutine[Any, Any, None], receive: Receive) -> bool:
    """Do `work` for as long as the client listens; False if it left (or was cut off) before the end."""
    doing = asyncio.create_task(work)
    leaving = asyncio.create_task(_departure(receive))
    try:
        await asyncio.wait({doing, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if doing.done():
            doing.result()
            return True
        return False
    finally:
        doing.cancel()
        leaving.cancel()
        await asyncio.gather(doing, leaving, return_exceptions=True)


async def _departure(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
