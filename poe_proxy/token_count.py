"""``count_tokens`` without asking Poe: an Anthropic prompt counted beside the event loop, times the model's factor.

What is charged for what stands in ``policy/prompt_costs.py``, how texts are counted in ``tokens.py``. Small prompts are
counted in the thread too: Claude Code asks for 34 counts at once, and on the loop these add up to 14 ms.
"""

import asyncio
from collections.abc import Callable
from math import ceil

import orjson

from poe_proxy.canonical.card import ModelCard
from poe_proxy.canonical.errors import BadRequest
from poe_proxy.canonical.json import Json
from poe_proxy.canonical.usage import Usage
from poe_proxy.clipper import Clipper
from poe_proxy.policy import prompt_costs
from poe_proxy.policy.costs import Counter, cost

_AGAIN_S = 60.0
_MOST_MODELS = 1000
_WORTH_LEARNING = 2000  # tokens; below, what Poe adds of its own weighs too much


async def count(body: Json, card: ModelCard, clipper: Clipper) -> int:
    """Tokens of the prompt in ``body``, as ``card``'s model counts them; at least 1. Raises BadRequest."""
    fixed, counted = await _counted(body, card, clipper)
    return max(1, ceil(fixed + counted * clipper.factors.of(card.poe_name)))


async def learn(body: Json, card: ModelCard, clipper: Clipper, usage: Usage) -> None:
    """Correct the model's factor by what Poe reports for ``body``; prompts with images or documents teach nothing."""
    if not await clipper.tokens.counted(lambda _: prompt_costs.has_media(body), large=True):
        fixed, counted = await _counted(body, card, clipper)
        clipper.factors.learn(card.poe_name, counted, Usage(prompt=usage.prompt - fixed))


class Lessons:
    """Corrects factors by answers under way, for requests that are passed on without having been counted.

    One a minute and model is enough, so that counting costs next to nothing.
    """

    def __init__(self, clipper: Clipper, clock: Callable[[], float]) -> None:
        """``clock`` counts seconds."""
        self._clipper = clipper
        self._clock = clock
        self._due: dict[str, float] = {}
        self._under_way: set[asyncio.Task[None]] = set()

    def take(self, body: Json, card: ModelCard, usage: Usage) -> None:
        """Poe reported ``usage`` for ``body``. Returns at once."""
        now = self._clock()
        if usage.prompt < _WORTH_LEARNING or now < self._due.get(card.poe_name, now) or len(self._due) > _MOST_MODELS:
            return
        self._due[card.poe_name] = now + _AGAIN_S
        task = asyncio.create_task(learn(body, card, self._clipper, usage))
        self._under_way.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            task.exception()  # a lesson that cannot be learnt is no loss

    async def stop(self) -> None:
        """Learn no more."""
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)


async def _counted(body: Json, card: ModelCard, clipper: Clipper) -> tuple[int, int]:
    def work(count: Counter) -> tuple[int, int]:
        fixed, texts = prompt_costs.weigh(body, card.poe_name)
        return fixed, cost((0, texts), count)

    try:
        return await clipper.tokens.counted(work, large=True)
    except orjson.JSONEncodeError:
        raise BadRequest("The body is nested too deep.") from None
