"""Matching claims to columns at the least cost, and what the next best would cost. It does not know what either is.

Claims are numbered from 0; columns are any numbers from 0. Each claim may also stay alone, in the column ``~claim``.

As Jonker and Volgenant do it, on sparse costs. Columns bear prices, 0 at first: claims outbid each other for most of
them, and the shortest augmenting paths place the rest. It is the cheapest since, at these prices, nobody would rather
have another column, and what is free costs nothing. Where many call at once, a claim has hundreds of edges: they are
sorted, so that whoever looks through them can end with the first that is too dear.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from heapq import heappop, heappush
from math import inf

_BIDS = 3
"""How often each claim may bid on average. More place few more: prices then climb in small steps."""

_Edge = tuple[float, int]
"""What a column costs, and which it is."""


class Matching:
    """The cheapest matching: ``column[claim]`` is the claim's column, no column is taken twice."""

    def __init__(self, costs: Sequence[Mapping[int, float]], alone: Sequence[float], margin: float = inf) -> None:
        """``costs[claim][column]`` where the two fit; ``alone[claim]`` is what staying alone costs. None negative.

        A slack of ``margin`` or more is not told apart from an infinite one.
        """
        self._margin = margin
        self._edges = [
            sorted((cost, column) for column, cost in [*fitting.items(), (~claim, alone[claim])])
            for claim, fitting in enumerate(costs)
        ]
        self._pays = [0.0] * len(costs)  # each claim, for its column and the price of it
        self._price: dict[int, float] = {}
        self._owner: dict[int, int] = {}
        self.column = [~claim for claim in range(len(costs))]
        for claim in self._bid():
            self._place(claim)

    def slack(self, claim: int, wanted: Callable[[int], bool], *, fixed: Iterable[int] = ()) -> float:
        """At least how much dearer every matching is that gives ``claim`` one of the ``wanted`` columns.

        Infinite where there is none within the margin. The ``fixed`` claims do not move to the column of ``claim``.
        It is a lower bound, exact as long as nobody else would gain by the column that ``claim`` leaves.
        """
        own, fixed = self.column[claim], frozenset(fixed)
        heap = [edge for edge in self._dearer[claim] if wanted(edge[1])]  # sorted, so a heap
        settled: set[int] = set()
        while heap:
            reached, column = heappop(heap)
            if column == own or column not in self._owner:
                return reached
            if column in settled:
                continue
            settled.add(column)
            at = self._owner[column]
            for cost, further in self._dearer[at]:
                if reached + cost >= self._margin:
                    break
                if further not in settled and not (further == own and at in fixed):
                    heappush(heap, (reached + cost, further))
        return inf

    @cached_property
    def _dearer(self) -> list[list[_Edge]]:
        """How much dearer each claim's other columns are at their prices, if that is below the margin."""
        self._lower_prices()
        return [
            sorted(
                (dearer, column)
                for cost, column in edges
                if column != own and (dearer := cost + self._price.get(column, 0.0) - pays) < self._margin
            )
            for edges, own, pays in zip(self._edges, self.column, self._pays, strict=True)
        ]

    def _bid(self) -> list[int]:
        """Let claims outbid each other; those that end without a column."""
        waiting, left = deque(range(len(self.column))), []
        for _ in range(_BIDS * len(self.column)):
            if not waiting:
                break
            claim = waiting.popleft()
            pays, most, column = self._offer(claim)
            rival = self._owner.get(column)
            if rival is not None and pays == most:  # neither would gain by another bid
                left.append(claim)
                continue
            self._price[column] = self._price.get(column, 0.0) + most - pays
            self._pays[claim], self.column[claim], self._owner[column] = most, column, claim
            if rival is not None:
                waiting.append(rival)
        return [*left, *waiting]

    def _offer(self, claim: int) -> tuple[float, float, int]:
        """What the best column costs with its price, what the claim would pay before it took another, and the column.

        A claim that has but one column pays no more than it must.
        """
        least = most = inf
        best = ~claim
        for cost, column in self._edges[claim]:
            if cost >= most:
                break
            asked = cost + self._price.get(column, 0.0)
            if asked < least:
                least, most, best = asked, least, column
            elif asked < most:
                most = asked
        return least, most if most < inf else least, best

    def _place(self, claim: int) -> None:
        found = self._search(claim)
        self._pays[claim] += found.cost
        for column, cost in found.settled.items():
            self._price[column] = self._price.get(column, 0.0) + found.cost - cost
            self._pays[self._owner[column]] += found.cost - cost
        free = found.column
        while True:
            taker = found.taker[free]
            left = self.column[taker]
            self.column[taker], self._owner[free] = free, taker
            if taker == claim:
                return
            free = left

    def _search(self, claim: int) -> "_Path":
        """The cheapest way for ``claim`` to a free column by moving others on (Dijkstra).

        What is no cheaper than the best way so far need not be seen, and so nor need the claim's further edges, as no
        price is below 0.
        """
        best: dict[int, float] = {}
        path = _Path()
        heap: list[_Edge] = []
        at, base = claim, 0.0
        while base < path.cost:
            ground = base - self._pays[at]
            for cost, column in self._edges[at]:
                if ground + cost >= path.cost:
                    break
                reached = ground + cost + self._price.get(column, 0.0)
                if reached < path.cost and reached < best.get(column, inf) and column not in path.settled:
                    best[column], path.taker[column] = reached, at
                    if column in self._owner:
                        heappush(heap, (reached, column))
                    else:
                        path.column, path.cost = column, reached
            base, column = _next(heap, path.settled)
            if base < path.cost:
                path.settled[column] = base
                at = self._owner[column]
        return path

    def _lower_prices(self) -> None:
        """To the least that keep everybody where they are: a price that was bid too high would hide some slack.

        A price can fall by what it is, or by as much as that of a column whose owner would come, and what it would lose
        by that (Dijkstra, from all columns).
        """
        spare = {column: self._price.get(column, 0.0) for column in self._owner}
        heap = sorted((price, column) for column, price in spare.items())
        falls: dict[int, float] = {}
        while len(falls) < len(spare):
            base, column = _next(heap, falls)
            falls[column] = base
            ground = base - self._pays[self._owner[column]]
            for cost, other in self._edges[self._owner[column]]:
                reached = ground + cost + self._price.get(other, 0.0)
                if other not in falls and reached < spare.get(other, -inf):
                    spare[other] = reached
                    heappush(heap, (reached, other))
        for column, fall in falls.items():
            self._price[column] = self._price.get(column, 0.0) - fall
            self._pays[self._owner[column]] -= fall


class _Path:
    """How a search went: whom each reached column would go to, the price of those passed through, and of the end."""

    __slots__ = ("column", "cost", "settled", "taker")

    def __init__(self) -> None:
        self.taker: dict[int, int] = {}
        self.settled: dict[int, float] = {}
        self.column = 0
        self.cost = inf


def _next(heap: list[_Edge], settled: Mapping[int, float]) -> _Edge:
    while heap:
        cost, column = heappop(heap)
        if column not in settled:
            return cost, column
    return inf, 0
