"""Which row of Poe's history belongs to which call. Pure; it says nothing as long as a doubt would change the points.

Calls and rows of one model are matched at the least cost (see ``evidence``). A call's points are certain when every
other matching that would give it other points is clearly worse. Rows with the same points are as good as each other.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from poe_proxy.canonical.history import HistoryRow
from poe_proxy.ledger.evidence import WINDOW_S, Claim, Experience, Judge, Pair, guesser, judge, lesson, proves
from poe_proxy.ledger.matching import Matching

MARGIN = 14.0
"""How much worse the next best must be: 400 times less likely."""
ABSENT_S = 3.0
"""Rows appear at once: a call that was not answered and has none after this time was not charged."""
_ROUNDS = 2
_SURE_ALONE = 40.0
_RUNNING_ALONE = 17.0
_UNANSWERED_ALONE = 3.0
_UNEXPLAINED = 17.0  # a row of our own key that no call of ours explains
_UNPROVEN = 10.0  # a row that is not final, beside one with just the tokens that the answer told
_UNEXPLAINED_UNNAMED = 10.0  # others who call the same model within a second are rare, yet no proof: below MARGIN


@dataclass(frozen=True, slots=True)
class Verdict:
    """One request's points, settled: the sum over its calls. ``pairs`` are the calls with a row."""

    request: str
    points: int
    pairs: tuple[Pair, ...]


def settle(claims: Iterable[Claim], rows: Iterable[HistoryRow], experience: Experience) -> list[Verdict]:
    """Verdicts on the requests that are beyond doubt. ``rows`` must reach back to the oldest claim, without rows that
    other requests were settled with; ``claims`` must hold the running calls too, since they own rows as well.
    """
    claims_of = _by_model(claims)
    rows_of: dict[str, list[HistoryRow]] = defaultdict(list)
    for row in rows:
        if row.usage_type.casefold() != "chat":
            rows_of[row.model.casefold()].append(row)
    tables = [_Table(model, own, rows_of.get(model, [])) for model, own in claims_of.items()]
    key = experience.key(name for table in tables for name in table.only_names())
    for table in tables:
        table.match(guesser(experience, key))
    for _ in range(_ROUNDS):
        learnt = lesson([pair for table in tables for pair in table.likely()], experience)
        for table in tables:
            table.match(judge(table.model, learnt, key))
    return _verdicts(decided for table in tables for decided in table.decided())


def _by_model(claims: Iterable[Claim]) -> dict[str, list[Claim]]:
    found: dict[str, list[Claim]] = defaultdict(list)
    for claim in claims:
        found[claim.model.casefold()].append(claim)
    return found


@dataclass(frozen=True, slots=True)
class _Decided:
    """What came out for one claim: ``certain`` with a row, ``certain`` without (it was not charged), or not certain."""

    claim: Claim
    row: HistoryRow | None
    certain: bool


def _verdicts(decided: Iterable[_Decided]) -> list[Verdict]:
    of_request: dict[str, list[_Decided]] = defaultdict(list)
    for one in decided:
        of_request[one.claim.request].append(one)
    verdicts = []
    for request, parts in of_request.items():
        if all(part.certain for part in parts):
            pairs = tuple((part.claim, part.row) for part in parts if part.row is not None)
            verdicts.append(Verdict(request, sum(row.points or 0 for _, row in pairs), pairs))
    return verdicts


class _Table:
    """The claims and rows of one model."""

    def __init__(self, model: str, claims: list[Claim], rows: list[HistoryRow]) -> None:
        self.model = model
        self._judge: Judge | None = None
        self._matching = Matching((), ())
        self._claims = claims
        self._rows = sorted(rows, key=lambda row: row.created)
        self._of_request: dict[str, set[int]] = defaultdict(set)
        for number, claim in enumerate(claims):
            self._of_request[claim.request].add(number)
        self._tells_tokens = any(row.tokens_in is not None for row in rows)
        times = [row.created for row in self._rows]
        self._near = [
            range(bisect_left(times, claim.sent - WINDOW_S), bisect_right(times, claim.latest + WINDOW_S))
            for claim in claims
        ]

    def only_names(self) -> list[str]:
        """The key names of those rows beside which a claim has no other."""
        found: list[str] = []
        for claim, near in zip(self._claims, self._near, strict=True):
            names = {name for place in near if (name := self._rows[place].key_name) is not None}
            if claim.sure and not claim.running and len(names) == 1:
                found.extend(names)
        return found

    def match(self, judge: Judge) -> None:
        """Match all claims with rows, as ``judge`` sees them."""
        if not self._tells_tokens:
            judge = replace(judge, without_tokens=0.0)
        if judge == self._judge:  # nothing was learnt since
            return
        self._judge = judge
        costs = [self._costs(claim, near, judge) for claim, near in zip(self._claims, self._near, strict=True)]
        self._matching = Matching(costs, [_alone(claim) + _UNEXPLAINED for claim in self._claims], MARGIN)

    def likely(self) -> list[Pair]:
        """The pairs of the last match that say something."""
        return [
            (claim, self._rows[column])
            for claim, column in zip(self._claims, self._matching.column, strict=True)
            if column >= 0 and not claim.running and self._rows[column].points is not None
        ]

    def decided(self) -> list[_Decided]:
        """What the last match makes certain."""
        return [self._decided(number) for number in range(len(self._claims))]

    def _costs(self, claim: Claim, near: range, judge: Judge) -> dict[int, float]:
        costs, proofs = {}, set()
        for place in near:
            row = self._rows[place]
            cost = judge.cost(claim, row)
            if cost is not None:
                costs[place] = cost + _UNEXPLAINED - _unexplained(row, judge.key)
                if proves(claim, row):
                    proofs.add(place)
        return self._beside(proofs, costs) if proofs else costs

    def _beside(self, proofs: set[int], costs: dict[int, float]) -> dict[int, float]:
        """What is left where tokens prove rows: a lost call of the same prompt may own these, and a row that is not
        final be the claim's own."""
        kept = {place: costs[place] for place in proofs}
        open_rows = {place: cost + _UNPROVEN for place, cost in costs.items() if self._rows[place].points is None}
        return kept | open_rows

    def _decided(self, number: int) -> _Decided:
        claim, column = self._claims[number], self._matching.column[number]
        row = self._rows[column] if column >= 0 else None
        if claim.running or (row is None and not _is_free(claim)) or (row is not None and row.points is None):
            return _Decided(claim, None, certain=False)
        if row is not None and claim.failed:  # more likely another's, whose call we do not know of: it stays in doubt
            return _Decided(claim, None, certain=False)
        points = self._points(column, claim)
        is_proven = row is not None and proves(claim, row)
        slack = self._matching.slack(
            number,
            lambda other: self._points(other, claim) != points and not (is_proven and self._is_open(other)),
            fixed=self._of_request[claim.request] - {number},
        )
        return _Decided(claim, row, certain=slack >= MARGIN)

    def _is_open(self, column: int) -> bool:
        """Whether a row is not final yet, which leaves no doubt in what the tokens of another prove."""
        return column >= 0 and self._rows[column].points is None

    def _points(self, column: int, claim: Claim) -> int | None:
        if column >= 0:
            return self._rows[column].points
        return None if claim.sure else 0


def _unexplained(row: HistoryRow, key: str | None) -> float:
    """What it costs to leave a row unexplained: much if it is of our key, nothing if it is of another."""
    if key is None or row.key_name is None:
        return _UNEXPLAINED_UNNAMED
    return _UNEXPLAINED if row.key_name == key else 0.0


def _alone(claim: Claim) -> float:
    if claim.running:
        return _RUNNING_ALONE
    return _SURE_ALONE if claim.sure else _UNANSWERED_ALONE


def _is_free(claim: Claim) -> bool:
    """Whether the absence of a row means that there was no charge."""
    return not claim.sure and not claim.running and claim.age >= ABSENT_S


def oldest(claims: Sequence[Claim]) -> float:
    """How far back, in Unix seconds on Poe's clock, the rows must reach for ``claims``."""
    return min(claim.sent for claim in claims) - WINDOW_S
