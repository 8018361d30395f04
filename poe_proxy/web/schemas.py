"""The bodies of requests and answers as JSON schemas, for the description of the routes.

They tell what is needed and what is refused; a body may hold more: what a model or a later version of its dialect
knows passes.
"""

from poe_proxy.canonical.json import Json
from poe_proxy.wire.anthropic_messages.validate import ROLES as MESSAGES_ROLES

TEXT: Json = {"type": "string"}
_FILLED: Json = {"type": "string", "pattern": "\\S"}
COUNT: Json = {"type": "integer", "minimum": 0}
_OBJECT: Json = {"type": "object"}
_MAYBE_TEXT: Json = {"type": ["string", "null"]}
_MAYBE_COUNT: Json = {"type": ["integer", "null"]}
_MAYBE_FLAG: Json = {"type": ["boolean", "null"]}
_MAYBE_NUMBER: Json = {"type": ["number", "null"]}
_MAYBE_LIMIT: Json = {"type": ["integer", "null"], "minimum": 1}
_MAYBE_OBJECT: Json = {"type": ["object", "null"]}


def schemas() -> dict[str, Json]:
    """All of them by their names."""
    return {**_requests(), **_answers(), **_errors(), **_about()}


def ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def object_of(properties: Json, required: tuple[str, ...] | None = None) -> Json:
    """An object that holds all of ``properties``, or those that are ``required``; more may be in it."""
    needed = list(properties if required is None else required)
    return {"type": "object", "properties": properties, **({"required": needed} if needed else {})}


def list_of(items: Json, *, least: int = 0) -> Json:
    return {"type": "array", "items": items, **({"minItems": least} if least else {})}


def _block(kind: str, **fields: Json) -> Json:
    return object_of({"type": {"const": kind}, **fields})


# --- what requests hold ---------------------------------------------------------------------------------------------


def _requests() -> Json:
    messages: Json = {
        "model": _FILLED,
        "messages": list_of({"$ref": "#/components/schemas/MessagesTurn"}, least=1),
        "system": {"anyOf": [_MAYBE_TEXT, list_of(ref("Block"))]},
        "stream": _MAYBE_FLAG,
        "temperature": _MAYBE_NUMBER,
        "top_p": _MAYBE_NUMBER,
        "top_k": _MAYBE_NUMBER,
        "stop_sequences": {"type": ["array", "null"], "items": TEXT},
        "tools": {"type": ["array", "null"], "items": _OBJECT},
        "tool_choice": _MAYBE_OBJECT,
        "thinking": _MAYBE_OBJECT,
        "metadata": _MAYBE_OBJECT,
    }
    limit: Json = {"max_tokens": {"type": "integer", "minimum": 1}}
    return {
        "ChatRequest": object_of(_chat_fields(), ("model", "messages")),
        "ChatMessage": {"anyOf": list(_chat_messages())},
        "MessagesRequest": object_of({**messages, **limit}, ("model", "max_tokens", "messages")),
        "CountRequest": object_of(messages, ("model", "messages")),
        "MessagesTurn": object_of(
            {"role": {"enum": sorted(MESSAGES_ROLES)}, "content": {"anyOf": [TEXT, list_of(ref("Block"))]}}
        ),
        "Block": {"anyOf": [_block("text", text=TEXT), _block("image", source=_OBJECT), _tool_use(), _tool_result()]},
    }


def _chat_fields() -> Json:
    numbers = ("temperature", "top_p", "presence_penalty", "frequency_penalty", "top_logprobs")
    return {
        "model": _FILLED,
        "messages": list_of(ref("ChatMessage"), least=1),
        "stream": _MAYBE_FLAG,
        "stream_options": {"type": ["object", "null"], "properties": {"include_usage": {"type": "boolean"}}},
        **dict.fromkeys(numbers, _MAYBE_NUMBER),
        **dict.fromkeys(("max_tokens", "max_completion_tokens", "n"), _MAYBE_LIMIT),
        **dict.fromkeys(("logprobs", "parallel_tool_calls"), _MAYBE_FLAG),
        **dict.fromkeys(("user", "reasoning_effort"), _MAYBE_TEXT),
        "stop": {"anyOf": [_MAYBE_TEXT, list_of(TEXT)]},
        "tools": {"type": ["array", "null"], "items": _chat_tool()},
        "tool_choice": {"type": ["string", "object", "null"]},
        "response_format": {"anyOf": [{"type": "null"}, object_of({"type": {"enum": ["text", "json_object"]}})]},
    }


def _chat_tool() -> Json:
    function = object_of({"name": {**TEXT, "minLength": 1}, "parameters": _MAYBE_OBJECT}, ("name",))
    return object_of({"type": {"const": "function"}, "function": function})


def _chat_messages() -> tuple[Json, ...]:
    parts = list_of({"anyOf": [_block("text", text=TEXT), _block("image_url", image_url=object_of({"url": TEXT}))]})
    said, maybe = {"anyOf": [TEXT, parts]}, {"anyOf": [_MAYBE_TEXT, parts]}
    call = object_of({"id": TEXT, "function": object_of({"name": TEXT, "arguments": TEXT})})
    return (
        object_of({"role": {"enum": ["system", "developer", "user"]}, "content": said}),
        object_of(
            {
                "role": {"const": "assistant"},
                "content": maybe,
                "tool_calls": {"type": ["array", "null"], "items": call},
            },
            ("role",),
        ),
        object_of({"role": {"const": "tool"}, "content": maybe, "tool_call_id": TEXT}, ("role", "tool_call_id")),
    )


def _tool_use() -> Json:
    return _block("tool_use", id=TEXT, name=TEXT, input=_OBJECT)


def _tool_result() -> Json:
    return _block("tool_result", tool_use_id=TEXT)


# --- what answers hold ----------------------------------------------------------------------------------------------


def _answers() -> Json:
    cost = {"points": COUNT, "source": {"enum": ["settled", "estimated"]}, "usd": {"type": "number"}}
    return {
        "ChatCompletion": object_of(
            {
                "id": TEXT,
                "object": {"const": "chat.completion"},
                "created": COUNT,
                "model": TEXT,
                "choices": list_of(
                    object_of({"index": {"const": 0}, "message": _OBJECT, "finish_reason": TEXT}), least=1
                ),
                "usage": object_of(
                    {
                        **dict.fromkeys(("prompt_tokens", "completion_tokens", "total_tokens"), COUNT),
                        "poe": ref("Cost"),
                    },
                    ("prompt_tokens", "completion_tokens", "total_tokens"),
                ),
            },
            ("id", "object", "created", "model", "choices"),
        ),
        "Message": object_of(
            {
                "id": TEXT,
                "type": {"const": "message"},
                "role": {"const": "assistant"},
                "model": TEXT,
                "content": list_of(object_of({"type": TEXT})),
                "stop_reason": TEXT,
                "stop_sequence": _MAYBE_TEXT,
                "usage": object_of(
                    {"input_tokens": COUNT, "output_tokens": COUNT, "poe": ref("Cost")},
                    ("input_tokens", "output_tokens"),
                ),
            }
        ),
        "Cost": object_of({**cost, "balance": {"type": "integer"}}, ()),
    }


def _errors() -> Json:
    openai = object_of({"message": TEXT, "type": TEXT, "param": _MAYBE_TEXT, "code": _MAYBE_TEXT})
    anthropic = object_of({"type": TEXT, "message": TEXT})
    return {
        "OpenAIError": object_of({"error": openai}),
        "AnthropicError": object_of({"type": {"const": "error"}, "error": anthropic}),
        "Error": {
            "description": "In Anthropic's shape for who sends anthropic-version, else in OpenAI's.",
            "anyOf": [ref("OpenAIError"), ref("AnthropicError")],
        },
    }


def _about() -> Json:
    sums = {"points": COUNT, "requests": COUNT}
    points = ("today", "month", "settled", "estimated", "unsettled")
    ready = ("key", "catalogue", "models", "balance", "limits", "ledger", "settling")
    model: Json = {"id": TEXT, "object": {"const": "model"}, "created": {"type": "integer"}, "owned_by": TEXT}
    anthropics: Json = {"id": TEXT, "type": {"const": "model"}, "display_name": TEXT, "created_at": TEXT}
    page: Json = {"has_more": {"type": "boolean"}, "first_id": _MAYBE_TEXT, "last_id": _MAYBE_TEXT}
    return {
        "About": object_of({"name": TEXT, "version": TEXT, "point_your_client_at": _OBJECT, "endpoints": _OBJECT}),
        "Health": object_of({"status": {"const": "ok"}, "version": TEXT}),
        "Ready": object_of({"ready": {"type": "boolean"}, **dict.fromkeys(ready, TEXT)}),
        "Model": object_of({**model, "context_length": _MAYBE_COUNT, "max_output_tokens": _MAYBE_COUNT}),
        "ModelList": object_of({"object": {"const": "list"}, "data": list_of(ref("Model"))}),
        "AnthropicModel": object_of({**anthropics, "max_input_tokens": _MAYBE_COUNT, "max_tokens": _MAYBE_COUNT}),
        "AnthropicModelList": object_of({"data": list_of(ref("AnthropicModel")), **page}),
        "Usage": object_of(
            {
                "balance": _MAYBE_COUNT,
                "points": object_of(dict.fromkeys(points, COUNT)),
                "requests": COUNT,
                "by_model": list_of(object_of({"model": TEXT, **sums})),
                "by_key": list_of(object_of({"key": TEXT, **sums})),
                "session": object_of(sums),
            },
            ("balance", "points", "requests", "by_model", "by_key"),
        ),
    }
