"""The account: usage rows that settle late, the balance, and other people's rows in between."""

from __future__ import annotations

import random
import string
from dataclasses import dataclass, field
from typing import Any

from poe_sim.catalogue import Card
from poe_sim.prices import Charge, Component

_MICRO = 1_000_000
_KEPT_S = 30 * 24 * 3600
"""Poe fact: history goes back 30 days."""
_ALPHABET = string.ascii_lowercase + string.digits


def _query_id() -> str:
    return "ahb" + "".join(random.choices(_ALPHABET, k=15))


@dataclass(slots=True)
class Row:
    """One line of the usage history."""

    created_us: int
    """Microseconds since the epoch, close to the request's arrival (not to its end)."""
    bot_name: str
    key_name: str | None
    usage_type: str = "API"
    query_id: str = field(default_factory=_query_id)
    charge: Charge | None = None
    settles_at: float | None = None
    """Seconds since the epoch; before that the row says 0."""

    def final(self, now: float) -> bool:
        return self.settles_at is not None and now >= self.settles_at

    def shown(self, now: float) -> dict[str, Any]:
        settled = self.charge if self.final(now) else None
        row: dict[str, Any] = {
            "creation_time": self.created_us,
            "bot_name": self.bot_name,
            "query_id": self.query_id,
            "usage_type": self.usage_type,
            "cost_usd": settled.usd if settled else "0",
            "cost_points": settled.points if settled else 0,
            "cost_breakdown_in_points": settled.breakdown() if settled else {},
        }
        return row | ({"api_key_name": self.key_name} if self.key_name else {})


class Books:
    """All rows of one account, and its balance in points."""

    def __init__(self, balance: int) -> None:
        self.balance = balance
        self._rows: list[Row] = []

    def open(self, card: Card, key_name: str, arrived_at: float) -> Row:
        """The row that appears as soon as a request is accepted, at cost 0."""
        row = Row(int(arrived_at * _MICRO), card.display_name, key_name)
        self._rows.append(row)
        return row

    def close(self, row: Row, charge: Charge, settles_at: float) -> None:
        """Decide what a row will say once it is final; the points are gone at once."""
        row.charge, row.settles_at = charge, settles_at
        self.balance -= charge.points

    def add_foreign(self, card: Card, created_at: float, points: int, key_name: str | None) -> Row:
        """Somebody else's usage of the same account; without a key it is chatting on poe.com."""
        kind = "API" if key_name else "Chat"
        row = Row(int(created_at * _MICRO), card.display_name, key_name, usage_type=kind)
        self._rows.append(row)
        self.close(row, Charge((Component("Request", points),)), created_at)
        return row

    def history(self, limit: int, starting_after: str | None, now: float) -> dict[str, Any] | None:
        """A page, newest first; None where `starting_after` names no row."""
        oldest = (now - _KEPT_S) * _MICRO
        rows = sorted((r for r in self._rows if r.created_us > oldest), key=lambda r: r.created_us, reverse=True)
        start = 0
        if starting_after is not None:
            places = [place for place, row in enumerate(rows) if row.query_id == starting_after]
            if not places:
                return None
            start = places[0] + 1
        page = rows[start : start + limit]
        return {
            "has_more": start + limit < len(rows),
            "length": len(page),
            "data": [row.shown(now) for row in page],
        }
