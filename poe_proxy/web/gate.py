"""The gate: every request gets an id and a Report here, and whatever happened is told once; strangers are turned away.

Plain ASGI, since a wrapper around each message of each stream is what Starlette's own middleware costs.
"""

import math
import re
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.responses import Response

from poe_proxy.canonical.errors import ProxyError, ShuttingDown, TooManyRequests
from poe_proxy.canonical.report import Report
from poe_proxy.ledger.ledger import Ledger
from poe_proxy.limits.inbound import Caller, Standing
from poe_proxy.limits.limits import Limits
from poe_proxy.observe import log
from poe_proxy.observe.metrics import Metrics
from poe_proxy.settings import Settings
from poe_proxy.web.browsers import headers_for
from poe_proxy.web.caller import Callers, household
from poe_proxy.web.lifeline import Closing, Message, Receive
from poe_proxy.web.outlet import Send
from poe_proxy.web.refused import refused
from poe_proxy.web.respond import error_response, spoken
from poe_proxy.web.visitors import Holder, Visitors

_QUIET_PATHS = frozenset({"/health", "/ready", "/metrics"})
_SANE_ID = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
MODEL_ROUTES = frozenset({"/v1/chat/completions", "/v1/messages"})
"""What RATE_LIMIT counts: listing models or counting tokens costs nothing, and agents do it dozens of times at once."""
_ROUTES = MODEL_ROUTES | {
    "/",
    "/health",
    "/ready",
    "/metrics",
    "/api/hello",
    "/v1/models",
    "/v1/usage",
    "/v1/messages/count_tokens",
    "/openapi.json",
}
_SHUT = frozenset({"/metrics", "/v1/models", "/v1/models/{id}", "/v1/usage", "/openapi.json"})
"""What HEAD may knock at without a key: it is told that somebody is there, but not how long the answer would be."""
_SESSION_HEADERS = ("x-claude-code-session-id", "session-id", "x-session-id")  # Claude Code's, Codex', and anybody's
_AGENT_HEADER = "x-claude-code-agent-id"  # a subagent's; its session is that of the agent that sent it


class Gate:
    """ASGI middleware around the whole app.

    ``scope["state"]`` holds the request's ``report``, and ``headers`` that its answer gets, whoever writes it.
    """

    def __init__(
        self,
        app: Any,
        *,
        metrics: Metrics,
        ledger: Ledger,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._app = app
        self._metrics = metrics
        self._ledger = ledger
        self._clock = clock
        self._wall = wall

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})

    async def _http(self, scope: Any, receive: Receive, send: Send) -> None:
        report = Report(_request_id(scope), _route(scope["path"]), self._clock())
        report.time, report.address = self._wall(), _address(scope)
        state = scope.setdefault("state", {})
        state["report"], state["headers"] = report, [*headers_for(scope["method"]), *_ids(report)]
        tagged = _tagged(send, report, state["headers"])
        self._metrics.running.inc()
        try:
            await self._app(scope, receive, tagged)
        except Exception as error:  # of what stands between here and the door
            await refused(error, scope, receive, tagged)
        finally:
            self._metrics.running.dec()
            self._tell(report, scope)

    def _tell(self, report: Report, scope: Any) -> None:
        report.ended = self._clock()
        report.status = report.status or 499  # the client left before there was anything to say
        if report.outcome == "ok" and report.status >= 400:
            report.outcome = "error" if report.status != 499 else "client_left"
        if report.dialect:
            self._ledger.take(report)
        self._metrics.count(report)
        if scope["path"] not in _QUIET_PATHS or report.status >= 400:
            log.write(report)


class Door:
    """ASGI middleware inside CORS, so that a web page that may call can also read why it was refused."""

    def __init__(self, app: Any, *, settings: Settings, closing: Closing, limits: Limits) -> None:
        self._app = app
        self._visitors = Visitors(settings)
        self._callers = Callers(settings.trusted_proxies)
        self._inbound = limits.inbound
        self._room = limits.room
        self._closing = closing

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _http(self, scope: Any, receive: Receive, send: Send) -> None:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        report: Report = scope["state"]["report"]
        report.address = self._callers.address(scope)
        holder = self._visitors.holder(headers)
        refusal = self._refusal(scope, headers, holder)
        if refusal is None and self._inbound is not None and report.route in MODEL_ROUTES and scope["method"] == "POST":
            standing = await self._inbound.admit(_counted(report, holder))
            scope["state"]["headers"] += _limit_headers(standing)
            refusal = None if standing.granted else _too_many(standing)
        if refusal is not None:
            await error_response(refusal, dialect=spoken(scope))(scope, receive, send)
        elif holder is None and report.route in _SHUT and self._visitors.has_keys:
            await Response()(scope, receive, send)
        else:
            await self._routed(scope, receive, send)

    async def _routed(self, scope: Any, receive: Receive, send: Send) -> None:
        try:
            await self._app(scope, receive, send)
        except Exception as error:
            await refused(error, scope, receive, send)
        finally:
            self._room.leave(scope["state"]["report"])

    def _refusal(self, scope: Any, headers: dict[str, str], holder: Holder | None) -> ProxyError | None:
        if self._closing.begun:
            return ShuttingDown("The proxy is shutting down; try again in a moment.", retry_after=1)
        refusal = self._visitors.refusal(scope, headers, holder)
        if refusal is None:
            report = scope["state"]["report"]
            report.caller, report.session = holder.shown if holder else "", _session(headers)
            report.agent = headers.get(_AGENT_HEADER, "")
        return refusal


def _counted(report: Report, holder: Holder | None) -> list[Caller]:
    address = ("address", household(report.address))
    return [address] if holder is None else [address, ("key", holder.name)]


def _limit_headers(standing: Standing) -> list[tuple[bytes, bytes]]:
    """As OpenAI and Poe name them; the reset in whole seconds, as Poe has it."""
    return [
        (b"x-ratelimit-limit-requests", b"%d" % standing.limit),
        (b"x-ratelimit-remaining-requests", b"%d" % standing.left),
        (b"x-ratelimit-reset-requests", b"%d" % math.ceil(standing.reset_s)),
    ]


def _too_many(standing: Standing) -> TooManyRequests:
    wait_s = max(1, math.ceil(standing.reset_s))
    return TooManyRequests(
        f"This {standing.whose} has used up its {standing.limit} requests (RATE_LIMIT). Try again in {wait_s} s.",
        retry_after=wait_s,
    )


def _ids(report: Report) -> list[tuple[bytes, bytes]]:
    """As OpenAI and Anthropic name it."""
    request_id = report.request_id.encode()
    return [(b"x-request-id", request_id), (b"request-id", request_id)]


def _tagged(send: Send, report: Report, headers: list[tuple[bytes, bytes]]) -> Send:
    """``send`` with ``headers`` as they are when the answer begins; the only wrapper around each piece of a stream, and
    no coroutine of its own."""

    def tagged(message: Message) -> Awaitable[None]:
        if message["type"] == "http.response.start":
            report.status = message["status"]
            message["headers"] = [*message["headers"], *headers]
        return send(message)

    return tagged


def _address(scope: Any) -> str:
    client = scope.get("client")
    return str(client[0]) if client else ""


def _session(headers: dict[str, str]) -> str:
    return next((said for name in _SESSION_HEADERS if (said := headers.get(name))), "")


def _request_id(scope: Any) -> str:
    """The caller's own id if it is sane, so that its log and ours can be laid side by side."""
    given = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"x-request-id"), "")
    return given if _SANE_ID.fullmatch(given) else new_id()


def new_id() -> str:
    """An id for a request that brings none, in the form of OpenAI's and Anthropic's."""
    return f"req_{secrets.token_hex(16)}"


def _route(path: str) -> str:
    """The route for logs and metrics: paths that we do not serve are one route, since anybody can make them up."""
    path = path if path.startswith("/v1/") or path in _ROUTES else f"/v1{path}"
    if path.startswith("/v1/models/"):
        return "/v1/models/{id}"
    return path if path in _ROUTES else "other"
