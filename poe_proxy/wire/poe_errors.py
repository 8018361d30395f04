"""Poe's errors, whatever they look like, in every dialect alike.

Poe documents an integer ``code``, but real bodies mostly lack it; a message may hold the provider's whole error as a
JSON string; gateways answer in HTML. So the HTTP status decides first and ``type`` second.
"""

import math
import re
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any

import orjson

from poe_proxy.canonical.errors import (
    ContextTooLong,
    KeyRefused,
    ModelMissing,
    Moderated,
    NoAccess,
    NotStarted,
    OutOfPoints,
    PoeError,
    PoeFailed,
    RateLimited,
    Refused,
    Unfit,
)
from poe_proxy.canonical.json import Json, as_object

_BY_STATUS: Mapping[int, type[PoeError]] = {
    400: Refused,
    401: KeyRefused,
    402: OutOfPoints,
    403: KeyRefused,
    404: ModelMissing,
    408: NotStarted,
    413: ContextTooLong,
    422: Refused,
    429: RateLimited,
}
_STATUS_BY_TYPE: Mapping[str, int] = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "insufficient_credits": 402,
    "insufficient_quota": 402,
    "billing_error": 402,
    "permission_error": 403,
    "moderation_error": 403,
    "not_found_error": 404,
    "timeout_error": 408,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "api_error": 500,
    "provider_error": 500,
    "upstream_error": 502,
    "overloaded_error": 529,
}
_CONTEXT = re.compile(
    r"context.{0,20}(length|window|limit)|maximum (context|prompt|input)|(prompt|input) is too long"
    r"|input token count.{0,40}exceeds"
    r"|too many (input )?tokens|reduce the length of the (messages|prompt|input)",
    re.IGNORECASE,
)
_OUTPUT_LIMIT = re.compile(
    r"\bmax_(?:completion_|output_)?tokens\W{0,3} (?:must|should) be (?:less|at most|<)", re.IGNORECASE
)
"""About the length of the answer, even where the model's context is named as well."""
_MODERATION = re.compile(
    r"moderat|content.?(policy|filter|management)|usage polic|safety (system|policy|filter)|flagged", re.IGNORECASE
)
_TOOLS = re.compile(
    r"tool.?(call|use|choice|capable)|function.?call|\btools?\b.{0,40}(not|un)\s?-?support|support.{0,20}\btools?\b",
    re.IGNORECASE,
)
_DROPPABLE = re.compile(
    r"\b(parallel|max)_tool_calls\b"
)  # parameters that may go: naming them is not speaking of tools
_KEY = re.compile(r"\bkeys?\b|token|credential|authenti", re.IGNORECASE)
_TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)
_MAX_MESSAGE = 2000
_KEY_CURE = "Poe refused this proxy's own Poe key. Set a valid POE_API_KEY (poe.com/api/keys) and restart the proxy."


def read(status: int, headers: Mapping[str, str], body: bytes) -> PoeError:
    """Read an error answer of Poe; ``status`` is its HTTP status, ``headers`` have lower-case names."""
    error = _unwrap(_parsed(body))
    return _build(status, error, _retry_after(headers))


def read_in_stream(error: Any) -> PoeError:
    """Read an error object that came inside a 200 answer, where no HTTP status tells its kind."""
    fields = _unwrap({"error": error} if not isinstance(error, dict) or "error" not in error else error)
    return _build(_status_of(fields), fields, None)


def _parsed(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return {"message": _plain(body)}


def _plain(body: bytes) -> str:
    """The words of an answer that is not JSON: of an HTML page its title, which is all that a person can use of it."""
    text = body[: 8 * _MAX_MESSAGE].decode("utf-8", "replace").strip()
    if not text.startswith("<"):
        return text
    title = _TITLE.search(text)
    return f"an HTML page ({title.group(1).strip()})" if title else "an HTML page"


def _unwrap(body: Any) -> Json:
    """The innermost error object: an error's message may itself be a JSON string that holds the provider's error."""
    if isinstance(body, list) and body:
        body = body[0]  # as Google has it
    error = body.get("error", body) if isinstance(body, dict) else body
    if not isinstance(error, dict):
        return {"message": str(error) if error else ""}
    if not error.get("message") and error.get("detail"):
        return {**error, "message": _detail(error["detail"])}
    inner = _inner(error.get("message"))
    return error if inner is None else {**error, **_unwrap(inner)}


def _detail(detail: Any) -> str:
    """What FastAPI says instead of a message: a text, or pydantic's list of places and faults."""
    if not isinstance(detail, list):
        return str(detail)
    return "; ".join(_fault(fault) if isinstance(fault, dict) else str(fault) for fault in detail)


def _fault(fault: Json) -> str:
    place = ".".join(str(step) for step in fault.get("loc") or ())
    return f"{place}: {fault.get('msg')}" if place else str(fault.get("msg"))


def _inner(message: Any) -> Json | None:
    if not isinstance(message, str) or not message.lstrip().startswith("{"):
        return None
    try:
        inner = orjson.loads(message)
    except orjson.JSONDecodeError:
        return None
    return inner if isinstance(inner, dict) and ("error" in inner or "message" in inner) else None


def _status_of(error: Json) -> int:
    code = error.get("code")
    if isinstance(code, int) and not isinstance(code, bool) and 400 <= code <= 599:
        return code
    return _STATUS_BY_TYPE.get(str(error.get("type")), _STATUS_BY_TYPE.get(str(code), 500))


def _build(status: int, error: Json, retry_after: float | None) -> PoeError:
    message = str(error.get("message") or "").strip()[:_MAX_MESSAGE]
    poe_type = error.get("type") if isinstance(error.get("type"), str) else None
    kind = _kind(status, poe_type, message, error)
    code, param = error.get("code"), error.get("param") or as_object(error.get("metadata")).get("parameter")
    return kind(
        _shown(kind, status, message),
        poe_status=status,
        poe_type=poe_type,
        param=param if isinstance(param, str) else None,
        code=code if isinstance(code, str) and kind is not KeyRefused else None,
        retry_after=retry_after,
    )


def _kind(status: int, poe_type: str | None, message: str, error: Json) -> type[PoeError]:
    if status == 403 and (poe_type == "moderation_error" or _MODERATION.search(message)):
        return Moderated
    if status == 403 and poe_type == "permission_error" and not _KEY.search(message):
        return NoAccess
    kind = _BY_STATUS.get(status, Unfit if 400 <= status < 500 else PoeFailed)
    return _kind_of_400(message, error) if kind is Refused else kind


_KINDS_OF_400: tuple[tuple[Callable[[str], object], type[PoeError]], ...] = (
    (_OUTPUT_LIMIT.search, Refused),
    (_CONTEXT.search, ContextTooLong),
    (_MODERATION.search, Unfit),
    (_TOOLS.search, Unfit),
)


def _kind_of_400(message: str, error: Json) -> type[PoeError]:
    words = f"{_DROPPABLE.sub(' ', message)} {str(error.get('code') or '').replace('_', ' ')}"
    return next((kind for speaks_of, kind in _KINDS_OF_400 if speaks_of(words)), Refused)


def _shown(kind: type[PoeError], status: int, message: str) -> str:
    if kind is KeyRefused:
        return _KEY_CURE
    return message or f"Poe answered {status} without saying why."


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds, from ``retry-after-ms`` or ``Retry-After``; nonsense counts as not given."""
    try:
        if (milliseconds := headers.get("retry-after-ms")) is not None:
            seconds = float(milliseconds) / 1000
        else:
            seconds = float(headers["retry-after"])
    except KeyError:
        return None
    except ValueError:
        return _until(headers.get("retry-after", ""), headers.get("date", ""))
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _until(then: str, now: str) -> float | None:
    """Seconds between two HTTP dates: Poe's own clock tells how far away its date is."""
    try:
        return max(0.0, (parsedate_to_datetime(then) - parsedate_to_datetime(now)).total_seconds())
    except (ValueError, TypeError):
        return None
