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
from starlette.types import ASGIApp

from poe_proxy import __version__
from poe_proxy.ledger.ledger import Ledger
from poe_proxy.limits.limits import Limits
from poe_proxy.observe.metrics import Metrics
from poe_proxy.settings import Settings
from poe_proxy.upkeep import Upkeep
from poe_proxy.web import about, chat, messages, models, openapi, usage
from poe_proxy.web.gate import Door, Gate
from poe_proxy.web.house import opened
from poe_proxy.web.lifeline import Closing, Receive
from poe_proxy.web.outlet import Send

Endpoint = Callable[[WebRequest], Awaitable[ASGIApp]]
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

    app = _App(
        title="Poe Proxy",
        version=__version__,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        telemetry={"tracing": False, "metrics": False, "logs": False},  # which costs 5 % where nobody listens
    )
    app.openapi = openapi.document  # type: ignore[method-assign]
    _add_routes(app)
    app.add_middleware(Door, settings=settings, closing=closing, limits=limits)
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


class _App(FastAPI):
    """FastAPI with the middleware that it is told of, around its routes, and none of its own.

    ``Gate`` and ``Door`` do what theirs would; each one more costs two coroutines a request and one for each piece of
    each stream.
    """

    def build_middleware_stack(self) -> Any:
        """The app that requests go through."""
        app: Any = self.router
        for middleware in reversed(self.user_middleware):
            app = middleware.cls(app, *middleware.args, **middleware.kwargs)
        return app


def _is_alone(settings: Settings) -> bool:
    """Whether this is, as far as can be told, the only process that keeps this ledger."""
    return multiprocessing.parent_process() is None and not settings.database_url.startswith("postgresql")


def _add_routes(app: FastAPI) -> None:
    for prefix in ("/v1", ""):  # a base URL without /v1 is the commonest mistake, so it is none
        _route(app, f"{prefix}/chat/completions", chat.chat_completions, "POST")
        _route(app, f"{prefix}/messages", messages.messages, "POST")
        _route(app, f"{prefix}/messages/count_tokens", messages.count_tokens, "POST")
        _route(app, f"{prefix}/models", models.list_models, "GET")
        _route(app, f"{prefix}/usage", usage.usage, "GET")
        _route(app, f"{prefix}/models/{{model_id:path}}", models.get_model, "GET")
    for path, endpoint in (
        ("/", about.root),
        ("/health", about.health),
        ("/ready", about.ready),
        ("/metrics", about.metrics),
        ("/api/hello", about.health),
    ):
        _route(app, path, endpoint, "GET")


def _route(app: FastAPI, path: str, endpoint: Endpoint, method: str) -> None:
    more: dict[str, Any] = {"response_model": None, "route_class_override": _PlainRoute, "include_in_schema": False}
    app.router.add_api_route(path, endpoint, methods=[method], **more)
    if method == "GET":
        app.router.add_api_route(path, endpoint, methods=["HEAD"], **more)


class _PlainRoute(APIRoute):
    """A route whose endpoint takes the request and returns the response: there are no dependencies to solve for it."""

    async def handle(self, scope: Any, receive: Receive, send: Send) -> None:
        """Answer one request. What is raised goes to the door."""
        if self.methods and scope["method"] not in self.methods:
            raise HTTPException(405, headers={"allow": "GET, HEAD" if "GET" in self.methods else "POST"})
        response = await self.endpoint(WebRequest(scope, receive, send))
        await response(scope, receive, send)
