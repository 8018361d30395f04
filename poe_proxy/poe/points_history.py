"""Poe's usage history: paging, and rows in whatever form they come. It does not know whose row is whose."""

import json
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import orjson

from poe_proxy.canonical.errors import LinkError
from poe_proxy.canonical.history import HistoryRow
from poe_proxy.poe.client import PoeClient

_PATH = "/usage/points_history"
_PAGE = 100
_MOST_PAGES = 60
_MOST = 10**9  # points; what says more, or less than none, is no price
_LONGEST_COUNT, _LONGEST_TIME = 15, 30  # digits
_TOKENS = re.compile(r"\(\s*([\d,._\s]*\d)\s*tokens?\s*\)", re.IGNORECASE)


class UsageApiError(Exception):
    """The history could not be read; ``retry_after`` is in seconds, where Poe named one."""

    def __init__(self, words: str, retry_after: float | None = None) -> None:
        self.retry_after = retry_after
        super().__init__(words)


async def points_history(
    poe: PoeClient, since: float, *, before_page: Callable[[], Awaitable[None]], timeout_s: float = 10.0
) -> list[HistoryRow]:
    """Rows created after ``since`` (Unix seconds on Poe's clock), newest first. Raises UsageApiError.

    ``before_page`` is awaited before each call to Poe, to keep within the key's rate.
    """
    rows: dict[str, HistoryRow] = {}
    after = ""
    for _ in range(_MOST_PAGES):
        await before_page()
        page, has_more = await _page(poe, after, timeout_s)
        new = [row for row in page if row.id not in rows]
        rows.update((row.id, row) for row in new)
        if not has_more or not new or page[-1].created < since:
            break
        after = page[-1].id
    return [row for row in rows.values() if row.created >= since]


async def _page(poe: PoeClient, after: str, timeout_s: float) -> tuple[list[HistoryRow], bool]:
    path = f"{_PATH}?limit={_PAGE}" + (f"&starting_after={quote(after, safe='')}" if after else "")
    try:
        status, headers, body = await poe.get(path, timeout_s=timeout_s)
    except LinkError as error:
        raise UsageApiError(error.message) from error
    if status != 200:
        raise UsageApiError(f"Poe answered {status}", _seconds(headers.get("retry-after", "")))
    try:
        said = _decoded(body)
        rows, full = read_rows(said["data"]), len(said["data"]) >= _PAGE
        return rows, bool(said.get("has_more", full))
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
        raise UsageApiError("Poe answered with something that is no page of the history") from None


def _decoded(body: bytes) -> Any:
    """One name with half an emoji in it is no reason to know nothing of all others."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return json.loads(body.decode("utf-8", "replace"))


def _seconds(retry_after: str) -> float | None:
    return float(retry_after) if re.fullmatch(r"\d{1,6}(\.\d+)?", retry_after) else None


def read_rows(data: list[Any]) -> list[HistoryRow]:
    """The rows of a page, but for those that make no sense. Raises TypeError where ``data`` is no list."""
    if not isinstance(data, list):
        raise TypeError
    return [row for entry in data if isinstance(entry, dict) and (row := read_row(entry)) is not None]


def read_row(entry: dict[str, Any]) -> HistoryRow | None:
    """One row; None without a time, a model and an id. A row at no cost and without a breakdown is not settled yet."""
    created, model, row_id = _time(entry.get("creation_time")), entry.get("bot_name"), entry.get("query_id")
    if created is None or not isinstance(model, str) or not row_id:
        return None
    breakdown = entry.get("cost_breakdown_in_points")
    parts = breakdown if isinstance(breakdown, dict) else {}
    points = _whole(entry.get("cost_points"))
    key_name, usage_type = entry.get("api_key_name"), entry.get("usage_type")
    return HistoryRow(
        id=str(row_id),
        created=created,
        model=model.strip(),
        usage_type=usage_type if isinstance(usage_type, str) else "API",
        key_name=key_name if isinstance(key_name, str) and key_name else None,
        points=points if points or parts else None,
        tokens_in=_tokens_of(parts, "input", "prompt"),
        tokens_out=_tokens_of(parts, "output", "completion"),
        tokens_cached=_cached(parts),
    )


def _time(value: Any) -> float | None:
    """Poe fact: microseconds. Other units, which are easy to tell apart, and ISO times are understood too."""
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = float(value[:_LONGEST_TIME])
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            return None
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if value > 1e17:
        return value / 1e9
    return value / 1e6 if value > 1e14 else value / 1e3 if value > 1e11 else float(value)


def _whole(value: Any) -> int | None:
    """Points, as far as they can be any; a row with others is told nothing of."""
    if isinstance(value, bool) or value is None:
        return None
    try:
        points = round(float(value))
    except (TypeError, ValueError, OverflowError):
        return None
    return points if 0 <= points <= _MOST else None


def _tokens_of(parts: dict[str, Any], *names: str) -> int | None:
    for label, said in parts.items():
        if str(label).strip().lower() in names:
            return _tokens(said)
    return None


def _cached(parts: dict[str, Any]) -> int | None:
    """Tokens read from a cache, however the line is called; writing one is another line."""
    for label, said in parts.items():
        words = str(label).lower()
        if "cache" in words and not any(other in words for other in ("write", "creation", "storage")):
            return _tokens(said)
    return None


def _tokens(said: Any) -> int | None:
    match = _TOKENS.search(said) if isinstance(said, str) else None
    digits = re.sub(r"\D", "", match[1]) if match else ""
    return int(digits) if 0 < len(digits) <= _LONGEST_COUNT else None
