"""Whether the wall clock may be believed when rows are to go for good: it has not been set lately. No I/O."""

from collections.abc import Callable

_APART_S = 60.0
"""Clocks that are put right little by little, or a busy machine, never make more between two looks."""


class WallClock:
    """Compares ``wall``, which tells Unix seconds and is set now and then, with ``clock``, which only counts them."""

    def __init__(self, wall: Callable[[], float], clock: Callable[[], float]) -> None:
        self._wall = wall
        self._clock = clock
        self._epoch: float | None = None
        self._set_at: float | None = None

    def agrees_for(self, seconds: float) -> bool:
        """Whether the two have gone on alike for so long, or since the first look."""
        now = self._clock()
        epoch = self._wall() - now
        if self._epoch is not None and abs(epoch - self._epoch) > _APART_S:
            self._set_at = now
        self._epoch = epoch
        return self._set_at is None or now - self._set_at >= seconds
