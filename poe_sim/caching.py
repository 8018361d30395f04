"""Prompt caches: which part of a prompt a model has read before."""

from __future__ import annotations

from collections import defaultdict, deque

from poe_sim import tokens
from poe_sim.answer import Prompt
from poe_sim.catalogue import Card

_LEAST = 1024
"""Tokens below which nothing is cached."""
_STEP = 128
"""Automatic caches hold whole steps of so many tokens (7,424 of 7,661 in the one real row)."""
_KEPT = 16
"""Prompts that a model remembers."""


class PromptCaches:
    """What each model remembers of earlier prompts."""

    def __init__(self) -> None:
        self._seen: dict[str, deque[str]] = defaultdict(lambda: deque(maxlen=_KEPT))
        self._marked: set[tuple[str, str]] = set()

    def automatic(self, card: Card, prompt: Prompt) -> int:
        """Poe fact: GPT models cache by themselves on chat and responses. Tokens read from the cache."""
        if card.owner != "OpenAI" or not card.prices or "input_cache_read" not in card.prices:
            return 0
        seen = self._seen[card.id]
        known = max((_shared(prompt.text, earlier) for earlier in seen), default=0)
        seen.append(prompt.text)
        cached = known // tokens.CHARS_PER_TOKEN // _STEP * _STEP
        return cached if cached >= _LEAST else 0

    def marked(self, card: Card, prompt: Prompt) -> tuple[int, int]:
        """Poe fact: Claude caches what `cache_control` marks, on messages only. Tokens read and written.

        Written is what ends at a mark, and by Anthropic's documentation it is found from marks further on as well.
        """
        prefixes = [prefix for prefix in prompt.cache_prefixes if tokens.count(prefix) >= _LEAST]
        if not prefixes:
            return 0, 0
        known = [tokens.count(prefix) for prefix in prompt.cache_lookups if (card.id, prefix) in self._marked]
        self._marked.update((card.id, prefix) for prefix in prefixes)
        read = max(known, default=0)
        return read, tokens.count(prefixes[-1]) - read


def _shared(one: str, other: str) -> int:
    """Characters that two texts have in common at their start."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one.startswith(other[:middle]):
            low = middle
        else:
            high = middle - 1
    return low
