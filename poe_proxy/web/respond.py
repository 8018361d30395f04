"""Our own answers, as headers and bytes; errors always in the shape that the caller's SDK knows."""

import math
from collections.abc import Callable, Mapping
from typing import Any

from starlette.responses import Response

from poe_proxy.canonical.cost import Cost
from poe_proxy.canonical.errors import BodyTooLarge, BodyTooSlow, ProxyError, RateLimited, TooMuchAtOnce
from poe_proxy.canonical.json import Json
from poe_proxy.canonical.report import Report
from poe_proxy.wire.anthropic_messages import DIALECT as MESSAGES
from poe_proxy.wire.anthropic_messages import errors as messages_errors
from poe_proxy.wire.lenient import as_json
from poe_proxy.wire.openai_chat import DIALECT as CHAT
from poe_proxy.wire.openai_chat import errors as chat_errors

_WRITERS: Mapping[str, Callable[[ProxyError], Json]] = {CHAT: chat_errors.write, MESSAGES: messages_errors.write}
_CLOSING = (
    BodyTooLarge,
    BodyTooSlow,
    TooMuchAtOnce,
)  # the rest of the body is still on its way: the connection is of no more use
_NO_HINT_S = 2.0
_MAX_HEADER = 2000


def json_response(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """``content`` as JSON."""
    return Response(as_json(content), status, dict(headers or {}), media_type="application/json")


def error_response(error: ProxyError, headers: Mapping[str, str] | None = None, *, dialect: str = CHAT) -> Response:
    """``error`` in the shape of ``dialect``, with the headers that SDKs act on."""
    body = _WRITERS[dialect](error)
    return json_response(body, error.status, {**(headers or {}), **_error_headers(error)})


def spoken(scope: Any) -> str:
    """The dialect that a caller understands, before its request is read: by the path, or what it says of itself."""
    if f"{scope['path']}/".removeprefix("/v1").startswith("/messages/"):
        return MESSAGES
    return MESSAGES if any(name == b"anthropic-version" for name, _ in scope["headers"]) else CHAT


def _error_headers(error: ProxyError) -> dict[str, str]:
    headers: dict[str, str] = {}
    wait_s = error.retry_after
    if wait_s is None and isinstance(error, RateLimited):
        wait_s = _NO_HINT_S  # Poe's own 429 came without one, and some clients give up where none is named
    if wait_s is not None:
        headers["retry-after"] = str(math.ceil(wait_s))
    if error.may_retry is not None:
        headers["x-should-retry"] = str(error.may_retry).lower()
    if isinstance(error, _CLOSING):
        headers["connection"] = "close"
    return headers


def poe_headers(report: Report) -> dict[str, str]:
    """``x-poe-attempts``, ``x-poe-changes`` and ``x-poe-clipped``: what was tried, changed and left out on the way; and
    the cost, where it is known before the answer leaves."""
    headers = {"x-poe-attempts": str(report.attempts)} if report.attempts else {}
    if report.changes:
        headers["x-poe-changes"] = header_safe("; ".join(report.changes))
    if report.clipped is not None:
        headers["x-poe-clipped"] = "{}/{}".format(*report.clipped)
    passed = {name: header_safe(value) for name, value in report.passed.items()}
    return headers | passed | _cost_headers(report.cost)


def _cost_headers(cost: Cost | None) -> dict[str, str]:
    if cost is None:
        return {}
    figures = {"x-poe-points": cost.points, "x-poe-points-source": cost.source, "x-poe-balance": cost.balance}
    return {name: str(figure) for name, figure in figures.items() if figure is not None}


def header_safe(text: str) -> str:
    """``text`` with nothing in it that a header cannot carry: what is in it may come from a client or from Poe."""
    return "".join(c if " " <= c <= "~" else "?" for c in text)[:_MAX_HEADER]
