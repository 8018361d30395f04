"""A messages request and the conversation that it is, in both directions. It decides nothing about models.

``read`` takes a validated body. ``write`` gives what Claude takes whatever was said before: turns that alternate, each
call answered in the next turn, results first, no empty texts.
"""

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from poe_proxy.canonical.conversation import (
    EFFORTS,
    CallPart,
    Conversation,
    Effort,
    Format,
    Message,
    Part,
    ResultPart,
    TextPart,
)
from poe_proxy.canonical.json import Json, as_object
from poe_proxy.canonical.pairing import paired
from poe_proxy.wire.anthropic_messages import parts, tools

_BILLING = re.compile(r"x-anthropic-billing-header:[^\n]*\s*")
_KNOWN = frozenset(
    [
        "model",
        "messages",
        "max_tokens",
        "stream",
        "system",
        "tools",
        "tool_choice",
        "stop_sequences",
        "temperature",
        "top_p",
        "top_k",
        "thinking",
        "output_config",
        "output_format",
        "metadata",
        "betas",
        "mcp_servers",
    ]
)
_LEAST_BUDGET = 1024
_ANSWER_TOKENS = 4096
"""Room for the answer after the thinking where ``max_tokens`` leaves too little."""
_NOT_IN_IDS = re.compile(r"[^a-zA-Z0-9_-]")
_NOTHING = "(no message)"


def read(body: Json) -> Conversation:
    """What a client said, as far as every dialect knows it; ``changes`` tells the rest."""
    blocks = parts.Blocks()
    offered, unavailable, changes = tools.read(body)
    messages = [*_system(body.get("system"), unavailable, blocks), *_messages(body["messages"], blocks)]
    choice = as_object(body.get("tool_choice"))
    changes += [f"dropped {name}" for name, value in body.items() if name not in _KNOWN and value is not None]
    effort, budget = _thinking(body)
    return Conversation(
        messages=tuple(messages),
        tools=offered,
        choice=tools.read_choice(choice, offered),
        parallel=_parallel(choice) if offered else None,
        max_tokens=body.get("max_tokens"),
        temperature=body.get("temperature"),
        top_p=body.get("top_p"),
        top_k=body.get("top_k"),
        stop=tuple(body.get("stop_sequences") or ()),
        effort=effort,
        budget=budget,
        format=_format(body),
        user=str(as_object(body.get("metadata")).get("user_id") or ""),
        changes=(*changes, *dict.fromkeys(blocks.changes)),
    )


def _system(said: Any, unavailable: list[str], blocks: parts.Blocks) -> list[Message]:
    """The system's words without Claude Code's billing line, which changes with each request and means nothing here."""
    told = [kept for part in blocks.read(said) if (kept := _unbilled(part)) is not None]
    if unavailable:
        names = ", ".join(unavailable)
        told.append(TextPart(f"Not available in this conversation: {names}. Say so where it would be needed."))
    return [Message("system", tuple(told))] if told else []


def _unbilled(part: Part) -> Part | None:
    """Whatever else stands in the block, where a client has put all into one, is the prompt."""
    if not isinstance(part, TextPart) or (billing := _BILLING.match(part.text)) is None:
        return part
    text = part.text[billing.end() :]
    return replace(part, text=text) if text else None


def _messages(said: list[Json], blocks: parts.Blocks) -> Iterable[Message]:
    last_user = max((index for index, message in enumerate(said) if message["role"] == "user"), default=-1)
    for index, message in enumerate(said):
        is_past = message.get("clear_at") == "next_user_message" and index < last_user
        if not is_past and (told := blocks.read(message.get("content"))):
            yield Message(message["role"], told)


def _parallel(choice: Json) -> bool | None:
    said = choice.get("disable_parallel_tool_use")
    return not said if isinstance(said, bool) else None


def _thinking(body: Json) -> tuple[Effort | None, int | None]:
    """How hard to think: a level, or tokens. A level said in the course of the conversation is newer than the first."""
    configs = [body.get("output_config"), *(message.get("output_config") for message in body["messages"])]
    levels = [level for config in configs if (level := as_object(config).get("effort")) in EFFORTS]
    thinking = as_object(body.get("thinking"))
    match thinking.get("type"):
        case "disabled":
            return "none", None
        case "adaptive" if not levels:
            return "medium", None
        case "enabled" if not levels and isinstance(thinking.get("budget_tokens"), int):
            return None, thinking["budget_tokens"]
        case _:
            return (levels[-1] if levels else None), None


def _format(body: Json) -> Format | None:
    said = as_object(as_object(body.get("output_config")).get("format") or body.get("output_format"))
    schema = said.get("schema")
    return Format(schema) if said.get("type") == "json_schema" and isinstance(schema, dict) else None


def write(
    said: Conversation, *, max_tokens: int, max_output: int | None = None, is_adaptive: bool = True
) -> tuple[Json, list[str]]:
    """The body without ``model`` and ``stream``, and what changed, in words.

    ``max_tokens`` holds where none was said, ``max_output`` is the most that the model gives, if that is known.
    ``is_adaptive``: the model may decide itself how long to think; older ones refuse that and take a level alone.

    ``format`` is not written: whether Poe takes ``output_config.format`` is not known, and a line of the system's says
    it already (policy/structured.py).
    """
    changes = list(said.changes)
    system, messages = _apart(paired(said.messages))
    body: Json = {"max_tokens": said.max_tokens or max_tokens}
    if told := _content(system, changes):
        body["system"] = told
    body["messages"] = _turns(messages, changes)
    if said.tools:
        body["tools"] = [tools.write(tool) for tool in said.tools]
        if (choice := tools.write_choice(said.choice, said.parallel)) is not None:
            body["tool_choice"] = choice
    if stops := [stop for stop in said.stop if stop.strip()]:
        body["stop_sequences"] = stops
    if said.user:
        body["metadata"] = {"user_id": said.user}
    changes += _think(body, said, max_output, is_adaptive=is_adaptive)
    changes += _sampling(body, said)
    return body, list(dict.fromkeys(changes))


def _apart(messages: tuple[Message, ...]) -> tuple[tuple[Part, ...], list[Message]]:
    """The system's words at the start, and the turns, in which it may speak only as one of the user's texts."""
    first = next((index for index, message in enumerate(messages) if message.role != "system"), len(messages))
    system = tuple(part for message in messages[:first] for part in message.parts)
    later = [_reminded(message) if message.role == "system" else message for message in messages[first:]]
    return (system, later) if later else ((), [Message("user", system)])


def _reminded(message: Message) -> Message:
    """Poe documents the system's words at the top only; in tags Claude does not take them for the user's."""
    told = (
        replace(part, text=f"<system-reminder>\n{part.text}\n</system-reminder>")
        if isinstance(part, TextPart)
        else part
        for part in message.parts
    )
    return Message("user", tuple(told))


def _turns(messages: list[Message], changes: list[str]) -> list[Json]:
    turns: list[Json] = []
    for message in _with_legal_ids(messages):
        content = _content(message.parts, changes)
        if not content:
            continue
        if turns and turns[-1]["role"] == message.role:
            turns[-1]["content"] += content
        else:
            turns.append({"role": message.role, "content": content})
    if not turns or turns[0]["role"] != "user":
        turns.insert(0, {"role": "user", "content": [{"type": "text", "text": _NOTHING}]})
    return _without_space_at_the_end(turns)


def _content(said: Iterable[Part], changes: list[str]) -> list[Json]:
    return [block for part in said if (block := parts.write(part, changes)) is not None]


def _without_space_at_the_end(turns: list[Json]) -> list[Json]:
    """Anthropic refuses the beginning of an answer that ends with white space."""
    last = turns[-1]["content"][-1]
    if turns[-1]["role"] == "assistant" and last["type"] == "text":
        last["text"] = last["text"].rstrip()
    return turns


def _with_legal_ids(messages: list[Message]) -> list[Message]:
    """Ids of other makers as Anthropic takes them: of a few characters, and each only once.

    Results stand right after their calls and in the same order: they are told the names that the calls were given.
    """
    used: set[str] = set()
    names: list[str] = []
    return [replace(message, parts=tuple(_legal(message.parts, used, names))) for message in messages]


def _legal(said: Iterable[Part], used: set[str], names: list[str]) -> Iterable[Part]:
    for part in said:
        match part:
            case CallPart():
                name = plain = _NOT_IN_IDS.sub("_", part.id) or "call"
                count = 1
                while name in used:
                    count += 1
                    name = f"{plain}_{count}"
                used.add(name)
                names.append(name)
                yield replace(part, id=name)
            case ResultPart():
                yield replace(part, id=names.pop(0))
            case _:
                yield part


def _think(body: Json, said: Conversation, max_output: int | None, *, is_adaptive: bool) -> list[str]:
    """``thinking`` as Claude takes it, where the conversation allows it at all."""
    if said.effort is None and said.budget is None:
        return []
    if said.effort == "none" or (said.effort is None and said.budget is not None and said.budget <= 0):
        body["thinking"] = {"type": "disabled"}
        return []
    if why := _no_thinking(body, said):
        return [f"thinking left out {why}"]
    if said.effort is not None:
        if is_adaptive:
            body["thinking"] = {"type": "adaptive"}
        body["output_config"] = {"effort": said.effort}
        return []
    return _with_budget(body, said.budget or 0, max_output)


def _no_thinking(body: Json, said: Conversation) -> str:
    """Why Claude would refuse to think here, or nothing."""
    if said.choice is not None and said.choice.mode in ("any", "tool"):
        return "as a tool is demanded"
    last = body["messages"][-1]
    if last["role"] == "assistant":
        return "as the answer is begun"
    if said.effort is None and last["content"][0]["type"] == "tool_result":
        asked = body["messages"][-2]["content"]
        if asked[0]["type"] != "thinking":
            return "as the turn began without it"
    return ""


def _with_budget(body: Json, budget: int, max_output: int | None) -> list[str]:
    """Anthropic counts the thinking in ``max_tokens``, which has to be larger; OpenAI's clients mean the answer."""
    budget = max(budget, _LEAST_BUDGET)
    changes = []
    if body["max_tokens"] <= budget:
        wanted = budget + max(body["max_tokens"], _ANSWER_TOKENS)
        body["max_tokens"] = wanted if max_output is None else max(_LEAST_BUDGET + 1, min(wanted, max_output))
        budget = max(_LEAST_BUDGET, min(budget, body["max_tokens"] - _ANSWER_TOKENS))
        changes.append(f"max_tokens set to {body['max_tokens']}")
    body["thinking"] = {"type": "enabled", "budget_tokens": budget}
    return changes


def _sampling(body: Json, said: Conversation) -> list[str]:
    """Thinking leaves no room for sampling, and new models take one of temperature and top_p, not both."""
    wanted = {"temperature": said.temperature, "top_p": said.top_p, "top_k": said.top_k}
    wanted = {name: value for name, value in wanted.items() if value is not None}
    if as_object(body.get("thinking")).get("type") in ("enabled", "adaptive"):
        return [f"dropped {name}" for name, value in wanted.items() if value != 1]
    changes = []
    if "temperature" in wanted and wanted.pop("top_p", None) not in (None, 1):
        changes.append("dropped top_p")
    if (wanted.get("temperature") or 0) > 1:
        wanted["temperature"] = 1
        changes.append("temperature set to 1")
    body.update(wanted)
    return changes
