"""What the proxy says of itself: ``/``, ``/health``, ``/ready`` and ``/metrics``."""

import asyncio
from typing import Any

from starlette.requests import Request as WebRequest
from starlette.responses import Response

from poe_proxy import __version__
from poe_proxy.observe.metrics import CONTENT_TYPE
from poe_proxy.web.house import House, report_of
from poe_proxy.web.respond import json_response


async def root(request: WebRequest) -> Response:
    """What this is, and where to point a client."""
    base = f"{request.url.scheme}://{request.url.netloc}"
    key = "your PROXY_API_KEY" if House.of(request).settings.proxy_api_key else "anything: no PROXY_API_KEY is set"
    return json_response(
        {
            "name": "Poe Proxy",
            "version": __version__,
            "about": "Your Poe subscription for clients of OpenAI's and of Anthropic's API.",
            "point_your_client_at": {"base_url": f"{base}/v1", "anthropic_base_url": base, "api_key": key},
            "endpoints": {
                "POST /v1/chat/completions": "chat with any Poe model, streamed or not",
                "POST /v1/messages": "the same for Anthropic's clients",
                "POST /v1/messages/count_tokens": "the tokens of a prompt",
                "GET /v1/models": "the models",
                "GET /v1/usage": "what was spent: balance, points, by model and by key",
                "GET /health": "alive",
                "GET /ready": "ready, in words",
                "GET /metrics": "Prometheus metrics",
            },
        }
    )


async def health(_: WebRequest) -> Response:
    """Alive, whatever Poe does."""
    return json_response({"status": "ok", "version": __version__})


async def ready(request: WebRequest) -> Response:
    """200 when the key is valid and a catalogue is loaded, else 503; either way in words.

    Where there are keys, who comes without one learns no more than whether it is ready, and which half is missing.
    """
    house = House.of(request)
    state = house.upkeep.readiness()
    said: dict[str, Any] = {"ready": state.ready, "key": state.key, "catalogue": state.catalogue}
    if report_of(request).caller or not house.settings.proxy_api_key:
        said |= {"models": state.models, "balance": state.balance, "limits": house.limits.words()}
        said |= house.ledger.readiness()
    return json_response(said, 200 if state.ready else 503)


async def metrics(request: WebRequest) -> Response:
    """The metrics page."""
    counted = House.of(request).metrics
    counted.tasks.set(len(asyncio.all_tasks()))
    return Response(counted.page(), media_type=CONTENT_TYPE)
