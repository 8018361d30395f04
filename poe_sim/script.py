"""Scripted answers: from a prompt and a directive to what the model says."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import orjson

from poe_sim import directives, tokens
from poe_sim.answer import Answer, Call, Prompt, Tool
from poe_sim.catalogue import Card
from poe_sim.directives import Directive
from poe_sim.samples import sample

Script = Callable[[Prompt, Directive, Card], Answer]

MEDIA_HOST = "https://pfst.cf2.poecdn.net/base"
_WORDS = ("the", "quick", "brown", "fox", "jumps", "over", "the", "lazy", "dog", "while", "wizards", "brew", "coffee")
_REASONING = (
    "First I look at what was asked.\n",
    "Then I check each step in turn.\n",
    "Nothing speaks against it, so I can answer.\n",
)
_NO_ARGS = Directive("echo", {})
_ASKS_FOR_TOOL = re.compile(r"\buse\b.*\btool|\bcall\b.*\b(?:tool|function)", re.IGNORECASE | re.DOTALL)


def known(wanted: Directive | None) -> bool:
    """Whether a directive names a script at all (none does too: the model then decides)."""
    return wanted is None or wanted.name in SCRIPTS


def answer(prompt: Prompt, wanted: Directive | None, card: Card) -> Answer:
    """The answer to `prompt`; without a directive, what a friendly model would say."""
    chosen = wanted or _by_itself(prompt, card)
    script = SCRIPTS[chosen.name]
    return _stopped(_cut_to_length(script(prompt, chosen, card), prompt), prompt)


def _by_itself(prompt: Prompt, card: Card) -> Directive:
    if prompt.tool_result is not None:
        return Directive("tool_result", {})
    if card.modality != "text":
        return Directive(card.modality, {})
    if _wants_tool(prompt):
        return Directive("tool", {})
    if prompt.wants_json:
        return Directive("json", {})
    return Directive("reasoning" if prompt.wants_reasoning else "echo", {})


def _wants_tool(prompt: Prompt) -> bool:
    if not prompt.tools or prompt.tool_choice == "none":
        return False
    if prompt.tool_choice != "auto":
        return True
    named = any(re.search(rf"\b{re.escape(tool.name)}\b", prompt.last_user) for tool in prompt.tools)
    return named or bool(_ASKS_FOR_TOOL.search(prompt.last_user))


def _cut_to_length(said: Answer, prompt: Prompt) -> Answer:
    limit = prompt.max_tokens
    if limit is None or said.calls or tokens.of_answer(said) <= limit:
        return said
    kept = said.text[: limit * tokens.CHARS_PER_TOKEN]
    return replace(said, text=kept, reasoning="", finish="length", tokens=min(limit, tokens.count(kept)))


def _stopped(said: Answer, prompt: Prompt) -> Answer:
    met = [(place, stop) for stop in prompt.stops if stop and (place := said.text.find(stop)) >= 0]
    if not met:
        return said
    place, stop = min(met)
    return replace(said, text=said.text[:place], stopped_by=stop, tokens=None, finish=None)


def _echo(prompt: Prompt, _directive: Directive, card: Card) -> Answer:
    said = directives.without(prompt.last_user)
    return Answer(f"You said: {said}" if said else f"Hello! I am {card.display_name}, played by a stand-in.")


def _tool_result(prompt: Prompt, _directive: Directive, _card: Card) -> Answer:
    return Answer(f"The tool answered: {prompt.tool_result}")


def _call(tool: Tool, card: Card, *, number: int = 0) -> Call:
    arguments = orjson.dumps(sample(tool.schema or {"type": "object"})).decode()
    return Call(_call_id(tool.name, card, number), tool.name, arguments)


def _call_id(name: str, card: Card, number: int) -> str:
    """Poe fact: ids follow the provider's habit; Kimi's repeat from turn to turn."""
    if card.id.startswith("kimi"):
        return f"{name}:{number}"
    if card.id.startswith("gemini"):
        return f"tool_{name}_{secrets.token_hex(10)}"
    return f"call_{secrets.token_hex(12)}"


def _chosen_tool(prompt: Prompt) -> Tool:
    by_name = {tool.name: tool for tool in prompt.tools}
    named = [tool for tool in prompt.tools if re.search(rf"\b{re.escape(tool.name)}\b", prompt.last_user)]
    first = (named or list(prompt.tools) or [Tool("get_weather", {"properties": {"location": {}}})])[0]
    return by_name.get(prompt.tool_choice, first)


def _tool(prompt: Prompt, _directive: Directive, card: Card) -> Answer:
    if prompt.tool_result is not None:
        return _tool_result(prompt, _directive, card)
    call = _call(_chosen_tool(prompt), card)
    return Answer(calls=(_signed(call) if card.id.startswith("gemini") else call,))


def _tools(prompt: Prompt, directive: Directive, card: Card) -> Answer:
    if prompt.tool_result is not None:
        return _tool_result(prompt, directive, card)
    offered = prompt.tools or (_chosen_tool(prompt),)
    wanted = directive.count("n", 3)
    calls = (_call(offered[n % len(offered)], card, number=n) for n in range(wanted))
    return Answer(calls=tuple(calls), quirks=frozenset())


def _named_calls(prompt: Prompt, directive: Directive, card: Card) -> Answer:
    """The calls that were asked for; like a model, only of tools that are offered, and once."""
    if prompt.tool_result is not None:
        return _tool_result(prompt, directive, card)
    offered = {tool.name for tool in prompt.tools}
    asked = ((tool.partition("#")[0], arguments) for tool, arguments in directive.args.items())
    wanted = [(name, arguments) for name, arguments in asked if name in offered]
    if not wanted:
        return _echo(prompt, directive, card)
    return Answer(
        calls=tuple(Call(_call_id(name, card, n), name, arguments) for n, (name, arguments) in enumerate(wanted))
    )


def _signed(call: Call) -> Call:
    return replace(call, signature=secrets.token_urlsafe(120))


def _gemini(prompt: Prompt, directive: Directive, card: Card) -> Answer:
    said = _tool(prompt, directive, card)
    return replace(said, calls=tuple(_signed(call) for call in said.calls))


def _long_id(prompt: Prompt, directive: Directive, card: Card) -> Answer:
    said = _tool(prompt, directive, card)
    size = directive.count("length", 4000)
    calls = (replace(call, id=f"{call.id}__thought__{secrets.token_hex(size // 2)}") for call in said.calls)
    return replace(said, calls=tuple(calls))


def _quirky_tool(prompt: Prompt, directive: Directive, card: Card) -> Answer:
    quirk: Any = directive.name
    said = _tools(prompt, directive, card) if "n" in directive.args else _tool(prompt, directive, card)
    return replace(said, quirks=frozenset({quirk}))


def _stop_after_tool(prompt: Prompt, directive: Directive, card: Card) -> Answer:
    return replace(_tool(prompt, directive, card), finish="stop")


def _reasoning(prompt: Prompt, directive: Directive, card: Card) -> Answer:
    said = _echo(prompt, directive, card)
    return replace(said, reasoning="".join(_REASONING), reasoning_field=directive.text("field"))


def _thinking_in_text(prompt: Prompt, directive: Directive, card: Card) -> Answer:
    quoted = "".join(f"> {line}" for line in _REASONING)
    return Answer(f"*Thinking...*\n\n{quoted}\n{_echo(prompt, directive, card).text}")


def _ticks(prompt: Prompt, directive: Directive, card: Card) -> Answer:
    ticks = "".join(f"Thinking... ({n}s elapsed)\n" for n in range(1, directive.count("n", 4)))
    return Answer(f"{ticks}\n{_echo(prompt, directive, card).text}")


def _image(prompt: Prompt, _directive: Directive, _card: Card) -> Answer:
    """Poe fact: the picture in Markdown, then the same URL bare."""
    url = f"{MEDIA_HOST}/image/{secrets.token_hex(32)}?w=1024&h=1024"
    title = directives.without(prompt.last_user).replace("]", "")[:60] or "image"
    return Answer(f"![{title}.png]({url})\n\n{url}")


def _clip(_prompt: Prompt, directive: Directive, _card: Card) -> Answer:
    """Poe fact: film and sound come as a bare URL, and count no completion tokens."""
    return Answer(f"{MEDIA_HOST}/{directive.name}/{secrets.token_hex(32)}", tokens=0)


def _json_text(prompt: Prompt) -> str:
    schema = prompt.schema or {"properties": {"answer": {"const": directives.without(prompt.last_user)}}}
    return orjson.dumps(sample(schema)).decode()


def _json(prompt: Prompt, _directive: Directive, _card: Card) -> Answer:
    """Poe fact: JSON came with a leading space."""
    return Answer(f" {_json_text(prompt)}")


def _json_fenced(prompt: Prompt, _directive: Directive, _card: Card) -> Answer:
    return Answer(f"```json\n{_json_text(prompt)}\n```")


def _prose(_prompt: Prompt, _directive: Directive, _card: Card) -> Answer:
    return Answer("I would rather tell you in plain words: it all went well.")


def _refusal(_prompt: Prompt, _directive: Directive, _card: Card) -> Answer:
    return Answer(refusal="I'm sorry, but I can't help with that.")


def _long(_prompt: Prompt, directive: Directive, _card: Card) -> Answer:
    size = directive.count("tokens", 500)
    words = " ".join(_WORDS[n % len(_WORDS)] for n in range(size))
    return Answer(words, rate=directive.number("rate", 0), tokens=size)


def _unicode(prompt: Prompt, directive: Directive, card: Card) -> Answer:
    return Answer(f"👩‍👩‍👧 你好，世界 \u2028next\u2029 e\u0301 \u0085 🇯🇵 {_echo(prompt, directive, card).text}")


def _quirky(prompt: Prompt, directive: Directive, card: Card) -> Answer:
    quirk: Any = directive.name
    return replace(_echo(prompt, directive, card), quirks=frozenset({quirk}))


def _finish(prompt: Prompt, directive: Directive, card: Card) -> Answer:
    return replace(_echo(prompt, directive, card), finish=directive.text("reason", "eos"))


def _logprobs(prompt: Prompt, directive: Directive, card: Card) -> Answer:
    return replace(_echo(prompt, directive, card), logprobs=True)


def _empty(_prompt: Prompt, _directive: Directive, _card: Card) -> Answer:
    return Answer()


SCRIPTS: dict[str, Script] = {
    "echo": _echo,
    "tool": _tool,
    "tools": _tools,
    "call": _named_calls,
    "tool_result": _tool_result,
    "reasoning": _reasoning,
    "thinking_in_text": _thinking_in_text,
    "ticks": _ticks,
    "image": _image,
    "video": _clip,
    "audio": _clip,
    "json": _json,
    "json_fenced": _json_fenced,
    "prose": _prose,
    "refusal": _refusal,
    "logprobs": _logprobs,
    "long": _long,
    "empty": _empty,
    "unicode": _unicode,
    "unknown_fields": _quirky,
    "finish": _finish,
    "no_index": _quirky_tool,
    "unclosed": _quirky_tool,
    "whole_tool": _quirky_tool,
    "stop_after_tool": _stop_after_tool,
    "long_id": _long_id,
    "gemini": _gemini,
    "no_usage": _quirky,
}
