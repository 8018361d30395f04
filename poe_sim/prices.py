"""What a request costs in points, and for which models that differs from the catalogue."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from poe_sim.answer import Usage
from poe_sim.catalogue import Card

USD_PER_POINT = Decimal("0.00003")
"""Poe fact: $30 buy a million points."""
_EXTRA_POINTS = 12
"""The extra of a call to a model that charges one."""


@dataclass(frozen=True, slots=True)
class Component:
    """One line of a bill; a discount is negative."""

    label: str
    points: int
    tokens: int | None = None

    def shown(self) -> str:
        unit = "point" if abs(self.points) == 1 else "points"
        counted = "" if self.tokens is None else f" ({self.tokens} tokens)"
        return f"{self.points} {unit}{counted}"


@dataclass(frozen=True, slots=True)
class Charge:
    """What one request cost."""

    components: tuple[Component, ...]

    @property
    def points(self) -> int:
        return sum(component.points for component in self.components)

    @property
    def usd(self) -> str:
        """Poe fact: two significant digits, as `0.0072` for 239 points."""
        amount = self.points * USD_PER_POINT
        return f"{Decimal(f'{amount:.1e}'):f}" if amount else "0"

    def breakdown(self) -> dict[str, str]:
        lines = {component.label: component.shown() for component in self.components}
        return lines | {"Total": Component("Total", self.points).shown()}


def charge(card: Card, used: Usage, *, off_catalogue: bool) -> Charge:
    """The bill for real token counts."""
    factor, extra = deviation(card) if off_catalogue else (Decimal(1), 0)
    lines = tuple(_lines(card, used, factor))
    return Charge(lines + ((Component("Extra", extra),) if extra else ()))


def deviation(card: Card) -> tuple[Decimal, int]:
    """Factor on, and points beyond, the catalogue's price: fixed for a model, picked by its name."""
    match zlib.crc32(card.id.encode()) % 8:
        case 0:
            return Decimal("1.1"), 0
        case 1:
            return Decimal("0.9"), 0
        case 2:
            return Decimal(1), _EXTRA_POINTS
        case _:
            return Decimal(1), 0


def fixed_fee(card: Card) -> int:
    """Points a call for a model whose price the catalogue does not tell."""
    return 20 + zlib.crc32(card.id.encode()) % 400


def _lines(card: Card, used: Usage, factor: Decimal) -> Iterator[Component]:
    if card.prices is None:
        yield Component("Request", fixed_fee(card))
    elif "request" in card.prices:
        yield Component("Request", _points(card.prices["request"] * factor))
    else:
        yield from _token_lines(card, used, factor)


def _token_lines(card: Card, used: Usage, factor: Decimal) -> Iterator[Component]:
    prices = card.prices or {}
    per_input = prices["prompt"] * factor
    yield Component("Input", _points(used.prompt * per_input), used.prompt)
    yield Component("Output", _points(used.completion * prices["completion"] * factor), used.completion)
    if used.written and "input_cache_write" in prices:
        dearer = prices["input_cache_write"] * factor - per_input
        yield Component("Cache write", _points(used.written * dearer), used.written)
    if used.cached and "input_cache_read" in prices:
        cheaper = prices["input_cache_read"] * factor - per_input
        yield Component("Cache discount", _points(used.cached * cheaper), used.cached)


def _points(usd: Decimal) -> int:
    """Poe fact: each component is rounded up by itself (a discount therefore towards nothing)."""
    return math.ceil(usd / USD_PER_POINT)
