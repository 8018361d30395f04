"""The tokens of one answer, as Poe reported them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts; ``cached`` is part of ``prompt`` and ``reasoning`` part of ``completion``, as in chat completions.

    ``written``, the tokens that went into the prompt cache, is part of ``prompt`` too.
    On Poe's bot path these are an estimate of Poe's, and ``completion`` is often 0 for a tool call.
    """

    prompt: int = 0
    completion: int = 0
    cached: int = 0
    reasoning: int = 0
    written: int = 0
