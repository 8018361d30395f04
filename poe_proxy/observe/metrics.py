"""The metrics, in Prometheus' terms, counted from Reports.

With several workers each writes its own into a folder, and whoever is asked for the page adds them up.
"""

import os
from collections.abc import Callable
from functools import lru_cache
from typing import TypeVar

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
        self._registry = CollectorRegistry()
        self._requests = _remembered(
            Counter(
                "poe_proxy_requests_total",
                "Requests by route, model, status and outcome",
                ["route", "model", "status", "outcome"],
                registry=self._registry,
            )
        )
        self._tokens = _remembered(
            Counter("poe_proxy_tokens_total", "Tokens as Poe reports them", ["model", "kind"], registry=self._registry)
        )
        self._points = _remembered(
            Counter(
                "poe_proxy_points_total",
                "Points as callers were told them, estimated or settled",
                ["model", "source"],
                registry=self._registry,
            )
        )
        self._attempts = _remembered(
            Counter(
                "poe_proxy_attempts_total", "Calls made to Poe for model requests", ["model"], registry=self._registry
            )
        )
        self._duration = _remembered(
            Histogram(
                "poe_proxy_request_seconds",
                "From request to end of answer",
                ["route"],
                buckets=_SECONDS,
                registry=self._registry,
            )
        )
        self._first_event = _remembered(
            Histogram(
                "poe_proxy_first_event_seconds",
                "From request to first content",
                ["route"],
                buckets=_SECONDS,
                registry=self._registry,
            )
        )
        self.running = Gauge(
            "poe_proxy_requests_running",
            "Requests being answered",
            registry=self._registry,
            multiprocess_mode="livesum",
        )
        self.tasks = Gauge(
            "poe_proxy_tasks",
            "Tasks of the event loop when this page was last asked of that worker",
            registry=self._registry,
            multiprocess_mode="liveall",
        )

        self._rows_waiting = Gauge(
            "poe_proxy_ledger_rows_waiting",
            "Rows kept in memory until the ledger's database can be written",
            registry=self._registry,
            multiprocess_mode="livesum",
        )
        self._rows_lost = Counter(
            "poe_proxy_ledger_rows_lost_total",
            "Rows that could not be written to the ledger's database",
            registry=self._registry,
        )

    def rows(self, waiting: int, lost: int) -> None:
        """So many rows wait to be written now, and so many more will never be."""
        self._rows_waiting.set(waiting)
        if lost:
            self._rows_lost.inc(lost)

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


def _remembered(metric: Metric) -> Callable[..., Metric]:
    """The metric's series by labels: finding one again takes prometheus_client as long as counting three times."""
    return lru_cache(maxsize=_MOST_SERIES)(metric.labels)


def forget_worker(pid: int | None) -> None:
    """Take a dead worker out of what is running now; what it has counted stays counted."""
    mark_process_dead(pid)  # type: ignore[no-untyped-call]
