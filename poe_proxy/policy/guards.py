"""What is not sent to Poe for the sake of the points: anything when few are left, and requests that cost too much.

It is given the figures, and where they are not known it stops nobody.
"""

from datetime import UTC, datetime
from typing import Any

from poe_proxy.canonical.card import ModelCard
from poe_proxy.canonical.cost import Cost
from poe_proxy.canonical.errors import TooExpensive
from poe_proxy.canonical.events import Event, Finished, Started, Text, Used
from poe_proxy.canonical.json import Json
from poe_proxy.canonical.usage import Usage

_BYTES_A_TOKEN = 4
_MESSAGE = 4  # tokens around each message
_ATTACHMENT = 1000  # tokens, for an image or a page or two
_CHARACTERS_A_TOKEN_IN_FILES = 100
_SHORT_ANSWER, _LONG_ANSWER = 200, 4000  # tokens, where the caller set no limit
_LONGEST_GRANT_S = 400 * 86400.0


def is_paused(balance: int | None, cutoff: int) -> bool:
    """Whether too few points are left. ``cutoff`` 0 turns this off, and an unknown balance stops nobody."""
    return balance is not None and balance < cutoff


def paused(answer_id: str, now: float, balance: int, cutoff: int, grant_at: float | None) -> list[Event]:
    """The answer that a caller gets instead of a model's; ``now`` and ``grant_at`` are Unix seconds."""
    return [
        Started(answer_id, int(now), ""),
        Text(_paused(now, balance, cutoff, grant_at)),
        Finished("stop"),
        Used(Usage(), cost=Cost(balance=balance)),
    ]


def _paused(now: float, balance: int, cutoff: int, grant_at: float | None) -> str:
    said = (
        f"Paused: {balance:,} Poe points are left, and this proxy keeps the last {cutoff:,} in reserve "
        "(POINTS_CUTOFF). No model was asked and no points were spent."
    )
    if grant_at is None or not now < grant_at < now + _LONGEST_GRANT_S:
        return said
    moment = datetime.fromtimestamp(grant_at, UTC)
    return f"{said} New points come on {moment.day} {moment:%B %Y at %H:%M} UTC."


def foreseen(body: Json, card: ModelCard) -> Usage:
    """A cheap guess at the tokens of ``body`` before it is sent: 4 bytes a token, and the answer as long as asked for.

    A prompt that is beyond the model's context is cut to it. Without a limit the answer is taken for a quarter of the
    prompt, within reason.
    """
    prompt = prompt_weight(body)
    prompt = min(prompt, card.context or prompt)
    limits = [body[name] for name in ("max_completion_tokens", "max_tokens") if isinstance(body.get(name), int)]
    answer = min(limits) if limits else min(max(prompt // 4, _SHORT_ANSWER), _LONG_ANSWER)
    return Usage(prompt=prompt, completion=max(0, min(answer, card.max_output or answer)))


def prompt_weight(body: Json) -> int:
    """A cheap guess at the tokens of a prompt, in either dialect."""
    return sum(_weight(body[name]) // _BYTES_A_TOKEN for name in ("system", "messages", "tools") if body.get(name))


def is_too_expensive(points: int | None, most: int) -> bool:
    """Whether an estimate exceeds ``most`` points. 0 turns this off, and what has no estimate is sent."""
    return bool(most) and points is not None and points > most


def too_expensive(points: int, most: int, instead: str) -> TooExpensive:
    """The refusal, with the figure and a way out; ``instead`` names cheaper models and may be empty."""
    cheaper = f", or ask a cheaper model: {instead}" if instead else ""
    return TooExpensive(
        f"This request would cost about {points:,} points, more than the {most:,} that this proxy spends on one "
        f"message (MAX_POINTS_PER_MESSAGE). It was not sent. Shorten it or lower max_tokens{cheaper}."
    )


def _weight(value: Any) -> int:
    """Bytes of all the text in ``value``; an attachment weighs what its tokens would."""
    match value:
        case str() if value.startswith("data:"):
            return _attachment(value) * _BYTES_A_TOKEN
        case str():
            return len(value) if value.isascii() else len(value.encode("utf-8", "replace"))
        case dict():
            return _MESSAGE + sum(_weight(inner) for inner in value.values())
        case list():
            return sum(_weight(inner) for inner in value)
    return 1


def _attachment(url: str) -> int:
    return _ATTACHMENT + (0 if url.startswith("data:image/") else len(url) // _CHARACTERS_A_TOKEN_IN_FILES)
