"""What ``GET /v1/usage`` says: sums by model and by key. Pure; times are Unix seconds, days are UTC's."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any


@dataclass(slots=True)
class _Sum:
    requests: int = 0
    points: int = 0
    tokens_in: int = 0
    tokens_out: int = 0

    def add(self, line: Mapping[str, Any], points: int) -> None:
        self.requests += line["requests"]
        self.points += points
        self.tokens_in += int(line["tokens_in"] or 0)
        self.tokens_out += int(line["tokens_out"] or 0)

    def shown(self) -> dict[str, int]:
        return {
            "requests": self.requests,
            "points": self.points,
            "tokens_in": self.tokens_in,
            "tokens_out": self.tokens_out,
        }


@dataclass(slots=True)
class _Points:
    today: int = 0
    month: int = 0
    by_source: dict[str, int] = field(default_factory=lambda: {"settled": 0, "estimated": 0, "": 0})


_SESSION_DAYS = 31
_DAY_S = 86_400.0


def beginning_of_session(now: float) -> float:
    """How far back a session's requests are looked for: rows are found by their time."""
    return now - _SESSION_DAYS * _DAY_S


def beginnings(now: float) -> tuple[float, float]:
    """When this month and this day began."""
    today = datetime.fromtimestamp(now, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return today.replace(day=1).timestamp(), today.timestamp()


def usage(
    lines: Iterable[Mapping[str, Any]], balance: int | None, session: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The answer, from the store's sums. Open requests count with their estimates.

    ``session`` is the store's sum of the one session that was asked for, if one was.
    """
    points, all_, models, keys = _Points(), _Sum(), dict[str, _Sum](), dict[str, _Sum]()
    for line in lines:
        cost = int((line["points"] if line["source"] else line["estimate"]) or 0)
        points.month += cost
        points.today += cost if line["today"] else 0
        points.by_source[line["source"]] += cost
        for part in (
            all_,
            models.setdefault(line["served_model"] or "none", _Sum()),
            keys.setdefault(line["key"] or "none", _Sum()),
        ):
            part.add(line, cost)
    said = {
        "balance": balance,
        "points": {
            "today": points.today,
            "month": points.month,
            "settled": points.by_source["settled"],
            "estimated": points.by_source["estimated"],
            "unsettled": points.by_source[""],
        },
        "requests": all_.requests,
        "by_model": _listed("model", models),
        "by_key": _listed("key", keys),
    }
    if session is not None:
        said["session"] = {"points": int(session["points"] or 0), "requests": session["requests"]}
    return said


def _listed(name: str, sums: Mapping[str, _Sum]) -> list[dict[str, Any]]:
    """The dearest first."""
    order = sorted(sums.items(), key=lambda item: (-item[1].points, -item[1].requests, item[0]))
    return [{name: key, **part.shown()} for key, part in order]
