"""Clipping of one request, from its card to its usage: what is clipped to which size, and where the counting is done.

What goes is decided in ``policy/clipping.py``, and counted in ``tokens.py``; no event loop is held up for either.
"""

import re
from dataclasses import dataclass, replace
from math import inf

from poe_proxy.canonical.card import ModelCard
from poe_proxy.canonical.events import Event, Started, Used
from poe_proxy.canonical.json import Json
from poe_proxy.canonical.report import Report
from poe_proxy.policy import clipping
from poe_proxy.policy.clipping import Clip
from poe_proxy.policy.costs import has_media
from poe_proxy.policy.factors import Factors
from poe_proxy.tokens import Tokens

_MANY = 2000  # messages and parts: merely looking at more of them takes long
_BOT_PATH = re.compile(r"chatcmpl-[0-9a-f]{24}")


@dataclass(frozen=True, slots=True)
class Clipper:
    """What all requests share. ``on`` is CLIP; media models are never clipped."""

    tokens: Tokens
    factors: Factors
    on: bool

    def of(self, card: ModelCard, report: Report, *, can_clip: bool = True) -> "Clipping":
        """The clipping of one request; ``report`` is told. What cannot be clipped passes as it is."""
        return Clipping(self if can_clip else replace(self, on=False), card, report)


class Clipping:
    """One request's clipping: ``fit`` first, ``shorter`` if Poe finds that too long still.

    It is also a stage that the events pass through unchanged: their usage corrects the factor.
    """

    __slots__ = ("_card", "_factors", "_first", "_is_real", "_messages", "_on", "_report", "_sent", "_tokens")

    def __init__(self, clipper: Clipper, card: ModelCard, report: Report) -> None:
        self._tokens = clipper.tokens
        self._factors = clipper.factors
        self._on = clipper.on and not card.is_media
        self._card = card
        self._report = report
        self._messages: list[Json] = []  # as they were asked
        self._first: Clip | None = None
        self._sent: Clip | None = None
        self._is_real = False

    async def fit(self, body: Json) -> Json:
        """``body`` clipped to the model's limit; untouched where there is none, or where it fits."""
        limit = self._card.context
        self._messages = body["messages"]
        if not self._on or limit is None:
            return body
        budget = limit - clipping.room(body, limit)
        if await self._fits(body, budget):
            return body
        self._first = await self._clip(body, budget)
        return self._with(self._first, body)

    async def shorter(self, body: Json, share: float) -> Json | None:
        """``body`` clipped to ``share`` of the limit and of what was sent at first; None where nothing more can go.

        It is clipped from what was asked, not from what is left of that: so the next turn will begin alike.
        """
        if not self._on:
            return None
        asked = {**body, "messages": self._messages}
        self._first = first = self._first or await self._clip(asked, inf)
        sent, budget = self._sent or first, first.after * share
        if (limit := self._card.context) is not None:
            budget = min(budget, limit * share - clipping.room(body, int(limit * share)))
        clipped = await self._clip(asked, budget)
        return self._with(clipped, body) if clipped.after < sent.after else None

    def push(self, events: list[Event]) -> list[Event]:
        """Learn from the usage, where something was counted and the usage is no estimate of Poe's own."""
        if self._sent is not None:
            for event in events:
                if isinstance(event, Started):
                    self._is_real = _BOT_PATH.fullmatch(event.id) is None
                elif isinstance(event, Used) and self._is_real and not has_media(self._sent.messages):
                    self._factors.learn(self._card.poe_name, self._sent.counted, event.usage)
        return events

    async def _fits(self, body: Json, budget: int) -> bool:
        factor = self._factors.of(self._card.poe_name)
        if not _is_long(body):
            return clipping.fits(body, budget, factor)
        return await self._tokens.counted(lambda _: clipping.fits(body, budget, factor), large=True)

    async def _clip(self, body: Json, budget: float) -> Clip:
        factor = self._factors.of(self._card.poe_name)
        return await self._tokens.counted(
            lambda count: clipping.clip(body, budget, factor, count), large=_is_long(body)
        )

    def _with(self, clip: Clip, body: Json) -> Json:
        self._sent = clip
        if clip.after >= clip.before:
            return body
        self._report.clipped = (clip.before, clip.after)
        return {**body, "messages": clip.messages}


def _is_long(body: Json) -> bool:
    messages = body["messages"]
    if len(messages) > _MANY:
        return True
    return len(messages) + sum(len(m["content"]) for m in messages if isinstance(m.get("content"), list)) > _MANY
