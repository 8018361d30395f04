"""The app: routes, error shapes and middleware put together. It decides nothing by itself."""

import contextlib
import multiprocessing
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request as WebRequest
from starlette.responses import Response

from poe_proxy import __version__
from poe_proxy.canonical.errors import CallerError, MethodNotAllowed, NotFound, ProxyError
from poe_proxy.ledger.ledger import Ledger
from poe_proxy.limits.limits import Limits
from poe_proxy.observe.metrics import Metrics
from poe_proxy.settings import Settings
from poe_proxy.upkeep import Upkeep
from poe_proxy.web import about, chat, messages, models, usage
from poe_proxy.web.gate import Door, Gate
from poe_proxy.web.house import opened, report_of
from poe_proxy.web.lifeline import Closing, Receive
from poe_proxy.web.outlet import Send
from poe_proxy.web.respond import error_response, spoken
from poe_proxy.wire.anthropic_messages import DIALECT as MESSAGES
from poe_proxy.wire.openai_chat.validate import ROLES

Endpoint = Callable[[WebRequest], Awaitable[Response]]
_EXPOSED = (
    "x-request-id",
    "x-poe-attempts",
    "x-poe-changes",
    "x-poe-clipped",
    "x-poe-points",
    "x-poe-points-source",
    "x-poe-balance",
    "retry-after",
    "x-ratelimit-limit-requests",
    "x-ratelimit-remaining-requests",
    "x-ratelimit-reset-requests",
)
_MESSAGE = {
    "type": "object",
    "required": ["role"],
    "properties": {"role": {"enum": sorted(ROLES)}, "content": {"description": "a string or a list of parts"}},
}


def _body_schema(description: str, properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    schema = {"type": "object", "description": description, "required": required, "properties": properties}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


_CHAT_SCHEMA = _body_schema(
    "An OpenAI chat completions request; fields beyond these are fitted to the model.",
    {
        "model": {"type": "string", "minLength": 1},
        "messages": {"type": "array", "minItems": 1, "items": _MESSAGE},
        "stream": {"type": "boolean"},
    },
    required=["model", "messages"],
)
_MESSAGES_SCHEMA = _body_schema(
    "An Anthropic messages request; it is passed on to Claude as it is, and translated for other models.",
    {
        "model": {"type": "string", "minLength": 1},
        "max_tokens": {"type": "integer", "minimum": 1},
        "messages": {"type": "array", "minItems": 1, "items": {"type": "object", "required": ["role", "content"]}},
        "stream": {"type": "boolean"},
    },
    required=["model", "max_tokens", "messages"],
)
_SCHEMAS: dict[Endpoint, dict[str, Any]] = {chat.chat_completions: _CHAT_SCHEMA, messages.messages: _MESSAGES_SCHEMA}


def create_app(settings: Settings) -> FastAPI:
    """The app for ``settings``. Raises ModelsFileError and SettingsError where it cannot be made."""
    upkeep, closing, metrics = Upkeep(settings), Closing(settings.shutdown_grace_s), Metrics()
    limits = Limits.of(settings)
    ledger = Ledger(settings.database, keep_days=settings.ledger_days, alone=_is_alone(settings), rows=metrics.rows)

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with opened(settings, upkeep, closing, metrics, limits, ledger) as house:
            app.state.house = house
            yield

    app = FastAPI(
        title="Poe Proxy",
        version=__version__,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        telemetry={"tracing": False, "metrics": False, "logs": False},  # which costs 5 % where nobody listens
    )
    _add_routes(app)
    app.add_exception_handler(ProxyError, _proxy_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_middleware(Door, settings=settings, closing=closing, inbound=limits.inbound)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(settings.cors_origins),
            allow_methods=["GET", "POST"],
            allow_headers=["*"],
            expose_headers=list(_EXPOSED),
        )
    app.add_middleware(Gate, metrics=metrics, ledger=ledger)
    return app


def _is_alone(settings: Settings) -> bool:
    """Whether this is, as far as can be told, the only process that keeps this ledger."""
    return multiprocessing.parent_process() is None and not settings.database_url.startswith("postgresql")


def _add_routes(app: FastAPI) -> None:
    for prefix in ("/v1", ""):  # a base URL without /v1 is the commonest mistake, so it is none
        _route(app, f"{prefix}/chat/completions", chat.chat_completions, "POST", shown=bool(prefix))
        _route(app, f"{prefix}/messages", messages.messages, "POST", shown=bool(prefix))
        _route(app, f"{prefix}/messages/count_tokens", messages.count_tokens, "POST", shown=bool(prefix))
        _route(app, f"{prefix}/models", models.list_models, "GET", shown=bool(prefix))
        _route(app, f"{prefix}/usage", usage.usage, "GET", shown=bool(prefix))
        _route(app, f"{prefix}/models/{{model_id:path}}", models.get_model, "GET", shown=bool(prefix))
    for path, endpoint in (
        ("/", about.root),
        ("/health", about.health),
        ("/ready", about.ready),
        ("/metrics", about.metrics),
        ("/api/hello", about.health),
    ):
        _route(app, path, endpoint, "GET")


def _route(app: FastAPI, path: str, endpoint: Endpoint, method: str, *, shown: bool = True) -> None:
    extra = _SCHEMAS.get(endpoint)
    more: dict[str, Any] = {"response_model": None, "route_class_override": _PlainRoute}
    app.router.add_api_route(path, endpoint, methods=[method], include_in_schema=shown, openapi_extra=extra, **more)
    if method == "GET":
        app.router.add_api_route(path, endpoint, methods=["HEAD"], include_in_schema=False, **more)


class _PlainRoute(APIRoute):
    """A route whose endpoint takes the request and returns the response: there are no dependencies to solve for it."""

    async def handle(self, scope: Any, receive: Receive, send: Send) -> None:
        """Answer one request. Errors go to the app's handlers."""
        if self.methods and scope["method"] not in self.methods:
            raise HTTPException(405)
        response = await self.endpoint(WebRequest(scope, receive, send))
        await response(scope, receive, send)


async def _proxy_error(request: WebRequest, error: Exception) -> Response:
    assert isinstance(error, ProxyError)
    report = report_of(request)
    report.outcome, report.error = "error", f"{type(error).__name__} {error.status} {error.code or ''}".rstrip()
    return error_response(error, dialect=spoken(request.scope))


async def _http_error(request: WebRequest, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return await _proxy_error(request, _as_ours(request, error))


def _as_ours(request: WebRequest, error: HTTPException) -> ProxyError:
    path = request.url.path
    if error.status_code == 405:
        return MethodNotAllowed(f"{request.method} is not possible on {path[:200]}.")
    if error.status_code != 404:
        return CallerError(str(error.detail))
    if f"{path}/".startswith("/v1/v1/"):
        return NotFound(f"The path has /v1 twice: your client's base URL must be {_base(request)}.")
    return NotFound(f"There is nothing at {path[:200]}. Point your client at {_base(request)}, see GET /.")


def _base(request: WebRequest) -> str:
    """Where the caller's client belongs: Anthropic's put /v1 behind their base URL by themselves."""
    speaks_messages = "/messages" in request.url.path or spoken(request.scope) == MESSAGES
    return f"{request.url.scheme}://{request.url.netloc}{'' if speaks_messages else '/v1'}"
