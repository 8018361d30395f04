"""Matching claims to columns at the least cost, and what the next best would cost. It does not know what either is.

Claims are numbered from 0; columns are any numbers from 0. Each claim may also stay alone, in the column ``~claim``.
"""

import heapq
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import inf


class Matching:
    """The cheapest matching: ``column[claim]`` is the claim's column, no column is taken twice.

    Shortest augmenting paths with potentials (Jonker and Volgenant's way, on sparse costs).
    """

    def __init__(self, costs: Sequence[Mapping[int, float]], alone: Sequence[float]) -> None:
        """``costs[claim][column]`` where the two fit; ``alone[claim]`` is what staying alone costs. None negative."""
        self._edges = [{**fitting, ~claim: alone[claim]} for claim, fitting in enumerate(costs)]
        self._high = [0.0] * len(costs)
        self._low: dict[int, float] = {}
        self._owner: dict[int, int] = {}
        self.column = [~claim for claim in range(len(costs))]
        for claim in range(len(costs)):
            self._place(claim)

    def slack(
        self, claim: int, wanted: Callable[[int], bool], *, fixed: Iterable[int] = (), limit: float = inf
    ) -> float:
        """At least how much dearer every matching is that gives ``claim`` one of the ``wanted`` columns.

        Infinite where there is none below ``limit``. The ``fixed`` claims do not move to the column of ``claim``.
        It is a lower bound, exact as long as nobody else would gain by the column that ``claim`` leaves.
        """
        own = self.column[claim]
        edges = {column: cost for column, cost in self._edges[claim].items() if column != own and wanted(column)}
        found = self._search(claim, edges, freed=own, barred=frozenset(fixed), limit=limit)
        return found.cost if found else inf

    def _place(self, claim: int) -> None:
        found = self._search(claim, self._edges[claim])
        assert found is not None, "a claim can always stay alone"
        self._high[claim] += found.cost
        for column, cost in found.settled.items():
            self._low[column] = self._low.get(column, 0.0) + cost - found.cost
            self._high[self._owner[column]] += found.cost - cost
        free = found.column
        while True:
            taker = found.taker[free]
            left = self.column[taker]
            self.column[taker], self._owner[free] = free, taker
            if taker == claim:
                return
            free = left

    def _search(
        self,
        claim: int,
        edges: Mapping[int, float],
        *,
        freed: int | None = None,
        barred: frozenset[int] = frozenset(),
        limit: float = inf,
    ) -> "_Path | None":
        """The cheapest way for ``claim`` to a free column by moving others on (Dijkstra over reduced costs)."""
        best: dict[int, float] = {}
        path = _Path()
        heap: list[tuple[float, int]] = []
        at, base = claim, 0.0
        while True:
            high = self._high[at]
            for column, cost in edges.items():
                if column in path.settled or (column == freed and at in barred):
                    continue
                reached = base + cost - high - self._low.get(column, 0.0)
                if reached < best.get(column, inf):
                    best[column], path.taker[column] = reached, at
                    heapq.heappush(heap, (reached, column))
            reached, column = _next(heap, path.settled)
            if reached > limit or reached == inf:
                return None
            if column == freed or column not in self._owner:
                path.column, path.cost = column, reached
                return path
            path.settled[column] = reached
            at, base = self._owner[column], reached
            edges = self._edges[at]


class _Path:
    """How a search went: whom each reached column would go to, and the price of those passed through."""

    __slots__ = ("column", "cost", "settled", "taker")

    def __init__(self) -> None:
        self.taker: dict[int, int] = {}
        self.settled: dict[int, float] = {}
        self.column = 0
        self.cost = inf


def _next(heap: list[tuple[float, int]], settled: Mapping[int, float]) -> tuple[float, int]:
    while heap:
        cost, column = heapq.heappop(heap)
        if column not in settled:
            return cost, column
    return inf, 0
