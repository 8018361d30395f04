"""The stand-in's back door: look at what happened, queue scripts and faults, change settings."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from poe_sim import catalogue, directives, faults, script
from poe_sim.state import Poe

Handler = Callable[[Poe, Any], Any]


def routes(poe: Poe) -> list[Route]:
    looks = [_route(poe, path, look, "GET") for path, look in _LOOKS.items()]
    return looks + [_route(poe, path, act, "POST") for path, act in _ACTS.items()]


def _route(poe: Poe, path: str, handler: Handler, method: str) -> Route:
    async def endpoint(request: Request) -> Response:
        raw = await request.body()
        try:
            said, status = handler(poe, orjson.loads(raw or b"{}")), 200
        except (KeyError, TypeError, ValueError) as fault:
            said, status = {"error": f"{type(fault).__name__}: {fault}"}, 422
        return Response(orjson.dumps(said), status, media_type="application/json")

    return Route(f"/_sim/{path}", endpoint, methods=[method])


def _requests(poe: Poe, _wish: Any) -> Any:
    return {"requests": [record.shown() for record in poe.log.records]}


def _charges(poe: Poe, _wish: Any) -> Any:
    return {"charges": [booked.shown(poe.now()) for booked in poe.charges]}


def _state(poe: Poe, _wish: Any) -> Any:
    return poe.summary()


def _reset(poe: Poe, _wish: Any) -> Any:
    poe.reset()
    return poe.summary()


def _faults(poe: Poe, wish: Any) -> Any:
    for one in wish if isinstance(wish, list) else [wish]:
        _check_names(one)
        poe.demands.add(one)
    return {"queue": poe.demands.waiting()}


def _check_names(wish: dict[str, str]) -> None:
    unknown = {fault.name for fault in directives.parse_all(wish.get("fault") or "")} - faults.NAMES
    if unknown or (wish.get("script") and not script.known(directives.parse(wish["script"]))):
        raise ValueError(f"no such directive: {unknown or wish['script']}")


def _settings(poe: Poe, wish: Any) -> Any:
    poe.change(wish)
    return poe.summary()


def _rows(poe: Poe, wish: Any) -> Any:
    """Other people's rows: `{"count", "model", "points", "key_name", "seconds_ago"}`, each of them optional."""
    card = catalogue.cards()[wish.get("model", "gpt-5.4-mini")]
    created = poe.now() - float(wish.get("seconds_ago", 0))
    points = (wish.get("points") or random.randint(1, 400) for _ in range(wish.get("count", 1)))
    rows = [poe.books.add_foreign(card, created, int(each), wish.get("key_name")) for each in points]
    return {"rows": [row.shown(poe.now()) for row in rows]}


_LOOKS: dict[str, Handler] = {"requests": _requests, "charges": _charges, "state": _state}
_ACTS: dict[str, Handler] = {"reset": _reset, "faults": _faults, "settings": _settings, "rows": _rows}
