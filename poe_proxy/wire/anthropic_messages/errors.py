"""Errors in Anthropic's shape: Poe's with its own body kept, since Claude Code acts on the words, and ours.

Claude Code compacts by itself when it reads ``prompt is too long``; other words for the same are put in these.
"""

import re
from collections.abc import Mapping
from typing import Any

import orjson

from poe_proxy.canonical.errors import ContextTooLong, KeyRefused, PoeError, ProxyError, Refused, Unfit
from poe_proxy.canonical.json import Json, as_object
from poe_proxy.wire import poe_errors
from poe_proxy.wire.lenient import as_json

_TYPES: Mapping[int, str] = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_KNOWN = frozenset({*_TYPES.values(), "invalid_request_error", "api_error", "conflict_error"})
_UNDERSTOOD = re.compile(r"prompt is too long|exceed context limit: \d+ \+ \d+ > \d+", re.IGNORECASE)
_NUMBER = re.compile(r"(?<![\w.-])\d{1,3}(?:,\d{3})+\b|(?<![\w.-])\d{3,}\b")
_LIMIT = re.compile(r"(?:maximum|limit|window)\D{0,60}([\d,]*\d)", re.IGNORECASE)
_NAMES_A_FIELD = re.compile(
    r"[a-z0-9]-20\d\d-\d\d-\d\d\b|anthropic-beta|extra inputs are not permitted|expected \W?thinking\b"
    r"|\b[a-z_]+[.\[][\w.\]\[]+\W{1,3}(?:(?:this field|it) )?(?:is (?:not \w+|un\w+)|un\w+ (?:field|parameter))",
    re.IGNORECASE,
)
"""Of a 400 about betas and fields, which can go, however much their names speak of tools and of context."""
_SHOULD_RETRY: Mapping[str, bool] = {"true": True, "false": False}


def read(status: int, headers: Mapping[str, str], body: bytes) -> PoeError:
    """Read an error answer of Poe; ``status`` is its HTTP status, ``headers`` have lower-case names."""
    error = _with_original(_by_its_words(poe_errors.read(status, headers, body)), _parsed(body))
    should_retry = _SHOULD_RETRY.get(headers.get("x-should-retry", ""))
    if should_retry is not None and error.may_retry is None:
        error.may_retry = should_retry
    return error


def _by_its_words(error: PoeError) -> PoeError:
    is_named = error.poe_status in (400, 422) and _NAMES_A_FIELD.search(error.message)
    if not is_named or not isinstance(error, Unfit | ContextTooLong):
        return error
    return Refused(
        error.message,
        poe_status=error.poe_status,
        poe_type=error.poe_type,
        param=error.param,
        code=error.code,
        retry_after=error.retry_after,
    )


def read_in_stream(body: Any) -> PoeError:
    """Read the data of an ``error`` event, or an error that came with 200."""
    return _with_original(poe_errors.read_in_stream(body), body)


def write(error: ProxyError, request_id: str | None = None) -> Json:
    """The body that Anthropic's SDKs and Claude Code expect; ``request_id`` where Poe's own is not known."""
    body = (error.original if isinstance(error, PoeError) else None) or {}
    told: Json = {**as_object(body.get("error")), "type": _type(error), "message": _message(error)}
    if error.details is not None:
        told["details"] = error.details
    id_ = body.get("request_id") or request_id
    return {**body, "type": "error", "error": told, **({"request_id": id_} if id_ else {})}


def encoded(error: ProxyError) -> bytes:
    """The same as bytes, for an event."""
    try:
        return as_json(write(error))
    except ValueError:
        return as_json({"type": "error", "error": {"type": _type(error), "message": _message(error)}})


def _with_original(error: PoeError, said: Any) -> PoeError:
    """What Poe says of our own key is not the caller's."""
    if not isinstance(error, KeyRefused):
        error.original = _innermost(said)
    return error


def _innermost(said: Any) -> Json | None:
    """The error as Anthropic wrote it: Poe puts that body as JSON text into the message of one of its own."""
    if not isinstance(said, dict) or not isinstance(said.get("error"), dict):
        return None
    inner = _innermost(_parsed(said["error"].get("message")))
    if inner is None:
        return said
    id_ = inner.get("request_id") or said.get("request_id")
    return {**inner, "request_id": id_} if id_ else inner


def _parsed(body: Any) -> Any:
    try:
        return orjson.loads(body) if isinstance(body, bytes | str) else None
    except orjson.JSONDecodeError:
        return None


def _type(error: ProxyError) -> str:
    """Poe's own word where it is one of Anthropic's and the status is still Poe's, else the word for the status."""
    if isinstance(error, PoeError) and error.poe_type in _KNOWN and error.poe_status == error.status:
        return error.poe_type
    return _TYPES.get(error.status, "api_error" if error.status >= 500 else "invalid_request_error")


def _message(error: ProxyError) -> str:
    if not isinstance(error, ContextTooLong) or _UNDERSTOOD.search(error.message):
        return error.message
    numbers = [int(number.replace(",", "")) for number in _NUMBER.findall(error.message)]
    limits = [int(number.replace(",", "")) for number in _LIMIT.findall(error.message)]
    most = next((limit for limit in limits if limit in numbers), 0)
    if 0 < most < max(numbers, default=0):
        return f"prompt is too long: {max(numbers)} tokens > {most} maximum"
    return f"prompt is too long: {error.message}"
