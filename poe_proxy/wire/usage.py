"""Figures of a usage as every dialect writes them: counts that may be nonsense, and `poe` beside them."""

from typing import Any

from poe_proxy.canonical.cost import Cost
from poe_proxy.canonical.json import Json

_MOST = 2**53


def with_cost(usage: Json, cost: Cost) -> Json:
    """The usage with ``poe``: what the answer cost, as far as it is known."""
    figures = cost.shown()
    return {**usage, "poe": figures} if figures else usage


def count(value: Any) -> int:
    """A whole number of tokens, cut to what every JSON reader takes as one."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        return 0
    return int(min(value, _MOST))
