"""The points left between two answers of Poe's: what it said last, less what is known to have been spent since.

It asks nobody. All times are seconds of one monotonic clock.
"""

from dataclasses import dataclass

STALE_S = 900.0
"""So long after Poe's last answer the balance counts as unknown: points may have been bought, or used elsewhere."""


@dataclass(slots=True)
class Balance:
    """Costs are told in two heaps: those that a question under way may already see, and those it cannot."""

    _said: int | None = None
    _said_at: float = float("-inf")
    _asked_at: float = float("-inf")
    _before_question: int = 0
    _after_question: int = 0

    def ask(self, now: float) -> None:
        """A question leaves for Poe."""
        self._before_question += self._after_question
        self._after_question = 0
        self._asked_at = now

    def take(self, points: int) -> None:
        """The answer to the last question: all that was spent before it is part of it."""
        self._said, self._said_at = points, self._asked_at
        self._before_question = 0

    def spend(self, points: int, at: float) -> None:
        """An answer that Poe ended ``at`` that time cost ``points``."""
        if at >= self._asked_at:
            self._after_question += points
        elif at >= self._said_at:
            self._before_question += points

    def points(self, now: float) -> int | None:
        """What is left, never below 0; None where it is not known."""
        if self._said is None or now - self._said_at > STALE_S:
            return None
        return max(0, self._said - self._before_question - self._after_question)
