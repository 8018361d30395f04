"""Who calls, and what every answer says in its headers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from poe_sim.records import Record
from poe_sim.refusals import Refusal, rate_limited, unauthorized
from poe_sim.state import LIMIT_PER_MINUTE, Poe

MESSAGES = "/v1/messages"
_WINDOW_S = 60


def key_of(headers: Mapping[str, str], path: str) -> str | None:
    """The key sent; on messages `x-api-key` wins over the bearer token, elsewhere it means nothing."""
    if path == MESSAGES and "x-api-key" in headers:
        return headers["x-api-key"]
    scheme, _, key = headers.get("authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else None


def admit(poe: Poe, headers: Mapping[str, str], record: Record) -> Refusal | None:
    """Name the caller in the record; a refusal where there is none, or one too eager."""
    key = key_of(headers, record.path)
    if key is None or key not in poe.settings.keys:
        return unauthorized()
    record.key_name = poe.settings.keys[key]
    record.remaining = poe.remaining(key)
    eager = poe.settings.requests_per_minute is not None and record.remaining < 0
    return rate_limited(str(_WINDOW_S)) if eager else None


def answer_headers(poe: Poe, record: Record) -> dict[str, str]:
    """Poe facts: names as seen in recorded answers; `Date` comes from the server."""
    left = max(0, record.remaining)
    headers = {"x-request-id": f"req_poe_{record.id}"}
    if record.path == MESSAGES:
        reset = datetime.fromtimestamp(poe.now() + _WINDOW_S, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return headers | {
            "anthropic-ratelimit-requests-limit": str(LIMIT_PER_MINUTE),
            "anthropic-ratelimit-requests-remaining": str(left),
            "anthropic-ratelimit-requests-reset": reset,
        }
    return headers | {
        "openai-version": "2020-10-01",
        "x-poe-feature-active": "chat-completions-strict",
        "x-ratelimit-limit-requests": str(LIMIT_PER_MINUTE),
        "x-ratelimit-remaining-requests": str(left),
        "x-ratelimit-reset-requests": str(_WINDOW_S),
    }
