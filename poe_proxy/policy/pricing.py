"""What an answer costs in points, from prices and tokens. It knows no history and asks nobody: an estimate, no more.

Poe's catalogue rounds its prices to two digits and some models are charged otherwise, so the true cost may differ.
"""

import math
from collections.abc import Iterable
from decimal import Decimal

from poe_proxy.canonical.card import ModelCard, Pricing
from poe_proxy.canonical.cost import USD_PER_POINT
from poe_proxy.canonical.usage import Usage

_MOST_SHOWN = 3
_NONSENSE_FROM = 10**15  # points, worth 30 billion dollars: some price or count is wrong


def estimate(card: ModelCard, usage: Usage | None) -> int | None:
    """Points for ``usage``: by the catalogue's prices, else by ``base`` and ``per_1k_tokens``; None without either.

    Without ``usage`` only a price per call can be told.
    """
    points = _by_catalogue(card.pricing, usage) if card.pricing is not None else None
    points = points if points is not None else _by_listing(card, usage)
    return points if points is None or points < _NONSENSE_FROM else None


def cheaper(card: ModelCard, cards: Iterable[ModelCard], usage: Usage, points: int) -> list[tuple[ModelCard, int]]:
    """Up to three of ``cards`` that can do what ``card`` can, for less than ``points`` by their live prices.

    Each comes with its own estimate for ``usage``, cheapest first. Where ``cards`` come in order of preference, the
    first of two at the same price is taken.
    """
    found: list[tuple[ModelCard, int]] = []
    for other in cards:
        if other.pricing is None or not _can_stand_in(other, card, usage):
            continue
        price = _by_catalogue(other.pricing, usage)
        if price is not None and price < points:
            found.append((other, price))
    return sorted(found, key=lambda pair: pair[1])[:_MOST_SHOWN]


def _by_catalogue(pricing: Pricing, usage: Usage | None) -> int | None:
    """Poe's own sum; a price of 0.00 a call stands for one that varies, so it tells nothing."""
    parts = [pricing.request] if pricing.request else []
    if pricing.prompt is not None and pricing.completion is not None:
        if usage is None:
            return None
        parts += _token_parts(pricing.prompt, pricing.completion, pricing, usage)
    return sum(_points(part) for part in parts) if parts else None


def _token_parts(prompt: Decimal, completion: Decimal, pricing: Pricing, usage: Usage) -> Iterable[Decimal]:
    """In dollars, as Poe's history lists them: all input at its full price, then what caching changes of it."""
    cached = min(usage.cached, usage.prompt)
    written = min(usage.written, usage.prompt - cached)
    yield usage.prompt * prompt
    yield usage.completion * completion
    if cached and pricing.cache_read is not None:
        yield cached * (pricing.cache_read - prompt)
    if written and pricing.cache_write is not None:
        yield written * (pricing.cache_write - prompt)


def _by_listing(card: ModelCard, usage: Usage | None) -> int | None:
    if card.base is None and card.per_1k_tokens is None:
        return None
    if card.per_1k_tokens and usage is None:
        return None
    tokens = usage.prompt + usage.completion if usage is not None else 0
    return _up(_exact(card.base)) + _up(_exact(card.per_1k_tokens) * tokens / 1000)


def _points(usd: Decimal) -> int:
    """Each part is rounded up by itself, a discount therefore towards nothing: seen in every row of Poe's history."""
    return _up(usd / USD_PER_POINT)


def _up(points: Decimal) -> int:
    return math.ceil(points)


def _exact(points: float | None) -> Decimal:
    """As it is written in models.yaml: 0.1 is a tenth and not the float next to it."""
    return Decimal(str(points or 0))


def _can_stand_in(other: ModelCard, card: ModelCard, usage: Usage) -> bool:
    return (
        other.poe_name.lower() != card.poe_name.lower()
        and other.modality is card.modality
        and set(card.features) <= set(other.features)
        and set(card.input_modalities) <= set(other.input_modalities)
        and (other.context is None or other.context >= usage.prompt)
    )
