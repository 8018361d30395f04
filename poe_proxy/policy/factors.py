"""How many tokens a model makes of one ``o200k_base`` token: a table for Claude, corrected by what Poe reports.

It knows names and figures. What was counted and when a report can be believed is told to it.
"""

import re

from poe_proxy.canonical.usage import Usage

_VERSION = re.compile(r"(?<!\d)(\d{1,2})(?:[.-](\d{1,2}))?(?!\d)")
_CLAUDE, _CLAUDE_SINCE_4_7 = 1.18, 1.53
_NEW_TOKENIZER = (4, 7)
_WEIGHT = 0.3  # of the newest report
_TOO_LOW, _TOO_HIGH = 1.02, 0.95  # a factor in force stays until then, since each change may move what is clipped
_BOUNDS = (0.5, 2.0)  # of what the table says
_LEAST_COUNTED = 1000  # below, what Poe adds of its own weighs too much
_MODELS = 1000


def factor_of(model: str) -> float:
    """What the table says for Poe's name of a model: ``claude-opus-4.7`` as well as ``Claude-Opus-4-7``."""
    name = model.lower()
    if "claude" not in name:
        return 1.0
    version = _VERSION.search(name)
    numbers = (int(version.group(1)), int(version.group(2) or 0)) if version else (0, 0)
    return _CLAUDE_SINCE_4_7 if numbers >= _NEW_TOKENIZER else _CLAUDE


class Factors:
    """Factors by model, whatever the case of its name. The models learned of longest ago make room for new ones."""

    def __init__(self) -> None:
        self._learned: dict[str, float] = {}
        self._in_force: dict[str, float] = {}

    def of(self, model: str) -> float:
        """The factor in force for ``model``."""
        return self._in_force.get(model.lower()) or factor_of(model)

    def learn(self, model: str, counted: int, usage: Usage) -> None:
        """Take in that Poe reports ``usage`` for what was ``counted`` tokens of ``o200k_base``."""
        name = model.lower()
        prompt = usage.prompt if usage.prompt >= usage.cached else usage.prompt + usage.cached
        if counted < _LEAST_COUNTED or prompt <= 0:
            return
        table = factor_of(name)
        seen = min(max(prompt / counted, table * _BOUNDS[0]), table * _BOUNDS[1])
        before = self._learned.pop(name, table)
        self._learned[name] = before + _WEIGHT * (seen - before)
        self._take_over(name)

    def _take_over(self, name: str) -> None:
        learned = self._learned[name]
        if not _TOO_HIGH <= learned / self.of(name) <= _TOO_LOW:
            self._in_force[name] = learned
        while len(self._learned) > _MODELS:
            oldest = next(iter(self._learned))
            del self._learned[oldest]
            self._in_force.pop(oldest, None)
