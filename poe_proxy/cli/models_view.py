"""Poe's catalogue beside models.yaml, as a table and as JSON. It decides nothing and reaches nobody."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from rich.table import Table

from poe_proxy.canonical.card import Modality, ModelCard, Pricing

_MILLION = Decimal(1_000_000)
_NOTHING = "–"


@dataclass(frozen=True, slots=True)
class Row:
    """One model: ``card`` as clients see it, ``listed`` where models.yaml names it."""

    card: ModelCard
    listed: bool


def rows(listed: tuple[ModelCard, ...], catalogue: Mapping[str, ModelCard]) -> tuple[Row, ...]:
    """Every model of either side, by modality, the listed ones first."""
    named = {card.poe_name.lower() for card in listed}
    others = (Row(card, listed=False) for name, card in catalogue.items() if name not in named)
    order = list(Modality)
    return tuple(
        sorted(
            (*(Row(card, listed=True) for card in listed), *others),
            key=lambda row: (order.index(row.card.modality), not row.listed, row.card.name.lower()),
        )
    )


def as_table(found: tuple[Row, ...]) -> Table:
    """The rows for people."""
    table = Table(box=None, header_style="bold")
    for heading in ("listed", "id", "modality"):
        table.add_column(heading, no_wrap=True)
    table.add_column("context", justify="right", no_wrap=True)
    table.add_column("price", no_wrap=True)
    table.add_column("features")
    for row in found:
        table.add_row(*_cells(row), style=None if row.card.in_catalogue else "red")
    return table


def as_json(found: tuple[Row, ...]) -> list[dict[str, object]]:
    """The rows for programs: tokens, Unix seconds, and prices in USD as decimal strings, as Poe has them."""
    return [_fields(row) for row in found]


def _cells(row: Row) -> tuple[str, str, str, str, str, str]:
    card = row.card
    context = f"{card.context:,}" if card.context else _NOTHING
    features = ", ".join(card.features) if card.in_catalogue else "not in Poe's catalogue"
    return "yes" if row.listed else "", _names(card), card.modality.value, context, _price(card.pricing), features


def _names(card: ModelCard) -> str:
    return card.name if card.name.lower() == card.poe_name.lower() else f"{card.name} → {card.poe_name}"


def _price(pricing: Pricing | None) -> str:
    if pricing is None:
        return _NOTHING
    per_million = {"in": pricing.prompt, "out": pricing.completion}
    said = [f"{_dollars(price * _MILLION)} {way}" for way, price in per_million.items() if price is not None]
    if said:
        return " · ".join(said) + " /M"
    return _NOTHING if pricing.request is None else f"{_dollars(pricing.request)} a call"


def _dollars(amount: Decimal) -> str:
    shortest = f"{amount.normalize():f}"
    return f"${max(f'{amount:.2f}', shortest, key=len)}"


def _fields(row: Row) -> dict[str, object]:
    card = row.card
    return {
        "id": card.name,
        "poe_name": card.poe_name,
        "listed": row.listed,
        "in_catalogue": card.in_catalogue,
        "aliases": card.aliases,
        "modality": card.modality.value,
        "owner": card.owner,
        "created": card.created,
        "context": card.context,
        "max_output": card.max_output,
        "input_modalities": card.input_modalities,
        "endpoints": sorted(card.endpoints),
        "features": card.features,
        "parameters": sorted(card.parameters),
        "pricing": _prices(card.pricing),
    }


def _prices(pricing: Pricing | None) -> dict[str, str] | None:
    if pricing is None:
        return None
    named = {
        "prompt": pricing.prompt,
        "completion": pricing.completion,
        "cache_read": pricing.cache_read,
        "cache_write": pricing.cache_write,
        "image": pricing.image,
        "request": pricing.request,
    }
    return {name: f"{price:f}" for name, price in named.items() if price is not None}
