"""In which dialect Poe is asked for a model. It asks nobody: a 404 of Poe's is told to it."""

from collections.abc import Callable
from math import inf

from poe_proxy.canonical.card import ModelCard, Way

_MESSAGES = "/v1/messages"


class Memory:
    """Models for which Poe answered 404 on ``/v1/messages``, each for ``ttl_s`` seconds of ``clock``."""

    def __init__(self, clock: Callable[[], float], *, ttl_s: float = 3600, models: int = 1000) -> None:
        self._clock = clock
        self._ttl_s = ttl_s
        self._models = models
        self._until: dict[str, float] = {}

    def learn(self, model: str) -> None:
        """Remember that Poe's Messages has no ``model``; the one learned of longest ago makes room."""
        self._until.pop(model.lower(), None)
        self._until[model.lower()] = self._clock() + self._ttl_s
        while len(self._until) > self._models:
            del self._until[next(iter(self._until))]

    def recall(self, model: str) -> bool:
        """Whether Poe's Messages is still known not to have ``model``."""
        return self._until.get(model.lower(), -inf) > self._clock()


def way(card: ModelCard, memory: Memory) -> Way:
    """The operator's word, else the catalogue's unless Poe contradicted it; a mere name (claude-…) says nothing."""
    if card.via is not None:
        return card.via
    return "messages" if _MESSAGES in card.endpoints and not memory.recall(card.poe_name) else "chat"
