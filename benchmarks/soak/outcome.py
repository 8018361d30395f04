"""What happened in a soak, as it is gathered; and what it says about the proxy: verdicts, each with its reason."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from benchmarks.soak.books import Comparison
from benchmarks.soak.watch import Sample, slope
from benchmarks.soak.wishes import Wish

FLAT_MB = 10.0
"""The most that memory may rise in ten minutes once it is warm."""
MOST_UNEXPLAINED = 0.1
"""The share of rows that may be in doubt though their answers told all: at most 7.3 % were in runs of ten minutes, with
a third of all requests meeting a fault, and other people's rows among them."""
_MANY_ROWS = 500
"""Of fewer rows a share says nothing."""
_WARM = 0.4
"""The share of a soak after which caches and open rows have reached their size."""
_LONG_S = 240.0
"""Memory of a shorter soak says nothing: what is open for five minutes has not been closed yet."""
_MORE_TASKS = 2
"""The settling of what is still open, and the balance, may be under way at the end."""
_OF_OUR_OWN = 4
"""Calls of the proxy's own (history, balance, catalogue) that may be under way at once beside one for each client."""
_MOST_THREADS = 40


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do.

    ``warm_s`` is how long one client makes all warm; ``pause_s`` is the longest pause of a client, ``weather_s`` that
    between two events around it. ``settle_scale`` hurries the stand-in's history; ``patience_s`` is how long quiet is
    waited for at the end, ``settling_s`` how long points are: some rows stay in doubt. ``budget_s`` is the proxy's
    RETRY_BUDGET_S; ``hurried``: nothing that only its patience ends.
    """

    seed: int
    clients: int
    seconds: float
    warm_s: float = 3.0
    pause_s: float = 1.5
    weather_s: float = 3.0
    sample_s: float = 2.0
    patience_s: float = 60.0
    settling_s: float = 60.0
    settle_scale: float = 1.0
    budget_s: float = 5.0
    hurried: bool = False


@dataclass(slots=True)
class Outcome:
    """What happened."""

    plan: Plan
    kinds: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    faults: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    unexpected: list[str] = field(default_factory=list)
    weather: Counter[str] = field(default_factory=Counter)
    samples: list[Sample] = field(default_factory=list)
    before: Sample | None = None
    after: Sample | None = None
    in_flight: int = 0
    books: Comparison = field(default_factory=Comparison)
    answered: set[str] = field(default_factory=set)
    without_row: list[str] = field(default_factory=list)
    log: Counter[str] = field(default_factory=Counter)
    crashes: list[str] = field(default_factory=list)
    exit_code: int = 0

    @property
    def requests(self) -> int:
        return sum(words.total() for words in self.kinds.values())

    def note(self, asked: Wish, word: str) -> None:
        """Count how one request went."""
        self.kinds[asked.kind][word] += 1
        if asked.fault and asked.manner in ("sdk", "raw"):
            self.faults[asked.fault][word] += 1
        if word not in asked.expected:
            how = f"{asked.model}, {asked.matter}" + (f", fault {asked.fault}" if asked.fault else "")
            self.unexpected.append(f"{asked.tag}: {word} ({asked.kind}; {how})")
        if word != "left" and not word.startswith("broken off"):
            self.answered.add(asked.tag)

    @property
    def warm(self) -> list[Sample]:
        """The samples under load once all is warm."""
        return [sample for sample in self.samples if self.plan.seconds * _WARM <= sample.at <= self.plan.seconds]

    def rise_mb(self) -> tuple[float, float]:
        """By how much memory rises once it is warm: in ten minutes, and with a thousand requests."""
        in_time = slope([(sample.at, sample.memory_mb) for sample in self.warm]) * 600
        return in_time, slope([(sample.done, sample.memory_mb) for sample in self.warm]) * 1000


@dataclass(frozen=True, slots=True)
class Verdict:
    """One thing that must hold."""

    name: str
    holds: bool
    words: str


def verdicts(outcome: Outcome) -> list[Verdict]:
    """All that must hold after this soak."""
    return [*_of_answers(outcome), *_of_books(outcome), *_of_what_is_left(outcome)]


def _of_answers(outcome: Outcome) -> Iterator[Verdict]:
    wrong = len(outcome.unexpected)
    yield Verdict("outcomes", not wrong, f"{wrong} of {outcome.requests} requests ended as they may not")
    yield Verdict("log", not outcome.crashes, f"{len(outcome.crashes)} faults of the proxy's own in its log")
    yield Verdict("end", outcome.exit_code == 0, f"after SIGTERM it ended with {outcome.exit_code}")


def _of_books(outcome: Outcome) -> Iterator[Verdict]:
    books = outcome.books
    yield Verdict("points", not books.wrong, f"{books.wrong} of {books.settled + books.wrong} settled rows are wrong")
    yield Verdict("charges", not books.charges_without_row, f"{books.charges_without_row} charges have no row")
    missing = len(outcome.without_row)
    yield Verdict("rows", not missing, f"{missing} of {len(outcome.answered)} answered requests have no row")
    share = books.unexplained / max(1, books.rows)
    words = f"{books.unexplained} rows ({share:.1%}) with an answer, its tokens and a charge are not settled"
    if books.rows >= _MANY_ROWS:
        yield Verdict("settled", share <= MOST_UNEXPLAINED, f"{words}, {MOST_UNEXPLAINED:.0%} may be")
    yield Verdict("history", not books.used_twice, f"{books.used_twice} history rows settled more than one request")


def _of_what_is_left(outcome: Outcome) -> Iterator[Verdict]:
    before, after = outcome.before, outcome.after
    assert before is not None
    assert after is not None
    yield Verdict("clients", not after.to_clients, f"{after.to_clients} connections to clients are left")
    yield Verdict("calls", not outcome.in_flight, f"{outcome.in_flight} calls are left open at Poe")
    most = outcome.plan.clients + _OF_OUR_OWN  # more are never needed at once, so none of them is forgotten
    yield Verdict("poe", after.to_poe <= most, f"{after.to_poe} idle connections to Poe are left, {most} may be")
    yield Verdict("half", not after.half_closed, f"{after.half_closed} connections are left that the other side ended")
    most = before.tasks + _MORE_TASKS
    yield Verdict("tasks", after.tasks <= most, f"{after.tasks} tasks are left, at most {most} may be")
    peak = max(sample.threads for sample in outcome.samples)
    yield Verdict("threads", peak <= _MOST_THREADS, f"{peak} threads at most, of {_MOST_THREADS} that may be")
    if outcome.plan.seconds >= _LONG_S:
        rise, _ = outcome.rise_mb()
        yield Verdict("memory", rise <= FLAT_MB, f"it rises by {rise:.1f} MB in ten minutes, {FLAT_MB:g} may be")
