"""The metrics, in Prometheus' terms, counted from Reports.

With several workers each writes its own into a folder, and whoever is asked for the page adds them up.
"""

import os
from collections.abc import Callable
from functools import lru_cache
from typing import Literal, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from poe_proxy.canonical.report import Report

CONTENT_TYPE = CONTENT_TYPE_LATEST
Metric = TypeVar("Metric", Counter, Histogram)
FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The variable that names the folder. prometheus_client reads it when it is imported, so it must be set before."""
_MOST_SERIES = 1024
_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)


class Metrics:
    """Counters of one app. Model names are Poe's, or ``unknown``, so that callers cannot make up labels."""

    def __init__(self) -> None:
        self._registry = here = CollectorRegistry()
        self._requests = _counter(here, "requests", "Requests", "route", "model", "status", "outcome")
        self._tokens = _counter(here, "tokens", "Tokens as Poe reports them", "model", "kind")
        self._points = _counter(here, "points", "Points as callers were told them", "model", "source")
        self._attempts = _counter(here, "attempts", "Calls made to Poe for model requests", "model")
        self._duration = _seconds(here, "request", "From request to end of answer")
        self._first_event = _seconds(here, "first_event", "From request to first content")
        self.running = _gauge(here, "requests_running", "Requests being answered", "livesum")
        self.tasks = _gauge(here, "tasks", "Tasks of the event loop when that worker was last asked", "liveall")
        waiting = "Rows kept in memory until the ledger's database can be written"
        self._rows_waiting = _gauge(here, "ledger_rows_waiting", waiting, "livesum")
        self._rows_lost = _counter(here, "ledger_rows_lost", "Rows that could not be written to the ledger's database")

    def rows(self, waiting: int, lost: int) -> None:
        """So many rows wait to be written now, and so many more will never be."""
        self._rows_waiting.set(waiting)
        if lost:
            self._rows_lost().inc(lost)

    def count(self, report: Report) -> None:
        """Count one finished request."""
        model = report.poe_model.lower() if report.in_catalogue else "unknown" if report.model else ""
        self._requests(report.route, model, str(report.status), report.outcome).inc()
        self._duration(report.route).observe(report.ended - report.started)
        if report.first_event_s is not None:
            self._first_event(report.route).observe(report.first_event_s)
        if report.attempts:
            self._attempts(model).inc(report.attempts)
        if report.usage is not None:
            self._count_tokens(model, report)
        if report.cost is not None and report.cost.points:
            self._points(model, report.cost.source).inc(report.cost.points)

    def _count_tokens(self, model: str, report: Report) -> None:
        assert report.usage is not None
        for kind in ("prompt", "completion", "cached", "reasoning"):
            if amount := getattr(report.usage, kind):
                self._tokens(model, kind).inc(amount)

    def page(self) -> bytes:
        """The page for ``GET /metrics``."""
        folder = os.environ.get(FOLDER)
        return generate_latest(self._of_all(folder) if folder else self._registry)

    def _of_all(self, folder: str) -> CollectorRegistry:
        everybodys = CollectorRegistry()
        MultiProcessCollector(everybodys, folder)  # type: ignore[no-untyped-call]
        return everybodys


def _counter(registry: CollectorRegistry, name: str, words: str, *labels: str) -> Callable[..., Counter]:
    return _remembered(Counter(f"poe_proxy_{name}_total", words, labels, registry=registry), labels)


def _seconds(registry: CollectorRegistry, name: str, words: str) -> Callable[..., Histogram]:
    made = Histogram(f"poe_proxy_{name}_seconds", words, ["route"], buckets=_SECONDS, registry=registry)
    return _remembered(made, ("route",))


def _gauge(registry: CollectorRegistry, name: str, words: str, together: Literal["livesum", "liveall"]) -> Gauge:
    """``together``: what is told of several workers."""
    return Gauge(f"poe_proxy_{name}", words, registry=registry, multiprocess_mode=together)


def _remembered(metric: Metric, labels: tuple[str, ...]) -> Callable[..., Metric]:
    """The metric's series by labels: finding one again takes prometheus_client as long as counting three times."""
    return lru_cache(maxsize=_MOST_SERIES)(metric.labels) if labels else lambda: metric


def forget_worker(pid: int | None) -> None:
    """Take a dead worker out of what is running now; what it has counted stays counted."""
    mark_process_dead(pid)  # type: ignore[no-untyped-call]
