"""Error answers: real bodies where one was seen, the documented shape elsewhere."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Refusal:
    """An HTTP status with the inside of its `error` object."""

    status: int
    error: Json
    headers: Mapping[str, str] = field(default_factory=dict)


def invalid(message: str, **extra: Any) -> Refusal:
    """400 for a request that is wrong in itself; `extra` adds `param`, `code`, …"""
    return Refusal(400, {"message": message, "type": "invalid_request_error", **extra})


def unauthorized() -> Refusal:
    return Refusal(401, {"message": "Invalid API key.", "type": "authentication_error"})


def no_such_model(name: str) -> Refusal:
    """Poe fact: the status is 404 though the type says invalid_request_error."""
    message = f"The model `{name}` does not exist or you do not have access to it."
    return Refusal(404, {"message": message, "type": "invalid_request_error"})


def no_such_messages_model() -> Refusal:
    """Poe fact: what messages says of any model that is not an official Claude."""
    return Refusal(404, {"message": "Internal server error", "type": "not_found_error"})


def no_responses_method() -> Refusal:
    return invalid("Model does not support responses method.")


def unsupported_value(name: str, value: object, model: str, allowed: list[object]) -> Refusal:
    """Poe fact: this text was seen for `reasoning_effort`, with neither `param` nor `code`."""
    supported = ", ".join(f"'{one}'" for one in allowed)
    shown = f"'{value}'" if isinstance(value, str) else str(value)
    place = f"Unsupported value: {shown} is not supported with the '{model}' model."
    return invalid(f"{place} Supported values are: {supported}.") if allowed else invalid(f"Invalid '{name}': {place}")


def no_tools(model: str) -> Refusal:
    message = f"Model {model} does not support tool calling. Use a tool-capable model or remove tools from the request."
    return invalid(message, param="model", code="unsupported_feature_for_model")


def no_tools_at_provider() -> Refusal:
    """Poe fact: search models list tools in the catalogue, and their provider refuses them."""
    return invalid(
        "litellm.BadRequestError: OpenAIException - tools is not supported in this model. "
        "For a list of supported models, refer to "
        "https://platform.openai.com/docs/guides/function-calling#models-supporting-function-calling.",
        error_id=secrets.token_hex(16),
    )


def not_a_chat_model() -> Refusal:
    return invalid(
        "litellm.BadRequestError: OpenAIException - This is not a chat model and thus not supported in the "
        "v1/chat/completions endpoint. Did you mean to use v1/completions?",
        error_id=secrets.token_hex(16),
    )


def too_long(status: int, limit: int, size: int) -> Refusal:
    """Documented as 413; the same is also met as 400."""
    message = (
        f"This model's maximum context length is {limit} tokens. However, your messages resulted in {size} tokens. "
        "Please reduce the length of the messages."
    )
    kind = "request_too_large" if status == 413 else "invalid_request_error"
    return Refusal(status, {"message": message, "type": kind})


def rate_limited(retry_after: str | None = None) -> Refusal:
    """Poe fact: the one real 429 had no Retry-After, which is documented nonetheless."""
    headers = {"retry-after": retry_after} if retry_after else {}
    error = {
        "message": "Resource has been exhausted (e.g. check quota).",
        "type": "rate_limit_error",
        "error_id": secrets.token_hex(16),
    }
    return Refusal(429, error, headers)


# The real body of a refused parameter was never seen: each spelling below is one that some provider uses.
PARAMETER_STYLES: Mapping[str, Callable[[str], Refusal]] = {
    "openai": lambda name: invalid(f"Unrecognized request argument supplied: {name}"),
    "openai_param": lambda name: invalid(f"Unrecognized request argument supplied: {name}", param=name, code=None),
    "unsupported": lambda name: invalid(
        f"Unsupported parameter: '{name}' is not supported with this model.",
        param=name,
        code="unsupported_parameter",
    ),
    "unsupported_bare": lambda name: invalid(f"Unsupported parameter: '{name}' is not supported with this model."),
    "pydantic": lambda name: invalid(f"{name}: Extra inputs are not permitted"),
    "unknown": lambda name: invalid(f"Unknown parameter: '{name}'.", param=name, code="unknown_parameter"),
    "documented": lambda name: invalid(f"Parameter '{name}' is not supported.", code=400, metadata={}),
    "param_only": lambda name: invalid("Invalid request.", param=name),
}


def unknown_parameter(name: str, style: str) -> Refusal:
    return PARAMETER_STYLES.get(style, PARAMETER_STYLES["openai"])(name)
