"""How many calls a minute may go to Poe with one key: arithmetic over moments. It knows no clock and never waits."""

import math
import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

WINDOW_S = 60.0
"""Poe fact: its limit is so many calls in a minute, for each key."""
_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?")
_UNITS_S = (3600.0, 60.0, 1.0, 0.001)


@dataclass(frozen=True, slots=True)
class Said:
    """What an answer of Poe's says of its limit: ``left`` calls, until ``reset_s`` seconds have passed."""

    left: int
    reset_s: float
    refused: bool = False


def read(status: int, headers: Mapping[str, str]) -> Said | None:
    """Read Poe's ``x-ratelimit-*`` and a 429's ``Retry-After``; ``headers`` have lower-case names.

    A 429 that leaves calls is a model's own trouble, not the key's. What cannot be read counts as not said.
    """
    left = _seconds(headers.get("x-ratelimit-remaining-requests"))
    refused = status == 429 and not left
    if left is None and not refused:
        return None
    reset_s = _seconds(headers.get("retry-after")) if refused else None
    if reset_s is None:
        reset_s = _seconds(headers.get("x-ratelimit-reset-requests"))
    return None if reset_s is None else Said(int(left or 0), min(reset_s, WINDOW_S), refused)


def _seconds(text: str | None) -> float | None:
    """A number as Poe writes it (``60``), or a duration as OpenAI does (``1m30s``, ``250ms``)."""
    if not text:
        return None
    try:
        number = float(text)
    except ValueError:
        match = _DURATION.fullmatch(text)
        if match is None:
            return None
        return sum(float(part or 0) * unit for part, unit in zip(match.groups(), _UNITS_S, strict=True))
    return number if math.isfinite(number) and number >= 0 else None


class Pace:
    """At most ``per_minute`` calls in any 60 seconds, fewer where Poe says so.

    Moments are seconds of one monotonic clock, and no call's moment lies before that of an earlier call.
    """

    def __init__(self, per_minute: int) -> None:
        """``per_minute`` is at least 1, and may be changed at any time."""
        self.per_minute = per_minute
        self._sent: deque[float] = deque()
        self._held_until = -math.inf
        self._left = 0
        self._left_until = -math.inf
        self._left_said = -math.inf

    def free_at(self, now: float, ahead: int = 0) -> float:
        """The moment, not before ``now``, at which a call may go out that has ``ahead`` others before it."""
        self._forget(now)
        rounds, ahead_of_it = divmod(ahead, self.per_minute)
        free = max(now, self._held_until)
        if self._left_until > now and ahead >= self._left:
            free = max(free, self._left_until)
        before = len(self._sent) - self.per_minute + ahead_of_it
        if before >= 0:
            free = max(free, self._sent[before] + WINDOW_S)
        return free + rounds * WINDOW_S

    def send(self, now: float) -> None:
        """A call goes out ``now``, which ``free_at`` allows."""
        self._sent.append(now)
        self._left -= 1

    def take_back(self, sent: float) -> None:
        """The call of the moment ``sent`` was not made after all."""
        if sent in self._sent:
            self._sent.remove(sent)
            self._left += 1

    def heard(self, said: Said, sent: float, now: float) -> None:
        """Poe ``said`` it ``now``, in answer to the call of the moment ``sent``.

        What the answer to an earlier call says is older, however late it comes. Poe counts a call as it arrives, so
        what is left counts from then; a refusal speaks of now.
        """
        if said.refused:
            self._held_until = max(self._held_until, now + said.reset_s)
        elif sent >= self._left_said:
            self._left, self._left_until, self._left_said = said.left, sent + said.reset_s, sent

    def _forget(self, now: float) -> None:
        while self._sent and self._sent[0] + WINDOW_S <= now:
            self._sent.popleft()
