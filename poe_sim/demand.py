"""Who asked for which script or fault: headers, the prompt, or the queue that tests fill."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from poe_sim import directives
from poe_sim.directives import Directive

_ONLY_BY_NAME = frozenset({"/v1/models", "/usage/current_balance", "/usage/points_history"})
"""Paths that clients ask in the background: a wish for \"the next request\" must not be eaten by them."""


@dataclass(slots=True)
class Rule:
    """A queued wish for the next `times` requests that fit."""

    fault: str | None = None
    script: str | None = None
    times: int = 1
    model: str | None = None
    """Model id, in any casing; None is any."""
    path: str | None = None
    """None is any model call; the account's paths must be named."""

    def fits(self, model: str | None, path: str) -> bool:
        named = self.model is None or self.model.lower() == (model or "").lower()
        placed = self.path == path or (self.path is None and path not in _ONLY_BY_NAME)
        return self.times > 0 and named and placed


class Demands:
    """The queue, and how often each limited directive has fired."""

    def __init__(self) -> None:
        self.queue: list[Rule] = []
        self._fired: Counter[str] = Counter()

    def add(self, wish: Mapping[str, Any]) -> Rule:
        """Queue a wish; raises TypeError for unknown fields."""
        rule = Rule(**wish)
        self.queue.append(rule)
        return rule

    def waiting(self) -> list[dict[str, Any]]:
        return [asdict(rule) for rule in self.queue]

    def take(
        self, model: str | None, path: str, headers: Mapping[str, str], last_user: str
    ) -> tuple[Directive | None, tuple[Directive, ...]]:
        """The script and the faults of one request: header first, then the queue, then the prompt."""
        rule = self._next(model, path)
        scripts = [parse_one(headers.get("x-sim-script")), parse_one(rule.script), directives.script_in(last_user)]
        faults = [
            *directives.parse_all(headers.get("x-sim-fault", "")),
            *directives.parse_all(rule.fault or ""),
            *directives.faults_in(last_user),
        ]
        script = next(filter(None, scripts), None)
        return script, tuple(fault for fault in faults if self._due(fault, last_user))

    def _next(self, model: str | None, path: str) -> Rule:
        rule = next((rule for rule in self.queue if rule.fits(model, path)), None)
        if rule is None:
            return Rule()
        rule.times -= 1
        self.queue = [kept for kept in self.queue if kept.times > 0]
        return rule

    def _due(self, fault: Directive, last_user: str) -> bool:
        """`times=N` lets a fault fire for the first N requests with the same words only."""
        if "times" not in fault.args:
            return True
        sign = repr((fault, last_user))
        self._fired[sign] += 1
        return self._fired[sign] <= fault.count("times", 1)


def parse_one(text: str | None) -> Directive | None:
    """A directive from a header or a queued wish, if there is one."""
    return directives.parse(text) if text else None
