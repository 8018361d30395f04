"""How many tokens a text has: a rule of thumb, the same for whoever asks."""

from __future__ import annotations

from poe_sim.answer import Answer, Prompt

CHARS_PER_TOKEN = 4


def count(text: str) -> int:
    """Tokens of a text; an empty one has none."""
    return -(-len(text) // CHARS_PER_TOKEN)


def of_prompt(prompt: Prompt) -> int:
    """Real input tokens: the text and a provider's wrapping of each turn and tool."""
    tools = sum(count(tool.name) + count(repr(tool.schema)) + 8 for tool in prompt.tools)
    return count(prompt.text) + 4 * prompt.turns + tools + 3


def of_answer(answer: Answer) -> int:
    """Real output tokens, reasoning and tool calls among them."""
    if answer.tokens is not None:
        return answer.tokens
    calls = sum(count(call.name) + count(call.arguments) + 8 for call in answer.calls)
    return count(answer.text) + count(answer.reasoning) + count(answer.refusal) + calls
