"""The account's endpoints: balance and history (without /v1), and the catalogue."""

from __future__ import annotations

from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from poe_sim import catalogue, faults, refusals
from poe_sim.access import admit, answer_headers
from poe_sim.records import Record
from poe_sim.refusals import Refusal
from poe_sim.state import Poe

_MOST = 100
_BALANCE = "/usage/current_balance"
_HISTORY = "/usage/points_history"


def routes(poe: Poe) -> list[Route]:
    """`GET /v1/models` needs no key, the others do; faults reach all three (refusals only)."""

    async def models(request: Request) -> Response:
        record, refusal = _arrive(poe, request, keyless=True)
        return _said(poe, record, refusal or catalogue.listing())

    async def balance(request: Request) -> Response:
        record, refusal = _arrive(poe, request)
        return _said(poe, record, refusal or {"current_point_balance": poe.books.balance})

    async def history(request: Request) -> Response:
        record, refusal = _arrive(poe, request)
        return _said(poe, record, refusal or _page(poe, request))

    return [Route("/v1/models", models), Route(_BALANCE, balance), Route(_HISTORY, history)]


def _arrive(poe: Poe, request: Request, *, keyless: bool = False) -> tuple[Record, Refusal | None]:
    record = poe.log.arrived(request, poe.now())
    refusal = None if keyless else admit(poe, request.headers, record)
    _, active = poe.demands.take(None, record.path, request.headers, "")
    record.faults = [fault.name for fault in active]
    wanted = next((faults.REFUSALS[fault.name](fault) for fault in active if fault.name in faults.REFUSALS), None)
    return record, wanted or refusal


def _page(poe: Poe, request: Request) -> dict[str, Any] | Refusal:
    asked = request.query_params.get("limit", "20")
    if not asked.isdecimal() or not 1 <= int(asked) <= _MOST:
        return refusals.invalid(f"limit must be between 1 and {_MOST}", param="limit")
    page = poe.books.history(int(asked), request.query_params.get("starting_after"), poe.now())
    return refusals.invalid("starting_after names no row", param="starting_after") if page is None else page


def _said(poe: Poe, record: Record, said: bytes | dict[str, Any] | Refusal) -> Response:
    headers = answer_headers(poe, record)
    record.finished_at, record.status, record.outcome = poe.now(), 200, "answered"
    if isinstance(said, Refusal):
        record.status, record.outcome = said.status, "refused"
        return Response(
            orjson.dumps({"error": said.error}), said.status, headers | dict(said.headers), "application/json"
        )
    body = said if isinstance(said, bytes) else orjson.dumps(said)
    return Response(body, 200, headers, "application/json")
