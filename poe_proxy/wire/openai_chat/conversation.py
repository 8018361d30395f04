"""A chat completions request and the conversation that it is, in both directions. It decides nothing about models.

``read`` takes a validated body. ``write`` gives what strict providers take whatever was said before: each call answered
once, by a tool message right after it, and images only where a user shows them.
"""

from collections.abc import Iterator
from typing import Any

import orjson

from poe_proxy.canonical.conversation import (
    EFFORTS,
    CallPart,
    Choice,
    Conversation,
    Effort,
    FilePart,
    Format,
    ImagePart,
    Message,
    Part,
    ResultPart,
    Shown,
    TextPart,
    ThinkingPart,
    Tool,
)
from poe_proxy.canonical.json import Json, as_object, as_string
from poe_proxy.canonical.pairing import paired

_KNOWN = frozenset(
    [
        "model",
        "messages",
        "stream",
        "stream_options",
        "max_tokens",
        "max_completion_tokens",
        "temperature",
        "top_p",
        "stop",
        "tools",
        "tool_choice",
        "functions",
        "function_call",
        "parallel_tool_calls",
        "reasoning_effort",
        "output_effort",
        "thinking_budget",
        "response_format",
        "user",
        "n",
    ]
)
_CHOICES = {"auto": Choice("auto"), "none": Choice("none"), "required": Choice("any"), "any": Choice("any")}
_ANY_OBJECT: Json = {"type": "object", "properties": {}}


def read(body: Json) -> Conversation:
    """What a client said, as far as every dialect knows it; ``changes`` tells the rest."""
    changes = [f"dropped {name}" for name, value in body.items() if name not in _KNOWN and value is not None]
    tools = tuple(_tools(body, changes))
    effort, budget = _thinking(body)
    stop = body.get("stop") or ()
    return Conversation(
        messages=tuple(_messages(body["messages"], changes)),
        tools=tools,
        choice=_choice(body.get("tool_choice") or body.get("function_call"), tools),
        parallel=body.get("parallel_tool_calls") if tools else None,
        max_tokens=_count(body.get("max_completion_tokens") or body.get("max_tokens")),
        temperature=body.get("temperature"),
        top_p=body.get("top_p"),
        stop=(stop,) if isinstance(stop, str) else tuple(stop),
        effort=effort,
        budget=budget,
        format=_format(as_object(body.get("response_format"))),
        user=body.get("user") or "",
        changes=tuple(dict.fromkeys(changes)),
    )


def _count(said: Any) -> int | None:
    return None if said is None else int(said)


def _thinking(body: Json) -> tuple[Effort | None, int | None]:
    """The words that policy has left: a level, or tokens for models that count them."""
    levels = [body[name] for name in ("reasoning_effort", "output_effort") if body.get(name) in EFFORTS]
    budget = body.get("thinking_budget")
    if levels:
        return levels[-1], None
    return None, int(budget) if isinstance(budget, int | float) else None


# --- messages -------------------------------------------------------------------------------------------


def _messages(said: list[Json], changes: list[str]) -> Iterator[Message]:
    """The messages in order; tool messages and the user's words after them are one message of the user's."""
    results: tuple[Part, ...] = ()
    latest: dict[str, str] = {}
    for index, message in enumerate(said):
        if message["role"] in ("tool", "function"):
            results += (_result(message, latest, changes),)
            continue
        told = tuple(_parts(message, index, latest, changes))
        if results and message["role"] == "user":
            told, results = results + told, ()
        if results:
            yield Message("user", results)
            results = ()
        yield Message(_role(message["role"]), told)
    if results:
        yield Message("user", results)


def _role(said: str) -> Any:
    return "system" if said == "developer" else said


def _result(message: Json, latest: dict[str, str], changes: list[str]) -> ResultPart:
    id_ = message.get("tool_call_id") or latest.get(str(message.get("name")), "")
    return ResultPart(str(id_), tuple(_content(message.get("content"), changes)), mark=message.get("cache_control"))


def _parts(message: Json, index: int, latest: dict[str, str], changes: list[str]) -> Iterator[Part]:
    if message["role"] == "assistant" and (thought := message.get("reasoning_content")) and isinstance(thought, str):
        yield ThinkingPart(thought)
    yield from _content(message.get("content"), changes)
    if message["role"] != "assistant":
        return
    if not message.get("content") and message.get("refusal"):
        yield TextPart(str(message["refusal"]))
    if function := as_object(message.get("function_call")):  # how calls were said before there were tools
        latest[str(function.get("name"))] = f"call_{index}"
        yield CallPart(f"call_{index}", str(function.get("name")), _arguments(function.get("arguments")))
    for call in message.get("tool_calls") or ():
        yield _call(call)


def _call(call: Json) -> CallPart:
    function = as_object(call.get("function")) or as_object(call.get("custom"))
    google = as_object(as_object(call.get("extra_content")).get("google"))
    arguments = _arguments(function.get("arguments", function.get("input")))
    signature = google.get("thought_signature")
    return CallPart(str(call.get("id") or ""), str(function.get("name") or ""), arguments, str(signature or ""))


def _arguments(said: Any) -> str:
    if said is None or said == "":
        return "{}"
    return said if isinstance(said, str) else orjson.dumps(said).decode()


def _content(content: Any, changes: list[str]) -> Iterator[Shown]:
    if isinstance(content, str):
        content = [{"type": "text", "text": content}]
    for part in content or ():
        yield from _part(part, part.get("cache_control"), changes)


def _part(part: Json, mark: Json | None, changes: list[str]) -> Iterator[Shown]:
    match part["type"]:
        case "text" | "refusal":
            text = part.get(part["type"])
            if text:
                yield TextPart(str(text), mark)
        case "image_url":
            image = part["image_url"]
            yield ImagePart(image if isinstance(image, str) else image["url"], mark)
        case "file" if isinstance(data := as_object(part.get("file")).get("file_data"), str):
            yield FilePart(data, str(part["file"].get("filename") or ""), mark)
        case kind:
            changes.append(f"dropped {kind}")


# --- tools and format -----------------------------------------------------------------------------------


def _tools(body: Json, changes: list[str]) -> Iterator[Tool]:
    functions = body.get("functions")
    old = [{"function": function} for function in functions] if isinstance(functions, list) else []
    for said in (*(body.get("tools") or ()), *old):
        function = as_object(said.get("function"))
        if isinstance(function.get("name"), str):
            yield _tool(function, said.get("cache_control"))
        else:
            changes.append(f"dropped tool of type {said.get('type')}")


def _tool(function: Json, mark: Json | None) -> Tool:
    strict = function.get("strict")
    return Tool(
        name=function["name"],
        description=as_string(function.get("description")),
        schema=as_object(function.get("parameters")) or _ANY_OBJECT,
        strict=strict if isinstance(strict, bool) else None,
        mark=mark,
    )


def _choice(said: Any, tools: tuple[Tool, ...]) -> Choice | None:
    if not tools:
        return None
    if isinstance(said, str):
        return _CHOICES.get(said)
    name = str((as_object(as_object(said).get("function")) or as_object(said)).get("name"))
    return Choice("tool", name) if any(tool.name == name for tool in tools) else None


def _format(said: Json) -> Format | None:
    match said.get("type"):
        case "json_object":
            return Format()
        case "json_schema":
            form = as_object(said.get("json_schema"))
            strict = form.get("strict") if isinstance(form.get("strict"), bool) else None
            return Format(as_object(form.get("schema")) or None, str(form.get("name") or "answer"), strict)
        case _:
            return None


# --- writing --------------------------------------------------------------------------------------------


def write(said: Conversation, *, returns_reasoning: bool) -> tuple[Json, list[str]]:
    """The body without ``model`` and ``stream``, and what changed, in words.

    ``returns_reasoning``: the model wants its thinking of earlier turns back, which others refuse.
    """
    messages = [one for message in paired(said.messages) for one in _written(message, returns_reasoning)]
    body: Json = {"messages": messages or [{"role": "user", "content": ""}]}
    if said.tools:
        body["tools"] = [_written_tool(tool) for tool in said.tools]
        if said.choice is not None:
            body["tool_choice"] = _written_choice(said.choice)
        if said.parallel is not None:
            body["parallel_tool_calls"] = said.parallel
    values = {
        "max_tokens": said.max_tokens,
        "temperature": said.temperature,
        "top_p": said.top_p,
        "stop": list(said.stop) or None,
        "reasoning_effort": said.effort,
        "thinking_budget": said.budget if said.effort is None else None,
        "response_format": _written_format(said.format),
        "user": said.user or None,
    }
    body.update({name: value for name, value in values.items() if value is not None})
    return body, [*said.changes, *(["dropped top_k"] if said.top_k is not None else [])]


def _written(message: Message, returns_reasoning: bool) -> list[Json]:
    if message.role == "assistant":
        told = _assistant(message, returns_reasoning)
        return [told] if told.keys() - {"role", "content"} or told["content"] else []
    results = [part for part in message.parts if isinstance(part, ResultPart)]
    shown = [part for result in results for part in _not_for_tools(result)]
    rest = [part for part in message.parts if isinstance(part, TextPart | ImagePart | FilePart)]
    tools = [{"role": "tool", "tool_call_id": result.id, "content": _result_text(result)} for result in results]
    content = _written_content([*shown, *rest])
    return [*tools, {"role": message.role, "content": content}] if content else tools


def _assistant(message: Message, returns_reasoning: bool) -> Json:
    texts = [part.text for part in message.parts if isinstance(part, TextPart)]
    calls = [_written_call(part) for part in message.parts if isinstance(part, CallPart)]
    thoughts = [part.text for part in message.parts if isinstance(part, ThinkingPart) and part.text]
    told: Json = {"role": "assistant", "content": "\n\n".join(texts) or (None if calls else "")}
    if returns_reasoning and thoughts:
        told["reasoning_content"] = "\n\n".join(thoughts)
    return {**told, "tool_calls": calls} if calls else told


def _written_call(call: CallPart) -> Json:
    told: Json = {
        "id": call.id,
        "type": "function",
        "function": {"name": call.name, "arguments": call.arguments or "{}"},
    }
    if call.signature:
        told["extra_content"] = {"google": {"thought_signature": call.signature}}
    return told


def _result_text(result: ResultPart) -> str:
    """A result's words; tool messages hold nothing else, and have no other place to say that the tool failed."""
    texts = [part.text for part in result.parts if isinstance(part, TextPart)]
    if len(texts) < len(result.parts):
        texts.append("[The files of this result follow in the next message.]")
    text = "\n\n".join(texts)
    return f"Error: {text}" if result.is_error and not text.lower().startswith("error") else text


def _not_for_tools(result: ResultPart) -> list[Shown]:
    shown: list[Shown] = [part for part in result.parts if not isinstance(part, TextPart)]
    return [TextPart(f"Files of the result of tool call {result.id}:"), *shown] if shown else []


def _written_content(said: list[Shown]) -> str | list[Json]:
    """Text alone as a string, which every backend takes."""
    parts = [_written_part(part) for part in said]
    if all(part["type"] == "text" for part in parts):
        return "\n\n".join(part["text"] for part in parts)
    return parts


def _written_part(part: Shown) -> Json:
    match part:
        case TextPart():
            return {"type": "text", "text": part.text}
        case ImagePart():
            return {"type": "image_url", "image_url": {"url": part.url}}
        case FilePart() if part.url.startswith("data:"):
            return {"type": "file", "file": {"filename": _file_name(part), "file_data": part.url}}
        case FilePart():  # Poe documents files as data URLs only
            return {"type": "text", "text": f"Document: {' '.join(said for said in (part.name, part.url) if said)}"}


def _file_name(part: FilePart) -> str:
    """The name, with an ending by which backends know what is in it."""
    kind = part.url.partition(";")[0].rpartition("/")[2]
    name = part.name or "document"
    return name if "." in name else f"{name}.{kind}"


def _written_tool(tool: Tool) -> Json:
    function: Json = {"name": tool.name, "parameters": tool.schema or _ANY_OBJECT}
    if tool.description:
        function["description"] = tool.description
    if tool.strict is not None:
        function["strict"] = tool.strict
    return {"type": "function", "function": function}


def _written_choice(choice: Choice) -> str | Json:
    if choice.mode == "tool":
        return {"type": "function", "function": {"name": choice.name}}
    return {"any": "required"}.get(choice.mode, choice.mode)


def _written_format(form: Format | None) -> Json | None:
    if form is None:
        return None
    if form.schema is None:
        return {"type": "json_object"}
    said: Json = {"name": form.name, "schema": form.schema}
    return {"type": "json_schema", "json_schema": said if form.strict is None else {**said, "strict": form.strict}}
