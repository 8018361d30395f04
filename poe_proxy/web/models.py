"""``GET /v1/models`` and ``GET /v1/models/{id}``: what models.yaml lists, with Poe's facts, in OpenAI's shape."""

from decimal import Decimal
from typing import Any

from starlette.requests import Request as WebRequest
from starlette.responses import Response

from poe_proxy.canonical.card import ModelCard, Pricing
from poe_proxy.web.house import House
from poe_proxy.web.respond import json_response


async def list_models(request: WebRequest) -> Response:
    """All listed models."""
    cards = House.of(request).upkeep.registry.listed()
    return json_response({"object": "list", "data": [shown(card) for card in cards]})


async def get_model(request: WebRequest) -> Response:
    """One model by any of its names; ids may hold a slash (``openai/gpt-5.4``)."""
    return json_response(shown(House.of(request).upkeep.registry.get(request.path_params["model_id"])))


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


def _pricing(pricing: Pricing | None) -> dict[str, str] | None:
    if pricing is None:
        return None
    names = ("prompt", "completion", "cache_read", "cache_write", "image", "request")
    prices: dict[str, Decimal | None] = {name: getattr(pricing, name) for name in names}
    return {name: f"{price:f}" for name, price in prices.items() if price is not None}
