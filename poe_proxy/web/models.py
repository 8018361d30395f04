"""``GET /v1/models`` and ``GET /v1/models/{id}``: what models.yaml lists, with Poe's facts.

In OpenAI's shape, and in Anthropic's for who sends ``anthropic-version``. Claude Code keeps only models whose id names
Claude: it is shown all text models, those of others under ids that the registry understands (``claude-poe-gpt-5.4``).
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from starlette.requests import Request as WebRequest
from starlette.responses import Response

from poe_proxy.canonical.card import ModelCard, Pricing
from poe_proxy.canonical.errors import BadRequest
from poe_proxy.policy.claude_names import PICKED
from poe_proxy.web.house import House
from poe_proxy.web.respond import json_response

_CLAUDE_CODE = ("claude-code/", "claude-cli/")
_KEPT = re.compile("claude|anthropic", re.IGNORECASE)
_PAGE, _LARGEST_PAGE = 20, 1000
_LAST_SECOND = 253_402_300_799  # of the year 9999: a catalogue may hold anything


async def list_models(request: WebRequest) -> Response:
    """All listed models; in Anthropic's shape page by page."""
    cards = House.of(request).upkeep.registry.listed()
    if not _is_anthropics(request):
        return json_response({"object": "list", "data": [shown(card) for card in cards]})
    picker = _is_claude_code(request)
    rows = [shown_as_anthropics(card, picker=picker) for card in cards if not (picker and card.is_media)]
    return json_response(_page(rows, request))


async def get_model(request: WebRequest) -> Response:
    """One model by any of its names; ids may hold a slash (``openai/gpt-5.4``)."""
    card = House.of(request).upkeep.registry.get(request.path_params["model_id"])
    if not _is_anthropics(request):
        return json_response(shown(card))
    return json_response(shown_as_anthropics(card, picker=_is_claude_code(request)))


def shown(card: ModelCard) -> dict[str, Any]:
    """OpenAI's four fields, and beside them what a person chooses a model by. Prices are USD per token, as strings."""
    return {
        "id": card.name,
        "object": "model",
        "created": card.created,
        "owned_by": card.owner or "poe",
        "display_name": card.display_name or card.name,
        "modality": card.modality.value,
        "input_modalities": list(card.input_modalities),
        "output_modalities": list(card.output_modalities),
        "context_length": card.context,
        "max_output_tokens": card.max_output,
        "features": list(card.features),
        "parameters": sorted(card.parameters),
        "pricing": _pricing(card.pricing),
        "aliases": list(card.aliases),
    }


def shown_as_anthropics(card: ModelCard, *, picker: bool) -> dict[str, Any]:
    """Anthropic's fields; for Claude Code's ``picker`` a model that is no Claude gets an id that it keeps."""
    is_kept = not picker or _KEPT.search(card.name) is not None
    display = card.display_name or card.name
    return {
        "type": "model",
        "id": card.name if is_kept else PICKED + card.name,
        "display_name": display if is_kept else f"{display} (Poe)",
        "created_at": datetime.fromtimestamp(min(card.created, _LAST_SECOND), UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "max_input_tokens": card.context,
        "max_tokens": card.max_output,
        "lifecycle": "active",
        "deprecated_at": None,
        "retires_at": None,
    }


def _is_anthropics(request: WebRequest) -> bool:
    return "anthropic-version" in request.headers


def _is_claude_code(request: WebRequest) -> bool:
    return request.headers.get("user-agent", "").lower().startswith(_CLAUDE_CODE)


def _page(rows: Sequence[dict[str, Any]], request: WebRequest) -> dict[str, Any]:
    """``limit`` rows behind ``after_id``, or just before ``before_id``."""
    ids, asked = [row["id"] for row in rows], request.query_params
    limit = _limit(asked.get("limit"))
    start = _place(ids, "after_id", after) + 1 if (after := asked.get("after_id")) else 0
    end = _place(ids, "before_id", before) if (before := asked.get("before_id")) else len(rows)
    within = rows[start:end]
    page = within[-limit:] if before else within[:limit]
    return {
        "data": list(page),
        "has_more": len(within) > len(page),
        "first_id": page[0]["id"] if page else None,
        "last_id": page[-1]["id"] if page else None,
    }


def _limit(written: str | None) -> int:
    if not written:
        return _PAGE
    if not (written.isdecimal() and len(written) <= 9 and 1 <= int(written) <= _LARGEST_PAGE):
        raise BadRequest(f"limit must be a whole number from 1 to {_LARGEST_PAGE}.", param="limit")
    return int(written)


def _place(ids: Sequence[str], name: str, cursor: str) -> int:
    if cursor not in ids:
        raise BadRequest(f"{name} {cursor[:80]!r} is no model of this list; begin again without it.", param=name)
    return ids.index(cursor)


def _pricing(pricing: Pricing | None) -> dict[str, str] | None:
    if pricing is None:
        return None
    names = ("prompt", "completion", "cache_read", "cache_write", "image", "request")
    prices: dict[str, Decimal | None] = {name: getattr(pricing, name) for name in names}
    return {name: f"{price:f}" for name, price in prices.items() if price is not None}
