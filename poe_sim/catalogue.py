"""The models that the stand-in knows: the real catalogue, and what follows from an entry."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from importlib import resources
from typing import Any, Literal

import orjson

Modality = Literal["text", "image", "video", "audio"]

# Poe fact: messages takes Anthropic's own ids and answers with them; the dates are those the catalogue itself mentions.
_ANTHROPIC_DATES = {
    "claude-opus-4-5": "20251101",
    "claude-haiku-4-5": "20251001",
    "claude-sonnet-4-5": "20250929",
    "claude-opus-4-1": "20250805",
    "claude-opus-4": "20250514",
    "claude-sonnet-4": "20250514",
    "claude-3-7-sonnet": "20250219",
    "claude-3-5-haiku": "20241022",
    "claude-3-haiku": "20240307",
}
_CLAUDE = re.compile(r"claude-(?P<family>opus|sonnet|haiku)-(?P<version>[\d.]+)$")
_INSTANT = re.compile(r"(?:-instant|-chat-latest|-chat)$")


@dataclass(frozen=True, slots=True)
class Card:
    """One model of the catalogue."""

    id: str
    display_name: str
    owner: str
    endpoints: frozenset[str]
    features: frozenset[str]
    parameters: Mapping[str, Mapping[str, Any]]
    prices: Mapping[str, Decimal] | None
    """USD per token (or per call for `request`); None where the catalogue names no price."""
    modality: Modality
    context: int | None
    """Tokens; None where unknown or meaningless (media)."""
    provider_id: str
    """The name under which the direct backend reports the model."""

    @property
    def direct(self) -> bool:
        """Whether the direct backend answers, as the listed endpoints hint."""
        return bool(self.endpoints & {"/v1/responses", "/v1/messages"})

    @property
    def effort_is_fixed(self) -> bool:
        """Poe fact: chat-tuned GPT models take no effort but medium."""
        return self.owner in {"OpenAI", "Poe"} and bool(_INSTANT.search(self.provider_id))


@cache
def listing() -> bytes:
    """The body of `GET /v1/models`."""
    return resources.files("poe_sim").joinpath("catalogue.json").read_bytes()


@cache
def cards() -> Mapping[str, Card]:
    """All models by id."""
    return {entry["id"]: _card(entry) for entry in orjson.loads(listing())["data"]}


def find(name: str) -> Card | None:
    """The model called `name`, in any casing."""
    return cards().get(name.lower())


def find_claude(name: str) -> Card | None:
    """The model called `name`, which may be Anthropic's own id, dated or not."""
    return find(name) or _claude_ids().get(name.lower())


@cache
def _claude_ids() -> Mapping[str, Card]:
    claudes = [card for card in cards().values() if "/v1/messages" in card.endpoints]
    dated = {anthropic_id(card.id): card for card in claudes}
    return dated | {_anthropic_stem(card.id): card for card in claudes}


def anthropic_id(name: str) -> str:
    """`claude-haiku-4.5` as Anthropic calls it: `claude-haiku-4-5-20251001`."""
    stem = _anthropic_stem(name)
    date = _ANTHROPIC_DATES.get(stem)
    return f"{stem}-{date}" if date else stem


def _anthropic_stem(name: str) -> str:
    match = _CLAUDE.match(name)
    if match is None:
        return name
    family, version = match["family"], match["version"].replace(".", "-")
    return f"claude-{version}-{family}" if version.startswith("3") else f"claude-{family}-{version}"


def _provider_id(name: str, owner: str) -> str:
    if owner == "Anthropic":
        stem = _anthropic_stem(name)
        return f"{stem}@{_ANTHROPIC_DATES.get(stem, 'default')}"
    if name == "assistant":
        return "gpt-5.2-chat-latest"
    if owner == "OpenAI" and name.startswith("gpt-5"):
        return _dated_gpt(name)
    return name


def _dated_gpt(name: str) -> str:
    if _INSTANT.search(name):
        return _INSTANT.sub("-chat-latest", name)
    return name if "codex" in name else f"{name}-2025-11-13"


def _card(entry: Mapping[str, Any]) -> Card:
    modality = _modality(entry["architecture"]["output_modalities"])
    window = entry["context_window"] or {}
    return Card(
        id=entry["id"],
        display_name=entry["metadata"]["display_name"],
        owner=entry["owned_by"],
        endpoints=frozenset(entry["supported_endpoints"]),
        features=frozenset(entry["supported_features"]),
        parameters={p["name"]: p["schema"] or {} for p in entry["parameters"]},
        prices=_prices(entry["pricing"]),
        modality=modality,
        context=window.get("context_length") if modality == "text" else None,
        provider_id=_provider_id(entry["id"], entry["owned_by"]),
    )


def _modality(outputs: list[Modality]) -> Modality:
    """Poe fact: some text models list image as an output too."""
    return "text" if "text" in outputs else outputs[0]


def _prices(pricing: Mapping[str, str | None] | None) -> Mapping[str, Decimal] | None:
    if pricing is None:
        return None
    return {name: Decimal(price) for name, price in pricing.items() if price is not None}
