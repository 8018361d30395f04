"""What one answer cost and what is left, as callers are told it. It does not know where the figures come from."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from poe_proxy.canonical.json import Json

USD_PER_POINT = Decimal("0.00003")
"""$30 buy 1,000,000 points."""

Source = Literal["settled", "estimated"]


@dataclass(frozen=True, slots=True)
class Cost:
    """``points`` of one answer (None where not known), whether Poe settled them, and the ``balance`` after it."""

    points: int | None = None
    source: Source | None = None
    balance: int | None = None

    @property
    def usd(self) -> Decimal | None:
        """The points in dollars, exact."""
        return None if self.points is None else self.points * USD_PER_POINT

    def shown(self) -> Json:
        """What stands in ``usage.poe``: ``points``, ``source``, ``usd``, ``balance``, without what is not known."""
        usd = None if self.usd is None else float(self.usd)
        figures = {"points": self.points, "source": self.source, "usd": usd, "balance": self.balance}
        return {name: figure for name, figure in figures.items() if figure is not None}
