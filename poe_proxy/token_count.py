"""``count_tokens`` without asking Poe: an Anthropic prompt counted beside the event loop, times the model's factor.

What is charged for what stands in ``policy/prompt_costs.py``, how texts are counted in ``tokens.py``. Small prompts are
counted in the thread too: Claude Code asks for 34 counts at once, and on the loop these add up to 14 ms.
"""

from math import ceil

import orjson

from poe_proxy.canonical.card import ModelCard
from poe_proxy.canonical.errors import BadRequest
from poe_proxy.canonical.json import Json
from poe_proxy.canonical.usage import Usage
from poe_proxy.clipper import Clipper
from poe_proxy.policy import prompt_costs
from poe_proxy.policy.costs import Counter, cost


async def count(body: Json, card: ModelCard, clipper: Clipper) -> int:
    """Tokens of the prompt in ``body``, as ``card``'s model counts them; at least 1. Raises BadRequest."""
    fixed, counted = await _counted(body, card, clipper)
    return max(1, ceil(fixed + counted * clipper.factors.of(card.poe_name)))


async def learn(body: Json, card: ModelCard, clipper: Clipper, usage: Usage) -> None:
    """Correct the model's factor by what Poe reports for ``body``; prompts with images or documents teach nothing."""
    if not await clipper.tokens.counted(lambda _: prompt_costs.has_media(body), large=True):
        fixed, counted = await _counted(body, card, clipper)
        clipper.factors.learn(card.poe_name, counted, Usage(prompt=usage.prompt - fixed))


async def _counted(body: Json, card: ModelCard, clipper: Clipper) -> tuple[int, int]:
    def work(count: Counter) -> tuple[int, int]:
        fixed, texts = prompt_costs.weigh(body, card.poe_name)
        return fixed, cost((0, texts), count)

    try:
        return await clipper.tokens.counted(work, large=True)
    except orjson.JSONEncodeError:
        raise BadRequest("The body is nested too deep.") from None
