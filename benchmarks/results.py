"""What a run of ``bench.py`` found, and what is made of it: medians over rounds, ratios within each round."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from operator import sub, truediv
from statistics import median

from benchmarks.wrk import Figures

Rounds = dict[str, dict[str, list[float]]]
"""By what was asked and by server: a figure for each round."""


def _rounds() -> Rounds:
    return defaultdict(lambda: defaultdict(list))


def _lists() -> dict[str, list[float]]:
    return defaultdict(list)


@dataclass(slots=True)
class Results:
    """Figures by server; the processor's time for an answer is in microseconds."""

    per_second: Rounds = field(default_factory=_rounds)
    processor_us: Rounds = field(default_factory=_rounds)
    latency_ms: Rounds = field(default_factory=_rounds)
    start_s: dict[str, list[float]] = field(default_factory=_lists)
    memory_mb: dict[str, list[float]] = field(default_factory=_lists)
    failed: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    installed_mb: dict[str, float] = field(default_factory=dict)
    tokenizer: dict[str, float | bool] = field(default_factory=dict)
    """Of the proxy: whether the tokenizer was there after the rounds, and memory with it after a further load."""

    def busy(self, mode: str, server: str, figures: Figures) -> None:
        """Take a run of many clients."""
        self.per_second[mode][server].append(figures.per_second)
        self.processor_us[mode][server].append(figures.processor_us)
        self.failed[server] += figures.failed

    def quiet(self, mode: str, server: str, figures: Figures) -> None:
        """Take a run of one client."""
        self.latency_ms[mode][server].append(figures.median_ms)
        self.failed[server] += figures.failed

    def plain(self) -> dict[str, object]:
        """All figures of all rounds, for a file."""
        return {found.name: getattr(self, found.name) for found in fields(self)}

    def added_ms(self) -> Rounds:
        """Latency beyond the direct one of the same round."""
        return {
            mode: {server: _each(sub, found, servers["direct"]) for server, found in servers.items()}
            for mode, servers in self.latency_ms.items()
        }


def ratio(rounds: dict[str, list[float]], one: str, other: str) -> float | None:
    """The median ratio of two servers, each taken within its round; None where either was not measured."""
    if not (rounds.get(one) and rounds.get(other)):
        return None
    return median(_each(truediv, rounds[one], [figure or float("nan") for figure in rounds[other]]))


def _each(calculate: Callable[[float, float], float], ones: list[float], others: list[float]) -> list[float]:
    return [calculate(one, other) for one, other in zip(ones, others, strict=True)]
