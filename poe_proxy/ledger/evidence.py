"""How well a claim and a row of Poe's history go together, as a cost: 0 is perfect, each 2 are e times less likely.

It judges one pair at a time, by time, tokens and key name, with what earlier pairs taught; it assigns nothing.
"""

from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from poe_proxy.canonical.history import HistoryRow

WINDOW_S = 2.0  # Poe fact: rows bear the time at which the call arrived, within about a second
PATIENCE_S = 30.0
"""The age of a claim at which evidence that speaks against a row no longer forbids it."""
_RUNNING_YET_FINAL = 17.0  # rows become final after the answer's end, so the row of a running answer is not
_WITHOUT_TOKENS = 15.0
_OTHER_TOKENS = 25.0
_OTHER_KEY = 20.0
_HINT = 10.0  # at most: Poe's estimate may leave reasoning out altogether, so it never outweighs time and proof
_ESTIMATED_PROMPT = 12.0  # at most: an estimate may leave tools and images out, so alone it is no certainty
_UNUSUAL_LAG_S = 0.1
_MAD_TO_SIGMA = 1.5
_FEWEST_PAIRS = 5


@dataclass(frozen=True, slots=True)
class Tokens:
    """What the answer said of its tokens; None where it was silent. ``cached`` is part of ``prompt``."""

    prompt: int
    completion: int | None = None
    cached: int | None = None
    reasoning: int = 0


@dataclass(frozen=True, slots=True)
class Claim:
    """One call that may own a row. Times are Unix seconds on Poe's clock, ``age`` seconds since the answer's end.

    ``latest`` is the last moment at which Poe can have received the call. ``exact``: the tokens are the provider's own
    and not an estimate of Poe's. ``sure``: an answer came, so there is a row. ``running``: its row cannot be final yet.
    ``failed``: Poe answered that it failed; whether it ever charges for that is not known.
    """

    request: str
    number: int
    model: str
    sent: float
    latest: float
    tokens: Tokens | None = None
    exact: bool = False
    sure: bool = True
    running: bool = False
    failed: bool = False
    age: float = 0.0


@dataclass(frozen=True, slots=True)
class Lag:
    """How long after the call was sent its row was created, in seconds: the middle, and how far it spreads."""

    middle: float = _UNUSUAL_LAG_S
    spread: float = 0.5


@dataclass(frozen=True, slots=True)
class Relation:
    """How Poe's estimate of tokens becomes the count in the row, and how far that spreads: in tokens, and as a share.

    The defaults are for a model of which nothing is known.
    """

    slope: float = 1.0
    shift: float = 0.0
    spread: float = 30.0
    share: float = 0.2

    def distance(self, told: int, counted: int) -> float:
        """How far off ``counted`` is, in spreads."""
        return (counted - self.slope * told - self.shift) / max(self.spread, self.share * counted)


_FIRST_GUESS = Relation(spread=3.0, share=0.15)
"""Good enough to pair most of many calls rightly, so that the real relation can be learnt from them."""

Pair = tuple[Claim, HistoryRow]


@dataclass(slots=True)
class Experience:
    """What settled pairs taught: lags, the relation between told and counted tokens, the name of our key."""

    lags: deque[float] = field(default_factory=lambda: deque(maxlen=50))
    pairs: dict[str, deque[Pair]] = field(default_factory=lambda: defaultdict(lambda: deque(maxlen=50)))
    keys: deque[str] = field(default_factory=lambda: deque(maxlen=20))

    def learn(self, pairs: Iterable[Pair]) -> None:
        """Take over pairs that are beyond doubt."""
        for claim, row in pairs:
            self.lags.append(row.created - claim.sent)
            if claim.tokens is not None and not claim.exact:
                self.pairs[claim.model].append((claim, row))
            if row.key_name is not None:
                self.keys.append(row.key_name)

    def key(self, names: Iterable[str]) -> str | None:
        """The name of our key, if these ``names`` (one of each claim that has rows of one name only) and earlier ones
        leave no doubt."""
        votes = Counter([*self.keys, *names]).most_common(2)
        if not votes or (len(votes) > 1 and votes[0][1] < 3 * votes[1][1]):
            return None
        return votes[0][0]


@dataclass(frozen=True, slots=True)
class Judge:
    """Judges the pairs of one model; ``without_tokens`` is what a row without a breakdown speaks against it."""

    lag: Lag = Lag()
    prompt: Relation = Relation()
    completion: Relation = Relation()
    key: str | None = None
    without_tokens: float = _WITHOUT_TOKENS

    def cost(self, claim: Claim, row: HistoryRow) -> float | None:
        """What it costs to believe that ``row`` is ``claim``'s; None where it cannot be, or not yet."""
        is_other_key = self.key is not None and row.key_name is not None and row.key_name != self.key
        if is_other_key and claim.age < PATIENCE_S:
            return None
        cost = _huber((row.created - claim.sent - self.lag.middle) / self.lag.spread) + _OTHER_KEY * is_other_key
        if row.points is None:
            return cost
        if claim.running:
            return cost + _RUNNING_YET_FINAL
        if claim.tokens is None:
            return cost
        tokens = self._tokens(claim, claim.tokens, row)
        return None if tokens is None else cost + tokens

    def _tokens(self, claim: Claim, told: Tokens, row: HistoryRow) -> float | None:
        if row.tokens_in is None:
            return self.without_tokens
        if claim.exact:
            if agrees(told, row):
                return 0.0
            return _OTHER_TOKENS if claim.age >= PATIENCE_S else None
        cost = min(_ESTIMATED_PROMPT, _huber(self.prompt.distance(told.prompt, row.tokens_in)))
        if told.completion and row.tokens_out is not None:  # Poe fact: an estimate of 0 says nothing
            cost += min(_HINT, _huber(self.completion.distance(told.completion, row.tokens_out)))
        return cost


def agrees(told: Tokens, row: HistoryRow) -> bool:
    """Whether the row counts just the tokens that the answer told. Providers differ in what they count twice."""
    prompts = {told.prompt, told.prompt - (told.cached or 0)}
    if row.tokens_in not in prompts:
        return False
    if told.cached is not None and row.tokens_cached is not None and told.cached != row.tokens_cached:
        return False
    if told.completion is None or row.tokens_out is None:
        return True
    return row.tokens_out in (told.completion, told.completion + told.reasoning)


def proves(claim: Claim, row: HistoryRow) -> bool:
    """Whether the tokens alone show that the row is this claim's, or of one that cost the same."""
    if not claim.exact or claim.running or claim.tokens is None or claim.tokens.completion is None:
        return False
    return row.points is not None and agrees(claim.tokens, row)


def guesser(experience: Experience, key: str | None) -> Judge:
    """A judge who pairs as well as it goes before anything is learnt; what he pairs is not settled by that."""
    return Judge(_lag(list(experience.lags)), _FIRST_GUESS, _FIRST_GUESS, key)


@dataclass(frozen=True, slots=True)
class Lesson:
    """What pairs that are likely teach of estimated tokens: by model, and ``of_all`` for models with too few."""

    prompts: Mapping[str, Relation]
    completions: Mapping[str, Relation]
    of_all: tuple[Relation, Relation]
    lag: Lag


def lesson(likely: Iterable[Pair], experience: Experience) -> Lesson:
    """Learn from ``likely`` pairs and from experience."""
    told: dict[str, list[Pair]] = defaultdict(list)
    lags = list(experience.lags)
    for claim, row in [*(pair for pairs in experience.pairs.values() for pair in pairs), *likely]:
        if not claim.exact:
            told[claim.model].append((claim, row))
        elif proves(claim, row):
            lags.append(row.created - claim.sent)
    everything = [pair for pairs in told.values() for pair in pairs]
    return Lesson(
        {model: relation(_prompts(pairs)) for model, pairs in told.items() if len(pairs) >= _FEWEST_PAIRS},
        {model: relation(_completions(pairs)) for model, pairs in told.items() if len(pairs) >= _FEWEST_PAIRS},
        (relation(_prompts(everything)), relation(_completions(everything))),
        _lag(lags),
    )


def judge(model: str, learnt: Lesson, key: str | None) -> Judge:
    """A judge of this model's pairs who has learnt that lesson."""
    prompt, completion = learnt.of_all
    return Judge(learnt.lag, learnt.prompts.get(model, prompt), learnt.completions.get(model, completion), key)


def _prompts(pairs: Iterable[Pair]) -> list[tuple[int, int]]:
    return [(claim.tokens.prompt, row.tokens_in) for claim, row in pairs if claim.tokens and row.tokens_in is not None]


def _completions(pairs: Iterable[Pair]) -> list[tuple[int, int]]:
    return [
        (claim.tokens.completion, row.tokens_out)
        for claim, row in pairs
        if claim.tokens and claim.tokens.completion and row.tokens_out is not None
    ]


def _lag(lags: Sequence[float]) -> Lag:
    if len(lags) < 5:
        return Lag()
    middle = median(lags)
    spread = _MAD_TO_SIGMA * median(abs(lag - middle) for lag in lags)
    return Lag(middle, min(max(spread, 0.2), 1.0))


def relation(pairs: Sequence[tuple[int, int]]) -> Relation:
    """The straight line through most of ``pairs`` (told, counted); the fewer there are, the wider it spreads.

    Some pairs may be wrong. Nearly all must be near the line, lest some that are so by chance be taken for a rule.
    """
    if len(pairs) < _FEWEST_PAIRS:
        return Relation()
    pairs = sorted(pairs)
    half = len(pairs) // 2
    steps = [(low, high) for low, high in zip(pairs, pairs[half:], strict=False) if high[0] - low[0] > 10]
    slope = median((high[1] - low[1]) / (high[0] - low[0]) for low, high in steps) if steps else 1.0
    shift = median(counted - slope * told for told, counted in pairs)
    off = [(abs(counted - slope * told - shift), counted) for told, counted in pairs]
    nearly_all = int(len(off) * 0.8)
    spread = sorted(away for away, _ in off)[nearly_all]
    share = sorted(away / max(counted, 1) for away, counted in off)[nearly_all]
    doubt = 1 + 4 / len(pairs)
    return Relation(slope, shift, max(0.3, spread) * doubt, share * doubt)


def _huber(spreads: float) -> float:
    """Squares near by, straight further out: one odd value must not outweigh everything else."""
    away = abs(spreads)
    return away * away if away < 2 else 4 * away - 4
