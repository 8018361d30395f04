"""Whose turn it is to call Poe: in order of arrival, each when its key's pace allows. It knows no answer's meaning."""

import asyncio
import math
from collections.abc import Callable, Mapping
from typing import Protocol

from poe_proxy.canonical.errors import TooManyRequests
from poe_proxy.policy.limits import Pace, read

_ASKING_S = 1.0  # asking Redis is not waiting for a turn


class SharedPace(Protocol):
    """The pace of all processes that share the key, as long as it is ``up``."""

    @property
    def up(self) -> bool: ...

    async def take(self) -> float:
        """0 where a call may go out now, which is then counted; else the seconds after which to ask again."""
        ...


class Turns:
    """The queue in front of one Poe key. Without waiting ones a turn costs no more than the arithmetic."""

    def __init__(
        self,
        per_minute: int,
        part: int,
        clock: Callable[[], float],
        shared: SharedPace | None = None,
    ) -> None:
        """``per_minute`` calls of all processes that share the key, 0 for no limit; ``part`` of them are ours alone.

        ``clock`` is monotonic and goes as fast as the event loop's.
        """
        self._per_minute = per_minute
        self._part = part
        self._clock = clock
        self._shared = shared
        self._pace = Pace(part) if per_minute else None
        self.waiting: dict[asyncio.Future[float | TooManyRequests], float] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._order = asyncio.Lock()

    async def take(self, patience_s: float) -> float:
        """Wait for the turn, at most ``patience_s`` seconds; return the moment of it.

        Raises TooManyRequests as soon as it is known that the wait would be longer.
        """
        now = self._clock()
        if self._pace is None:
            return now
        deadline = now + patience_s
        self._heed_the_others(self._pace)
        if self.waiting or self._pace.free_at(now) > now:
            now = await self._wait(self._pace, now, deadline)
        else:
            self._pace.send(now)
        if self._shared is not None:
            now = await self._wait_for_all(self._pace, self._shared, now, deadline)
        return now

    def heard(self, sent: float, status: int, headers: Mapping[str, str]) -> None:
        """Believe what Poe's answer to the call of the moment ``sent`` says; ``headers`` have lower-case names."""
        if self._pace is None or (said := read(status, headers)) is None:
            return
        self._pace.heard(said, sent, self._clock())
        if self.waiting:
            self._tell_the_late(self._pace)
            self._advance()

    def _heed_the_others(self, pace: Pace) -> None:
        """Those whom Redis counts with us leave us what they do not use; without Redis a part of it all is ours."""
        per_minute = self._per_minute if self._shared is not None and self._shared.up else self._part
        if per_minute != pace.per_minute:
            pace.per_minute = per_minute
            self._tell_the_late(pace)

    async def _wait(self, pace: Pace, now: float, deadline: float) -> float:
        free_at = pace.free_at(now, len(self.waiting))
        if free_at > deadline:
            raise _refusal(free_at - now)
        place: asyncio.Future[float | TooManyRequests] = asyncio.get_running_loop().create_future()
        self.waiting[place] = deadline
        self._advance()
        try:
            turn = await place
        except asyncio.CancelledError:
            self._leave(pace, place)
            raise
        if isinstance(turn, TooManyRequests):
            raise turn
        return turn

    def _leave(self, pace: Pace, place: asyncio.Future[float | TooManyRequests]) -> None:
        """Who leaves gives the place up, and a turn that came in the same moment goes to the next."""
        self.waiting.pop(place, None)
        if not place.cancelled() and isinstance(turn := place.result(), float):
            self._give_back(pace, turn)

    def _give_back(self, pace: Pace, turn: float) -> None:
        pace.take_back(turn)
        self._advance()

    def _advance(self) -> None:
        """Give turns to all who may go now, and come back when the next may."""
        assert self._pace is not None
        self._heed_the_others(self._pace)
        if self._timer is not None:
            self._timer.cancel()
        now = self._clock()
        while self.waiting:
            if (free_at := self._pace.free_at(now)) > now:
                self._timer = asyncio.get_running_loop().call_later(free_at - now, self._advance)
                return
            place = next(iter(self.waiting))
            del self.waiting[place]
            if not place.done():
                self._pace.send(now)
                place.set_result(now)

    def _tell_the_late(self, pace: Pace) -> None:
        """Those who cannot have a turn in time any more are told now, not when their patience has run out."""
        now, ahead = self._clock(), 0
        for place, deadline in tuple(self.waiting.items()):
            free_at = pace.free_at(now, ahead)
            if free_at <= deadline:
                ahead += 1
                continue
            del self.waiting[place]
            if not place.done():
                place.set_result(_refusal(free_at - now))

    async def _wait_for_all(self, pace: Pace, shared: SharedPace, now: float, deadline: float) -> float:
        """The turn among all processes that share the key; here still in order of arrival."""
        try:
            async with asyncio.timeout(max(0.0, deadline - now) + _ASKING_S), self._order:
                while (wait_s := await shared.take()) > 0:
                    if self._clock() + wait_s > deadline:
                        raise _refusal(wait_s)
                    await asyncio.sleep(wait_s)
        except TimeoutError:
            self._give_back(pace, now)
            raise _refusal(wait_s=1.0) from None
        except (asyncio.CancelledError, TooManyRequests):
            self._give_back(pace, now)
            raise
        pace.take_back(now)
        pace.send(sent := self._clock())
        return sent


def _refusal(wait_s: float) -> TooManyRequests:
    seconds = max(1, math.ceil(wait_s))
    return TooManyRequests(
        "As many calls as UPSTREAM_RPM or Poe allows in a minute are under way, and the wait for a turn is longer than "
        f"RETRY_BUDGET_S. Try again in {seconds} s.",
        retry_after=seconds,
    )
